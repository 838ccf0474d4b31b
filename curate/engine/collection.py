"""Collections for global stages: map and exchange over shards, each a set of resumable tasks in files.

An exchange is two rounds of tasks. *Scatter*: each input shard writes one Arrow file whose record batches belong
to one partition each. *Gather*: each partition reads its batches from all of those files, in shard order, sorts
them and writes one Parquet file. So N shards and P partitions make N + P files, not N × P, and memory is bounded
by a run of a scatter task and by one partition of a gather task.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.engine.executor import Executor
from curate.engine.store import FileEntry, Store
from curate.engine.tables import TableWriter, empty_batch, read_batches
from curate.engine.work import DocumentShard, apply_removal, numbered
from curate.stage import Batches, Collection, Resources, ShardFunction

RUN_BYTES = 64 << 20
"""A scatter task sorts and writes its rows in runs of this size."""


@dataclass(frozen=True)
class FileShard:
    """A shard of a collection that an operation wrote."""

    file: str | None
    """Parquet; None where it has no rows."""
    schema: pa.Schema


@dataclass(frozen=True)
class ScatteredShard:
    """A partition, spread over the files of a scatter round."""

    pieces: tuple[tuple[str, tuple[int, ...]], ...]
    """(Arrow file, its record batches that belong here)."""
    schema: pa.Schema
    sort: tuple[str, ...]


AnyShard = DocumentShard | FileShard | ScatteredShard


@dataclass(frozen=True)
class OperationTask:
    """One shard of one operation."""

    store: str
    folder: str
    index: int
    function: ShardFunction | None
    """None: hand the rows on (gather)."""
    inputs: tuple[AnyShard, ...]
    """The shard itself, then those zipped to it."""
    columns: tuple[str, ...] | None
    scatter: tuple[str, int] | None
    """(column with the partition, number of partitions); None writes one Parquet file."""

    @property
    def record(self) -> str:
        return f"{self.folder}/done/{self.index:05d}.json"

    def with_care(self) -> OperationTask:
        """As it is: rows here are the engine's own, and a lost worker was killed from outside."""
        return self


@dataclass
class OperationReport:
    """The record of a finished task."""

    index: int
    entry: FileEntry | None
    schema: str
    batches: dict[str, list[int]] = field(default_factory=dict)
    """Of a scatter: partition → record batches in the file."""

    def arrow_schema(self) -> pa.Schema:
        return pa.ipc.read_schema(pa.py_buffer(bytes.fromhex(self.schema)))

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> OperationReport:
        entry = FileEntry(**value["entry"]) if value["entry"] else None
        return cls(value["index"], entry, value["schema"], value["batches"])


def run_operation_task(task: OperationTask) -> OperationReport:
    """Carries one task out and commits it."""
    store = Store(task.store)
    main, *zipped = task.inputs
    batches = shard_batches(store, main, task.columns)
    if task.function is not None:
        batches = task.function(batches, task.index, *(shard_batches(store, each, None) for each in zipped))
    write = _write_scattered if task.scatter is not None else _write_parquet
    report = write(store, task, batches)
    store.write_json(task.record, asdict(report))
    return report


def shard_batches(store: Store, shard: AnyShard, columns: Sequence[str] | None) -> Batches:
    """The rows of a shard; at least one batch, which may be empty, so that its schema is told."""
    if isinstance(shard, ScatteredShard):
        yield from _gathered(store, shard)
        return
    if isinstance(shard, FileShard):
        schema = shard.schema
        if columns is not None:
            schema = pa.schema([schema.field(name) for name in columns])
        if shard.file is None:
            yield empty_batch(schema)
        else:
            yield from read_batches(store, shard.file, columns, batch_rows=65536)
        return
    yield from _document_batches(store, shard, columns)


def _document_batches(store: Store, shard: DocumentShard, columns: Sequence[str] | None) -> Batches:
    schema = document_schema(store, shard)
    wanted = list(columns) if columns is not None else schema.names
    if shard.file is None:
        yield empty_batch(pa.schema([schema.field(name) for name in wanted]))
        return
    stored = [name for name in wanted if name in shard.schema.names] or ["id"]
    yielded = False
    for batch in numbered(read_batches(store, shard.file, stored, batch_rows=1024)):
        for removal in shard.removals:
            batch, _ = apply_removal(store, removal, batch)
        yielded = True
        yield batch.select(wanted)
    if not yielded:
        yield empty_batch(pa.schema([schema.field(name) for name in wanted]))


