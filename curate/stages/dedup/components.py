"""Connected components of a collection of edges between document references.

A graph that fits in a task's memory goes through union-find in one task. A larger one is turned into stars by
alternating large-star and small-star exchanges until no edge is left that a star would not have; the driver
sees only counts. Both name each component by its least reference, so both give the same answer.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from curate.kernels.components import (
    NO_STATE,
    count_non_stars,
    large_star,
    small_star,
    star_labels,
    union_find,
)
from curate.stage import Batches, Collection, GlobalContext
from curate.stages.dedup.references import (
    U64,
    column,
    partition_of,
    partitions_for,
    rows_of,
    scatter,
    shards_of,
)

UNION_FIND_BYTES = 80
"""Memory an edge: the two references, their sorted nodes, indices and parents."""

LABELS = pa.schema([("shard", pa.int32()), ("row", pa.int64()), ("component", pa.uint64())])
"""For each document with an edge: where it is, and the least reference of its component."""

EDGES = pa.schema([("partition", pa.int32()), ("u", pa.uint64()), ("v", pa.uint64())])


def components(edges: Collection, context: GlobalContext, n_shards: int, in_memory: bool | None = None) -> Collection:
    """LABELS by the documents' shards, sorted by row, of the graph whose edges are the columns a and b.

    `in_memory` chooses the way; None lets the size decide.
    """
    if in_memory is None:
        in_memory = edges.n_rows * UNION_FIND_BYTES < context.memory_mb * 2**20 / 2
    if in_memory:
        gathered = edges.exchange("components-gather", _gather, by="partition", partitions=1)
        return gathered.exchange("components", _united, by="shard", partitions=n_shards, sort=["row"])
    partitions = partitions_for(2 * edges.n_rows, EDGES_BYTES, context, edges.n_shards)
    move = partial(_exchange, partitions=partitions)
    graph = move(edges, "components-00-edges", partial(_from_pairs, partitions=partitions))
    step = 0
    while _non_stars(graph, f"components-{step:02d}-check"):
        step += 1
        larger = partial(_starred, star=large_star, both=False, partitions=partitions)
        smaller = partial(_starred, star=small_star, both=True, partitions=partitions)
        graph = move(graph, f"components-{step:02d}-large-star", larger)
        graph = move(graph, f"components-{step:02d}-small-star", smaller)
    return graph.exchange("components", _labelled, by="shard", partitions=n_shards, sort=["row"])


EDGES_BYTES = 20.0


def _exchange(collection: Collection, name: str, function: Any, partitions: int) -> Collection:
    return collection.exchange(name, function, by="partition", partitions=partitions, sort=["u", "v"])


def _rows(u: U64, v: U64, partitions: int) -> pa.RecordBatch:
    arrays = [pa.array(partition_of(scatter(u), partitions)), pa.array(u), pa.array(v)]
    return pa.RecordBatch.from_arrays(arrays, schema=EDGES)


def _both(a: U64, b: U64, partitions: int) -> pa.RecordBatch:
    return _rows(np.concatenate([a, b]), np.concatenate([b, a]), partitions)


def _gather(batches: Batches, shard: int) -> Batches:
    for batch in batches:
        yield _rows(column(batch, "a"), column(batch, "b"), 1)


def _from_pairs(batches: Batches, shard: int, *, partitions: int) -> Batches:
    for batch in batches:
        yield _both(column(batch, "a"), column(batch, "b"), partitions)


def _starred(
    batches: Batches, shard: int, *, star: Callable[..., tuple[U64, U64]], both: bool, partitions: int
) -> Batches:
    """One star operation over a sorted partition. After it, (node, least) has the greater node first, as
    small-star reads it; large-star reads both directions."""
    state = NO_STATE.copy()
    make = _both if both else _rows
    nothing = np.empty(0, dtype=np.uint64)
    yield make(nothing, nothing, partitions)
    for batch in batches:
        yield make(*star(column(batch, "u"), column(batch, "v"), state), partitions)


def _non_stars(graph: Collection, name: str) -> int:
    counts = graph.map(name, _count_non_stars)
    return sum(int(column(batch, "n").sum()) for batch in counts.batches())


def _count_non_stars(batches: Batches, shard: int) -> Batches:
    state = NO_STATE.copy()
    n = sum(count_non_stars(column(batch, "u"), column(batch, "v"), state) for batch in batches)
    yield pa.RecordBatch.from_pydict({"n": pa.array([n], pa.int64())})


def _united(batches: Batches, shard: int) -> Batches:
    nothing = np.empty(0, dtype=np.uint64)
    read = [(column(batch, "u"), column(batch, "v")) for batch in batches]
    u = np.concatenate([nothing, *(pair[0] for pair in read)])
    v = np.concatenate([nothing, *(pair[1] for pair in read)])
    del read
    yield _labels(*union_find(u, v))


def _labelled(batches: Batches, shard: int) -> Batches:
    state = NO_STATE.copy()
    nothing = np.empty(0, dtype=np.uint64)
    yield _labels(nothing, nothing)
    for batch in batches:
        yield _labels(*star_labels(column(batch, "u"), column(batch, "v"), state))


def _labels(nodes: U64, labels: U64) -> pa.RecordBatch:
    arrays = [pa.array(shards_of(nodes)), pa.array(rows_of(nodes)), pa.array(labels)]
    return pa.RecordBatch.from_arrays(arrays, schema=LABELS)
