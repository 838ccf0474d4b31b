"""From an arm to training shards: run its recipe, tokenize what it kept, plant what a control arm asks for.

Each arm's recipe extends the base, and all share one phase store, so that a beginning that two arms have in common
is computed once. One tokenizer serves all: bits a byte would be comparable without that, but the models would differ
for a reason that is not the data.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import yaml

from model.ablation import DUPLICATES, NOISE, NULL, Ablation, AblationError, Arm, key_of

END = "<|endoftext|>"
TOKENIZER_SAMPLE_BYTES = 20_000_000
DUPLICATED_DOCUMENTS = 0.01
"""Share of documents of which the arm of planted duplicates holds copies."""

TOKENS = pa.schema(
    [
        ("id", pa.string()),
        ("domain", pa.string()),
        ("tokens", pa.list_(pa.uint16())),
        ("n_tokens", pa.int32()),
        ("n_bytes", pa.int64()),
    ]
)
"""A token shard, as the pipeline's own tokenize stage writes it."""


@dataclass(frozen=True)
class ArmRun:
    """An arm's recipe, carried out."""

    name: str
    folder: Path
    recipe_hash: str
    counts: Mapping[str, Any]
    """The run's manifest: read, kept, dropped by stage and rule, failed."""
    held_out: float = 0.0
    """Share of sites that are kept out of training."""

    def documents(self) -> Iterator[tuple[str, str, str]]:
        """(id, domain, text) of what may be trained on, in file order."""
        for name, domain, url, text in self._rows():
            if not is_held_out(url, self.held_out):
                yield name, domain, text

    def held_out_documents(self) -> Iterator[tuple[str, str, str]]:
        """(id, host, text) of what was kept of the held-out sites."""
        for name, _, url, text in self._rows():
            if is_held_out(url, self.held_out):
                yield name, host_of(url), text

    def _rows(self) -> Iterator[tuple[str, str, str, str]]:
        for path in sorted((self.folder / "documents").rglob("*.parquet")):
            file = pq.ParquetFile(path)
            columns = [name for name in ("id", "domain", "url", "text") if name in file.schema_arrow.names]
            for batch in file.iter_batches(columns=columns):
                ids, texts = batch.column("id").to_pylist(), batch.column("text").to_pylist()
                domains = batch.column("domain").to_pylist() if "domain" in columns else ["all"] * len(ids)
                urls = batch.column("url").to_pylist() if "url" in columns else [""] * len(ids)
                for name, domain, url, text in zip(ids, domains, urls, texts, strict=True):
                    if text:
                        yield name, str(domain or "other"), str(url or ""), text


def host_of(url: str) -> str:
    return (urlsplit(url).hostname or "").removeprefix("www.")


def is_held_out(url: str, share: float) -> bool:
    """Whether the page's site is among the held-out ones; pages without a host never are."""
    host = host_of(url) if share else ""
    return bool(host) and int.from_bytes(hashlib.sha256(host.encode()).digest()[:4]) < share * 2**32


def recipe_of(ablation: Ablation, arm: Arm, folder: Path) -> dict[str, Any]:
    """The recipe file of an arm: the base, extended."""
    base = Path(ablation.base).resolve()
    recipe: dict[str, Any] = {
        "extends": str(base),
        "name": f"{ablation.name}-{folder.name}",
        "output": str(folder / "run"),
        "store": str(folder.parent.parent / "phases"),
        **arm.changes(),
    }
    if ablation.input is not None:
        recipe["input"] = ablation.input
    return recipe