def document_schema(store: Store, shard: DocumentShard) -> pa.Schema:
    """Columns of the documents as a global stage sees them: stored ones, `row`, and those that stages before it
    have joined."""
    schema = shard.schema.append(pa.field("row", pa.int64()))
    for removal in shard.removals:
        if removal.columns is not None:
            joined = next(read_batches(store, removal.columns)).schema
            for each in joined:
                at = schema.get_field_index(each.name)
                schema = schema.append(each) if at < 0 else schema.set(at, each)
    return schema


def _gathered(store: Store, shard: ScatteredShard) -> Batches:
    found: list[pa.RecordBatch] = []
    for file, indices in shard.pieces:
        with store.open(file) as source:
            reader = pa.ipc.open_file(source)
            found += [reader.get_batch(i) for i in indices]
    table = pa.Table.from_batches(found, schema=shard.schema)
    del found
    if shard.sort:
        table = table.take(pc.sort_indices(table, sort_keys=[(name, "ascending") for name in shard.sort]))
    yielded = False
    for batch in table.combine_chunks().to_batches(max_chunksize=65536):
        yielded = True
        yield batch
    if not yielded:
        yield empty_batch(shard.schema)


def _write_parquet(store: Store, task: OperationTask, batches: Batches) -> OperationReport:
    writer = TableWriter(store, f"{task.folder}/{task.index:05d}.parquet", group_bytes=None)
    try:
        for batch in batches:
            writer.add(batch)
        entry = writer.close()
    except BaseException:
        writer.abandon()
        raise
    if writer.schema is None:
        raise AssertionError(f"operation {task.folder} told no schema: a shard function must yield a batch, if empty")
    return OperationReport(task.index, entry, writer.schema.serialize().to_pybytes().hex())


def _write_scattered(store: Store, task: OperationTask, batches: Batches) -> OperationReport:
    assert task.scatter is not None
    name = f"{task.folder}/{task.index:05d}.arrow"
    places: dict[str, list[int]] = {}
    rows = written = 0
    schema: pa.Schema | None = None
    with store.writing(name) as file:
        sink: pa.RecordBatchFileWriter | None = None
        for run in _runs(batches):
            if sink is None:
                schema = run.schema
                sink = pa.ipc.new_file(
                    pa.PythonFile(file, mode="w"), schema, options=pa.ipc.IpcWriteOptions(compression="zstd")
                )
            rows += run.num_rows
            for partition, piece in _split(run, *task.scatter):
                places.setdefault(str(partition), []).append(written)
                sink.write_batch(piece)
                written += 1
        if sink is None or schema is None:
            raise AssertionError(
                f"operation {task.folder} told no schema: a shard function must yield a batch, if empty"
            )
        sink.close()
    entry = FileEntry(name, rows, file.count, file.digest.hexdigest())
    return OperationReport(task.index, entry, schema.serialize().to_pybytes().hex(), places)


def _runs(batches: Batches) -> Iterator[pa.Table]:
    pending: list[pa.RecordBatch] = []
    size = 0
    for batch in batches:
        pending.append(batch)
        size += batch.nbytes
        if size >= RUN_BYTES:
            yield pa.Table.from_batches(pending)
            pending, size = [], 0
    if pending:
        yield pa.Table.from_batches(pending)


def _split(run: pa.Table, by: str, partitions: int) -> Iterator[tuple[int, pa.RecordBatch]]:
    """(partition, its rows in input order) for each partition that has any."""
    if run.num_rows == 0:
        return
    where = run.column(by).combine_chunks().to_numpy(zero_copy_only=False).astype(np.int64, copy=False)
    if where.min() < 0 or where.max() >= partitions:
        raise AssertionError(f"column {by} holds {where.min()}…{where.max()}, outside 0…{partitions - 1}")
    order = np.argsort(where, kind="stable")
    ordered = run.take(pa.array(order)).combine_chunks().to_batches()[0]
    found, starts = np.unique(where[order], return_index=True)
    for partition, start, end in zip(found, starts, [*starts[1:], run.num_rows], strict=True):
        yield int(partition), ordered.slice(int(start), int(end - start))


