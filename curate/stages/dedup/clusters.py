"""From groups of documents to verdicts: size, keeper, and who goes.

Members of a group arrive sorted by group, then by preference, then by id, so that the first is the keeper. Two
passes over the sorted rows, the first counting, the second telling each member, need no more memory than a batch,
however large a cluster is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curate.stage import VERDICTS, Batches, Collection, with_column
from curate.stages.dedup.earlier import EARLIER, INDEX, IndexFile, Lookup
from curate.stages.dedup.keeping import Term, rank_columns
from curate.stages.dedup.parameters import DocumentParameters
from curate.stages.dedup.references import (
    U64,
    SortedReader,
    column,
    empty,
    references,
    rows_of,
    shards_of,
)

SUMMARIES = pa.schema([("group", pa.int64()), ("keeper", pa.string()), ("size", pa.int64()), ("weight", pa.int64())])
"""One row for each group of two or more: its ordinal in the partition, the keeper's id, how many documents it has,
and how many pages they stand for (those that earlier deduplication merged into them counted)."""

MEMBERS = pa.schema(
    [
        ("shard", pa.int32()),
        ("row", pa.int64()),
        ("id", pa.string()),
        ("keeper", pa.string()),
        ("size", pa.int64()),
        ("weight", pa.int64()),
        ("is_keeper", pa.bool_()),
        ("dropped", pa.bool_()),
        ("high", pa.uint64()),
        ("low", pa.uint64()),
    ]
)
"""One row for each document of a group of two or more, back in its shard."""

DUPLICATES = pa.schema(
    [
        ("id", pa.string()),
        ("cluster", pa.string()),
        ("size", pa.int64()),
        ("keeper", pa.string()),
        ("joined_to", pa.string()),
        ("jaccard_estimate", pa.float64()),
        ("jaccard_exact", pa.float64()),
    ]
)

COLUMNS = pa.schema([("row", pa.int64()), ("cluster", pa.string()), ("cluster_size", pa.int64())])

ROW_VERDICTS = pa.schema([pa.field("row", pa.int64()), *VERDICTS])


def candidate_columns(parameters: DocumentParameters, terms: tuple[Term, ...], schema: pa.Schema) -> list[str]:
    """The document columns that `candidate_rows` reads, `text` apart."""
    names = ["row", "id"]
    for name in parameters.drop_only or ():
        if name not in schema.names:
            raise ValueError(f"drop_only: the documents have no {name!r}; their columns are {', '.join(schema.names)}")
        names.append(name)
    names += [name for name in ("cluster_size",) if name in schema.names]
    return names


def candidate_rows(
    batch: pa.RecordBatch,
    shard: int,
    high: U64,
    low: U64,
    *,
    target: NDArray[np.int32],
    terms: tuple[Term, ...],
    parameters: DocumentParameters,
) -> pa.RecordBatch:
    """What is known of each document of a group (high, low), to be sorted by `candidate_order` in the partition
    `target`."""
    n = batch.num_rows
    droppable = np.ones(n, dtype=np.int8)
    if parameters.drop_only:
        (name,) = parameters.drop_only
        droppable[:] = parameters.may_drop(batch.column(name).cast(pa.string()).to_pylist())
    has_weight = "cluster_size" in batch.schema.names
    weight = batch.column("cluster_size") if has_weight else pa.array(np.ones(n, dtype=np.int64))
    arrays = [
        pa.array(target),
        pa.array(high),
        pa.array(low),
        pa.array(droppable),
        *rank_columns(batch, terms),
        batch.column("id").cast(pa.string()),
        pa.array(references(shard, column(batch, "row"))),
        weight.cast(pa.int64()),
    ]
    names = ["partition", "high", "low", "droppable", *rank_names(terms), "id", "ref", "weight"]
    return pa.RecordBatch.from_arrays(arrays, names=names)


def earlier_rows(rows: pa.RecordBatch, ids: list[str]) -> pa.RecordBatch:
    """Documents of earlier runs at the head of the groups of these candidates: always kept, and not of this run."""
    n = rows.num_rows
    changed = {
        "droppable": np.full(n, -1, dtype=np.int8),
        "id": ids,
        "ref": np.full(n, EARLIER),
        "weight": np.zeros(n, dtype=np.int64),
    }
    for name, values in changed.items():
        rows = with_column(rows, name, pa.array(values, rows.schema.field(name).type))
    return rows


def with_earlier(batches: Batches, shard: int, *, files: Sequence[IndexFile], schema: pa.Schema) -> Batches:
    """Candidates sorted by `candidate_order`, each group led by the earlier document of its key, if there is one."""
    groups, lookup = _Groups(), Lookup(files)
    yield empty(schema)
    for batch in batches:
        if batch.num_rows == 0:
            continue
        _, first = groups.number(batch)
        starts = np.flatnonzero(first)
        found = lookup.match(column(batch, "high")[starts], column(batch, "low")[starts])
        places = np.array([place for place, id in zip(starts, found, strict=True) if id is not None], dtype=np.int64)
        heads = earlier_rows(batch.take(pa.array(places)), [id for id in found if id is not None])
        order = np.argsort(np.concatenate([places - 0.5, np.arange(batch.num_rows)]), kind="stable")
        yield from pa.Table.from_batches([heads, batch]).combine_chunks().take(pa.array(order)).to_batches()


def index_rows(batches: Batches, shard: int) -> Batches:
    """The key of each group with the id of its keeper: INDEX."""
    groups = _Groups()
    yield empty(INDEX)
    for batch in batches:
        if batch.num_rows:
            _, first = groups.number(batch)
            yield batch.filter(pa.array(first)).select(INDEX.names)


def rank_names(terms: tuple[Term, ...]) -> list[str]:
    return [f"rank_{index}" for index in range(len(terms))]


def candidate_order(terms: tuple[Term, ...]) -> list[str]:
    """By group; protected documents first; then by preference, and by id."""
    return ["high", "low", "droppable", *rank_names(terms), "id", "ref"]


class _Groups:
    """Numbers the groups of a stream sorted by (high, low), across batches."""

    def __init__(self) -> None:
        self._last: tuple[int, int] | None = None
        self.next = 0

    def number(self, batch: pa.RecordBatch) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """For each row its group's ordinal, and whether it is the group's first."""
        high, low = column(batch, "high"), column(batch, "low")
        first = np.empty(len(high), dtype=bool)
        first[1:] = (high[1:] != high[:-1]) | (low[1:] != low[:-1])
        first[0] = self._last != (int(high[0]), int(low[0]))
        ordinals = self.next - 1 + np.cumsum(first)
        self.next = int(ordinals[-1]) + 1
        self._last = int(high[-1]), int(low[-1])
        return ordinals, first


def summarize(batches: Batches, shard: int) -> Batches:
    """Counts the groups of a sorted partition: SUMMARIES."""
    groups = _Groups()
    open_group, keeper, size, weight = -1, "", 0, 0
    for batch in batches:
        if batch.num_rows == 0:
            continue
        ordinals, first = groups.number(batch)
        starts = np.flatnonzero(first)
        if len(starts) == 0 or starts[0] != 0:
            starts = np.concatenate([[0], starts])
        # Of several earlier documents at the head of a group, the first is its keeper; the others are not of it.
        sizes = np.add.reduceat((first | (column(batch, "droppable") >= 0)).astype(np.int64), starts)
        weights = np.add.reduceat(column(batch, "weight"), starts)
        numbers = ordinals[starts]
        keepers: list[str] = batch.column("id").take(pa.array(starts)).to_pylist()
        if numbers[0] == open_group:
            sizes[0] += size
            weights[0] += weight
            keepers[0] = keeper
        elif size > 1:
            yield _summary([open_group], [keeper], [size], [weight])
        done = np.flatnonzero(sizes[:-1] > 1)
        yield _summary(numbers[done], [keepers[index] for index in done], sizes[done], weights[done])
        open_group, keeper, size, weight = int(numbers[-1]), keepers[-1], int(sizes[-1]), int(weights[-1])
    yield _summary(*(([open_group], [keeper], [size], [weight]) if size > 1 else ([], [], [], [])))


def _summary(groups: Any, keepers: list[str], sizes: Any, weights: Any) -> pa.RecordBatch:
    columns = zip((groups, keepers, sizes, weights), SUMMARIES, strict=True)
    arrays = [pa.array(values, type=field.type) for values, field in columns]
    return pa.RecordBatch.from_arrays(arrays, schema=SUMMARIES)


def tell_members(batches: Batches, shard: int, summaries: Batches, *, drops: bool) -> Batches:
    """Tells each document of a group of two or more what its cluster is: MEMBERS."""
    groups, reader = _Groups(), SortedReader(summaries, "group")
    carried: pa.Table | None = None
    yield empty(MEMBERS)
    for batch in batches:
        if batch.num_rows == 0:
            continue
        ordinals, first = groups.number(batch)
        more = reader.until(int(ordinals[-1]))
        known = more if carried is None else carried if more is None else pa.concat_tables([carried, more])
        if known is None or known.num_rows == 0:
            continue
        numbers = column(known, "group")
        place = np.minimum(np.searchsorted(numbers, ordinals), len(numbers) - 1)
        rows = np.flatnonzero((numbers[place] == ordinals) & (column(batch, "droppable") >= 0))
        carried = known.slice(known.num_rows - 1).combine_chunks()  # its group may go on in the next batch
        if len(rows) == 0:
            continue
        chosen, cluster = batch.take(pa.array(rows)), known.take(pa.array(place[rows]))
        refs = column(chosen, "ref")
        is_keeper = first[rows]
        dropped = ~is_keeper & (column(chosen, "droppable") == 1) & drops
        arrays = [
            pa.array(shards_of(refs)),
            pa.array(rows_of(refs)),
            chosen.column("id"),
            cluster.column("keeper").combine_chunks(),
            cluster.column("size").combine_chunks(),
            cluster.column("weight").combine_chunks(),
            pa.array(is_keeper),
            pa.array(dropped),
            chosen.column("high"),
            chosen.column("low"),
        ]
        yield pa.RecordBatch.from_arrays(arrays, schema=MEMBERS)


def members_of(candidates: Collection, n_shards: int, drops: bool) -> Collection:
    """MEMBERS by the documents' shards, sorted by row, from candidates sorted by `candidate_order`."""
    summaries = candidates.map("cluster-sizes", summarize)
    return candidates.exchange(
        "cluster-members",
        partial(tell_members, drops=drops),
        by="shard",
        partitions=n_shards,
        sort=["row"],
        zipped=[summaries],
    )


