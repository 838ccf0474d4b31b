"""Records of a dump by host, language or MIME type, found through its index and fetched one range each.

Two indexes say the same: the columnar one (Parquet, read by ranges; row groups that cannot match are not read) and
the CDX API (JSON lines). A line that cannot be read, or a record that is not what its line says, is a dead letter.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curate.sources.commoncrawl import Dump, Progress, listing, write_json
from curate.sources.members import members, payload_digest
from curate.sources.mirror import Mirror, MirrorError, MirrorFile

LANGUAGES = {
    "ar": "ara", "cs": "ces", "de": "deu", "el": "ell", "en": "eng", "es": "spa", "fa": "fas", "fr": "fra",
    "he": "heb", "hi": "hin", "hu": "hun", "id": "ind", "it": "ita", "ja": "jpn", "ko": "kor", "nl": "nld",
    "pl": "pol", "pt": "por", "ro": "ron", "ru": "rus", "sv": "swe", "th": "tha", "tr": "tur", "uk": "ukr",
    "vi": "vie", "zh": "zho",
}  # fmt: skip
"""ISO 639-1 to the 639-3 codes of the index; three letters are taken as they are."""
COLUMNS = ["url_surtkey", "url", "fetch_status", "content_digest", "content_mime_detected", "content_languages",
           "warc_filename", "warc_record_offset", "warc_record_length"]  # fmt: skip


@dataclass(frozen=True)
class Query:
    """What is wanted; None: no such condition."""

    host: str | None = None
    """A host, or `*.domain` for it and all below."""
    language: str | None = None
    """The page's main language, ISO 639-1 or 639-3."""
    mime: str | None = None
    status: int = 200
    url: str | None = None
    """One page, as the index has it (scheme and `www.` aside): for the CDX API."""

    @property
    def index_language(self) -> str | None:
        return LANGUAGES.get(self.language, self.language) if self.language else None


@dataclass(frozen=True)
class Row:
    """One line of an index: where a record is, and what it is said to be."""

    url: str
    path: str
    offset: int
    length: int
    digest: str


def surt_prefix(host: str) -> str:
    """The beginning of the sort key of a host's URLs: `*.b.example` and `b.example` begin with `example,b`."""
    return ",".join(reversed(host.lower().removeprefix("*.").removeprefix("www.").split(".")))


def columnar(mirror: Mirror, dump: str, query: Query, failed: list[dict[str, Any]]) -> Iterator[Row]:
    """Rows of the Parquet index, file by file."""
    for path in listing(mirror, dump, "cc-index-table"):
        if "/subset=warc/" not in path:
            continue
        try:
            table = pq.ParquetFile(pa.PythonFile(_Seekable(MirrorFile(mirror, path)), mode="r"))
        except pa.ArrowException as error:
            raise MirrorError(f"{mirror.url(path)}: not a Parquet file: {error}") from error
        for group in range(table.num_row_groups):
            if _may_match(table, group, query):
                for values in _matching(table.read_row_group(group, columns=COLUMNS), query).to_pylist():
                    row = _row(values["url"], values["warc_filename"], values["warc_record_offset"],
                               values["warc_record_length"], values["content_digest"])  # fmt: skip
                    if isinstance(row, Row):
                        yield row
                    else:
                        failed.append({"index": path, "line": str(values)[:300], "error": row})


def _may_match(table: Any, group: int, query: Query) -> bool:
    """By the least and greatest sort key of the row group: the index is sorted by it."""
    if query.host is None:
        return True
    place = table.schema_arrow.get_field_index("url_surtkey")
    statistics = table.metadata.row_group(group).column(place).statistics
    if statistics is None or not statistics.has_min_max:
        return True
    prefix = surt_prefix(query.host)
    return bool(str(statistics.max) >= prefix and str(statistics.min)[: len(prefix)] <= prefix)


