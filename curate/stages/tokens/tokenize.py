"""`tokenize`: documents to token shards, a folder for each split and files for each domain.

A count of the bytes in each split and domain says how much of each to train the tokenizer on and how many files to
write; then every document is encoded and goes to its file, where documents lie in the order of a seeded hash of
their ids. None of it depends on how the documents were sharded. A mix that was asked for before it is made exact here,
where the tokens of each domain are known.
"""

from __future__ import annotations

import hashlib
import json
import logging
import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from pydantic import model_validator

from curate.stage import (
    MISSED,
    Batches,
    Collection,
    Files,
    GlobalContext,
    GlobalOutcome,
    GlobalStage,
    StageParameters,
    parameter,
)
from curate.stages.mix.allocation import MixError
from curate.stages.mix.plan import MixParameters, mix, weights_of
from curate.stages.tokens import tokenizers_bpe, tokenizers_read
from curate.stages.tokens.domains import domains_of
from curate.stages.tokens.materialise import materialise
from curate.stages.tokens.packing import pack
from curate.stages.tokens.shards import Layout, layout_of, names_of, row_groups, token_type, total, totals_of
from curate.stages.tokens.splits import SPLITS, SplitBy, group_keys, hash64, split_of

PLAN = "mix_plan"
"""Column in which the stage `mix` hands its parameters on."""
CLUSTER_WEIGHTS: Mapping[str, Callable[[float], float]] = {
    "none": lambda n: 1.0,
    "log2": lambda n: 1.0 + math.log2(n),
    "sqrt": math.sqrt,
}
"""What a document that was duplicated n times counts for."""


READS = ("id", "url", "text", "domain", "cluster", "cluster_size")


class TokenizeParameters(StageParameters):
    """Parameters of `tokenize`."""

    tokenizer: str = parameter(
        "train", "`train`, or the path of a tokenizer.json, a tiktoken encoding (.tiktoken) or a SentencePiece .model"
    )
    vocabulary: int = parameter(32_000, "tokens of a trained tokenizer, special ones included", unit="tokens", ge=322)
    split_digits: bool = parameter(True, "a trained tokenizer takes each digit for itself", source="LLaMA, §2.1")
    sample_mb: float = parameter(256.0, "text to train the tokenizer on, shared evenly by the domains", unit="MB", gt=0)
    validation: float = parameter(0.01, "share of groups of documents for validation", ge=0, lt=1)
    test: float = parameter(0.01, "share of groups of documents for test", ge=0, lt=1)
    split_by: SplitBy = parameter("host", "what is split as one, beside duplicate clusters: a host, or each document")
    file_mb: float = parameter(256.0, "size of a shard, about", unit="MB", gt=0)
    dtype: Literal["auto", "uint16", "uint32"] = parameter("auto", "of the tokens; auto: uint16 where the ids fit")
    pack: int | None = parameter(
        None, "also write rows of this many tokens, documents end to end, under tokens/packed-N/", unit="tokens", ge=2
    )
    seed: int = parameter(1, "of the splits, the sample and the order in the shards")

    @model_validator(mode="after")
    def _leaves_training(self) -> TokenizeParameters:
        if self.validation + self.test >= 1:
            raise ValueError(f"validation {self.validation} and test {self.test} leave nothing to train on")
        vocabulary = self.vocabulary
        if self.tokenizer != "train":
            vocabulary = tokenizers_bpe.Encoder(tokenizers_read.load(self.tokenizer), "tokenizers").vocabulary
        if self.dtype == "uint16" and vocabulary > 1 << 16:
            raise ValueError(
                f"dtype uint16 holds ids up to 65535, and the tokenizer has {vocabulary} tokens; allowed: uint32, or a "
                "vocabulary of at most 65536"
            )
        return self


