"""Pieces of text that occur in several documents: counted exactly, by sorting their hashes.

Each piece is a row (key, order, ref, place): its 64-bit hash, the hash of its document's id, the document, and
where in it the piece is. Sorted by key, equal pieces stand together; one pass counts documents, a second tells
each occurrence, and memory stays that of a batch.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import xxhash
from numpy.typing import NDArray

from curate.stage import Batches, Collection
from curate.stages.dedup.references import U64, SortedReader, column, empty, partition_of, rows_of, shards_of

PIECES = pa.schema(
    [
        ("partition", pa.int32()),
        ("key", pa.uint64()),
        ("order", pa.uint64()),
        ("ref", pa.uint64()),
        ("place", pa.int64()),
    ]
)
PIECE_ORDER = ("key", "order", "ref", "place")
PIECE_BYTES = 36.0

COUNTS = pa.schema([("group", pa.int64()), ("documents", pa.int64()), ("first", pa.uint64())])

REPEATS = pa.schema(
    [
        ("shard", pa.int32()),
        ("row", pa.int64()),
        ("place", pa.int64()),
        ("key", pa.uint64()),
        ("documents", pa.int64()),
    ]
)
"""An occurrence of a piece that occurs in `documents` documents."""


def pieces(keys: U64, orders: U64, refs: U64, places: NDArray[np.int64], partitions: int) -> pa.RecordBatch:
    """PIECES of mixed keys."""
    arrays = [partition_of(keys, partitions), keys, orders, refs, places]
    return pa.RecordBatch.from_arrays([pa.array(array) for array in arrays], schema=PIECES)


def id_orders(ids: list[str]) -> U64:
    """By which documents are ordered, whatever their shards."""
    return np.array([xxhash.xxh3_64_intdigest(id.encode()) for id in ids], dtype=np.uint64)


def repeats(sorted_pieces: Collection, name: str, n_shards: int, min_documents: int, keep_first: bool) -> Collection:
    """REPEATS by the documents' shards, sorted by row and place, of pieces in at least `min_documents` documents;
    with `keep_first` without those of the piece's first document."""
    counts = sorted_pieces.map(f"{name}-counts", partial(_count, min_documents=min_documents))
    tell = partial(_tell, keep_first=keep_first)
    return sorted_pieces.exchange(
        name, tell, by="shard", partitions=n_shards, sort=["row", "place", "key"], zipped=[counts]
    )


class _Runs:
    """Numbers the runs of equal keys of a stream, and finds where in them a document begins."""

    def __init__(self) -> None:
        self._key: Any = None
        self._ref: Any = None
        self._next = 0

    def number(self, batch: pa.RecordBatch) -> tuple[NDArray[np.int64], NDArray[np.bool_], NDArray[np.bool_]]:
        """For each row the run's ordinal, whether it begins the run, and whether it begins a document in it."""
        keys, refs = column(batch, "key"), column(batch, "ref")
        first = np.empty(len(keys), dtype=bool)
        first[1:], first[0] = keys[1:] != keys[:-1], self._key is None or keys[0] != self._key
        opens = first.copy()
        opens[1:] |= refs[1:] != refs[:-1]
        opens[0] |= self._ref is None or refs[0] != self._ref
        ordinals = self._next - 1 + np.cumsum(first)
        self._next, self._key, self._ref = int(ordinals[-1]) + 1, keys[-1], refs[-1]
        return ordinals, first, opens


def _count(batches: Batches, shard: int, *, min_documents: int) -> Batches:
    runs = _Runs()
    last, documents, head = -1, 0, np.uint64(0)
    yield empty(COUNTS)
    for batch in batches:
        if batch.num_rows == 0:
            continue
        ordinals, first, opens = runs.number(batch)
        starts = np.unique(np.append(0, np.flatnonzero(first)))
        numbers, heads = ordinals[starts], column(batch, "ref")[starts]
        counted = np.add.reduceat(opens.astype(np.int64), starts)
        if numbers[0] == last:
            counted[0] += documents
            heads[0] = head
        elif documents >= min_documents:
            yield _counts(np.array([last]), np.array([documents]), np.array([head], dtype=np.uint64))
        done = np.flatnonzero(counted[:-1] >= min_documents)
        yield _counts(numbers[done], counted[done], heads[done])
        last, documents, head = int(numbers[-1]), int(counted[-1]), heads[-1]
    if documents >= min_documents:
        yield _counts(np.array([last]), np.array([documents]), np.array([head], dtype=np.uint64))


def _counts(groups: NDArray[np.int64], documents: NDArray[np.int64], heads: U64) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.array(groups), pa.array(documents), pa.array(heads)], schema=COUNTS)


def _tell(batches: Batches, shard: int, counts: Batches, *, keep_first: bool) -> Batches:
    runs, reader = _Runs(), SortedReader(counts, "group")
    carried: pa.Table | None = None
    yield empty(REPEATS)
    for batch in batches:
        if batch.num_rows == 0:
            continue
        ordinals, _, _ = runs.number(batch)
        more = reader.until(int(ordinals[-1]))
        known = more if carried is None else carried if more is None else pa.concat_tables([carried, more])
        if known is None or known.num_rows == 0:
            continue
        numbers = column(known, "group")
        place = np.minimum(np.searchsorted(numbers, ordinals), len(numbers) - 1)
        refs = column(batch, "ref")
        chosen = numbers[place] == ordinals
        if keep_first:
            chosen &= column(known, "first")[place] != refs
        carried = known.slice(known.num_rows - 1).combine_chunks()  # its run may go on in the next batch
        rows = np.flatnonzero(chosen)
        arrays = [
            shards_of(refs[rows]),
            rows_of(refs[rows]),
            column(batch, "place")[rows],
            column(batch, "key")[rows],
            column(known, "documents")[place[rows]],
        ]
        yield pa.RecordBatch.from_arrays([pa.array(array) for array in arrays], schema=REPEATS)