def _matching(rows: pa.Table, query: Query) -> pa.Table:
    keep = pc.equal(rows["fetch_status"], query.status)
    if query.host is not None:
        prefix = surt_prefix(query.host)
        ends = [")", ","] if query.host.startswith("*.") else [")"]
        hosts = pa.chunked_array([pc.starts_with(rows["url_surtkey"].combine_chunks(), prefix + ends[0])])
        for end in ends[1:]:
            hosts = pc.or_(hosts, pc.starts_with(rows["url_surtkey"], prefix + end))
        keep = pc.and_(keep, hosts)
    if query.index_language is not None:
        keep = pc.and_(keep, pc.fill_null(pc.starts_with(rows["content_languages"], query.index_language), False))
    if query.mime is not None:
        keep = pc.and_(keep, pc.fill_null(pc.equal(rows["content_mime_detected"], query.mime), False))
    return rows.filter(keep)


def cdx(mirror: Mirror, dump: Dump, query: Query, failed: list[dict[str, Any]]) -> Iterator[Row]:
    """Rows that the CDX API answers, page by page. It asks for a host or a URL; MirrorError if the dump has no API."""
    if dump.cdx_api is None:
        raise MirrorError(f"dump {dump.id} on {mirror.base} names no CDX API: use the columnar index")
    if query.host is None and query.url is None:
        raise MirrorError("the CDX API answers by host or URL only: name one, or use the columnar index")
    filters = [f"=status:{query.status}"]
    if query.index_language:
        filters.append(f"~languages:^{query.index_language}")
    if query.mime:
        filters.append(f"=mime-detected:{query.mime}")
    asked: list[tuple[str, Any]] = [
        ("url", query.url or f"{query.host}/*"),
        ("output", "json"),
        *(("filter", f) for f in filters),
    ]
    pages = json.loads(mirror.fetch(f"{dump.cdx_api}?{urlencode([*asked, ('showNumPages', 'true')])}"))
    for page in range(int(pages["pages"])):
        try:
            answer = mirror.fetch(f"{dump.cdx_api}?{urlencode([*asked, ('page', page)])}")
        except FileNotFoundError:
            continue  # how the API says that a page holds nothing for these filters
        for line in answer.splitlines():
            row = parse_cdx(line)
            if isinstance(row, Row):
                yield row
            else:
                failed.append({"index": dump.cdx_api, "line": line[:300].decode("utf-8", "replace"), "error": row})


def parse_cdx(line: bytes) -> Row | str:
    """The row that a line of JSON (with or without sort key and time before it) holds, or what is wrong with it."""
    text = line[line.find(b"{") :] if b"{" in line else line
    try:
        entry = json.loads(text)
    except ValueError as error:
        return f"no JSON: {error}"
    if not isinstance(entry, dict):
        return "no JSON object"
    missing = [key for key in ("url", "filename", "offset", "length") if key not in entry]
    if missing:
        return f"has no {', '.join(missing)}"
    return _row(entry["url"], entry["filename"], entry["offset"], entry["length"], entry.get("digest", ""))


def _row(url: Any, path: Any, offset: Any, length: Any, digest: Any) -> Row | str:
    try:
        start, size = int(offset), int(length)
    except (TypeError, ValueError):
        return f"offset {offset!r} or length {length!r} is no number"
    if start < 0 or size < 20 or not url or not path or ".." in str(path):
        return f"no record can be at {path!r}, offset {start}, length {size}"
    return Row(str(url), str(path), start, size, str(digest or "").rpartition(":")[2].upper())


class _Seekable:
    """The little that pyarrow asks of a Python file."""

    def __init__(self, file: MirrorFile) -> None:
        self._file, self._at, self.closed = file, 0, False

    def read(self, size: int = -1) -> bytes:
        data = self._file.read_at(self._at, self._file.size - self._at if size < 0 else size)
        self._at += len(data)
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = offset + (0, self._at, self._file.size)[whence]
        return self._at

    def tell(self) -> int:
        return self._at

    def size(self) -> int:
        return self._file.size

    def close(self) -> None:
        self.closed = True

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def writable(self) -> bool:
        return False

    def flush(self) -> None:
        """Nothing is written."""


