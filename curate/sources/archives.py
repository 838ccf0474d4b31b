"""WARC and ARC records, one after the other, from a byte range of an archive.

In flow a window over the file and a range; out flow `Record`s, each with its place, and `Gap`s for what is no
record. What is read is a function of the place where reading starts alone, so that ranges can be joined: a range
owns the records whose first byte (of their gzip member) lies in it.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from curate.sources.store import Window
from curate.sources.streams import GZIP, LOST_RECORD, RECORD_START, Member, Plain, Stream, next_member, next_plain

MAX_HEADER = 1 << 20
"""Bytes of a record's header at most; longer is taken for damage."""

_WANTED = ("response", "conversion")
_UNWANTED_LIMIT = 1 << 20
"""Up to here the content of other records is looked at too, for another record inside a wrong length."""

Fields: TypeAlias = dict[bytes, bytes]

_ARC = re.compile(
    rb"(?P<url>[^\n]+?) (?P<ip>\S{1,60}) (?P<date>\d{8,20})\S{0,20}(?P<rest> [^\n]*)? (?P<length>-?\w+)\r?$"
)
HEADER_END = re.compile(rb"\n\r*\n")
_VERSION = re.compile(rb"WARC/\d", re.IGNORECASE)
_FIELD = re.compile(rb"\n([^:\n]+):([^\n]*)")
_FEW = re.compile(rb"\n(warc-type|warc-target-uri|content-length):([^\n]*)", re.IGNORECASE)
"""What is asked of a record that is no page: two in three."""
_CONTENT = re.compile(rb"\nwarc-type:[ \t]*(?:response|conversion)", re.IGNORECASE)
_FOLD = re.compile(rb"\r*\n[ \t]+")


@dataclass(slots=True)
class Record:
    """A record of an archive."""

    type: str
    """The WARC-Type, lower case; `response` for what an ARC file holds, `warcinfo` for its first record."""
    fields: Fields
    """Header fields by lower-case name; of an ARC record under the WARC names for the same things."""
    block: memoryview | None
    """The content (no copy: it is the larger part of all bytes); None where it is larger than the limit or damaged."""
    offset: int | None = 0
    """First byte, in the file, of its gzip member (of the record itself in a plain file); None in a file that is
    compressed as a whole."""
    length: int | None = None
    """Bytes of the member or record; None for one of many records in a member too large to hold."""
    missing: int = 0
    """Bytes that the header promised and the file does not have."""
    oversized: int = 0
    """The length of a block that is over the limit."""
    damage: str | None = None
    """Why the content cannot be trusted."""


@dataclass(slots=True)
class Gap:
    """Bytes of the file that are no record."""

    offset: int | None
    length: int | None
    error: str


Walk: TypeAlias = Generator[Record | Gap, None, int]
"""Yields what it meets, and answers where to go on."""


def walk(
    window: Window, start: int, end: int, *, zipped: bool, exact: bool, limit: int, split: bool
) -> Iterator[Record | Gap | int]:
    """Records and gaps that begin in [start, end), and the places of range: the first item is where the first one
    begins, the last where the first one after the range does (both as int).

    `zipped`: gzip members, else plain records. `limit`: bytes of a block at most. `split`: False where the range is
    the whole file, which is then read to its end. OSError only for trouble of the file system.
    """
    place = start if exact else next_member(window, start) if zipped else next_plain(window, start)
    yield place
    end = end if split else window.size
    while place < end:
        place = yield from _member(window, place, limit) if zipped else _plain(window, place, end, limit)
    yield place


# ---------------------------------------------------------------------------------------- gzip, a member a record


def _member(window: Window, place: int, limit: int) -> Walk:
    """What begins at `place`; answers where to go on."""
    member = Member(window, place)
    if member.corrupt and bytes(window.view(place, 3)) != GZIP:
        return (yield from _lost(window, place, "no gzip member begins here"))
    held: Record | None = None
    problem: str | None = None
    while member.skip_newlines():
        if held is not None:
            held.length = member.end - place if member.done and not member.error else None
            yield held
        held, problem = read_record(member, limit)
        if held is None:
            break
        held.offset = place
    if member.error is None:
        if held is not None:
            held.length = member.end - place
            yield held
            if held.missing:
                yield Gap(member.end, 0, f"the gzip member ends inside a record; {held.missing} bytes are missing")
        if problem is not None:
            yield Gap(place, member.end - place, problem)
        return member.end
    if not member.corrupt:  # the file was cut: what is there of the last record is used
        if held is not None:
            held.length = window.size - place
            yield held
            yield Gap(window.size, 0, f"{member.error}; {held.missing} bytes of its record are missing")
        else:
            yield Gap(place, window.size - place, problem or member.error)
        return window.size
    following = next_member(window, place + 1)
    if held is not None:
        held.block, held.length, held.damage = None, following - place, member.error
        yield held
    else:
        yield Gap(place, following - place, member.error)
    return following


def _lost(window: Window, place: int, why: str) -> Walk:
    following = next_member(window, place)
    if following - place > 4096 or bytes(window.view(place, following - place)).strip(b"\r\n"):
        yield Gap(place, following - place, f"{why}: {bytes(window.view(place, 16))!r}")
    return following


# ---------------------------------------------------------------------------------------- plain files


