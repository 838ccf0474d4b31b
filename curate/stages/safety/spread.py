"""What is spread over many hosts or pages: keys that occur with many values, counted exactly over the collection.

A stage tells for each page the keys that it holds (the frame of a sentence, a run of words), each with the values by
which it is to be spread (the host, the page) and a weight. `wide_keys` finds the keys with enough different values,
`told` the places where they stand, `measured` each page's share of weight in such places, `verdicts` who goes by it.
All are functions of sorted streams: memory does not grow with the collection.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curate.stage import Batches, as_text
from curate.stages.dedup.clusters import ROW_VERDICTS
from curate.stages.dedup.references import SortedReader, column, empty, partition_of

TOLD = pa.schema([("shard", pa.int32()), ("row", pa.int64()), ("weight", pa.int32())])
KEYS = pa.schema([("key", pa.uint64())])

U64 = NDArray[np.uint64]


def occurrences(values: Sequence[str]) -> pa.Schema:
    """Schema of the places where keys stand; `values` name the columns (uint64) that a key is to be spread over."""
    spread = [(name, pa.uint64()) for name in values]
    return pa.schema([("partition", pa.int32()), ("key", pa.uint64()), *spread, *TOLD])


def placed(
    schema: pa.Schema, keys: U64, values: Sequence[U64], shard: int, rows: Any, weights: Any, partitions: int
) -> pa.RecordBatch:
    """Occurrences as a batch of their schema."""
    columns = [partition_of(keys, partitions), keys, *values, np.full(len(keys), shard), rows, weights]
    return pa.RecordBatch.from_arrays(
        [pa.array(each, field.type) for each, field in zip(columns, schema, strict=True)], schema=schema
    )


def wide_keys(batches: Batches, shard: int, *, values: Sequence[str], least: int) -> Batches:
    """The keys that have at least `least` different values in each of the columns, ascending."""
    held = [np.empty(0, dtype=np.uint64)] * (1 + len(values))
    yield empty(KEYS)
    for batch in batches:
        if batch.num_rows == 0:
            continue
        now = [np.concatenate([old, column(batch, name)]) for old, name in zip(held, ("key", *values), strict=True)]
        done = now[0] != now[0][-1]
        yield _keys([each[done] for each in now], least)
        # The last key may go on in the next batch; as many of its rows stay as can make a difference.
        rest = [each[~done] for each in now]
        few = [np.unique(each, return_index=True)[1][:least] for each in rest[1:]]
        chosen = np.unique(np.concatenate(few))
        held = [each[chosen] for each in rest]
    yield _keys(held, least)


def _keys(columns: Sequence[U64], least: int) -> pa.RecordBatch:
    found = np.unique(columns[0])
    for values in columns[1:]:
        found = np.intersect1d(found, _with(columns[0], values, least))
    return pa.RecordBatch.from_arrays([pa.array(found, pa.uint64())], schema=KEYS)


def _with(keys: U64, values: U64, least: int) -> U64:
    """The keys that have at least `least` different values."""
    order = np.lexsort((values, keys))
    keys, values = keys[order], values[order]
    new = np.ones(len(keys), dtype=bool)
    new[1:] = (keys[1:] != keys[:-1]) | (values[1:] != values[:-1])
    found, counts = np.unique(keys[new], return_counts=True)
    return found[counts >= least]


def told(batches: Batches, shard: int, wide: Batches) -> Batches:
    """The places of wide keys."""
    reader = SortedReader(wide, "key")
    known = np.empty(0, dtype=np.uint64)
    yield empty(TOLD)
    for batch in batches:
        if batch.num_rows == 0:
            continue
        keys = column(batch, "key")
        more = reader.until(keys[-1])
        new = np.empty(0, dtype=np.uint64) if more is None else column(more, "key")
        known = np.concatenate([known[known >= keys[0]], new])
        yield batch.filter(pa.array(np.isin(keys, known))).select(TOLD.names)


def measured(
    batches: Batches, shard: int, spread: Batches, *, label: str, weigh: Callable[[pa.RecordBatch], NDArray[np.int64]]
) -> Batches:
    """The column `label.score`: each page's weight in places of wide keys over what `weigh` says it has in all."""
    reader = SortedReader(spread)
    schema = pa.schema([("row", pa.int64()), (label, pa.struct([("score", pa.float64())]))])
    yield empty(schema)
    for batch in batches:
        if batch.num_rows == 0:
            continue
        rows = column(batch, "row")
        found = reader.until(int(rows[-1]))
        weights = np.zeros(len(rows))
        if found is not None and found.num_rows:
            np.add.at(weights, np.searchsorted(rows, column(found, "row")), column(found, "weight"))
        scores = pa.array(weights / np.maximum(weigh(batch), 1))
        struct = pa.StructArray.from_arrays([scores], names=["score"])
        yield pa.RecordBatch.from_arrays([batch.column("row"), struct], schema=schema)


def verdicts(batches: Batches, shard: int, *, label: str, rule: str, most: float) -> Batches:
    """Pages whose score is above `most`."""
    yield empty(ROW_VERDICTS)
    for batch in batches:
        scores = batch.column(label).field("score").to_numpy(zero_copy_only=False)
        gone = np.flatnonzero(scores > most)
        table: dict[str, Any] = {
            "row": column(batch, "row")[gone],
            "rule": [rule] * len(gone),
            "value": [as_text(float(scores[place])) for place in gone],
            "threshold": [as_text(most)] * len(gone),
            "duplicate_of": [None] * len(gone),
        }
        yield pa.RecordBatch.from_pydict(table, schema=ROW_VERDICTS)
