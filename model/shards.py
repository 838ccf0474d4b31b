"""The token shards: `TokenDataset` reads a `tokens/` folder and checks it against what its writer states of it."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq


class DataError(ValueError):
    """The token shards are not what the trainer needs; the message names the file, what was found and what to do."""


@dataclass(frozen=True)
class DomainShards:
    """One domain of one split."""

    files: list[str]
    """Parquet files, relative to the folder of dataset.json."""
    tokens: int
    """Tokens in those files, ends of documents included."""
    bytes: int
    """UTF-8 bytes of the documents' text."""
    documents: int


@dataclass(frozen=True)
class DatasetDescription:
    """`tokens/dataset.json`: what the writer of shards states, and the trainer relies on. Further keys are ignored."""

    tokenizer_hash: str
    """SHA-256, in hex, of the bytes of `tokenizer.json` beside it."""
    vocabulary: int
    """Every token id is below this."""
    eod: int
    """Id of the end-of-document token, the last token of every document."""
    dtype: str
    """`uint16` or `uint32`: the value type of the column `tokens`."""
    splits: dict[str, dict[str, DomainShards]]
    """`train`, `validation`, `test` → domain → its shards."""
    mix: dict[str, float] = field(default_factory=dict)
    """Domain → share of training tokens, summing to 1; empty: as the tokens lie (natural)."""
    recipe_hash: str = ""
    """Hash of the recipe that made the shards; copied into every run for provenance."""

    @classmethod
    def parse(cls, text: str, where: str) -> DatasetDescription:
        """Read the JSON; `DataError` names the key that is missing or of the wrong kind."""
        try:
            raw = json.loads(text)
            known = {f.name: raw[f.name] for f in fields(cls) if f.name in raw}
            known["splits"] = {
                split: {
                    domain: DomainShards(**{f.name: entry[f.name] for f in fields(DomainShards)})
                    for domain, entry in domains.items()
                }
                for split, domains in raw["splits"].items()
            }
            description = cls(**known)
        except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
            raise DataError(
                f"{where}: not a dataset description ({error!r}); needed: {[f.name for f in fields(cls)]}"
            ) from error
        if description.dtype not in ("uint16", "uint32"):
            raise DataError(f"{where}: dtype is {description.dtype!r}; allowed: uint16, uint32")
        if not 0 <= description.eod < description.vocabulary:
            raise DataError(f"{where}: eod {description.eod} lies outside the vocabulary of {description.vocabulary}")
        return description


@dataclass(frozen=True)
class Documents:
    """One split: parallel arrays over documents, and their tokens end to end (in memory, or mapped from a file)."""

    ids: np.ndarray
    """Document ids, fixed-width bytes."""
    domain: np.ndarray
    """Index into `TokenDataset.domains`, int16."""
    start: np.ndarray
    """First token of each document in `tokens`, int64."""
    n_tokens: np.ndarray
    n_bytes: np.ndarray
    tokens: np.ndarray
    """uint16 or uint32."""

    def __len__(self) -> int:
        return len(self.ids)

    def of(self, document: int) -> np.ndarray:
        """The tokens of one document, its end included."""
        return self.tokens[self.start[document] : self.start[document] + self.n_tokens[document]]


