"""A Collection in memory, with the semantics of the protocol: for testing global stages on plain data."""

from __future__ import annotations

import itertools
import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.stage import VERDICTS, Batches, Collection, GlobalOutcome, ShardFunction


@dataclass
class MemoryCollection:
    """Shards of Arrow tables. Functions are pickled, as an engine would, and get batches of `batch_rows` rows."""

    shards: list[pa.Table]
    batch_rows: int = 1000
    names: set[str] = field(default_factory=set)
    """Names of operations done so far: none may be used twice in a stage."""
    bytes_exchanged: dict[str, int] = field(default_factory=dict)

    @property
    def n_shards(self) -> int:
        return len(self.shards)

    @property
    def n_rows(self) -> int:
        return sum(shard.num_rows for shard in self.shards)

    @property
    def n_bytes(self) -> int:
        return sum(shard.nbytes for shard in self.shards)

    @property
    def schema(self) -> pa.Schema:
        return self.shards[0].schema

    def _read(self, shard: int, columns: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
        table = self.shards[shard] if columns is None else self.shards[shard].select(list(columns))
        yield from table.combine_chunks().to_batches(max_chunksize=self.batch_rows)

    def _apply(
        self, name: str, function: ShardFunction, columns: Sequence[str] | None, zipped: Sequence[Collection]
    ) -> list[pa.Table]:
        assert name not in self.names, f"operation {name!r} is used twice"
        self.names.add(name)
        function = pickle.loads(pickle.dumps(function))
        out = []
        for shard in range(self.n_shards):
            others = []
            for other in zipped:
                assert isinstance(other, MemoryCollection) and other.n_shards == self.n_shards
                others.append(other._read(shard, None))
            batches = list(function(self._read(shard, columns), shard, *others))
            assert batches, f"{name}: shard {shard} yielded no batch to tell its schema"
            out.append(pa.Table.from_batches(batches))
        assert len({table.schema for table in out}) <= 1, f"{name}: schemas differ between shards"
        return out

    def _made(self, shards: list[pa.Table]) -> MemoryCollection:
        return MemoryCollection(shards, self.batch_rows, self.names, self.bytes_exchanged)

    def map(
        self,
        name: str,
        function: ShardFunction,
        *,
        columns: Sequence[str] | None = None,
        zipped: Sequence[Collection] = (),
        memory_mb: int = 1024,
    ) -> MemoryCollection:
        return self._made(self._apply(name, function, columns, zipped))

    def exchange(
        self,
        name: str,
        function: ShardFunction,
        *,
        by: str,
        partitions: int,
        sort: Sequence[str] = (),
        columns: Sequence[str] | None = None,
        zipped: Sequence[Collection] = (),
        memory_mb: int = 1024,
    ) -> MemoryCollection:
        table = pa.concat_tables(self._apply(name, function, columns, zipped)).combine_chunks()
        self.bytes_exchanged[name] = table.nbytes
        keys = table.column(by).to_numpy()
        assert not len(keys) or (keys.min() >= 0 and keys.max() < partitions), f"{name}: {by} is out of range"
        order = np.lexsort([*(_sortable(table, key) for key in reversed(sort)), keys])  # stable: ties in input order
        table, keys = table.take(pa.array(order)), keys[order]
        edges = np.searchsorted(keys, np.arange(partitions + 1))
        return self._made([table.slice(edges[p], edges[p + 1] - edges[p]) for p in range(partitions)])

    def batches(self, columns: Sequence[str] | None = None) -> Batches:
        for shard in range(self.n_shards):
            yield from self._read(shard, columns)


def _sortable(table: pa.Table, name: str) -> Any:
    values = table.column(name).combine_chunks()
    if pa.types.is_string(values.type):
        return pc.rank(values, sort_keys="ascending", tiebreaker="dense").to_numpy()
    return values.to_numpy(zero_copy_only=False)


def collection(rows: Sequence[dict[str, Any]] | pa.Table, shards: int = 1, batch_rows: int = 1000) -> MemoryCollection:
    """Documents as a global stage sees them, cut into `shards` shards of about equal size."""
    table = rows if isinstance(rows, pa.Table) else pa.Table.from_pylist(list(rows))
    edges = np.linspace(0, table.num_rows, shards + 1).astype(int)
    cut = []
    for low, high in itertools.pairwise(edges):
        part = table.slice(low, high - low)
        # Rows that an earlier stage dropped leave gaps: row numbers ascend, but not by one.
        cut.append(part.append_column("row", pa.array(np.arange(high - low) * 2 + 1, type=pa.int64())))
    return MemoryCollection(cut, batch_rows)


@dataclass
class Applied:
    """What a global outcome means for the documents."""

    kept: dict[str, dict[str, Any]]
    """id → row, with the joined columns."""
    dropped: dict[str, dict[str, Any]]
    """id → verdict."""
    files: dict[str, list[dict[str, Any]]]
    """Folder → rows of its files."""


def apply(documents: MemoryCollection, outcome: GlobalOutcome) -> Applied:
    """Joins verdicts and columns as an engine would, and checks the promises of GlobalOutcome."""
    kept: dict[str, dict[str, Any]] = {}
    dropped: dict[str, dict[str, Any]] = {}
    for shard, table in enumerate(documents.shards):
        verdicts = _by_row(outcome.verdicts, shard)
        columns = _by_row(outcome.columns, shard)
        for row in table.to_pylist():
            verdict = verdicts.pop(row["row"], None)
            if verdict is not None and verdict["rule"] is not None:
                assert set(verdict) == {"row", *VERDICTS.names}
                dropped[row["id"]] = verdict
                continue
            if outcome.columns is not None:
                row |= columns[row["row"]]
            kept[row["id"]] = row
        assert not verdicts, f"verdicts of rows that are not there: {verdicts}"
    assert len(kept) + len(dropped) == documents.n_rows
    read = {files.folder: [row for b in files.collection.batches() for row in b.to_pylist()] for files in outcome.files}
    return Applied(kept, dropped, read)


def _by_row(sharded: Collection | None, shard: int) -> dict[int, dict[str, Any]]:
    if sharded is None:
        return {}
    assert isinstance(sharded, MemoryCollection)
    rows = sharded.shards[shard].to_pylist()
    numbers = [row["row"] for row in rows]
    assert numbers == sorted(set(numbers)), "not sorted by row, or a row twice"
    return dict(zip(numbers, rows, strict=True))
