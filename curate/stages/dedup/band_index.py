"""Bands of signatures beside those of earlier runs: which documents an earlier run saw, and the index left for later.

Buckets are partitions of band rows sorted by key. Both ways the documents' shards are told: of each document that
shares a band with an indexed one, and of each document that must write its name beside the bands it stands for.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.stage import Batches, Collection
from curate.stages.dedup.earlier import IndexFile, Lookup
from curate.stages.dedup.references import SortedReader, column, empty, partition_of, rows_of, shards_of

MATCHES = pa.schema([("shard", pa.int32()), ("row", pa.int64()), ("earlier", pa.string())])
"""Documents with an earlier one that shares a band, by shard, sorted by row then by the earlier document's id."""

_HEADS = pa.schema([("shard", pa.int32()), ("row", pa.int64()), ("high", pa.uint64())])
_NAMED = pa.schema([("partition", pa.int32()), ("high", pa.uint64()), ("low", pa.uint64()), ("id", pa.string())])


def earlier_matches(buckets: Collection, files: Sequence[IndexFile], n_shards: int) -> Collection:
    """MATCHES of the buckets with the indexes; a row for each shared band."""
    function = partial(_matched, files=files)
    return buckets.exchange("earlier", function, by="shard", partitions=n_shards, sort=["row", "earlier"])


def _matched(batches: Batches, shard: int, *, files: Sequence[IndexFile]) -> Batches:
    lookup = Lookup(files)
    yield empty(MATCHES)
    for batch in batches:
        keys = column(batch, "key")
        found = pa.array(lookup.match(keys, np.zeros_like(keys)), pa.string())
        matched = pc.is_valid(found)
        refs = column(batch, "ref")[matched.to_numpy(zero_copy_only=False)]
        arrays = [pa.array(shards_of(refs)), pa.array(rows_of(refs)), found.filter(matched)]
        yield pa.RecordBatch.from_arrays(arrays, schema=MATCHES)


def first_matches(reader: SortedReader, last: int) -> pa.Table:
    """Of MATCHES up to the row `last`, the first of each document."""
    known = reader.until(last)
    if known is None or not known.num_rows:
        return MATCHES.empty_table()
    _, first = np.unique(column(known, "row"), return_index=True)
    return known.take(pa.array(first))


def band_index(documents: Collection, buckets: Collection, members: Collection) -> Collection:
    """Every band's key with the id of the keeper of a document that has it, in the partitions of the buckets."""
    heads = buckets.exchange("index-keys", _heads, by="shard", partitions=documents.n_shards, sort=["row", "high"])
    return documents.exchange(
        "index",
        partial(_named, partitions=buckets.n_shards),
        by="partition",
        partitions=buckets.n_shards,
        sort=["high"],
        columns=["row", "id"],
        zipped=[heads, members],
    )


def _heads(batches: Batches, shard: int) -> Batches:
    last: int | None = None
    yield empty(_HEADS)
    for batch in batches:
        keys = column(batch, "key")
        if not len(keys):
            continue
        first = np.ones(len(keys), dtype=bool)
        first[1:] = keys[1:] != keys[:-1]
        first[0] = last != int(keys[0])
        last = int(keys[-1])
        refs = column(batch, "ref")[first]
        arrays = [shards_of(refs), rows_of(refs), keys[first]]
        yield pa.RecordBatch.from_arrays([pa.array(array) for array in arrays], schema=_HEADS)


def _named(batches: Batches, shard: int, heads: Batches, members: Batches, *, partitions: int) -> Batches:
    asked, clustered = SortedReader(heads), SortedReader(members)
    yield empty(_NAMED)
    for batch in batches:
        if batch.num_rows == 0:
            continue
        rows, names = column(batch, "row"), batch.column("id").cast(pa.string())
        known = clustered.until(int(rows[-1]))
        if known is not None and known.num_rows:
            mask = np.isin(rows, column(known, "row"))
            names = pc.replace_with_mask(names, pa.array(mask), known.column("keeper").combine_chunks())
        wanted = asked.until(int(rows[-1]))
        if wanted is None or not wanted.num_rows:
            continue
        high = column(wanted, "high")
        ids = names.take(pa.array(np.searchsorted(rows, column(wanted, "row"))))
        arrays = [pa.array(partition_of(high, partitions)), pa.array(high), pa.array(np.zeros_like(high)), ids]
        yield pa.RecordBatch.from_arrays(arrays, schema=_NAMED)