# ---------------------------------------------------------------------------------------- fetching


def download_rows(
    mirror: Mirror,
    dump: str,
    rows: list[Row],
    out: Path,
    *,
    failed: list[dict[str, Any]],
    connections: int = 8,
    progress: Progress = lambda name, done, wanted: None,
) -> dict[str, Any]:
    """Fetches each record and writes them, in the order of the rows, to `out/DUMP-index.warc.gz`; returns the
    manifest. `out/DUMP-index.journal` makes it resumable: one line a row, its bytes or its error."""
    out.mkdir(parents=True, exist_ok=True)
    name = f"{dump}-index.warc.gz"
    part, journal = out / f"{name}.part", out / f"{dump}-index.journal"
    rows = sorted(set(rows), key=lambda row: (row.path, row.offset))
    entries = _journal(journal, rows)
    size = sum(entry["bytes"] for entry in entries)
    with part.open("ab") as stream, journal.open("a", encoding="utf-8") as notes:
        if stream.tell() < size:
            raise MirrorError(
                f"{part}: has {stream.tell()} bytes, its journal says {size}; remove both and start again"
            )
        stream.truncate(size)
        todo = rows[len(entries) :]
        with ThreadPoolExecutor(max_workers=connections) as pool:
            for row, (data, error) in zip(todo, pool.map(lambda row: fetch_row(mirror, row), todo), strict=True):
                stream.write(data)
                stream.flush()
                entries.append({"path": row.path, "offset": row.offset, "bytes": len(data), "error": error})
                notes.write(json.dumps(entries[-1]) + "\n")
                notes.flush()
                progress(name, len(entries), len(rows))
    for row, entry in zip(rows, entries, strict=True):
        if entry["error"]:
            failed.append({"url": row.url, "path": row.path, "offset": row.offset, "length": row.length,
                           "error": entry["error"]})  # fmt: skip
    part.replace(out / name)
    journal.unlink()
    manifest = {"source": "commoncrawl index", "mirror": mirror.base, "dump": dump, "file": name,
                "records": sum(not entry["error"] for entry in entries), "failed": failed}  # fmt: skip
    write_json(out / "manifest.json", manifest)
    return manifest


def _journal(path: Path, rows: list[Row]) -> list[dict[str, Any]]:
    """The lines of an earlier attempt, as far as they are whole and about these rows."""
    entries: list[dict[str, Any]] = []
    if path.exists():
        for line, row in zip(path.read_text("utf-8").splitlines(), rows, strict=False):
            try:
                entry = json.loads(line)
            except ValueError:
                break
            if (entry.get("path"), entry.get("offset")) != (row.path, row.offset):
                break
            entries.append(entry)
        path.write_text("".join(json.dumps(entry) + "\n" for entry in entries), "utf-8")
    return entries


def fetch_row(mirror: Mirror, row: Row) -> tuple[bytes, str | None]:
    """The bytes of the record, or none and why: what came must be one whole record, of that URL and digest."""
    try:
        data = mirror.read(row.path, row.offset, row.length)
        found = list(members(data))
    except (OSError, ValueError) as error:
        return b"", str(error)
    if len(data) < row.length:
        return b"", f"the index says {row.length} bytes, the file has {len(data)} there"
    if len(found) != 1 or found[0].length != row.length:
        return b"", f"{row.length} bytes from {row.offset} are not one whole record"
    member = found[0]
    if member.problem:
        return b"", member.problem
    if member.url != row.url:
        return b"", f"the record there is of {member.url}"
    stated = payload_digest(member.headers)
    if row.digest and stated and stated != row.digest:
        return b"", f"the index says digest {row.digest}, the record {stated}"
    return data, None
