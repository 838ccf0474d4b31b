"""The stage `decontaminate`: finds benchmark questions in documents, and removes the documents or the questions.

Two parts. The first measures each document by itself: which questions' n-grams it holds, and what fraction of each
question they cover. The second sees the collection, decides, and reports by benchmark and question.
"""

from __future__ import annotations

import json
from collections import Counter
from functools import partial
from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.kernels.units import find_units
from curate.stage import (
    Batches,
    Collection,
    FilterParameters,
    GlobalContext,
    GlobalOutcome,
    GlobalStage,
    MapStage,
    Shared,
    Stage,
    StageParameters,
    as_text,
    parameter,
    with_column,
)
from curate.stages.dedup.benchmark_index import BenchmarkIndex, Match, files_digest
from curate.stages.dedup.clusters import ROW_VERDICTS
from curate.stages.dedup.references import empty
from curate.stages.words import utf8_buffers


class DecontaminateParameters(FilterParameters):
    """How much of a question a document must hold, and what goes then."""

    benchmarks: tuple[str, ...] = parameter(
        doc="files or globs of JSON lines (.jsonl, .jsonl.gz) with text, and optionally benchmark and id", min_length=1
    )
    ngram: int = parameter(
        13, doc="words in a row that count as shared", unit="words", source="GPT-3 (Brown et al. 2020)", ge=4, le=64
    )
    min_item_words: int = parameter(
        8, doc="shorter questions are not looked for: they are common phrases", unit="words", source="GPT-3", ge=1
    )
    max_items: int = parameter(
        20,
        doc="an n-gram in more questions than this is a template or an instruction and does not count",
        unit="questions",
        ge=1,
    )
    threshold: float = parameter(
        0.5,
        doc="fraction of a question's words covered by shared n-grams from which the document is contaminated",
        role="decide",
        gt=0,
        le=1,
    )
    remove: Literal["document", "span"] = parameter(
        "document", doc="what goes: the document, or the shared words", role="edit"
    )


MATCH = pa.struct([("benchmark", pa.string()), ("item", pa.string()), ("covered_fraction", pa.float64())])
SIGNALS = pa.struct(
    [
        ("covered_fraction", pa.float64()),
        ("benchmark", pa.string()),
        ("item", pa.string()),
        ("matches", pa.list_(MATCH)),
    ]
)
"""The best match, and all that reach the threshold."""


class Decontaminate(Stage):
    """Documents that hold benchmark questions lose them, or go."""

    name: ClassVar[str] = "decontaminate"
    Parameters: ClassVar[type[StageParameters]] = DecontaminateParameters
    parameters: DecontaminateParameters

    def parts(self) -> tuple[Stage, ...]:
        return MeasureContamination(self.parameters, self.label), DecideContamination(self.parameters, self.label)

    def writes(self) -> tuple[str, ...]:
        return (self.label,)

    def fingerprint(self) -> str:
        return files_digest(self.parameters.benchmarks)


class MeasureContamination(MapStage):
    """What each document shares with the questions; with `remove: span` it loses that."""

    name: ClassVar[str] = "decontaminate"
    Parameters: ClassVar[type[StageParameters]] = DecontaminateParameters
    parameters: DecontaminateParameters

    def __init__(self, parameters: StageParameters, label: str | None = None) -> None:
        super().__init__(parameters, label)
        self.changes_text = self._removes_spans  # type: ignore[misc]
        self._index: BenchmarkIndex | None = None

    @property
    def _removes_spans(self) -> bool:
        return self.parameters.remove == "span" and self.parameters.mode == "filter"

    def fingerprint(self) -> str:
        return files_digest(self.parameters.benchmarks)

    def writes(self) -> tuple[str, ...]:
        return (self.label,)

    def open(self) -> None:
        given = self.parameters
        self._index = BenchmarkIndex(given.benchmarks, given.ngram, given.min_item_words, given.max_items)

    def measure(self, batch: pa.RecordBatch, shared: Shared) -> pa.StructArray:
        found = self._matches(batch)
        signals: list[dict[str, Any]] = []
        for row in range(batch.num_rows):
            matches = found.get(row, [])
            best = matches[0] if matches else None
            signals.append(
                {
                    "covered_fraction": best.covered if best else 0.0,
                    "benchmark": best.item.benchmark if best else None,
                    "item": best.item.id if best else None,
                    "matches": [
                        {"benchmark": m.item.benchmark, "item": m.item.id, "covered_fraction": m.covered}
                        for m in matches
                        if m.covered >= self.parameters.threshold
                    ],
                }
            )
        return pa.array(signals, type=SIGNALS)

    def edit(self, batch: pa.RecordBatch, shared: Shared) -> pa.RecordBatch:
        if not self._removes_spans:
            return batch
        octets, offsets = utf8_buffers(batch.column("text"))
        units = find_units(octets, offsets)
        texts = batch.column("text").to_pylist()
        changed = False
        for document, matches in self._matches(batch).items():
            gone = np.zeros(units.first[document + 1] - units.first[document], dtype=bool)
            for match in matches:
                for low, high in match.windows if match.covered >= self.parameters.threshold else ():
                    gone[low:high] = True
            if gone.any():
                texts[document] = _without(octets, offsets, units, document, gone)
                changed = True
        return with_column(batch, "text", pa.array(texts, batch.schema.field("text").type)) if changed else batch

    def _matches(self, batch: pa.RecordBatch) -> dict[int, list[Match]]:
        if self._index is None:
            self.open()
        assert self._index is not None
        return self._index.matches(find_units(*utf8_buffers(batch.column("text"))))


