"""`python -m curate verify RUN`: recounts everything from the run's files, and compares with manifest, ledger and
dataset.json. It trusts no count that the run has written about itself."""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curate.commands.runs import manifest_of, open_run
from curate.engine.store import Store

HASH_BLOCK = 1 << 22


@dataclass
class Findings:
    """What was counted, and what does not agree."""

    wrong: list[str] = field(default_factory=list)
    counted: dict[str, Any] = field(default_factory=dict)

    def agree(self, what: str, found: Any, stated: Any, by: str) -> None:
        if found != stated:
            self.wrong.append(f"{what}: {found} in the files, {stated} by {by}")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", help="a run's folder, a path or an fsspec URL")
    parser.add_argument("--json", action="store_true", help="findings and counts as JSON")


def run(args: argparse.Namespace) -> int:
    store = open_run(args.run)
    findings = verify(store)
    if args.json:
        print(json.dumps({"wrong": findings.wrong, "counted": findings.counted}, indent=1))
    else:
        for name, value in findings.counted.items():
            print(f"{name}: {_counts(value)}")
        for each in findings.wrong:
            print(f"wrong: {each}")
        wrong = len(findings.wrong)
        do = "thing does" if wrong == 1 else "things do"
        print(f"{wrong} {do} not agree" if wrong else "all counts and hashes agree")
    if findings.wrong:
        print(f"error: {args.run}: {findings.wrong[0]}", file=sys.stderr)
    return 1 if findings.wrong else 0


def _counts(value: Any) -> str:
    return ", ".join(f"{n:,} {what}" for what, n in value.items()) if isinstance(value, dict) else f"{value:,}"


def verify(store: Store) -> Findings:
    """Everything that can be recounted of a run."""
    findings = Findings()
    manifest = manifest_of(store)
    if manifest["state"] != "done":
        findings.wrong.append(f"manifest.json: the run is {manifest['state']!r}, not 'done'; run the recipe again")
        return findings
    readable = _files(store, manifest, findings)
    kept = _ledger(store, manifest, readable, findings)
    if store.exists("tokens/dataset.json"):
        _tokens(store, kept, readable, findings)
    return findings


def _files(store: Store, manifest: dict[str, Any], findings: Findings) -> set[str]:
    """Hash, size and rows of every listed file; files that nothing lists. Answers those that can be read."""
    readable: set[str] = set()
    seen: dict[str, str] = {}
    for entry in manifest["files"]:
        path = entry["path"]
        if path in seen:
            findings.wrong.append(f"{path}: listed twice in manifest.json")
        if not store.exists(path):
            findings.wrong.append(f"{path}: listed in manifest.json, and not there")
            continue
        digest, size = _hash(store, path)
        seen[path] = digest
        findings.agree(f"{path}: bytes", size, entry["bytes"], "manifest.json")
        findings.agree(f"{path}: sha256", digest, entry["sha256"], "manifest.json")
        if not path.endswith(".parquet"):
            continue
        try:
            rows = sum(table.num_rows for table in _row_groups(store, path, None))
        except (pa.ArrowException, OSError) as error:
            findings.wrong.append(f"{path}: cannot be read ({error})")
            continue
        readable.add(path)
        findings.agree(f"{path}: rows", rows, entry["rows"], "manifest.json")
    for folder in ("documents", "ledger", *(f"dropped/{f}" for f in store.folders("dropped")), "failed",
                   *(f"tokens/{f}" for f in store.folders("tokens"))):  # fmt: skip
        for name in store.names(folder):
            if f"{folder}/{name}" not in seen:
                findings.wrong.append(f"{folder}/{name}: there, and not listed in manifest.json")
    findings.counted["files"] = len(seen)
    return readable


def _hash(store: Store, path: str) -> tuple[str, int]:
    digest, size = hashlib.sha256(), 0
    with store.filesystem.open(store.path(path), "rb") as file:
        while block := file.read(HASH_BLOCK):
            digest.update(block)
            size += len(block)
    return digest.hexdigest(), size


def _row_groups(store: Store, path: str, columns: list[str] | None) -> Any:
    with store.open(path) as source:
        file = pq.ParquetFile(source)
        for group in range(file.num_row_groups):
            yield file.read_row_group(group, columns=columns)


def _ids(store: Store, paths: list[str], findings: Findings, what: str) -> set[str]:
    found: Counter[str] = Counter()
    for path in paths:
        for table in _row_groups(store, path, ["id"]):
            found.update(table["id"].to_pylist())
    twice = [each for each, n in found.items() if n > 1]
    if twice:
        findings.wrong.append(f"{what}: {len(twice)} documents are there more than once, such as {twice[0]}")
    return set(found)


