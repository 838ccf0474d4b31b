"""Fused map stages over one batch: process, filter, edit, stage after stage.

A record that makes a stage raise becomes a dead letter: the batch is halved until the record stands alone, so
what becomes of a record never depends on its neighbours.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pyarrow as pa
import pyarrow.compute as pc

from curate import compile_time
from curate.documents import IDENTITY
from curate.engine.setup import setting_up
from curate.engine.tables import empty_batch
from curate.engine.where import edit, process
from curate.stage import VERDICTS, MapStage, Outcome, Shared

MAX_ERROR_CHARACTERS = 500
COMPILE = "compile"
"""What compiling took, among the CPU seconds of stages: it is none of theirs, since it is done once."""

FAILED = pa.schema([*IDENTITY, ("stage", pa.string()), ("error", pa.string())])
"""A dead letter: the record's identity, the stage that it broke, and how."""


@dataclass
class ChainResult:
    """What became of a batch: every row is in exactly one of the three."""

    kept: pa.RecordBatch
    dropped: list[tuple[str, pa.RecordBatch]] = field(default_factory=list)
    """(stage label, rows with the columns they had and those of VERDICTS)."""
    failed: list[pa.RecordBatch] = field(default_factory=list)
    """Schema FAILED."""
    cpu_seconds: dict[str, float] = field(default_factory=dict)
    """By stage label, and `COMPILE`."""


def _spend(seconds: dict[str, float], label: str, more: float) -> None:
    seconds[label] = seconds.get(label, 0.0) + more


class Chain:
    """The stages of one phase, opened."""

    def __init__(self, stages: Sequence[MapStage], announce: Callable[[str], None] | None = None) -> None:
        self.stages = stages
        self._announce = announce
        for stage in stages:
            with setting_up(stage):
                stage.open()

    def run(self, batch: pa.RecordBatch) -> ChainResult:
        """Takes a batch through all stages."""
        result = ChainResult(batch)
        shared = Shared()
        for stage in self.stages:
            if self._announce is not None:
                self._announce(stage.label)
            start, compiled_before = time.thread_time(), compile_time.seconds()
            self._step(stage, shared, result)
            compiled = compile_time.seconds() - compiled_before
            _spend(result.cpu_seconds, stage.label, time.thread_time() - start - compiled)
            if compiled:
                _spend(result.cpu_seconds, COMPILE, compiled)
        return result

    def _step(self, stage: MapStage, shared: Shared, result: ChainResult) -> None:
        batch = result.kept
        try:
            kept, dropped, failed = _apply(stage, batch, shared)
        except Exception:
            # Whatever was shared belongs to the whole batch; the halves start afresh, and so do later stages.
            kept, dropped, failed = _bisect(stage, batch)
            shared.clear()
        if stage.changes_text:
            shared.clear()
        result.kept = kept
        if dropped is not None and dropped.num_rows:
            result.dropped.append((stage.label, dropped))
        if failed is not None and failed.num_rows:
            result.failed.append(failed)


Fates = tuple[pa.RecordBatch, pa.RecordBatch | None, pa.RecordBatch | None]


def _apply(stage: MapStage, batch: pa.RecordBatch, shared: Shared) -> Fates:
    """(kept, dropped, failed) of a batch that does not make the stage raise."""
    outcome = process(stage, batch, shared)
    if outcome.batch.num_rows != batch.num_rows:
        raise RuntimeError(f"stage {stage.label} was given {batch.num_rows} rows and answered {outcome.batch.num_rows}")
    failed = None
    dropped = None
    keep = _keeps(outcome, batch.num_rows)
    if outcome.failed:
        rows = sorted(outcome.failed)
        failed = dead_letters(batch.take(pa.array(rows)), stage.label, [outcome.failed[row] for row in rows])
    kept = outcome.batch
    if keep is not None:
        if outcome.verdicts is not None:
            lost = pc.is_valid(outcome.verdicts.column("rule"))
            if outcome.failed:
                lost = pc.and_(lost, _without(outcome.failed, batch.num_rows))
            dropped = with_verdicts(outcome.batch.filter(lost), outcome.verdicts.filter(lost))
        shared.filter(keep)
        kept = kept.filter(keep)
    return edit(stage, kept, shared), dropped, failed


def _without(rows: object, n: int) -> pa.Array:
    mask = [True] * n
    for row in rows:  # type: ignore[attr-defined]
        mask[row] = False
    return pa.array(mask)


def _keeps(outcome: Outcome, n: int) -> pa.Array | None:
    """True where a row stays; None where all do."""
    mask = None
    if outcome.verdicts is not None and outcome.verdicts.column("rule").null_count < n:
        mask = pc.is_null(outcome.verdicts.column("rule"))
    if outcome.failed:
        alive = _without(outcome.failed, n)
        mask = alive if mask is None else pc.and_(mask, alive)
    return mask


def with_verdicts(batch: pa.RecordBatch, verdicts: pa.RecordBatch) -> pa.RecordBatch:
    """Rows with the columns of VERDICTS beside theirs, prefixed `verdict_`."""
    for name in VERDICTS.names:
        batch = batch.append_column(pa.field(f"verdict_{name}", pa.string()), verdicts.column(name))
    return batch


def _bisect(stage: MapStage, batch: pa.RecordBatch) -> Fates:
    """(kept, dropped, failed), found by halving a batch that makes the stage raise."""
    try:
        return _apply(stage, batch, Shared())
    except Exception as error:
        if batch.num_rows == 0:
            raise
        if batch.num_rows == 1:
            survivors = _apply(stage, batch.slice(0, 0), Shared())[0]
            return survivors, None, dead_letters(batch, stage.label, [describe(error)])
    half = batch.num_rows // 2
    left, right = _bisect(stage, batch.slice(0, half)), _bisect(stage, batch.slice(half))
    kept = pa.concat_batches([left[0], right[0]])
    return kept, _joined(left[1], right[1]), _joined(left[2], right[2])


def _joined(left: pa.RecordBatch | None, right: pa.RecordBatch | None) -> pa.RecordBatch | None:
    both = [part for part in (left, right) if part is not None and part.num_rows]
    return pa.concat_batches(both) if both else None


def describe(error: BaseException) -> str:
    """An exception in one line. A long one ends between two words: half a key would not be known for one."""
    line = f"{type(error).__name__}: {error}".replace("\n", " ")
    if len(line) <= MAX_ERROR_CHARACTERS:
        return line
    return line[: MAX_ERROR_CHARACTERS + 1].rpartition(" ")[0]


def dead_letters(batch: pa.RecordBatch, stage: str, errors: Sequence[str]) -> pa.RecordBatch:
    """Rows of a batch as dead letters of a stage."""
    columns = [batch.column(name) for name in IDENTITY.names]
    columns += [pa.array([stage] * batch.num_rows, pa.string()), pa.array(list(errors), pa.string())]
    return pa.RecordBatch.from_arrays(columns, schema=FAILED)


def schema_after(chain: Chain, schema: pa.Schema) -> pa.Schema:
    """The columns that a chain leaves, given those that it meets."""
    return chain.run(empty_batch(schema)).kept.schema
