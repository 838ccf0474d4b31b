"""`tokenize`: documents to token shards, a folder for each split and files for each domain.

A count of the bytes in each split and domain says how much of each to train the tokenizer on and how many files to
write; then every document is encoded and goes to its file, where documents lie in the order of a seeded hash of
their ids. None of it depends on how the documents were sharded.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from pydantic import model_validator

from curate.stage import (
    Batches,
    Collection,
    Files,
    GlobalContext,
    GlobalOutcome,
    GlobalStage,
    StageParameters,
    parameter,
)
from curate.stages.tokens import tokenizers_bpe
from curate.stages.tokens.splits import SPLITS, SplitBy, group_keys, hash64, split_of

NO_DOMAIN = "all"
"""Domain of documents that carry none."""
ROW_GROUP_BYTES = 4 << 20
BYTES_PER_TOKEN = 4.0
"""A guess, for the number of files alone."""


class TokenizeParameters(StageParameters):
    """Parameters of `tokenize`."""

    tokenizer: str = parameter("train", "`train`, or the path of a tokenizer.json")
    vocabulary: int = parameter(32_000, "tokens of a trained tokenizer, special ones included", unit="tokens", ge=322)
    split_digits: bool = parameter(True, "a trained tokenizer takes each digit for itself", source="LLaMA, §2.1")
    sample_mb: float = parameter(256.0, "text to train the tokenizer on, shared evenly by the domains", unit="MB", gt=0)
    validation: float = parameter(0.01, "share of groups of documents for validation", ge=0, lt=1)
    test: float = parameter(0.01, "share of groups of documents for test", ge=0, lt=1)
    split_by: SplitBy = parameter("host", "what is split as one, beside duplicate clusters: a host, or each document")
    file_mb: float = parameter(256.0, "size of a shard, about", unit="MB", gt=0)
    seed: int = parameter(1, "of the splits, the sample and the order in the shards")

    @model_validator(mode="after")
    def _leaves_training(self) -> TokenizeParameters:
        if self.validation + self.test >= 1:
            raise ValueError(f"validation {self.validation} and test {self.test} leave nothing to train on")
        if self.tokenizer != "train":
            tokenizers_bpe.load(self.tokenizer)
        return self


class Tokenize(GlobalStage):
    """Trains or loads a tokenizer and writes the documents as token shards."""

    name = "tokenize"
    Parameters = TokenizeParameters
    distributions = ("tokenizers",)
    reads = ("id", "text")
    parameters: TokenizeParameters

    def fingerprint(self) -> str:
        if self.parameters.tokenizer == "train":
            return ""
        return hashlib.sha256(tokenizers_bpe.load(self.parameters.tokenizer)).hexdigest()

    def run(self, documents: Collection, context: GlobalContext) -> GlobalOutcome:
        p = self.parameters
        columns = [c for c in ("id", "url", "text", "domain", "cluster", "cluster_size") if c in documents.schema.names]
        counted = documents.map("count", partial(_count, parameters=p), columns=columns)
        available = _sum_by_file(counted)
        if not available:
            raise ValueError(f"{self.label}: no documents are left to tokenize; loosen the filters before it")
        tokenizer = self._tokenizer(documents, columns, available)
        encoder = tokenizers_bpe.Encoder(tokenizer)
        layout = _layout(available, p.file_mb)
        encode = partial(_encode, parameters=p, tokenizer=tokenizer, layout=layout)
        sorted_tokens = documents.exchange(
            "encode", encode, by="file", partitions=len(_names(layout)), sort=["order", "id"], columns=columns
        )
        shards = sorted_tokens.map("shards", _row_groups)
        totals = _totals(shards.map("totals", _total), _names(layout))
        description = {
            "tokenizer_hash": hashlib.sha256(tokenizer).hexdigest(),
            "vocabulary": encoder.vocabulary,
            "eod": encoder.eod,
            "special_tokens": {name: i for i, name in enumerate(tokenizers_bpe.SPECIAL_TOKENS)},
            "dtype": str(_token_type(encoder.vocabulary)),
            "splits": totals,
            "mix": {},
            "recipe_hash": context.recipe_hash,
        }
        return GlobalOutcome(
            files=[Files("tokens", shards, [f"{name}.parquet" for name in _names(layout)])],
            artifacts={
                "tokens/tokenizer.json": tokenizer,
                "tokens/dataset.json": (json.dumps(description, indent=1, sort_keys=True) + "\n").encode(),
            },
            summary=_summary(totals, p, encoder.vocabulary),
        )

    def _tokenizer(self, documents: Collection, columns: list[str], available: Mapping[tuple[str, str], int]) -> bytes:
        p = self.parameters
        if p.tokenizer != "train":
            return tokenizers_bpe.load(p.tokenizer)
        rates = sampling_rates({d: n for (split, d), n in available.items() if split == "train"}, p.sample_mb * 1e6)
        sample = documents.map("sample", partial(_sample, parameters=p, rates=rates), columns=columns)
        rows = sorted(
            (order, text)
            for batch in sample.batches()
            for order, text in zip(batch.column("order").to_pylist(), batch.column("text").to_pylist(), strict=True)
        )
        return tokenizers_bpe.train((text for _, text in rows), p.vocabulary, p.split_digits)


def sampling_rates(available: Mapping[str, int], budget: float) -> dict[str, float]:
    """The share of each domain's bytes to sample, so that domains have equal bytes in the sample as far as they have
    that many: a domain smaller than its share is taken whole, and the others share the rest."""
    rates: dict[str, float] = {}
    left = budget
    for place, (domain, size) in enumerate(sorted(available.items(), key=lambda item: (item[1], item[0]))):
        share = left / (len(available) - place)
        taken = min(float(size), share)
        rates[domain] = taken / size if size else 0.0
        left -= taken
    return rates


def _domains(batch: pa.RecordBatch) -> list[str]:
    if "domain" not in batch.schema.names:
        return [NO_DOMAIN] * batch.num_rows
    return [_safe(value) for value in batch.column("domain").to_pylist()]


def _safe(domain: str | None) -> str:
    """A domain as it can stand in a file's name."""
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in domain or NO_DOMAIN)