def _ledger(store: Store, manifest: dict[str, Any], readable: set[str], findings: Findings) -> set[str]:
    """Verdicts against the folders and the manifest's counts; the ids of the documents kept."""
    by_verdict: dict[str, set[str]] = {"kept": set(), "dropped": set(), "failed": set()}
    stages: Counter[str] = Counter()
    rows = 0
    for path in sorted(p for p in readable if p.startswith("ledger/")):
        for table in _row_groups(store, path, ["id", "verdict", "stage"]):
            rows += table.num_rows
            for verdict, ids in by_verdict.items():
                ids.update(table.filter(pc.equal(table["verdict"], verdict))["id"].to_pylist())
            stages.update(table.filter(pc.equal(table["verdict"], "dropped"))["stage"].to_pylist())
    counts = manifest["counts"]
    findings.counted["ledger"] = {"rows": rows} | {verdict: len(ids) for verdict, ids in by_verdict.items()}
    findings.agree("ledger: rows", rows, counts["read"], "manifest.json (read)")
    findings.agree("ledger: documents, each once", sum(map(len, by_verdict.values())), rows, "the ledger's rows")
    findings.agree("ledger: kept", len(by_verdict["kept"]), counts["kept"], "manifest.json")
    findings.agree("ledger: dropped by stage", dict(stages), counts["dropped"], "manifest.json")
    findings.agree("ledger: failed", len(by_verdict["failed"]), counts["failed"], "manifest.json")
    for folder, verdict in (("documents/", "kept"), ("dropped/", "dropped"), ("failed/", "failed")):
        ids = _ids(store, sorted(p for p in readable if p.startswith(folder)), findings, folder)
        if ids != by_verdict[verdict]:
            findings.wrong.append(
                f"{folder}: {len(ids - by_verdict[verdict])} documents that the ledger does not call {verdict}, and "
                f"{len(by_verdict[verdict] - ids)} that it does are missing"
            )
    return by_verdict["kept"]


def _tokens(store: Store, kept: set[str], readable: set[str], findings: Findings) -> None:
    """Documents, tokens and bytes of each split and domain, from the shards and from the documents' text."""
    dataset = store.read_json("tokens/dataset.json")
    found_hash = hashlib.sha256(store.read_bytes("tokens/tokenizer.json")).hexdigest()
    findings.agree("tokens/tokenizer.json: sha256", found_hash, dataset["tokenizer_hash"], "dataset.json")
    sizes = _text_sizes(store, sorted(p for p in readable if p.startswith("documents/")))
    places: dict[str, str] = {}
    listed: set[str] = set()
    for split, domains in dataset["splits"].items():
        for domain, entry in domains.items():
            counts = np.zeros(3, np.int64)
            for file in entry["files"]:
                path = f"tokens/{file}"
                if path in listed:
                    findings.wrong.append(f"{path}: listed twice in dataset.json")
                listed.add(path)
                if path in readable:
                    counts += _shard(store, path, dataset, sizes, places, findings)
            where = f"tokens, {split}/{domain}"
            for name, value in zip(("documents", "tokens", "bytes"), counts.tolist(), strict=True):
                findings.agree(f"{where}: {name}", value, entry[name], "dataset.json")
        findings.counted[f"tokens, {split}"] = {
            name: sum(entry[name] for entry in domains.values()) for name in ("documents", "tokens", "bytes")
        }
    if set(places) != kept:
        findings.wrong.append(f"tokens: {len(kept - set(places))} kept documents are in no shard, and "
                              f"{len(set(places) - kept)} in the shards were not kept")  # fmt: skip


def _text_sizes(store: Store, paths: list[str]) -> dict[str, int]:
    """id → UTF-8 bytes of the text."""
    sizes: dict[str, int] = {}
    for path in paths:
        for table in _row_groups(store, path, ["id", "text"]):
            lengths = pc.fill_null(pc.binary_length(table["text"]), 0)
            sizes.update(zip(table["id"].to_pylist(), lengths.to_pylist(), strict=True))
    return sizes


def _shard(
    store: Store, path: str, dataset: dict[str, Any], sizes: dict[str, int], places: dict[str, str], findings: Findings
) -> Any:
    """Documents, tokens and bytes of one file, every document checked."""
    counts = np.zeros(3, np.int64)
    for table in _row_groups(store, path, None):
        tokens = table["tokens"].combine_chunks()
        lengths = pc.list_value_length(tokens).to_numpy()
        values = tokens.flatten().to_numpy()
        ends = values[np.cumsum(lengths) - 1] if lengths.all() else np.array([-1])
        if (ends != dataset["eod"]).any() or int(values.max(initial=0)) >= dataset["vocabulary"]:
            findings.wrong.append(f"{path}: a document does not end with token {dataset['eod']}, or a token is over "
                                  f"{dataset['vocabulary'] - 1}")  # fmt: skip
        if not np.array_equal(lengths, table["n_tokens"].to_numpy()):
            findings.wrong.append(f"{path}: n_tokens is not the number of tokens")
        for each, size in zip(table["id"].to_pylist(), table["n_bytes"].to_pylist(), strict=True):
            if each in places:
                findings.wrong.append(f"{path}: document {each} is in {places[each]} too")
            places[each] = path
            if sizes.get(each, size) != size:
                findings.wrong.append(f"{path}: document {each} has {size} bytes, its text {sizes[each]}")
        counts += np.array([table.num_rows, len(values), int(table["n_bytes"].to_numpy().sum())])
    return counts