class Tokenize(GlobalStage):
    """Trains or loads a tokenizer and writes the documents as token shards."""

    name = "tokenize"
    Parameters = TokenizeParameters
    distributions = ("tokenizers", "tiktoken")
    reads = ("id", "text")
    parameters: TokenizeParameters

    def fingerprint(self) -> str:
        if self.parameters.tokenizer == "train":
            return ""
        return hashlib.sha256(tokenizers_read.load(self.parameters.tokenizer)).hexdigest()

    def run(self, documents: Collection, context: GlobalContext) -> GlobalOutcome:
        p = self.parameters
        columns = [c for c in READS if c in documents.schema.names]
        plan = self._plan(documents)
        weight = "none" if plan is None else plan.cluster_weight
        counted = documents.map("count", partial(_count, parameters=p, cluster_weight=weight), columns=columns)
        available = _sum_by_file(counted, "bytes")
        if not available:
            # The run is published all the same: its report says where the documents went.
            return GlobalOutcome(summary={MISSED: "no documents were left to tokenize"})
        tokenizer = self._tokenizer(documents, columns, available)
        encoder = tokenizers_bpe.Encoder(tokenizer)
        dtype = token_type(encoder.vocabulary) if p.dtype == "auto" else pa.type_for_alias(p.dtype)
        layout = layout_of(available, p.file_mb)
        names = [f"{name}.parquet" for name in names_of(layout)]
        if encoder.why_slow:
            logging.getLogger(__name__).warning("%s: encoding by tokenizers, slowly: %s", self.label, encoder.why_slow)
        encode = partial(
            _encode, parameters=p, tokenizer=tokenizer, library=encoder.library, dtype=dtype, layout=layout
        )
        sorted_tokens = documents.exchange(
            "encode", encode, by="file", partitions=len(names), sort=["order", "id"], columns=columns
        )
        shards = sorted_tokens.map("shards", row_groups)
        totals = totals_of(shards.map("totals", total), names_of(layout))
        description = {
            "tokenizer_hash": hashlib.sha256(tokenizer).hexdigest(),
            "vocabulary": encoder.vocabulary,
            "eod": encoder.eod,
            "special_tokens": encoder.special_tokens,
            "dtype": str(dtype),
            "splits": totals,
            "mix": {},
            "recipe_hash": context.recipe_hash,
        }
        files = [Files("tokens", shards, names)]
        if p.pack is not None:
            packed = shards.map("packed", partial(pack, length=p.pack, eod=encoder.eod))
            files.append(Files(f"tokens/packed-{p.pack}", packed, names))
        artifacts = {"tokens/tokenizer.json": tokenizer}
        summary = _summary(totals, p, encoder)
        if plan is not None:
            weighted = _sum_by_file(counted, "weighted_bytes")
            train = {domain: size for (split, domain), size in weighted.items() if split == "train"}
            content = self._mixed(plan, totals["train"], train)
            description["mix"] = weights_of(content)
            if plan.materialise:
                taken = {domain: entry["tokens"] for domain, entry in content["domains"].items()}
                training = [i for i, name in enumerate(names) if name.startswith("train/")]
                mixed, written = materialise(shards, training, taken, p.seed, p.file_mb)
                files.append(Files("tokens/mixed", mixed, [f"train-{i:05d}.parquet" for i in range(mixed.n_shards)]))
                for domain, entry in content["domains"].items():
                    entry["materialised_tokens"] = written.get(domain, 0)
            artifacts["mix.json"] = _json(content)
            summary["mix"] = content["domains"]
        artifacts["tokens/dataset.json"] = _json(description)
        return GlobalOutcome(files=files, artifacts=artifacts, summary=summary)

    def _plan(self, documents: Collection) -> MixParameters | None:
        """What the stage `mix` before this one asks for."""
        if PLAN not in documents.schema.names:
            return None
        for batch in documents.batches([PLAN]):
            if batch.num_rows:
                return MixParameters.model_validate_json(batch.column(PLAN)[0].as_py())
        return None

    def _mixed(
        self, plan: MixParameters, train: Mapping[str, Mapping[str, Any]], weighted: Mapping[str, int]
    ) -> dict[str, Any]:
        """The content of mix.json for the tokens that came out."""
        tokens = {domain: entry["tokens"] for domain, entry in train.items()}
        sizes = None
        if plan.cluster_weight != "none":
            # Documents weigh by their bytes; a domain has the same tokens to a byte throughout, about.
            sizes = {d: weighted[d] * n // max(train[d]["bytes"], 1) for d, n in tokens.items()}
        try:
            return mix(plan, tokens, sizes)
        except MixError as error:
            raise MixError(f"mix: {error} (counted in the training split)") from error

    def _tokenizer(self, documents: Collection, columns: list[str], available: Mapping[tuple[str, str], int]) -> bytes:
        p = self.parameters
        if p.tokenizer != "train":
            return tokenizers_read.load(p.tokenizer)
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


def _splits(batch: pa.RecordBatch, p: TokenizeParameters) -> list[str]:
    keys = group_keys(batch, p.split_by)
    return [SPLITS[split_of(key, p.seed, p.validation, p.test)] for key in keys]


def _sizes(batch: pa.RecordBatch) -> list[int]:
    return [len((text or "").encode("utf-8", "surrogatepass")) for text in batch.column("text").to_pylist()]


def _json(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=1, sort_keys=True) + "\n").encode()


