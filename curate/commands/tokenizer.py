"""`python -m curate tokenizer report RUN`: how well a run's tokenizer fits its documents, beside others at hand."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from curate.commands import UsageError
from curate.commands.export import documents
from curate.commands.mix import read_dataset
from curate.commands.runs import finished_run
from curate.engine.store import Store
from curate.stages.tokens.tokenizers_bpe import Encoder
from curate.stages.tokens.tokenizers_read import load

LONGEST = 20
RARE = 1e-7
"""Share of training tokens under which a token is hardly learned (Land & Bartolo 2024 find such by embeddings)."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("what", choices=["report"], help="report")
    parser.add_argument("run", help="a run's folder, with token shards and documents")
    parser.add_argument("--beside", nargs="*", default=[], metavar="FILE", help="further tokenizers to compare with")
    parser.add_argument("--documents", type=int, default=2000, help="documents to measure on; default: 2000")
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(args: argparse.Namespace) -> int:
    store = finished_run(args.run)
    dataset = read_dataset(store)
    encoders = {"this run": Encoder(store.read_bytes("tokens/tokenizer.json"))}
    encoders |= {Path(file).name: Encoder(load(file)) for file in args.beside}
    rows = _sample(store, args.documents)
    if not rows:
        raise UsageError(f"{args.run}: no documents there to measure a tokenizer on")
    report = {name: _fit(encoder, rows) for name, encoder in encoders.items()}
    content = {
        "documents": len(rows),
        "tokenizers": report,
        "vocabulary": _vocabulary(store, dataset, encoders["this run"]),
    }
    print(json.dumps(content, indent=1, ensure_ascii=False) if args.json else _text(content))
    return 0


def _sample(store: Store, limit: int) -> list[dict[str, Any]]:
    """The first row groups' documents of every file in turn, up to `limit`."""
    rows: list[dict[str, Any]] = []
    names = store.names("documents")
    for name in names:
        with store.open(f"documents/{name}") as source:
            file = pq.ParquetFile(source)
            wanted = [c for c in ("text", "domain", "language") if c in file.schema_arrow.names]
            batch = next(file.iter_batches(batch_size=max(1, limit // len(names)), columns=wanted), None)
            rows += batch.to_pylist() if batch is not None else []
    return [row for row in rows if row["text"]]


def _fit(encoder: Encoder, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Bytes per token and fertility (tokens per word between white space), in all and by domain and language."""
    counts: dict[str, list[int]] = {}
    for row, ids in zip(rows, encoder.encode([row["text"] for row in rows]), strict=True):
        keys = ["all", *(f"{c} {row[c]}" for c in ("domain", "language") if row.get(c))]
        for key in keys:
            entry = counts.setdefault(key, [0, 0, 0])
            entry[0] += len(row["text"].encode())
            entry[1] += len(ids) - 1
            entry[2] += len(row["text"].split())
    return {
        key: {"bytes_per_token": round(size / max(tokens, 1), 4), "fertility": round(tokens / max(words, 1), 4)}
        for key, (size, tokens, words) in sorted(counts.items())
    }


def _vocabulary(store: Store, dataset: dict[str, Any], encoder: Encoder) -> dict[str, Any]:
    """Tokens of the vocabulary that the training shards hardly hold, and the longest."""
    uses = np.zeros(encoder.vocabulary, np.int64)
    for tokens, _ in documents(store, dataset, "train"):
        uses += np.bincount(tokens, minlength=encoder.vocabulary)
    special = set(encoder.special_tokens.values())
    texts = {i: encoder.decode([i]) for i in range(encoder.vocabulary) if i not in special}
    unused = [i for i in texts if not uses[i]]
    rare = [i for i in texts if uses[i] <= max(1, RARE * uses.sum()) and len(texts[i]) > 1 and "\ufffd" not in texts[i]]
    longest = sorted(texts, key=lambda i: (-len(texts[i]), i))[:LONGEST]
    return {
        "size": encoder.vocabulary,
        "unused": len(unused),
        "longest": {texts[i]: int(uses[i]) for i in longest},
        "glitch_candidates": dict(Counter({texts[i]: int(uses[i]) for i in rare}).most_common()[-LONGEST:]),
    }


def _text(content: dict[str, Any]) -> str:
    lines = [f"{content['documents']} documents; bytes per token, and tokens per word:"]
    names = list(content["tokenizers"])
    for key in content["tokenizers"][names[0]]:
        cells = [content["tokenizers"][name][key] for name in names]
        lines.append(f"  {key:28}" + "".join(f"{c['bytes_per_token']:>8.3f} {c['fertility']:>7.3f}" for c in cells))
    lines.insert(1, "  " + " " * 28 + "".join(f"{name[:16]:>16}" for name in names))
    v = content["vocabulary"]
    lines.append(f"{v['size']} tokens, {v['unused']} of them unused in the training shards")
    lines.append("longest, with their uses: " + ", ".join(f"{text!r} {n}" for text, n in v["longest"].items()))
    lines.append("glitch candidates: " + (", ".join(f"{t!r} {n}" for t, n in v["glitch_candidates"].items()) or "none"))
    return "\n".join(lines)