class TokenDataset:
    """A `tokens/` folder, at a local path or any fsspec URL.

    `in_memory_bytes`: a split whose tokens take more is laid out once in a memory-mapped scratch file instead.
    """

    def __init__(self, path: str | Path, in_memory_bytes: int = 4 << 30) -> None:
        self.path = str(path).rstrip("/")
        self.fs, self.root = fsspec.core.url_to_fs(self.path)
        where = f"{self.path}/dataset.json"
        self.description = DatasetDescription.parse(self._read("dataset.json").decode(), where)
        self.tokenizer = self._read("tokenizer.json")
        found = hashlib.sha256(self.tokenizer).hexdigest()
        if found != self.description.tokenizer_hash:
            raise DataError(
                f"{self.path}: shards were made with tokenizer {self.description.tokenizer_hash[:12]}…, but "
                f"tokenizer.json is {found[:12]}…; put the tokenizer of these shards beside them, or tokenize again"
            )
        self.domains = sorted({domain for split in self.description.splits.values() for domain in split})
        self.hash = hashlib.sha256(self._read("dataset.json")).hexdigest()
        """Identity of the data: checkpoints remember it."""
        self._in_memory_bytes = in_memory_bytes
        self._splits: dict[str, Documents] = {}

    def _read(self, name: str) -> bytes:
        try:
            return bytes(self.fs.cat_file(f"{self.root}/{name}"))
        except (FileNotFoundError, NotADirectoryError) as error:
            raise DataError(f"{self.path}: no {name} there; give the tokens/ folder of a curate run") from error

    def split(self, name: str) -> Documents:
        """Load a split, checked against dataset.json. Raises `DataError`: absent or empty split, truncated file, counts
        that differ, ids outside the vocabulary, a document that does not end with the end-of-document token."""
        if name not in self._splits:
            self._splits[name] = self._load(name)
        return self._splits[name]

    def _load(self, name: str) -> Documents:
        splits = self.description.splits
        if name not in splits or not sum(shards.documents for shards in splits[name].values()):
            raise DataError(
                f"{self.path}: split {name!r} is empty; splits with documents: "
                f"{[s for s, d in splits.items() if sum(e.documents for e in d.values())]}"
            )
        total = sum(shards.tokens for shards in splits[name].values())
        dtype = np.dtype(self.description.dtype)
        if total * dtype.itemsize <= self._in_memory_bytes:
            tokens = np.empty(total, dtype)
        else:
            scratch = tempfile.TemporaryFile(suffix=".tokens")  # noqa: SIM115 - lives as long as the map; the system removes it
            tokens = np.memmap(scratch, dtype, "w+", shape=(total,))
        ids, domains, lengths, sizes, filled = [], [], [], [], 0
        for domain, shards in sorted(splits[name].items()):
            before, documents = filled, 0
            for file in shards.files:
                for table in self._row_groups(file):
                    values = table["tokens"].combine_chunks().flatten().to_numpy(zero_copy_only=False)
                    if filled + len(values) > total or not len(values):
                        raise DataError(f"{self.path}/{file}: more tokens than dataset.json states for {name}/{domain}")
                    tokens[filled : filled + len(values)] = values
                    filled += len(values)
                    documents += len(table)
                    ids.append(np.array(table["id"].to_pylist(), dtype="S"))
                    domains.append(np.full(len(table), self.domains.index(domain), np.int16))
                    lengths.append(table["n_tokens"].to_numpy().astype(np.int64))
                    sizes.append(table["n_bytes"].to_numpy().astype(np.int64))
            found = (filled - before, documents)
            if found != (shards.tokens, shards.documents):
                raise DataError(
                    f"{self.path}: {name}/{domain} holds {found} tokens and documents, dataset.json states "
                    f"{(shards.tokens, shards.documents)}; a file is missing, truncated or repeated"
                )
        n_tokens = np.concatenate(lengths)
        start = np.cumsum(n_tokens) - n_tokens
        ends = start + n_tokens - 1
        if n_tokens.min() < 1 or int(n_tokens.sum()) != total or (tokens[ends] != self.description.eod).any():
            raise DataError(
                f"{self.path}: a document of {name} does not end with token {self.description.eod} (eod), or "
                "its n_tokens is wrong; were the shards written by another tokenizer?"
            )
        if int(tokens.max()) >= self.description.vocabulary:
            raise DataError(
                f"{self.path}: {name} holds token {tokens.max()}, the vocabulary is {self.description.vocabulary}; "
                "were the shards written by another tokenizer?"
            )
        return Documents(np.concatenate(ids), np.concatenate(domains), start, n_tokens, np.concatenate(sizes), tokens)

    def _row_groups(self, file: str) -> Iterator[pa.Table]:
        try:
            with self.fs.open(f"{self.root}/{file}", "rb") as handle:
                parquet = pq.ParquetFile(handle)
                for group in range(parquet.num_row_groups):
                    table = parquet.read_row_group(group, columns=["id", "tokens", "n_tokens", "n_bytes"])
                    if len(table):
                        yield table
        except (pa.ArrowException, OSError, KeyError) as error:
            raise DataError(f"{self.path}/{file}: cannot be read, is it truncated? ({error})") from error

    def weights(self, mix: str | Mapping[str, float]) -> dict[str, float] | None:
        """Shares by domain; None: every document equally often. `mix`: `natural`, `dataset` or shares by domain."""
        if mix == "natural" or (mix == "dataset" and not self.description.mix):
            return None
        if isinstance(mix, str) and mix != "dataset":
            raise DataError(f"mix is {mix!r}; allowed: natural, dataset, or a mapping from domain to share")
        shares = self.description.mix if isinstance(mix, str) else mix
        available = {d for d, shards in self.description.splits.get("train", {}).items() if shards.tokens}
        if unknown := sorted(d for d, share in shares.items() if share > 0 and d not in available):
            raise DataError(
                f"mix names {unknown}, which have no training tokens; domains with tokens: {sorted(available)}"
            )
        if abs(sum(shares.values()) - 1) > 1e-6 or min(shares.values()) < 0:
            raise DataError(f"mix shares must be ≥ 0 and sum to 1; they sum to {sum(shares.values()):.6f}")
        return {domain: share for domain, share in shares.items() if share > 0}