def _without(octets: Any, offsets: Any, units: Any, document: int, gone: Any) -> str:
    """The text less the words `gone`, each with what follows it up to the next word."""
    first, n = units.first[document], len(gone)
    starts = np.append(units.start[first : first + n], offsets[document + 1])
    parts = [octets[offsets[document] : starts[0]].tobytes()]
    parts += [octets[starts[i] : starts[i + 1]].tobytes() for i in np.flatnonzero(~gone)]
    return b"".join(parts).decode("utf-8").rstrip()


class DecideContamination(GlobalStage):
    """Drops contaminated documents, and counts by benchmark and question."""

    name: ClassVar[str] = "decontaminate"
    Parameters: ClassVar[type[StageParameters]] = DecontaminateParameters
    parameters: DecontaminateParameters

    def run(self, documents: Collection, context: GlobalContext) -> GlobalOutcome:
        given = self.parameters
        hits = documents.map("hits", partial(_hits, label=self.label), columns=["row", "id", self.label])
        drops = given.mode == "filter" and given.remove == "document"
        benchmarks: dict[str, Counter[str]] = {}
        examples: dict[tuple[str, str], str] = {}
        n_documents = 0
        for batch in hits.batches():
            n_documents += batch.num_rows
            for row in batch.to_pylist():
                for match in row["matches"]:
                    benchmarks.setdefault(match["benchmark"], Counter())[match["item"]] += 1
                    key = (match["benchmark"], match["item"])
                    examples[key] = min(row["id"], examples.get(key, row["id"]))
        report = {
            name: {
                "questions": len(counts),
                "hits": sum(counts.values()),
                "by_question": [
                    {"item": item, "documents": n, "example": examples[name, item]}
                    for item, n in sorted(counts.items(), key=lambda each: (-each[1], each[0]))
                ],
            }
            for name, counts in sorted(benchmarks.items())
        }
        summary = {
            "documents": documents.n_rows,
            "contaminated": n_documents,
            "dropped": n_documents if drops else 0,
            "benchmarks": {
                name: {k: v for k, v in each.items() if k != "by_question"} for name, each in report.items()
            },
        }
        verdicts = hits.map("verdicts", partial(_verdicts, threshold=as_text(given.threshold))) if drops else None
        artifact = json.dumps(report, ensure_ascii=False, indent=1).encode()
        return GlobalOutcome(verdicts=verdicts, artifacts={f"{self.label}.json": artifact}, summary=summary)


HITS = pa.schema(
    [("row", pa.int64()), ("id", pa.string()), ("covered_fraction", pa.float64()), ("matches", pa.list_(MATCH))]
)


def _hits(batches: Batches, shard: int, *, label: str) -> Batches:
    yield empty(HITS)
    for batch in batches:
        signals = batch.column(label)
        matches = signals.field("matches")
        found = pc.greater(pc.list_value_length(matches), 0)
        arrays = [batch.column("row"), batch.column("id").cast(pa.string()), signals.field("covered_fraction"), matches]
        yield pa.RecordBatch.from_arrays(arrays, schema=HITS).filter(found)


def _verdicts(batches: Batches, shard: int, *, threshold: str | None) -> Batches:
    yield empty(ROW_VERDICTS)
    for batch in batches:
        n = batch.num_rows
        arrays = [
            batch.column("row"),
            pa.array(["contaminated"] * n, pa.string()),
            pa.array([as_text(value) for value in batch.column("covered_fraction").to_pylist()], pa.string()),
            pa.array([threshold] * n, pa.string()),
            pa.nulls(n, pa.string()),
        ]
        yield pa.RecordBatch.from_arrays(arrays, schema=ROW_VERDICTS)