def _plain(window: Window, place: int, end: int, limit: int) -> Walk:
    """All that begins in [place, end); answers where to go on."""
    stream = Plain(window, place)
    while stream.skip_newlines():
        at = place + stream.place()
        if at >= end:
            return at
        record, problem = read_record(stream, limit)
        if record is None:
            following = next_plain(window, at + 1)
            yield Gap(at, following - at, problem or "no record begins here")
            stream, place = Plain(window, following), following
            continue
        record.offset, record.length = at, place + stream.place() - at
        yield record
        if record.missing:
            yield Gap(window.size, 0, f"the file ends inside a record; {record.missing} bytes of it are missing")
    return window.size


# ---------------------------------------------------------------------------------------- one record


def read_record(stream: Stream, limit: int) -> tuple[Record | None, str | None]:
    """The record at the stream's position, which must not be a newline; (None, why) if there is none.

    Lenient where the meaning is plain: LF for CRLF, folded or odd fields, a missing length (then the content goes
    to the end of the stream), a length that overshoots (then the content ends where the next record begins).
    """
    stream.need(6)
    if _VERSION.match(stream.data, stream.position):
        header, whole = _header(stream)
        if header is None:
            return None, f"a WARC header of more than {MAX_HEADER} bytes"
        fields = parse_fields(header, _FIELD if _CONTENT.search(header) else _FEW)
        record = Record(text(fields.get(b"warc-type", b"unknown")).lower(), fields, None)
        if not whole:
            record.block, record.missing = memoryview(b""), int(_declared(fields) or 1)
            return record, None
    else:
        stream.need(2048)
        match = RECORD_START.match(stream.data, stream.position)
        if match is None:
            found = stream.data[stream.position : stream.position + 24]
            return None, f"neither a WARC nor an ARC record begins here: {found!r}"
        record = _arc_record(match.group())
        stream.position = match.end()
    _take_block(stream, record, limit)
    return record, None


def _header(stream: Stream) -> tuple[bytes | None, bool]:
    """The header's lines, and whether they end with an empty one; the stream moves past that."""
    while True:
        data, start = stream.data, stream.position
        match = HEADER_END.search(data, start)
        if match:
            stream.position = match.end()
            return data[start : match.start()], True
        if len(data) - start > MAX_HEADER:
            return None, False
        if not stream.fill():
            stream.position = len(stream.data)
            return data[start:], False


def _declared(fields: Fields) -> bytes | None:
    """The declared length of the content, if it is a number."""
    value = fields.get(b"content-length", b"").split(b",")[0].strip()
    return value if value.isdigit() and len(value) < 16 else None


def _arc_record(line: bytes) -> Record:
    """From an ARC header line, version 1 (five fields) or 2 (ten); URLs may hold spaces, so it is read from the
    right. https://archive.org/web/researcher/ArcFileFormat.php"""
    match = _ARC.match(line.strip(b"\r\n"))
    if match is None:  # RECORD_START is the looser of the two
        return Record("response", {}, None)
    url, date = match["url"], text(match["date"]).ljust(14, "0")
    rest = (match["rest"] or b"").split()
    iso = f"{date[:4]}-{date[4:6]}-{date[6:8]}T{date[8:10]}:{date[10:12]}:{date[12:14]}Z"
    fields = {b"warc-target-uri": url, b"warc-date": iso.encode(), b"content-length": match["length"]}
    if rest:
        fields[b"arc-mime"] = rest[0]
    return Record("warcinfo" if url.startswith(b"filedesc:") else "response", fields, None)


def _take_block(stream: Stream, record: Record, limit: int) -> None:
    declared = _declared(record.fields)
    if declared is None:
        record.block = _rest(stream, limit)
        return
    length = int(declared)
    if length > (limit if record.type in _WANTED else _UNWANTED_LIMIT):
        record.missing, record.oversized = length - stream.skip(length), length
        return
    there = stream.need(length + 1)
    at = stream.position
    followed_well = there <= length or stream.data[at + length] in b"\r\n"
    there = min(there, length)
    block = memoryview(stream.data)[at : at + there]
    record.missing = length - there
    if record.missing or not followed_well:
        # The length may be wrong: then the next record begins inside this one.
        lost = LOST_RECORD.search(block)
        if lost:
            block, record.missing, there = block[: lost.start()], 0, lost.end()
    stream.position = at + there
    record.block = block


def _rest(stream: Stream, limit: int) -> memoryview:
    """The content of a record without a length: to the next record, or to the end of the stream."""
    stream.need(limit)
    here = stream.data[stream.position : stream.position + limit]
    lost = LOST_RECORD.search(here)
    block = here[: lost.start()] if lost else here
    stream.position += lost.end() if lost else len(here)
    return memoryview(block if lost else block.rstrip(b"\r\n"))


# ---------------------------------------------------------------------------------------- header fields


def parse_fields(header: bytes, field: re.Pattern[bytes] = _FIELD) -> Fields:
    """Header fields by lower-case name, of WARC and of HTTP; the first line is not one. A folded line goes on its
    field; a repeated field's values are joined by a comma. `field` finds the fields that are asked for."""
    if b"\n " in header or b"\n\t" in header:
        header = _FOLD.sub(b" ", header)
    found = field.findall(header)
    fields = {name.strip().lower(): value.strip() for name, value in found}
    if len(fields) < len(found):
        fields = {}
        for name, value in found:
            name, value = name.strip().lower(), value.strip()
            fields[name] = fields[name] + b", " + value if name in fields else value
    return fields


def text(value: bytes) -> str:
    """A header's bytes as text: UTF-8, or Latin-1 where it is not that."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
