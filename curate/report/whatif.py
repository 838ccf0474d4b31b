"""What would other thresholds have done? Answered from what a run has stored, without reading its input again.

Every row of a run's folder has the signals measured until the document was dropped or kept, and its text. So a
changed threshold is decided anew from signals; a document that it lets pass, and that the run has no later
signals of, goes through the later stages with its stored text. What comes out is what a rerun would give, as far
as the first global stage (deduplication, mixing): what that would decide depends on the whole collection, so a
document is counted there as having reached it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute as pc

from curate.engine.chain import Chain
from curate.engine.store import Store
from curate.engine.tables import read_batches
from curate.engine.where import edit, only_where
from curate.recipe import Recipe
from curate.stage import MapStage, Shared, Stage, decide

KEPT = "kept"
BYTES_PER_TOKEN = 4.3
"""UTF-8 bytes a token of English web text with a 32k to 50k vocabulary, for estimates before anything is tokenized."""


class WhatIfError(ValueError):
    """The question cannot be answered from what is stored."""


@dataclass(frozen=True)
class Fate:
    """Where a document ends: `stage` is a label, or `kept`; then also the rule, its value and its threshold."""

    stage: str
    rule: str | None = None
    value: str | None = None
    threshold: str | None = None

    def __str__(self) -> str:
        return self.stage if self.rule is None else f"{self.stage}: {self.rule}"


@dataclass
class Answer:
    """Documents and bytes of text by fate, before and after, and the documents whose fate changed."""

    changed: list[str]
    """Labels of the stages whose thresholds differ."""
    boundary: str | None
    """The global stage up to which the answer is exact; None: to the end."""
    before: Counter[str] = field(default_factory=Counter)
    after: Counter[str] = field(default_factory=Counter)
    bytes_before: Counter[str] = field(default_factory=Counter)
    bytes_after: Counter[str] = field(default_factory=Counter)
    moved: list[dict[str, Any]] = field(default_factory=list)

    def add(self, row: dict[str, Any], old: Fate, new: Fate) -> None:
        for counts, sizes, fate in ((self.before, self.bytes_before, old), (self.after, self.bytes_after, new)):
            counts[str(fate)] += 1
            sizes[str(fate)] += row["bytes"]
        if (old.stage, old.rule) != (new.stage, new.rule):
            shown = {name: row[name] for name in ("id", "url", "text")}
            self.moved.append(shown | {"before": str(old), "after": str(new), "value": new.value or old.value})


def ask(store: Store, before: Recipe, after: Recipe) -> Answer:
    """What becomes of each document of the run under `after`, which differs from its recipe in thresholds alone."""
    old, new = _parts(before), _parts(after)
    changed = changed_stages(old, new)
    labels = [stage.label for stage in new]
    first = min(changed, default=len(new))
    boundary = next((i for i in range(first, len(new)) if not isinstance(new[i], MapStage)), len(new))
    late = [labels[i] for i in changed if i > boundary]
    if late:
        raise WhatIfError(f"{late[0]} comes after {labels[boundary]}, which is decided over the collection: rerun")
    answer = Answer([labels[i] for i in changed], labels[boundary] if boundary < len(new) else None)
    rest = _Rest(cast(list[MapStage], new[first:boundary]), first, answer.boundary or KEPT)
    for batch, dropped_by in _rows(store, labels[first:], answer.boundary):
        at = len(new) if dropped_by is None else labels.index(dropped_by)
        _decide(batch, at, cast(list[MapStage], new), [i for i in changed if i < boundary], boundary, rest, answer)
    return answer


def changed_stages(old: Sequence[Stage], new: Sequence[Stage]) -> list[int]:
    """Indices of the stages that differ. WhatIfError if one differs in more than what it decides by."""
    if [(s.name, s.label) for s in old] != [(s.name, s.label) for s in new]:
        raise WhatIfError("the recipes differ in their stages; what-if changes thresholds: rerun")
    indices = []
    for index, (one, other) in enumerate(zip(old, new, strict=True)):
        if one.where != other.where:
            raise WhatIfError(f"{other.label}.where changes which documents are measured: rerun")
        if one.parameters == other.parameters:
            continue
        fields = type(other.parameters).model_fields
        for name in fields:
            if getattr(one.parameters, name) == getattr(other.parameters, name):
                continue
            extra = fields[name].json_schema_extra
            role = extra.get("role") if isinstance(extra, dict) else None
            mode = name == "mode" and not (isinstance(other, MapStage) and other.changes_text)
            if role != "decide" and not mode:
                free = [n for n, f in fields.items() if (f.json_schema_extra or {}).get("role") == "decide"]  # type: ignore[union-attr]
                raise WhatIfError(
                    f"{other.label}.{name} changes what is measured, so stored signals cannot answer: rerun; "
                    f"what-if can change: {', '.join(free) or 'nothing of this stage'}"
                )
        if not isinstance(other, MapStage):
            raise WhatIfError(
                f"{other.label} decides over the whole collection, so stored signals cannot answer: rerun"
            )
        indices.append(index)
    return indices


def _parts(recipe: Recipe) -> list[Stage]:
    return [part for stage in recipe.stages for part in stage.parts()]


def _rows(store: Store, labels: Sequence[str], boundary: str | None) -> Iterator[tuple[pa.RecordBatch, str | None]]:
    """The documents that reached the first of these stages: batches, and the stage that dropped them."""
    for name in store.names("documents"):
        for batch in read_batches(store, f"documents/{name}", batch_rows=4096):
            yield batch, None
    for label in labels:
        for name in store.names(f"dropped/{label}"):
            for batch in read_batches(store, f"dropped/{label}/{name}", batch_rows=4096):
                yield batch, label


def _verdicts(stage: MapStage, batch: pa.RecordBatch) -> pa.RecordBatch | None:
    """What the stage decides from the signals that the batch has; None: all stay."""
    if type(stage).process is not MapStage.process:
        if {"text", "html"} & set(stage.reads):
            raise WhatIfError(f"{stage.label} decides by the text itself, so stored signals cannot answer: rerun")
        return only_where(stage, batch, stage.process(batch, Shared()).verdicts)
    if getattr(stage.parameters, "mode", "filter") == "annotate":
        return None
    return only_where(stage, batch, decide(batch.column(stage.label), stage.rules()))


def _decide(
    batch: pa.RecordBatch,
    at: int,
    stages: Sequence[MapStage],
    changed: Sequence[int],
    boundary: int,
    rest: _Rest,
    answer: Answer,
) -> None:
    """Adds each row's fate to the answer; the rows were dropped by stage `at`, or kept (`at` is past the end)."""
    rows = _identities(batch)
    old = _old_fates(batch, at, stages, boundary, answer)
    new: list[Fate | None] = [None] * batch.num_rows
    for index in changed:
        if index > at:
            break
        verdicts = _verdicts(stages[index], batch)
        if verdicts is not None:
            for row in pc.indices_nonzero(pc.is_valid(verdicts.column("rule"))).to_pylist():
                new[row] = new[row] or _fate(stages[index].label, verdicts, row)
    passing = [row for row in range(batch.num_rows) if new[row] is None]
    if at in changed and passing:
        for row, fate in zip(passing, rest.fates(batch.take(pa.array(passing)), at), strict=True):
            new[row] = fate
    for row, identity in enumerate(rows):
        answer.add(identity, old[row], new[row] or old[row])