def _count(batches: Batches, shard: int, parameters: TokenizeParameters, cluster_weight: str) -> Batches:
    """UTF-8 bytes by split and domain, and as many again with each document weighted by its cluster."""
    totals: dict[tuple[str, str], list[int]] = {}
    weigh = CLUSTER_WEIGHTS[cluster_weight]
    for batch in batches:
        sizes = _sizes(batch)
        clusters = batch.column("cluster_size").to_pylist() if cluster_weight != "none" else [1] * len(sizes)
        keys = zip(_splits(batch, parameters), domains_of(batch), strict=True)
        for key, size, duplicates in zip(keys, sizes, clusters, strict=True):
            entry = totals.setdefault(key, [0, 0])
            entry[0] += size
            entry[1] += round(size * weigh(max(duplicates or 1, 1)))
    rows = sorted(totals.items())
    yield pa.RecordBatch.from_arrays(
        [
            pa.array([key[0] for key, _ in rows], pa.string()),
            pa.array([key[1] for key, _ in rows], pa.string()),
            pa.array([entry[0] for _, entry in rows], pa.int64()),
            pa.array([entry[1] for _, entry in rows], pa.int64()),
        ],
        names=["split", "domain", "bytes", "weighted_bytes"],
    )


def _sum_by_file(counted: Collection, column: str) -> dict[tuple[str, str], int]:
    totals: dict[tuple[str, str], int] = {}
    for batch in counted.batches():
        for row in batch.to_pylist():
            key = (row["split"], row["domain"])
            totals[key] = totals.get(key, 0) + row[column]
    return totals


def _sample(batches: Batches, shard: int, parameters: TokenizeParameters, rates: Mapping[str, float]) -> Batches:
    schema = pa.schema([("order", pa.uint64()), ("text", pa.string())])
    for batch in batches:
        splits, domains = _splits(batch, parameters), domains_of(batch)
        orders = [hash64(parameters.seed, "sample", each) for each in batch.column("id").to_pylist()]
        keep = [
            split == "train" and order < rates.get(domain, 0.0) * 2**64
            for split, domain, order in zip(splits, domains, orders, strict=True)
        ]
        rows = pa.RecordBatch.from_arrays([pa.array(orders, pa.uint64()), batch.column("text")], schema=schema)
        yield rows.filter(pa.array(keep, pa.bool_()))


def _encode(
    batches: Batches,
    shard: int,
    parameters: TokenizeParameters,
    tokenizer: bytes,
    library: tokenizers_bpe.Library,
    dtype: pa.DataType,
    layout: Layout,
) -> Batches:
    encoder = tokenizers_bpe.opened(tokenizer, library)
    for batch in batches:
        splits, domains = _splits(batch, parameters), domains_of(batch)
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


def _summary(
    totals: Mapping[str, Mapping[str, Any]], p: TokenizeParameters, encoder: tokenizers_bpe.Encoder
) -> dict[str, Any]:
    summary: dict[str, Any] = {"vocabulary": encoder.vocabulary, "encoded_by": encoder.library}
    if encoder.why_slow:
        summary["encoded_by_note"] = f"tiktoken would be several times faster, but is not used: {encoder.why_slow}"
    if p.tokenizer == "train" and encoder.vocabulary < p.vocabulary:
        summary["vocabulary_note"] = (
            f"{p.vocabulary} were asked for; the sample holds no more merges than {encoder.vocabulary}"
        )
    for split, domains in totals.items():
        for key in ("documents", "tokens", "bytes"):
            summary[f"{split}_{key}"] = sum(entry[key] for entry in domains.values())
        if not domains:
            summary[f"{split}_note"] = f"no document fell to {split}: too few hosts or clusters for its share"
    return summary