def cluster_columns(batches: Batches, shard: int, members: Batches) -> Batches:
    """`cluster` (the keeper's id) and `cluster_size` (pages it stands for) of every document: COLUMNS."""
    reader = SortedReader(members)
    yield empty(COLUMNS)
    for batch in batches:
        if batch.num_rows == 0:
            continue
        rows = column(batch, "row")
        clusters = batch.column("id").cast(pa.string())
        old = batch.column("cluster_size") if "cluster_size" in batch.schema.names else None
        sizes = old.cast(pa.int64()) if old is not None else pa.array(np.ones(len(rows), dtype=np.int64))
        known = reader.until(int(rows[-1]))
        if known is not None and known.num_rows:
            mask = np.isin(rows, column(known, "row"))
            clusters = pc.replace_with_mask(clusters, pa.array(mask), known.column("keeper").combine_chunks())
            sizes = pc.replace_with_mask(sizes, pa.array(mask), known.column("weight").combine_chunks())
        yield pa.RecordBatch.from_arrays([batch.column("row").cast(pa.int64()), clusters, sizes], schema=COLUMNS)


def duplicate_rows(batches: Batches, shard: int) -> Batches:
    """The audit of exact duplicates: every member, joined to its keeper. DUPLICATES."""
    yield empty(DUPLICATES)
    for batch in batches:
        joined_to = pc.if_else(batch.column("is_keeper"), pa.scalar(None, pa.string()), batch.column("keeper"))
        nothing = pa.nulls(batch.num_rows, pa.float64())
        keeper = batch.column("keeper")
        arrays = [batch.column("id"), keeper, batch.column("size"), keeper, joined_to, nothing, nothing]
        yield pa.RecordBatch.from_arrays(arrays, schema=DUPLICATES)