def _identities(batch: pa.RecordBatch) -> list[dict[str, Any]]:
    texts = batch.column("text") if "text" in batch.schema.names else pa.nulls(batch.num_rows, pa.string())
    sizes = pc.fill_null(pc.binary_length(texts), 0)
    starts = pc.utf8_slice_codeunits(texts, 0, 160)
    columns = {"id": batch.column("id"), "url": batch.column("url"), "text": starts, "bytes": sizes}
    return cast(list[dict[str, Any]], pa.RecordBatch.from_pydict(columns).to_pylist())


def _old_fates(batch: pa.RecordBatch, at: int, stages: Sequence[MapStage], boundary: int, answer: Answer) -> list[Fate]:
    if at >= boundary:
        return [Fate(answer.boundary or KEPT)] * batch.num_rows
    label = stages[at].label
    columns = {name: batch.column(f"verdict_{name}") for name in ("rule", "value", "threshold")}
    return [Fate(label, **row) for row in pa.RecordBatch.from_pydict(columns).to_pylist()]


def _fate(label: str, verdicts: pa.RecordBatch, row: int) -> Fate:
    return Fate(label, *(verdicts.column(name)[row].as_py() for name in ("rule", "value", "threshold")))


class _Rest:
    """The stages after a changed one, for documents that it now lets pass."""

    def __init__(self, stages: Sequence[MapStage], first: int, end: str) -> None:
        self._stages, self._first, self._end = stages, first, end
        self._chains: dict[int, Chain] = {}

    def fates(self, batch: pa.RecordBatch, at: int) -> list[Fate]:
        """What becomes of documents that stage `at` lets pass."""
        local = at - self._first
        if at not in self._chains:
            self._stages[local].open()
            self._chains[at] = Chain(self._stages[local + 1 :])
        verdicts = [name for name in batch.schema.names if name.startswith("verdict_")]
        batch = batch.drop_columns(verdicts) if verdicts else batch
        order = batch.column("id").to_pylist()
        result = self._chains[at].run(edit(self._stages[local], batch, Shared()))
        fates = {id_: Fate(self._end) for id_ in result.kept.column("id").to_pylist()}
        for label, rows in result.dropped:
            for index, id_ in enumerate(rows.column("id").to_pylist()):
                values = (rows.column(f"verdict_{name}")[index].as_py() for name in ("rule", "value", "threshold"))
                fates[id_] = Fate(label, *values)
        for rows in result.failed:
            for stage, id_ in zip(rows.column("stage").to_pylist(), rows.column("id").to_pylist(), strict=True):
                fates[id_] = Fate(stage, "failed")
        return [fates[id_] for id_ in order]
