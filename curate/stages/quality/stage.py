"""`quality`: a score for each document, and what to keep by it; `classify`: any fastText classifier's answer as
columns; `domains`: what kind of document it is."""

from __future__ import annotations

import hashlib
import math
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from pydantic import model_validator

from curate.stage import (
    VERDICTS,
    Batches,
    Collection,
    FilterParameters,
    GlobalContext,
    GlobalOutcome,
    GlobalStage,
    MapStage,
    Resources,
    Rule,
    Shared,
    Stage,
    StageParameters,
    as_text,
    parameter,
    with_column,
)
from curate.stages.quality.fasttext_model import FastTextModel, find
from curate.stages.quality.sequence_model import SequenceModel, model_hash


class _Scoring(MapStage):
    """What stages with one fastText model have in common."""

    distributions = ("fasttext-numpy2-wheel",)
    model: FastTextModel | SequenceModel

    def model_name(self) -> str:
        """Name or path of the model."""
        raise NotImplementedError

    def fingerprint(self) -> str:
        return hashlib.sha256(find(self.model_name()).read_bytes()).hexdigest()

    def open(self) -> None:
        self.model = FastTextModel(find(self.model_name()))


class QualityParameters(FilterParameters):
    """Parameters of `quality`."""

    model: str = parameter("wikipedia_reference", "a bundled model, or the path of a fastText file with two labels")
    threshold: float | None = parameter(None, "least score that a document keeps", role="decide", ge=0, le=1)
    keep_top: float | None = parameter(
        None, "share of the documents to keep, the best by score over the whole collection", role="decide", gt=0, le=1
    )
    sample: Literal["none", "pareto"] = parameter(
        "none",
        "`pareto`: keep a document if a Pareto draw exceeds 1 - score, so that some low ones stay",
        role="decide",
        source="Brown et al. 2020 (GPT-3), appendix A",
    )
    pareto_shape: float = parameter(9.0, "shape of the Pareto draw", role="decide", source="GPT-3, appendix A", gt=0)
    seed: int = parameter(1, "of the Pareto draw, which depends on the document's id alone", role="decide")

    @model_validator(mode="after")
    def _one_way(self) -> QualityParameters:
        ways = [self.threshold is not None, self.keep_top is not None, self.sample == "pareto"]
        if sum(ways) > 1:
            raise ValueError("takes one of threshold, keep_top and sample: pareto, not several")
        return self