def verdict_rows(
    rule: str, threshold: str | None, dropped: pa.RecordBatch, value: Callable[[pa.RecordBatch], pa.Array]
) -> pa.RecordBatch:
    """Verdicts of the members that go: ROW_VERDICTS."""
    dropped = dropped.filter(dropped.column("dropped"))
    n = dropped.num_rows
    arrays = [
        dropped.column("row"),
        pa.array([rule] * n, type=pa.string()),
        value(dropped),
        pa.array([threshold] * n, type=pa.string()),
        dropped.column("keeper"),
    ]
    return pa.RecordBatch.from_arrays(arrays, schema=ROW_VERDICTS)


COUNTS = pa.schema([("size", pa.int64()), ("clusters", pa.int64()), ("dropped", pa.int64())])


def _counted(batches: Batches, shard: int) -> Batches:
    """Clusters by size (each counted at its keeper), and members dropped."""
    sizes: Counter[int] = Counter()
    dropped: Counter[int] = Counter()
    for batch in batches:
        keepers = batch.filter(batch.column("is_keeper"))
        sizes.update(keepers.column("size").to_pylist())
        dropped.update(batch.filter(batch.column("dropped")).column("size").to_pylist())
    order = sorted(sizes | dropped)
    arrays = [pa.array(order, pa.int64())]
    arrays += [pa.array([counts[size] for size in order], pa.int64()) for counts in (sizes, dropped)]
    yield pa.RecordBatch.from_arrays(arrays, schema=COUNTS)


def summary_of(documents: Collection, members: Collection, terms: tuple[Term, ...]) -> dict[str, Any]:
    """Counts for the report: documents, clusters by size, duplicates, and how keepers were chosen. A cluster of
    an earlier run's document has no keeper here: its members are counted as `with_earlier`."""
    clusters: Counter[int] = Counter()
    dropped = 0
    for batch in members.map("cluster-counts", _counted).batches():
        for row in batch.to_pylist():
            clusters[row["size"]] += row["clusters"]
            dropped += row["dropped"]
    in_clusters = sum(size * count for size, count in clusters.items())
    return {
        "documents": documents.n_rows,
        "clusters": sum(clusters.values()),
        "duplicates": sum((size - 1) * count for size, count in clusters.items()),
        "with_earlier": members.n_rows - in_clusters,
        "dropped": dropped,
        "cluster_sizes": {str(size): clusters[size] for size in sorted(clusters)},
        "keep": [*(f"{term.direction} {term.path}" for term in terms), "min id"],
    }