def _splits(batch: pa.RecordBatch, p: TokenizeParameters) -> list[str]:
    keys = group_keys(batch, p.split_by)
    return [SPLITS[split_of(key, p.seed, p.validation, p.test)] for key in keys]


def _sizes(batch: pa.RecordBatch) -> list[int]:
    return [len((text or "").encode("utf-8", "surrogatepass")) for text in batch.column("text").to_pylist()]


def _count(batches: Batches, shard: int, parameters: TokenizeParameters) -> Batches:
    """UTF-8 bytes by split and domain."""
    totals: dict[tuple[str, str], int] = {}
    for batch in batches:
        for key, size in zip(zip(_splits(batch, parameters), _domains(batch), strict=True), _sizes(batch), strict=True):
            totals[key] = totals.get(key, 0) + size
    rows = sorted(totals.items())
    yield pa.RecordBatch.from_arrays(
        [
            pa.array([key[0] for key, _ in rows], pa.string()),
            pa.array([key[1] for key, _ in rows], pa.string()),
            pa.array([size for _, size in rows], pa.int64()),
        ],
        names=["split", "domain", "bytes"],
    )


def _sum_by_file(counted: Collection) -> dict[tuple[str, str], int]:
    totals: dict[tuple[str, str], int] = {}
    for batch in counted.batches():
        for row in batch.to_pylist():
            key = (row["split"], row["domain"])
            totals[key] = totals.get(key, 0) + row["bytes"]
    return totals


def _sample(batches: Batches, shard: int, parameters: TokenizeParameters, rates: Mapping[str, float]) -> Batches:
    schema = pa.schema([("order", pa.uint64()), ("text", pa.string())])
    for batch in batches:
        splits, domains = _splits(batch, parameters), _domains(batch)
        orders = [hash64(parameters.seed, "sample", each) for each in batch.column("id").to_pylist()]
        keep = [
            split == "train" and order < rates.get(domain, 0.0) * 2**64
            for split, domain, order in zip(splits, domains, orders, strict=True)
        ]
        rows = pa.RecordBatch.from_arrays([pa.array(orders, pa.uint64()), batch.column("text")], schema=schema)
        yield rows.filter(pa.array(keep, pa.bool_()))


Layout = Mapping[tuple[str, str], tuple[int, int]]
"""(split, domain) → (number of its first file, its files)."""


