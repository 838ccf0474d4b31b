"""Documents that are no archive records: rows of Parquet and JSONL, and HTML files. Rows keep whatever other columns
they carry; what names the text, the id and the rest of a document is said by the recipe or found by usual names."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import lzma
import re
import zlib
from collections.abc import Iterator
from html import unescape
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import zstandard

from curate.documents import PAGE, TEXT, document_id
from curate.sources.base import Documents, Event, Failure, Shard, Skipped, SkippedRecord
from curate.sources.charset import decode
from curate.sources.pages import as_utf8
from curate.sources.plan import MAX_PAGE_BYTES
from curate.sources.store import open_bytes, open_stream

_USUAL = {
    "text": ("text", "content", "raw_content", "document", "body"),
    "id": ("id", "document_id", "doc_id", "uuid"),
    "url": ("url", "uri", "source_url", "link"),
    "date": ("date", "timestamp", "date_download", "created"),
    "title": ("title",),
}
"""Names under which published sets (FineWeb, RedPajama, C4, Dolma, OSCAR) keep what we call so."""

_HTML_ID = re.compile(r"[0-9a-f]{32}")
_MAX_LINE = 256 << 20
"""Bytes of a JSON line at most."""
_JSONL_ROWS = 4096
"""Lines parsed at once."""
_LINK = re.compile(rb"<link\b[^>]*>", re.IGNORECASE)
_CANONICAL = re.compile(rb"\brel\s*=\s*[\"']?canonical[\"'\s/>]", re.IGNORECASE)
_HREF = re.compile(rb"\bhref\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s>\"']+))", re.IGNORECASE)
_OG_URL = re.compile(rb"<meta\b[^>]*\bproperty\s*=\s*[\"']og:url[\"'][^>]*>", re.IGNORECASE)
_CONTENT = re.compile(rb"\bcontent\s*=\s*(?:\"([^\"]*)\"|'([^']*)')", re.IGNORECASE)
_HEAD = 256 * 1024


# ---------------------------------------------------------------------------------------- rows as documents


def as_documents(rows: pa.RecordBatch, shard: Shard, first_row: int) -> tuple[pa.RecordBatch, list[Event]]:
    """Rows of the input as documents: the columns of TEXT first, then the others; and the rows that are none.

    A row's id is its own where it has 32 hex digits (as our own output does), else a hash of the id it carries, else
    of its URL, date and text. KeyError if there is no text column.
    """
    names = {role: _column(rows.schema, shard, role) for role in _USUAL}
    text_name = names["text"]
    if text_name is None:
        found = ", ".join(rows.schema.names)
        raise KeyError(f"no text column: found {found}; name it by input.text (usual: {', '.join(_USUAL['text'])})")
    taken = {name for name in names.values() if name}
    own = rows.schema.names
    n = rows.num_rows
    texts = _strings(rows.column(text_name))
    columns: dict[str, pa.Array] = {
        role: _strings(rows.column(name)) if name else pa.nulls(n, pa.string()) for role, name in names.items()
    }
    columns["text"] = texts
    columns["id"] = _ids(columns, shard.path, first_row)
    # A row of our own output knows where it came from.
    lineage = "source" in own and rows.schema.field("source").type == pa.string() and "offset" in own
    columns["source"] = rows.column("source") if lineage else pa.array([shard.path] * n, pa.string())
    for name in ("offset", "length"):
        kept = lineage and name in own and pa.types.is_integer(rows.schema.field(name).type)
        columns[name] = rows.column(name).cast(pa.int64()) if kept else pa.nulls(n, pa.int64())
    fields = [*TEXT]
    arrays = [columns[field.name] for field in TEXT]
    for field in rows.schema:
        if field.name not in columns and field.name not in taken:
            fields.append(field)
            arrays.append(rows.column(field.name))
    documents = pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))
    empty = pc.fill_null(pc.equal(pc.utf8_length(texts), 0), True)
    if not pc.any(empty).as_py():
        return documents, []
    skipped = [
        SkippedRecord(shard.path, None, None, url, "row", "empty_text")
        for url in pc.filter(columns["url"], empty).to_pylist()
    ]
    return documents.filter(pc.invert(empty)), [Skipped(skipped)]


def _column(schema: pa.Schema, shard: Shard, role: str) -> str | None:
    named = shard.option(role)
    if named is not None:
        if named not in schema.names:
            raise KeyError(f"input.{role} names the column {named!r}; found {', '.join(schema.names)}")
        return str(named)
    for name in _USUAL[role]:
        if name in schema.names:
            kind = schema.field(name).type
            if role != "text" or pa.types.is_string(kind) or pa.types.is_large_string(kind):
                return name
    return None


def _strings(values: pa.Array) -> pa.Array:
    kind = values.type
    if pa.types.is_timestamp(kind):
        return pc.strftime(values, format="%Y-%m-%dT%H:%M:%SZ")
    if kind == pa.string():
        return values
    if pa.types.is_nested(kind):
        return pa.nulls(len(values), pa.string())
    return values.cast(pa.string())


def _ids(columns: dict[str, pa.Array], path: str, first_row: int) -> pa.Array:
    given = columns["id"].to_pylist()
    if all(value is not None and _HTML_ID.fullmatch(value) for value in given):
        return columns["id"]
    urls, dates, texts = (columns[name].to_pylist() for name in ("url", "date", "text"))
    made = []
    for row, value in enumerate(given):
        if value is not None and _HTML_ID.fullmatch(value):
            made.append(value)
        elif value is not None:
            made.append(document_id(value))
        else:
            made.append(
                document_id(urls[row], dates[row], texts[row], None if urls[row] else path, str(first_row + row))
            )
    return pa.array(made, pa.string())


def _in_batches(rows: pa.RecordBatch, batch_bytes: int, batch_rows: int) -> Iterator[pa.RecordBatch]:
    """Slices of at most `batch_rows` rows and about `batch_bytes` bytes of text."""
    if not rows.num_rows:
        return
    sizes = pc.fill_null(pc.binary_length(rows.column("text")), 0).to_numpy(zero_copy_only=False)
    start = size = 0
    for row, length in enumerate(sizes):
        if row > start and (row - start >= batch_rows or size + length > batch_bytes):
            yield rows.slice(start, row - start)
            start, size = row, 0
        size += int(length)
    yield rows.slice(start)


# ---------------------------------------------------------------------------------------- Parquet


def read_parquet(shard: Shard, batch_bytes: int, batch_rows: int) -> Iterator[Event]:
    """The rows of the row groups whose first byte lies in the shard's range."""
    with open_stream(shard.path) as stream:
        try:
            file = pq.ParquetFile(stream)
        except (pa.ArrowInvalid, OSError) as error:
            if shard.start == 0:
                yield Failure(shard.path, 0, shard.size, None, None, f"not a Parquet file: {error}")
            return
        first_row = 0
        for group in range(file.num_row_groups):
            metadata = file.metadata.row_group(group)
            start = _first_byte(metadata)
            if shard.start <= start < shard.end:
                try:
                    for rows in file.iter_batches(batch_size=max(batch_rows, 1024), row_groups=[group]):
                        documents, events = as_documents(rows, shard, first_row)
                        yield from events
                        for piece in _in_batches(documents, batch_bytes, batch_rows):
                            yield Documents(piece)
                        first_row += rows.num_rows
                except (pa.ArrowInvalid, OSError, KeyError) as error:
                    yield Failure(
                        shard.path, start, metadata.total_byte_size, None, None, f"row group {group}: {error}"
                    )
                    first_row = sum(file.metadata.row_group(each).num_rows for each in range(group + 1))
            else:
                first_row += metadata.num_rows