def run_recipe(ablation: Ablation, name: str, arguments: Sequence[str] = ()) -> ArmRun:
    """Carries an arm's recipe out with `python -m curate run`; one that is done already is not done again."""
    folder = Path(ablation.workspace).resolve() / "arms" / name
    folder.mkdir(parents=True, exist_ok=True)
    recipe = folder / "recipe.yaml"
    arm = ablation.arms.get(name, Arm())
    recipe.write_text(yaml.safe_dump(recipe_of(ablation, arm, folder), sort_keys=False), encoding="utf-8")
    command = [sys.executable, "-m", "curate", "run", str(recipe), "--quiet", *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
        raise AblationError(f"arm {name}: {' '.join(command[1:])} ended with {done.returncode}: {' '.join(last)}")
    share = ablation.held_out.share if ablation.held_out else 0.0
    manifest = json.loads((folder / "run" / "manifest.json").read_text(encoding="utf-8"))
    return ArmRun(name, folder / "run", manifest.get("recipe_hash", ""), manifest["counts"], share)


# ---------------------------------------------------------------------------------------- tokens


def train_tokenizer(run: ArmRun, vocabulary: int, path: Path) -> None:
    """Byte-level BPE on the documents of an arm with the lowest hash of their id, 20 MB at most."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

    texts = {name: text for name, _, text in run.documents()}
    sample, size = [], 0
    for name in sorted(texts, key=lambda name: hashlib.sha256(name.encode()).digest()):
        sample.append(texts[name])
        size += len(texts[name].encode())
        if size > TOKENIZER_SAMPLE_BYTES:
            break
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=[END],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(sample, trainer)
    path.write_text(tokenizer.to_str(), encoding="utf-8")


def encode(tokenizer_path: Path, texts: Sequence[str]) -> list[list[int]]:
    """Token ids; the name of the end token, written in a text, is plain text."""
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(tokenizer_path))
    tokenizer.encode_special_tokens = True
    return [encoding.ids for encoding in tokenizer.encode_batch(list(texts), add_special_tokens=False)]


@dataclass(frozen=True)
class TokenShards:
    """An arm's training data."""

    folder: Path
    tokens: int
    documents: int
    bytes: int


def write_shards(
    folder: Path, tokenizer_path: Path, table: pa.Table, vocabulary: int, end: int, recipe_hash: str
) -> TokenShards:
    """`tokens/` as the trainer reads it: one Parquet file a domain, dataset.json, tokenizer.json."""
    folder.mkdir(parents=True, exist_ok=True)
    table = table.sort_by([("domain", "ascending"), ("id", "ascending")])
    train = {}
    for domain in sorted(set(table.column("domain").to_pylist())):
        part = table.filter(pc.equal(table.column("domain"), domain))
        name = f"train/{domain}-00000.parquet"
        (folder / "train").mkdir(exist_ok=True)
        pq.write_table(part, folder / name, compression="zstd")
        train[domain] = {
            "files": [name],
            "tokens": pc.sum(part.column("n_tokens")).as_py(),
            "bytes": pc.sum(part.column("n_bytes")).as_py(),
            "documents": len(part),
        }
    tokenizer = tokenizer_path.read_bytes()
    (folder / "tokenizer.json").write_bytes(tokenizer)
    description = {
        "tokenizer_hash": hashlib.sha256(tokenizer).hexdigest(),
        "vocabulary": vocabulary,
        "eod": end,
        "dtype": "uint16",
        "splits": {"train": train},
        "mix": {},
        "recipe_hash": recipe_hash,
        "content_hash": content_hash(table),
    }
    (folder / "dataset.json").write_text(json.dumps(description, indent=1, sort_keys=True), encoding="utf-8")
    totals = [sum(int(entry[key]) for entry in train.values()) for key in ("tokens", "documents", "bytes")]
    return TokenShards(folder, *totals)


def content_hash(table: pa.Table) -> str:
    """Of the documents and their tokens alone: two arms that keep the same documents train the same models."""
    digest = hashlib.sha256()
    for name, domain, tokens in zip(*(table.column(c).to_pylist() for c in ("id", "domain", "tokens")), strict=True):
        digest.update(f"{name}\0{domain}\0".encode())
        digest.update(np.asarray(tokens, np.uint16).tobytes())
    return digest.hexdigest()


def tokenized(run: ArmRun, tokenizer_path: Path, end: int, min_tokens: int) -> pa.Table:
    """What an arm kept, as rows of a token shard; shorter documents than `min_tokens` are left out."""
    rows: dict[str, list[Any]] = {name: [] for name in TOKENS.names}
    documents = list(run.documents())
    for first in range(0, len(documents), 2000):
        part = documents[first : first + 2000]
        for (name, domain, text), ids in zip(part, encode(tokenizer_path, [d[2] for d in part]), strict=True):
            if len(ids) < min_tokens:
                continue
            for column, value in zip(
                TOKENS.names, (name, domain, [*ids, end], len(ids) + 1, len(text.encode())), strict=True
            ):
                rows[column].append(value)
    if not rows["id"]:
        raise AblationError(f"arm {run.name} kept no document of {min_tokens} tokens; loosen its filters")
    return pa.table(rows, schema=TOKENS)


def planted(control: str, table: pa.Table, ablation: Ablation) -> pa.Table:
    """A control arm's documents, made from the baseline's."""
    if control == NULL:
        return table
    if control == NOISE:
        return _with_noise(table, ablation.controls.noise, ablation.vocabulary)
    assert control == DUPLICATES
    return _with_duplicates(table, ablation.controls.duplicates)


def _with_noise(table: pa.Table, share: float, vocabulary: int) -> pa.Table:
    """Adds documents of uniformly random tokens, of the lengths of real ones, until they make up `share`."""
    rng = np.random.default_rng(0)
    lengths = table.column("n_tokens").to_numpy()
    wanted = lengths.sum() * share / (1 - share)
    rows: dict[str, list[Any]] = {name: [] for name in TOKENS.names}
    domains = table.column("domain").to_pylist()
    end = table.column("tokens")[0].as_py()[-1]
    while sum(rows["n_tokens"]) < wanted:
        at = int(rng.integers(len(lengths)))
        ids = rng.integers(1, vocabulary, int(lengths[at]) - 1)
        ids[ids == end] = 1 if end != 1 else 2
        name = hashlib.sha256(f"noise-{len(rows['id'])}".encode()).hexdigest()[:32]
        values = (name, domains[at], [*ids.tolist(), end], int(lengths[at]), int(lengths[at]) * 4)
        for column, value in zip(TOKENS.names, values, strict=True):
            rows[column].append(value)
    return pa.concat_tables([table, pa.table(rows, schema=TOKENS)])


def _with_duplicates(table: pa.Table, share: float) -> pa.Table:
    """Copies 1 % of the documents (those of the lowest hash) until copies make up `share` of the tokens; as many
    other tokens leave, so that the pool keeps its size."""
    order = sorted(
        range(len(table)),
        key=lambda i: hashlib.sha256(f"duplicates-{table.column('id')[i].as_py()}".encode()).digest(),
    )
    lengths = table.column("n_tokens").to_numpy()
    copied = order[: max(1, round(DUPLICATED_DOCUMENTS * len(order)))]
    budget = int(lengths.sum())
    kept, kept_tokens = list(copied), int(lengths[copied].sum())
    for row in order[len(copied) :]:
        if kept_tokens >= (1 - share) * budget:
            break
        kept.append(row)
        kept_tokens += int(lengths[row])
    rows, names, total, turn = list(kept), table.column("id").take(kept).to_pylist(), kept_tokens, 0
    while total < budget:
        row = copied[turn % len(copied)]
        rows.append(row)
        names.append(hashlib.sha256(f"copy-{turn}-{table.column('id')[row].as_py()}".encode()).hexdigest()[:32])
        total += int(lengths[row])
        turn += 1
    return table.take(rows).set_column(0, "id", pa.array(names, pa.string()))


def identity(shards: TokenShards) -> str:
    """What the models of an arm depend on: the documents, not the recipe that chose them."""
    description = json.loads((shards.folder / "dataset.json").read_text(encoding="utf-8"))
    return key_of({"content": description["content_hash"], "tokenizer": description["tokenizer_hash"]})
