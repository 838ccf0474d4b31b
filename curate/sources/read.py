"""A shard in, events out: which reader reads what, and where batches end.

Batch boundaries are a function of the shard's content and the two limits alone. Bad content never raises; trouble of
the storage does (permission, network), except that a file which is gone is a failure of the shard.
"""

from __future__ import annotations

import bz2
import io
import lzma
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pyarrow as pa
import zstandard

from curate.documents import PAGE, TEXT
from curate.sources.archives import Gap, walk
from curate.sources.base import Documents, Event, Extent, Failure, Shard, Skipped, SkippedRecord
from curate.sources.pages import Row, batch, extracted_text, page
from curate.sources.plan import MAX_PAGE_BYTES, can_split
from curate.sources.store import ByteFile, MemoryFile, Window, open_bytes
from curate.sources.streams import GZIP

BATCH_BYTES = 16 * 1024 * 1024
BATCH_ROWS = 256

_WRAPPERS = {b"BZh": "bz2", b"\x28\xb5\x2f\xfd": "zst", b"\x04\x22\x4d\x18": "lz4", b"\xfd7zXZ": "xz"}
_MAX_WRAPPED = 2 << 30
"""Decompressed bytes of an archive that is compressed as a whole; such files are held in memory."""


class Batcher:
    """Rows gathered into batches, with the skipped records that were met on the way."""

    def __init__(self, schema: pa.Schema, batch_bytes: int, batch_rows: int) -> None:
        self._schema, self._bytes, self._rows = schema, batch_bytes, batch_rows
        self._pending: list[Row] = []
        self._size = 0
        self._skipped: list[SkippedRecord] = []

    def add(self, row: Row, size: int) -> Iterator[Event]:
        """Takes a document; yields a batch if that fills it."""
        if self._pending and self._size + size > self._bytes:
            yield from self.flush()
        self._pending.append(row)
        self._size += size
        if len(self._pending) >= self._rows or self._size >= self._bytes:
            yield from self.flush()

    def skip(self, record: SkippedRecord) -> Iterator[Event]:
        """Takes a record that is no document."""
        self._skipped.append(record)
        if len(self._skipped) >= 16 * self._rows:
            yield from self.flush_skipped()

    def flush(self) -> Iterator[Event]:
        """What is pending, as events."""
        yield from self.flush_skipped()
        if self._pending:
            yield Documents(batch(self._pending, self._schema))
            self._pending, self._size = [], 0

    def flush_skipped(self) -> Iterator[Event]:
        if self._skipped:
            yield Skipped(self._skipped)
            self._skipped = []


def read(shard: Shard, *, batch_bytes: int = BATCH_BYTES, batch_rows: int = BATCH_ROWS) -> Iterator[Event]:
    """The events of a shard, in the order of its bytes; the last one of an archive's range is its Extent.

    OSError where the storage refuses (with the path in its message); a file that does not exist is a Failure.
    """
    try:
        if shard.kind in ("warc", "arc", "wet"):
            yield from _archive(shard, batch_bytes, batch_rows)
        else:
            from curate.sources import tables

            reader = {"parquet": tables.read_parquet, "jsonl": tables.read_jsonl, "html": tables.read_html}[shard.kind]
            yield from reader(shard, batch_bytes, batch_rows)
    except FileNotFoundError as error:
        yield Failure(shard.path, None, None, None, None, f"the file is gone: {error}")


def _archive(shard: Shard, batch_bytes: int, batch_rows: int) -> Iterator[Event]:
    limit = int(shard.option("max_page_bytes", MAX_PAGE_BYTES))
    make = extracted_text if shard.kind == "wet" else page
    batcher = Batcher(TEXT if shard.kind == "wet" else PAGE, batch_bytes, batch_rows)
    file = open_bytes(shard.path)
    try:
        if file.size == 0:
            yield Failure(shard.path, 0, 0, None, None, "the file is empty")
            yield Extent(0, 0)
            return
        head = file.read_at(0, 6)
        unwrapped, problem = _unwrap(file, head)
        if unwrapped is None:
            yield Failure(shard.path, 0, file.size, None, None, problem)
            yield Extent(0, file.size)
            return
        split = unwrapped is file and can_split(shard.kind, shard.path)
        # A block may be larger than the page in it: its header, and chunks; a compressed one is smaller.
        items = walk(
            Window(unwrapped),
            shard.start,
            shard.end,
            zipped=head.startswith(GZIP),
            exact=shard.exact,
            limit=2 * limit + (1 << 20),
            split=split,
        )
        places: list[int] = []
        any_record = False
        for item in items:
            if isinstance(item, int):
                places.append(item)
                continue
            any_record = True
            if unwrapped is not file:  # places inside a compressed stream are no places of the file
                item = replace(item, offset=None, length=None)
            if isinstance(item, Gap):
                yield Failure(shard.path, item.offset, item.length, None, None, item.error)
            else:
                made = make(item, shard.path, limit)
                if isinstance(made, SkippedRecord):
                    yield from batcher.skip(made)
                elif isinstance(made, Failure):
                    yield made
                else:
                    yield from batcher.add(made.row, made.size)
        if shard.start == 0 and shard.end == shard.size and not any_record:
            yield Failure(shard.path, 0, shard.size, None, None, "no record in the file")
        if problem:
            yield Failure(shard.path, None, None, None, None, problem)
        yield from batcher.flush()
        yield Extent(places[0], places[-1]) if split else Extent(0, file.size)
    finally:
        file.close()


def _unwrap(file: ByteFile, head: bytes) -> tuple[ByteFile | None, str]:
    """The archive inside a file that is compressed as a whole, else the file itself; with what went wrong."""
    wrapper = next((name for magic, name in _WRAPPERS.items() if head.startswith(magic)), None)
    if wrapper is None:
        return file, ""
    stream = io.BytesIO(file.read_at(0, file.size))
    opened: Any
    if wrapper == "bz2":
        opened = bz2.BZ2File(stream)
    elif wrapper == "xz":
        opened = lzma.LZMAFile(stream)  # noqa: SIM115 — nothing to close, it reads memory
    elif wrapper == "lz4":
        from fastwarc.stream_io import Lz4Reader

        opened = Lz4Reader(stream)
    else:
        opened = zstandard.ZstdDecompressor().stream_reader(stream, read_across_frames=True)
    inside = bytearray()
    problem = ""
    try:
        while piece := opened.read(1 << 20):
            inside += piece
            if len(inside) > _MAX_WRAPPED:
                problem = f"{wrapper}: the rest after {_MAX_WRAPPED} bytes is not read; compress each record by itself"
                break
    except (OSError, EOFError, lzma.LZMAError, zstandard.ZstdError) as error:
        problem = f"{wrapper}: {error}"
    if not inside:
        return None, problem or f"{wrapper}: nothing inside"
    return MemoryFile(inside), problem