def _first_byte(group: Any) -> int:
    if not group.num_columns:
        return 4
    column = group.column(0)
    return int(column.dictionary_page_offset or column.data_page_offset)


# ---------------------------------------------------------------------------------------- JSONL


def read_jsonl(shard: Shard, batch_bytes: int, batch_rows: int) -> Iterator[Event]:
    """One JSON object a line. A line that is none is a Failure with its byte place (in the decompressed text).

    The file is read twice: first for the columns that its lines have together, so that all batches agree.
    """
    columns = _columns(shard)
    lines: list[dict[str, Any]] = []
    size = first_row = 0
    for item in _lines(shard):
        if isinstance(item, Failure):
            yield item
            continue
        length, value = item
        lines.append(value)
        size += length
        if size >= batch_bytes or len(lines) >= _JSONL_ROWS:
            yield from _json_rows(lines, columns, shard, first_row, batch_bytes, batch_rows)
            first_row += len(lines)
            lines, size = [], 0
    yield from _json_rows(lines, columns, shard, first_row, batch_bytes, batch_rows)


def _lines(shard: Shard) -> Iterator[tuple[int, dict[str, Any]] | Failure]:
    """The objects of a file, each with the bytes of its line."""
    place = 0
    with open_stream(shard.path) as stored:
        stream = _decompressed(stored, shard.path)
        while True:
            try:
                line = stream.readline(_MAX_LINE)
            except (OSError, EOFError, lzma.LZMAError, zlib.error, zstandard.ZstdError) as error:
                if isinstance(error, OSError) and error.errno is not None:
                    raise
                yield Failure(shard.path, place, None, None, None, f"the rest of the file cannot be read: {error}")
                return
            if not line:
                return
            try:
                value = json.loads(line) if line.strip() else None
                if value is not None and not isinstance(value, dict):
                    raise ValueError(f"a line that is no JSON object but {type(value).__name__}")
                if value is not None:
                    yield len(line), value
            except (ValueError, RecursionError) as error:
                yield Failure(shard.path, place, len(line), None, None, f"not JSON: {error}")
            place += len(line)