def _layout(available: Mapping[tuple[str, str], int], file_mb: float) -> Layout:
    layout: dict[tuple[str, str], tuple[int, int]] = {}
    first = 0
    for key in sorted(available):
        files = max(1, -(-int(available[key] / BYTES_PER_TOKEN * 2) // int(file_mb * 1e6)))
        layout[key] = (first, files)
        first += files
    return layout


def _names(layout: Layout) -> list[str]:
    return [f"{split}/{domain}-{n:05d}" for (split, domain), (_, files) in sorted(layout.items()) for n in range(files)]


def _token_type(vocabulary: int) -> pa.DataType:
    return pa.uint16() if vocabulary <= 1 << 16 else pa.uint32()


def _encode(batches: Batches, shard: int, parameters: TokenizeParameters, tokenizer: bytes, layout: Layout) -> Batches:
    encoder = tokenizers_bpe.Encoder(tokenizer)
    dtype = _token_type(encoder.vocabulary)
    for batch in batches:
        splits, domains = _splits(batch, parameters), _domains(batch)
        ids = batch.column("id").to_pylist()
        orders = [hash64(parameters.seed, "order", each) for each in ids]
        files = []
        for split, domain, order in zip(splits, domains, orders, strict=True):
            first, count = layout[split, domain]
            files.append(first + order % count)
        tokens = encoder.encode([text or "" for text in batch.column("text").to_pylist()])
        lengths = np.fromiter((len(each) for each in tokens), np.int32, len(tokens))
        flat = np.concatenate(
            [np.asarray(each, dtype.to_pandas_dtype()) for each in tokens] or [np.zeros(0, np.uint16)]
        )
        offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32)
        yield pa.RecordBatch.from_arrays(
            [
                batch.column("id"),
                pa.array(domains, pa.string()),
                pa.ListArray.from_arrays(pa.array(offsets), pa.array(flat, dtype)),
                pa.array(lengths, pa.int32()),
                pa.array(_sizes(batch), pa.int64()),
                pa.array(files, pa.int32()),
                pa.array(orders, pa.uint64()),
            ],
            names=["id", "domain", "tokens", "n_tokens", "n_bytes", "file", "order"],
        )


def _row_groups(batches: Batches, shard: int) -> Batches:
    """Batches of about ROW_GROUP_BYTES, each a row group of the file, without the columns that only sorted."""
    pending: list[pa.RecordBatch] = []
    size = 0
    told = False
    for batch in batches:
        batch = batch.drop_columns(["file", "order"])
        if not told:
            yield batch.slice(0, 0)
            told = True
        step = max(1, int(ROW_GROUP_BYTES / max(batch.nbytes / max(batch.num_rows, 1), 1)))
        for start in range(0, batch.num_rows, step):
            piece = batch.slice(start, step)
            pending.append(piece)
            size += piece.nbytes
            if size >= ROW_GROUP_BYTES:
                yield pa.concat_batches(pending)
                pending, size = [], 0
    if pending:
        yield pa.concat_batches(pending)


def _total(batches: Batches, shard: int) -> Batches:
    """Documents, tokens and bytes of a file, in one row."""
    sums = np.zeros(3, np.int64)
    for batch in batches:
        tokens = batch.column("n_tokens").to_numpy().sum(dtype=np.int64)
        sums += np.array([batch.num_rows, tokens, batch.column("n_bytes").to_numpy().sum(dtype=np.int64)])
    columns = [pa.array([int(value)], pa.int64()) for value in (shard, *sums)]
    yield pa.RecordBatch.from_arrays(columns, names=["file", "documents", "tokens", "bytes"])


def _totals(collection: Collection, names: list[str]) -> dict[str, dict[str, dict[str, Any]]]:
    """`splits` of dataset.json."""
    splits: dict[str, dict[str, dict[str, Any]]] = {split: {} for split in SPLITS}
    for batch in collection.batches():
        for row in batch.to_pylist():
            split, _, file = names[row["file"]].partition("/")
            domain = file.rpartition("-")[0]
            entry = splits[split].setdefault(domain, {"files": [], "documents": 0, "tokens": 0, "bytes": 0})
            if row["documents"]:
                entry["files"].append(f"{split}/{file}.parquet")
            for key in ("documents", "tokens", "bytes"):
                entry[key] += row[key]
    return splits


def _summary(totals: Mapping[str, Mapping[str, Any]], p: TokenizeParameters, vocabulary: int) -> dict[str, Any]:
    summary: dict[str, Any] = {"vocabulary": vocabulary}
    if p.tokenizer == "train" and vocabulary < p.vocabulary:
        summary["vocabulary_note"] = f"{p.vocabulary} were asked for; the sample holds no more merges than {vocabulary}"
    for split, domains in totals.items():
        for key in ("documents", "tokens", "bytes"):
            summary[f"{split}_{key}"] = sum(entry[key] for entry in domains.values())
        if not domains:
            summary[f"{split}_note"] = f"no document fell to {split}: too few hosts or clusters for its share"
    return summary
