"""How a global stage names documents inside itself, and reads two sorted streams side by side.

A document reference is one uint64: its shard above, its row below. It lives only within one run of a stage: it
says where a verdict must go, and never takes part in a decision, since it depends on how the input was cut.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curate.stage import Batches, GlobalContext

ROW_BITS = 40
"""A shard may hold 2**40 rows; there may be 2**24 shards."""

U64 = NDArray[np.uint64]


def references(shard: int, rows: NDArray[np.int64]) -> U64:
    """References of rows of a shard."""
    return (np.uint64(shard) << np.uint64(ROW_BITS)) | rows.astype(np.uint64)


def shards_of(refs: U64) -> NDArray[np.int32]:
    """The shard of each reference."""
    return (refs >> np.uint64(ROW_BITS)).astype(np.int32)


def rows_of(refs: U64) -> NDArray[np.int64]:
    """The row of each reference in its shard."""
    return (refs & np.uint64((1 << ROW_BITS) - 1)).astype(np.int64)


def scatter(values: U64) -> U64:
    """A bijection of uint64 after which even consecutive values look random (MurmurHash3's finaliser)."""
    values = values ^ (values >> np.uint64(33))
    values = values * np.uint64(0xFF51AFD7ED558CCD)
    values = values ^ (values >> np.uint64(33))
    values = values * np.uint64(0xC4CEB9FE1A85EC53)
    return values ^ (values >> np.uint64(33))


def partition_of(keys: U64, partitions: int) -> NDArray[np.int32]:
    """The partition of each well-mixed key: a range of keys each, in order, so that partitions in order are
    sorted by key throughout."""
    return (((keys >> np.uint64(32)) * np.uint64(partitions)) >> np.uint64(32)).astype(np.int32)


def partitions_for(rows: int, row_bytes: float, context: GlobalContext, shards: int) -> int:
    """How many partitions an exchange of `rows` rows needs so that one fits an eighth of a task's memory, which
    leaves room for its sort; small ones are split further, to 16 MB, as far as there are input shards."""
    total = rows * row_bytes
    needed = math.ceil(total / (context.memory_mb * 2**20 / 8))
    return max(1, needed, min(shards, math.ceil(total / 2**24)))


def column(batch: pa.RecordBatch | pa.Table, name: str) -> NDArray[Any]:
    """A column without nulls as a numpy array."""
    values = batch.column(name)
    if isinstance(values, pa.ChunkedArray):
        values = values.combine_chunks()
    array: NDArray[Any] = values.to_numpy(zero_copy_only=False)
    return array


def empty(schema: pa.Schema) -> pa.RecordBatch:
    """A batch without rows, by which a function tells its schema."""
    return pa.RecordBatch.from_arrays([pa.array([], type=field.type) for field in schema], schema=schema)


class SortedReader:
    """A stream sorted by one integer column, read up to a value at a time."""

    def __init__(self, batches: Batches, key: str = "row") -> None:
        self._batches: Iterator[pa.RecordBatch] = batches
        self._key = key
        self._pending: pa.RecordBatch | None = None
        self._schema: pa.Schema | None = None
        self._done = False

    def until(self, last: int) -> pa.Table | None:
        """The rows not yet read whose key is at most `last`; None if the stream never had a batch."""
        taken = []
        while True:
            if self._pending is None or self._pending.num_rows == 0:
                batch = next(self._batches, None)
                if batch is None:
                    break
                self._schema, self._pending = batch.schema, batch
                continue
            keys = column(self._pending, self._key)
            n = int(np.searchsorted(keys, keys.dtype.type(last), side="right")) if keys[-1] > last else len(keys)
            taken.append(self._pending.slice(0, n))
            self._pending = self._pending.slice(n)
            if self._pending.num_rows:
                break
        if self._schema is None:
            return None
        return pa.Table.from_batches(taken, schema=self._schema).combine_chunks()