def _columns(shard: Shard) -> pa.Schema:
    """Columns by the values that all lines together have: a type of their own for booleans, integers, numbers and
    strings; what is nested or mixed is kept as JSON text."""
    kinds: dict[str, set[str]] = {}
    for item in _lines(shard):
        if not isinstance(item, Failure):
            for name, value in item[1].items():
                kinds.setdefault(name, set()).add(_kind(value))
    types = {
        frozenset({"bool"}): pa.bool_(),
        frozenset({"int"}): pa.int64(),
        frozenset({"float"}): pa.float64(),
        frozenset({"int", "float"}): pa.float64(),
    }
    return pa.schema(
        [(as_utf8(name).decode(), types.get(frozenset(kinds[name] - {"NoneType"}), pa.string())) for name in kinds]
    )


def _kind(value: Any) -> str:
    # An integer beyond 64 bits fits no column of numbers.
    return "large" if type(value) is int and abs(value) >= 1 << 63 else type(value).__name__


def _json_rows(
    lines: list[dict[str, Any]], columns: pa.Schema, shard: Shard, first_row: int, batch_bytes: int, batch_rows: int
) -> Iterator[Event]:
    if not lines:
        return
    try:
        arrays = [
            pa.array([_value(line.get(field.name), field.type) for line in lines], field.type) for field in columns
        ]
        rows = pa.RecordBatch.from_arrays(arrays, schema=columns)
        documents, events = as_documents(rows, shard, first_row)
    except (pa.ArrowInvalid, pa.ArrowTypeError, KeyError) as error:
        yield Failure(shard.path, None, None, None, None, f"{len(lines)} rows from row {first_row}: {error}")
        return
    yield from events
    for piece in _in_batches(documents, batch_bytes, batch_rows):
        yield Documents(piece)


def _value(value: Any, kind: pa.DataType) -> Any:
    if value is None or not pa.types.is_string(kind):
        return value
    return as_utf8(value if isinstance(value, str) else json.dumps(value, sort_keys=True)).decode()


def _decompressed(stream: Any, path: str) -> Any:
    name = path.lower()
    if name.endswith(".gz"):
        return gzip.GzipFile(fileobj=stream)
    if name.endswith((".zst", ".zstd")):
        reader = zstandard.ZstdDecompressor(max_window_size=1 << 31).stream_reader(stream, read_across_frames=True)
        return io.BufferedReader(reader, 1 << 20)
    if name.endswith(".bz2"):
        return bz2.BZ2File(stream)
    if name.endswith(".xz"):
        return lzma.LZMAFile(stream)
    return stream


# ---------------------------------------------------------------------------------------- HTML files


def read_html(shard: Shard, batch_bytes: int, batch_rows: int) -> Iterator[Event]:
    """Each file as a page: `source` is its path, `url` its canonical link where it has one."""
    from curate.sources.read import Batcher

    limit = int(shard.option("max_page_bytes", MAX_PAGE_BYTES))
    batcher = Batcher(PAGE, batch_bytes, batch_rows)
    for path in shard.paths or (shard.path,):
        try:
            file = open_bytes(path)
        except FileNotFoundError as error:
            yield Failure(path, None, None, None, None, f"the file is gone: {error}")
            continue
        size = file.size
        body = file.read_at(0, limit) if size <= limit else b""
        file.close()
        if size > limit:
            yield Failure(path, 0, size, None, None, f"a page of {size} bytes is over the limit of {limit}")
            continue
        if not body.strip():
            yield from batcher.skip(SkippedRecord(path, 0, size, None, "html", "empty_body"))
            continue
        html, charset = decode(body, None)
        html = as_utf8(html)
        url = canonical_url(html)
        # The name alone: the id must not change with the folder that the files are in.
        identity = document_id(url, PurePosixPath(path).name, body)
        yield from batcher.add((identity, url, None, path, 0, size, html, charset, None), len(html))
    yield from batcher.flush()


def canonical_url(html: bytes) -> str | None:
    """The absolute URL that a page names as its own: its canonical link, else its og:url."""
    head = html[:_HEAD]
    for link in _LINK.finditer(head):
        if _CANONICAL.search(link.group()):
            found = _absolute(_HREF.search(link.group()))
            if found:
                return found
    meta = _OG_URL.search(head)
    return _absolute(_CONTENT.search(meta.group())) if meta else None


def _absolute(match: re.Match[bytes] | None) -> str | None:
    if match is None:
        return None
    value = unescape(next(filter(None, match.groups()), b"").decode("utf-8", "replace")).strip()
    return value if value.lower().startswith(("http://", "https://")) else None
