"""A stage that is for some of the documents: `where:` of a recipe. The others pass it as they are, its columns null.

A condition that is open (null) for a document, as where a signal was not measured, leaves it alone too.
"""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa
import pyarrow.compute as pc

from curate.stage import VERDICTS, MapStage, Outcome, Shared


def process(stage: MapStage, batch: pa.RecordBatch, shared: Shared) -> Outcome:
    """`stage.process` over the documents that the stage is for."""
    mine = _mine(stage, batch)
    if mine is None:
        return stage.process(batch, shared)
    outcome = stage.process(batch.filter(mine), shared.narrowed(mine))
    rows = pc.indices_nonzero(mine).to_pylist()
    order = _order(mine)
    verdicts = outcome.verdicts
    if verdicts is not None:
        verdicts = _merged(verdicts, pa.RecordBatch.from_pylist([{}] * (len(mine) - len(rows)), VERDICTS), order)
    failed = {rows[row]: error for row, error in outcome.failed.items()}
    return Outcome(_merged(outcome.batch, batch.filter(pc.invert(mine)), order), verdicts, failed)


def edit(stage: MapStage, batch: pa.RecordBatch, shared: Shared) -> pa.RecordBatch:
    """`stage.edit` over the documents that the stage is for."""
    mine = _mine(stage, batch)
    if mine is None:
        return stage.edit(batch, shared)
    edited = stage.edit(batch.filter(mine), shared.narrowed(mine))
    return _merged(edited, batch.filter(pc.invert(mine)), _order(mine))


def only_where(stage: MapStage, batch: pa.RecordBatch, verdicts: pa.RecordBatch | None) -> pa.RecordBatch | None:
    """Verdicts on a batch, without those on documents that the stage is not for."""
    mine = None if verdicts is None else _mine(stage, batch)
    if mine is None or verdicts is None:
        return verdicts
    none = pa.scalar(None, pa.string())
    return pa.RecordBatch.from_arrays([pc.if_else(mine, column, none) for column in verdicts], schema=VERDICTS)


def _mine(stage: MapStage, batch: pa.RecordBatch) -> pa.Array | None:
    """True for the documents that the stage is for; None if it is for all of these."""
    if stage.where is None or batch.num_rows == 0:
        return None
    mine = pc.fill_null(stage.where.answers(batch), False)
    return None if pc.all(mine).as_py() else mine


def _order(mine: pa.Array) -> pa.Array:
    """For each row its place among the rows that are the stage's, followed by those that are not."""
    ranked = pa.concat_arrays([pc.indices_nonzero(mine), pc.indices_nonzero(pc.invert(mine))])
    return pc.sort_indices(ranked)


def _merged(mine: pa.RecordBatch, others: pa.RecordBatch, order: pa.Array) -> pa.RecordBatch:
    """Rows of both in the order of the batch, with the columns of `mine`; null where the others lack one."""
    place: Callable[[str], int] = others.schema.get_field_index
    columns = []
    for name, column in zip(mine.schema.names, mine.columns, strict=True):
        beside = others.column(place(name)) if place(name) >= 0 else pa.nulls(others.num_rows, column.type)
        columns.append(pa.concat_arrays([column, beside.cast(column.type)]).take(order))
    return pa.RecordBatch.from_arrays(columns, schema=mine.schema)
