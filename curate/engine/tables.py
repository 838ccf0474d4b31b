"""Parquet files as the engine writes and reads them: streamed, a row group at a time, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from functools import cache

import pyarrow as pa
import pyarrow.parquet as pq

from curate.engine.store import FileEntry, HashingFile, Store

BUFFER_BYTES = 1 << 18

SMALL_FILE_BYTES = 4 << 20
SMALL_COLUMN_BYTES = 1 << 16
"""A shard of a small input leaves a file for every stage, of a few rows in a score of columns. A zstd context for each
column and a page index then cost more than all else of the file, and save next to nothing: in files below the first
size columns below the second are compressed by lz4, and there is no index."""


class TableWriter:
    """Writes one Parquet file below a store, created at the first batch; no batch, no file.

    With `group_bytes` batches are gathered into row groups of about that size; without it every batch that is
    not empty becomes a row group of its own.
    """

    def __init__(self, store: Store, name: str, group_bytes: int | None = 16 << 20) -> None:
        self.store, self.name, self.group_bytes = store, name, group_bytes
        self.rows = 0
        self.schema: pa.Schema | None = None
        self._pending: list[pa.RecordBatch] = []
        self._pending_bytes = 0
        self._writer: pq.ParquetWriter | None = None
        self._sink: pa.BufferedOutputStream | None = None
        self._context = store.writing(name)
        self._file: HashingFile | None = None

    def add(self, batch: pa.RecordBatch) -> None:
        """Appends rows. The first batch, even an empty one, gives the schema."""
        if self.schema is None:
            self.schema = batch.schema
        if batch.num_rows == 0:
            return
        self.rows += batch.num_rows
        self._pending.append(batch if batch.schema.equals(self.schema) else batch.cast(self.schema))
        self._pending_bytes += batch.nbytes
        if self.group_bytes is None or self._pending_bytes >= self.group_bytes:
            self._flush()

    def _start(self, only: pa.Table | None = None) -> pq.ParquetWriter:
        """The writer; `only`: all that there will be in the file."""
        if self._writer is None:
            small = only is not None and only.nbytes < SMALL_FILE_BYTES
            codec: str | dict[str, str] = _codecs(only) if only is not None and small else "zstd"
            self._file = self._context.__enter__()
            # Parquet writes a hundred small pieces for every file; each would be a call of Python.
            self._sink = pa.BufferedOutputStream(pa.PythonFile(self._file, mode="w"), BUFFER_BYTES)
            self._writer = pq.ParquetWriter(self._sink, self.schema, compression=codec, write_page_index=not small)
        return self._writer

    def _flush(self, last: bool = False) -> None:
        if self._pending:
            table = pa.Table.from_batches(self._pending, schema=self.schema)
            self._start(table if last else None).write_table(table, row_group_size=table.num_rows)
            self._pending, self._pending_bytes = [], 0

    def close(self, keep_empty: bool = False) -> FileEntry | None:
        """Ends the file and commits it. Without rows there is a file only if `keep_empty` asks for one and a
        schema is known."""
        self.finish(keep_empty)
        return self.commit()

    def finish(self, keep_empty: bool = False) -> None:
        """All that costs CPU of `close`: encodes and writes what is left."""
        self._flush(last=True)
        if self._writer is None:
            if not keep_empty or self.schema is None:
                return
            self._start()
        assert self._writer is not None and self._sink is not None
        self._writer.close()
        self._sink.flush()

    def commit(self) -> FileEntry | None:
        """All that waits of `close`: the disk or the object store has the finished file when this returns."""
        if self._file is None:
            return None
        self._context.__exit__(None, None, None)
        return FileEntry(self.name, self.rows, self._file.count, self._file.digest.hexdigest())

    def abandon(self) -> None:
        """Leaves nothing behind."""
        if self._file is not None:
            error = RuntimeError("abandoned")
            with suppress(RuntimeError):
                self._context.__exit__(type(error), error, None)


def _codecs(table: pa.Table) -> dict[str, str]:
    """Parquet's name of each leaf column → its compression."""
    return {
        leaf: "zstd" if table.column(field.name).nbytes > SMALL_COLUMN_BYTES else "lz4"
        for field in table.schema
        for leaf in _leaves_of(field)
    }


@cache
def _leaves_of(field: pa.Field) -> tuple[str, ...]:
    return tuple(_leaves(field.name, field.type))


def _leaves(name: str, kind: pa.DataType) -> Iterator[str]:
    if pa.types.is_struct(kind):
        for at in range(kind.num_fields):
            yield from _leaves(f"{name}.{kind.field(at).name}", kind.field(at).type)
    elif pa.types.is_map(kind):
        yield from _leaves(f"{name}.key_value.key", kind.key_type)
        yield from _leaves(f"{name}.key_value.value", kind.item_type)
    elif pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        yield from _leaves(f"{name}.list.element", kind.value_type)
    else:
        yield name


def read_batches(
    store: Store, name: str, columns: Sequence[str] | None = None, batch_rows: int = 1024
) -> Iterator[pa.RecordBatch]:
    """The rows of a Parquet file in order, a bounded batch at a time."""
    with store.open(name) as source:
        file = pq.ParquetFile(source)
        schema = file.schema_arrow  # made anew at each access
        wanted = None if columns is None else [c for c in columns if c in schema.names]
        if wanted is not None:
            schema = pa.schema([schema.field(c) for c in wanted])
        if file.metadata.num_rows == 0:
            yield empty_batch(schema)
            return
        for batch in file.iter_batches(batch_size=batch_rows, columns=wanted):
            yield batch.select(wanted) if wanted is not None else batch


def empty_batch(schema: pa.Schema) -> pa.RecordBatch:
    """No rows, but the schema."""
    return pa.RecordBatch.from_arrays([pa.array([], type=f.type) for f in schema], schema=schema)