class Quality(_Scoring):
    """Scores each document by a fastText model (column `score`, calibrated) and keeps by it, if asked to."""

    name = "quality"
    Parameters = QualityParameters
    model: FastTextModel
    reads = ("id", "text")
    parameters: QualityParameters

    def model_name(self) -> str:
        return self.parameters.model

    def parts(self) -> tuple[Stage, ...]:
        p = self.parameters
        if p.keep_top is None or p.mode == "annotate":
            return (self,)
        return (self, KeepTop(KeepTopParameters(share=p.keep_top, column=self.label), f"{self.label}_top"))

    def open(self) -> None:
        super().open()
        _ = self.model.positive  # a model of many labels is refused before any document

    def measure(self, batch: pa.RecordBatch, shared: Shared) -> pa.StructArray:
        scores = self.model.scores(batch.column("text"))
        columns, names = [pa.array(scores, pa.float64())], ["score"]
        if self.parameters.sample == "pareto":
            ids = batch.column("id").to_pylist()
            margin = [self._margin(each, score) for each, score in zip(ids, scores, strict=True)]
            columns.append(pa.array(margin, pa.float64()))
            names.append("pareto_margin")
        return pa.StructArray.from_arrays(columns, names=names)

    def _margin(self, document: str, score: float) -> float:
        """Pareto draw minus (1 - score); positive keeps. The draw is numpy's: Pareto II (Lomax) of the shape."""
        data = f"{self.parameters.seed}:{document}".encode()
        uniform = (int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little") + 0.5) / 2**64
        return math.pow(uniform, -1 / self.parameters.pareto_shape) - 1 - (1 - score)

    def rules(self) -> list[Rule]:
        p = self.parameters
        if p.threshold is not None:
            return [Rule("low_score", "score", ">=", p.threshold, "threshold")]
        if p.sample == "pareto":
            return [Rule("pareto", "pareto_margin", ">", 0.0)]
        return []


class KeepTopParameters(StageParameters):
    """Parameters of the second half of `quality: {keep_top: …}`."""

    share: float = parameter(..., "share of the documents to keep", gt=0, le=1)
    column: str = parameter("quality", "the struct column whose `score` counts")


class KeepTop(GlobalStage):
    """Keeps the best share of the collection, exactly: ties at the border are decided by id."""

    name = "keep_top"
    Parameters = KeepTopParameters
    parameters: KeepTopParameters

    @property
    def _column(self) -> str:
        return self.parameters.column

    def run(self, documents: Collection, context: GlobalContext) -> GlobalOutcome:
        columns = ["id", "row", self._column]
        counts = np.zeros(_BINS, np.int64)
        for batch in documents.map("histogram", partial(_histogram, column=self._column), columns=columns).batches():
            np.add.at(counts, batch.column("bin").to_numpy(), batch.column("count").to_numpy())
        wanted = math.ceil(counts.sum() * self.parameters.share)
        above = counts.sum() - np.cumsum(counts)
        border = int(np.argmax(above < wanted)) if wanted else _BINS - 1
        # Only the bin that the border falls into needs its documents ordered.
        at_border = documents.map("border", partial(_in_bin, column=self._column, which=border), columns=columns)
        ordered = sorted(
            ((-score, document) for batch in at_border.batches() for score, document in _pairs(batch)),
        )
        last = ordered[wanted - int(above[border]) - 1] if ordered else (0.0, "")
        threshold = -last[0]
        drop = documents.map("verdicts", partial(_below, column=self._column, last=last), columns=columns)
        return GlobalOutcome(verdicts=drop, summary={"kept": wanted, "of": int(counts.sum()), "threshold": threshold})


_BINS = 65_536


def _bins(scores: np.ndarray) -> np.ndarray:
    return np.minimum((scores * _BINS).astype(np.int64), _BINS - 1)


def _scores(batch: pa.RecordBatch, column: str) -> np.ndarray:
    return np.asarray(batch.column(column).field("score").to_numpy(zero_copy_only=False))


def _pairs(batch: pa.RecordBatch) -> list[tuple[float, str]]:
    return list(zip(batch.column("score").to_pylist(), batch.column("id").to_pylist(), strict=True))


def _histogram(batches: Batches, shard: int, column: str) -> Batches:
    counts = np.zeros(_BINS, np.int64)
    for batch in batches:
        np.add.at(counts, _bins(_scores(batch, column)), 1)
    found = np.flatnonzero(counts)
    yield pa.RecordBatch.from_arrays([pa.array(found), pa.array(counts[found])], names=["bin", "count"])


def _in_bin(batches: Batches, shard: int, column: str, which: int) -> Batches:
    for batch in batches:
        scores = _scores(batch, column)
        mask = pa.array(_bins(scores) == which)
        rows = pa.RecordBatch.from_arrays([batch.column("id"), pa.array(scores, pa.float64())], names=["id", "score"])
        yield rows.filter(mask)


def _below(batches: Batches, shard: int, column: str, last: tuple[float, str]) -> Batches:
    schema = pa.schema([("row", pa.int64()), *VERDICTS])
    threshold = as_text(-last[0])
    for batch in batches:
        scores, ids, rows = _scores(batch, column), batch.column("id").to_pylist(), batch.column("row").to_pylist()
        gone = [i for i, each in enumerate(ids) if (-scores[i], each) > last]
        table: dict[str, Any] = {
            "row": [rows[i] for i in gone],
            "rule": ["not_in_top"] * len(gone),
            "value": [as_text(float(scores[i])) for i in gone],
            "threshold": [threshold] * len(gone),
            "duplicate_of": [None] * len(gone),
        }
        yield pa.RecordBatch.from_pydict(table, schema=schema)


class ClassifyParameters(StageParameters):
    """Parameters of `classify`."""

    model: str = parameter(..., "a bundled model, the path of a fastText file, or a folder of a transformers model")
    engine: Literal["fasttext", "transformers"] = parameter(
        "fasttext", "`transformers`: a sequence classifier from a folder; needs torch and transformers"
    )
    batch_size: int = parameter(16, "texts a batch; for engine: transformers", unit="texts", ge=1)
    max_tokens: int = parameter(
        512, "tokens of a text that the model sees; for engine: transformers", unit="tokens", ge=8,
        source="FineWeb-Edu's classifier",
    )  # fmt: skip
    gpus: float = parameter(0.0, "GPUs that a task asks Ray for; for engine: transformers", ge=0)
    min_score: float | None = parameter(
        None, "least score (probability of the best label, or the output of a model with one)", role="decide"
    )
    keep: list[str] = parameter([], "labels to keep; none given: all", role="decide")
    drop: list[str] = parameter([], "labels to drop", role="decide")
    min_probability: float = parameter(
        0.0, "a label counts as found from this probability on", role="decide", ge=0, le=1
    )
    mode: Literal["filter", "annotate"] = parameter("filter", "`annotate` keeps every document", role="decide")


class Classify(_Scoring):
    """The most probable label of any fastText or transformers classifier (`label`, `score`), and what to keep by it."""

    name = "classify"
    Parameters = ClassifyParameters
    parameters: ClassifyParameters
    resources: Resources  # type: ignore[misc]

    def __init__(self, parameters: ClassifyParameters, label: str | None = None) -> None:
        super().__init__(parameters, label)
        if parameters.engine == "transformers":
            self.resources = Resources(memory_mb=4096, gpu=parameters.gpus)

    def model_name(self) -> str:
        return self.parameters.model

    def fingerprint(self) -> str:
        if self.parameters.engine == "transformers":
            return model_hash(Path(self.parameters.model))
        return super().fingerprint()

    def open(self) -> None:
        p = self.parameters
        if p.engine == "transformers":
            self.model = SequenceModel(Path(p.model), p.batch_size, p.max_tokens)
        else:
            super().open()

    def measure(self, batch: pa.RecordBatch, shared: Shared) -> pa.StructArray:
        probabilities = self.model.probabilities(batch.column("text"))
        best = probabilities.argmax(axis=1) if len(probabilities) else np.zeros(0, np.int64)
        found = [self.model.labels[column] for column in best]
        scores = probabilities[np.arange(len(best)), best]
        sure = scores >= self.parameters.min_probability
        columns = [pa.array(found, pa.string()), pa.array(scores, pa.float64())]
        columns.append(pa.array([label if ok else None for label, ok in zip(found, sure, strict=True)], pa.string()))
        dropped = set(self.parameters.drop)
        columns.append(
            pa.array([bool(ok) and label in dropped for label, ok in zip(found, sure, strict=True)], pa.bool_())
        )
        return pa.StructArray.from_arrays(columns, names=["label", "score", "sure_label", "unwanted"])

    def rules(self) -> list[Rule]:
        rules = [Rule("unwanted_label", "unwanted", "==", False, "drop")] if self.parameters.drop else []
        if self.parameters.min_score is not None:
            rules.append(Rule("low_score", "score", ">=", self.parameters.min_score, "min_score"))
        if self.parameters.keep:
            rules.append(Rule("label", "sure_label", "in", tuple(self.parameters.keep), "keep"))
        return rules


class DomainsParameters(StageParameters):
    """Parameters of `domains`."""

    model: str = parameter("domain", "a bundled model, or the path of a fastText file whose labels are domains")
    min_probability: float = parameter(0.0, "below it a document's domain is `other`", ge=0, le=1)


class Domains(_Scoring):
    """What kind of document it is: the columns `domain` and `domain_score`, which `mix` and `tokenize` go by."""

    name = "domains"
    Parameters = DomainsParameters
    model: FastTextModel
    parameters: DomainsParameters

    def model_name(self) -> str:
        return self.parameters.model

    def writes(self) -> tuple[str, ...]:
        return ("domain", "domain_score")

    def measure(self, batch: pa.RecordBatch, shared: Shared) -> pa.StructArray:
        urls = batch.column("url").to_pylist() if "url" in batch.schema.names else None
        probabilities = self.model.probabilities(batch.column("text"), urls)
        best = probabilities.argmax(axis=1) if len(probabilities) else np.zeros(0, np.int64)
        scores = probabilities[np.arange(len(best)), best]
        sure = scores >= self.parameters.min_probability
        names = [self.model.labels[column] if ok else "other" for column, ok in zip(best, sure, strict=True)]
        return pa.StructArray.from_arrays(
            [pa.array(names, pa.string()), pa.array(scores, pa.float64())], names=["domain", "score"]
        )

    def attach(self, batch: pa.RecordBatch, signals: pa.StructArray) -> pa.RecordBatch:
        return with_column(
            with_column(batch, "domain", signals.field("domain")), "domain_score", signals.field("score")
        )