class FileCollection:
    """The Collection of one global stage, on an executor."""

    def __init__(
        self, executor: Executor, store: Store, folder: str, identity: str, shards: Sequence[AnyShard],
        schema: pa.Schema, n_rows: int, n_bytes: int, entries: Sequence[FileEntry | None] = (),
    ) -> None:  # fmt: skip
        self._executor, self._store, self._folder, self._identity = executor, store, folder, identity
        self.shards = shards
        self.schema = schema
        self.n_rows, self.n_bytes = n_rows, n_bytes
        self.entries = entries
        """Of a collection that an operation wrote: the file of each shard."""

    @property
    def n_shards(self) -> int:
        return len(self.shards)

    def map(
        self,
        name: str,
        function: ShardFunction,
        *,
        columns: Sequence[str] | None = None,
        zipped: Sequence[Collection] = (),
        memory_mb: int = 1024,
    ) -> FileCollection:
        folder, identity = self._operation(name, zipped, columns, None, ())
        reports = self._round(folder, function, self._zip(zipped), columns, None, memory_mb)
        return self._collected(folder, identity, reports)

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
    ) -> FileCollection:
        folder, identity = self._operation(name, zipped, columns, (by, partitions), sort)
        scattered = self._round(f"{folder}/scatter", function, self._zip(zipped), columns, (by, partitions), memory_mb)
        schema = scattered[0].arrow_schema()
        pieces: list[list[tuple[str, tuple[int, ...]]]] = [[] for _ in range(partitions)]
        for report in scattered:
            assert report.entry is not None
            for partition, batches in report.batches.items():
                pieces[int(partition)].append((report.entry.path, tuple(batches)))
        inputs: list[tuple[AnyShard, ...]] = [(ScatteredShard(tuple(p), schema, tuple(sort)),) for p in pieces]
        reports = self._round(folder, None, inputs, None, None, memory_mb)
        return self._collected(folder, identity, reports)

    def batches(self, columns: Sequence[str] | None = None) -> Batches:
        for shard in self.shards:
            yield from shard_batches(self._store, shard, columns)

    def _zip(self, zipped: Sequence[Collection]) -> list[tuple[AnyShard, ...]]:
        others = [cast(FileCollection, each).shards for each in zipped]
        for each in others:
            if len(each) != self.n_shards:
                raise ValueError(f"a zipped collection has {len(each)} shards, not {self.n_shards}")
        return [(shard, *(each[i] for each in others)) for i, shard in enumerate(self.shards)]

    def _operation(
        self,
        name: str,
        zipped: Sequence[Collection],
        columns: Sequence[str] | None,
        scatter: tuple[str, int] | None,
        sort: Sequence[str],
    ) -> tuple[str, str]:
        """(folder, identity): another shape of the same operation, as other memory gives, has another folder."""
        basis = [self._identity, [cast(FileCollection, z)._identity for z in zipped], name, columns, scatter, sort]
        identity = hashlib.blake2b(json.dumps(basis, default=list).encode(), digest_size=8).hexdigest()
        return f"{self._folder}/{name}-{identity}", identity

    def _round(
        self,
        folder: str,
        function: ShardFunction | None,
        inputs: Sequence[tuple[AnyShard, ...]],
        columns: Sequence[str] | None,
        scatter: tuple[str, int] | None,
        memory_mb: int,
    ) -> list[OperationReport]:
        """All tasks of one round: those done before are read, the others run. Reports in shard order."""
        done = set(self._store.names(f"{folder}/done"))
        wanted = None if columns is None else tuple(columns)
        tasks = [
            OperationTask(self._store.root, folder, index, function, shards, wanted, scatter)
            for index, shards in enumerate(inputs)
        ]
        reports = {
            task.index: OperationReport.from_json(self._store.read_json(task.record))
            for task in tasks
            if task.record.rsplit("/", 1)[-1] in done
        }
        todo = [task for task in tasks if task.index not in reports]
        for report in self._executor.run(todo, run_operation_task, Resources(memory_mb=memory_mb)):
            reports[report.index] = report
        return [reports[task.index] for task in tasks]

    def _collected(self, folder: str, identity: str, reports: Sequence[OperationReport]) -> FileCollection:
        schema = reports[0].arrow_schema() if reports else pa.schema([])
        shards = [FileShard(r.entry.path if r.entry else None, r.arrow_schema()) for r in reports]
        rows = sum(r.entry.rows for r in reports if r.entry)
        size = sum(r.entry.bytes for r in reports if r.entry)
        entries = [report.entry for report in reports]
        return FileCollection(self._executor, self._store, self._folder, identity, shards, schema, rows, size, entries)
