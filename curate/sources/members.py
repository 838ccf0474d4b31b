"""Records of a downloaded archive: gzip members found, their WARC headers read and their digests checked.

It is what makes a download trustworthy: a range is cut where its last whole record ends, and a record whose bytes
are not those that its digest names is told apart.
"""

from __future__ import annotations

import base64
import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

MEMBER = b"\x1f\x8b\x08"


@dataclass(frozen=True)
class Member:
    """A gzip member that holds a record: its place in the bytes, its WARC headers (names in lower case)."""

    offset: int
    length: int
    headers: dict[str, str]
    problem: str | None
    """Why the record is not what it says; None where its digest holds or it has none."""

    @property
    def url(self) -> str | None:
        return self.headers.get("warc-target-uri")


def members(data: bytes | memoryview, offset: int = 0) -> Iterator[Member]:
    """The whole members of the bytes from `offset` on, in order; ends silently where the last is cut short, so the
    end of the last member is where to cut. ValueError where bytes are no gzip member or no WARC record."""
    view = memoryview(data)
    while offset < len(view):
        if bytes(view[offset : offset + 3]) != MEMBER[: len(view) - offset]:
            raise ValueError(f"byte {offset}: no gzip member begins there")
        content, length = _inflate(view, offset)
        if length is None:
            return
        headers, problem = check_record(content)
        yield Member(offset, length, headers, problem)
        offset += length


def _inflate(view: memoryview, offset: int) -> tuple[bytes, int | None]:
    """Content and stored length of the member at `offset`; None where it goes on beyond the bytes."""
    inflate = zlib.decompressobj(31)
    content, at = [], offset
    while not inflate.eof:
        if at >= len(view):
            return b"", None
        # In pieces: what follows a member is handed back, and must not be the rest of the file each time.
        piece = view[at : at + 65536]
        try:
            content.append(inflate.decompress(piece))
        except zlib.error as error:
            raise ValueError(f"byte {offset}: a gzip member cannot be read: {error}") from error
        at += len(piece)
    return b"".join(content), at - len(inflate.unused_data) - offset


def next_record(data: bytes | memoryview, offset: int) -> int:
    """The first place from `offset` on where a gzip member begins a WARC record; the length of the data if none."""
    raw = bytes(data)
    while (offset := raw.find(MEMBER, offset)) >= 0:
        try:
            if zlib.decompressobj(31).decompress(raw[offset : offset + 4096], 5) == b"WARC/":
                return offset
        except zlib.error:
            pass
        offset += 1
    return len(raw)


def check_record(content: bytes) -> tuple[dict[str, str], str | None]:
    """Headers of a WARC record and what is wrong with it: its length or a digest of its block or payload."""
    head, blank, rest = content.partition(b"\r\n\r\n")
    if not head.startswith(b"WARC/") or not blank:
        return {}, "no WARC record"
    headers = {}
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        headers[name.decode("utf-8", "replace").strip().lower()] = value.decode("utf-8", "replace").strip()
    length = headers.get("content-length", "")
    if not length.isdigit() or int(length) > len(rest):
        return headers, f"Content-Length is {length!r}, but the block has {len(rest)} bytes"
    block = rest[: int(length)]
    stated = headers.get("warc-block-digest")
    if stated is not None:
        return headers, _compare("block", stated, block)
    stated = headers.get("warc-payload-digest")
    if stated is not None and headers.get("warc-type") == "response" and "truncated" not in headers:
        return headers, _compare("payload", stated, block.partition(b"\r\n\r\n")[2])
    return headers, None


def _compare(what: str, stated: str, data: bytes) -> str | None:
    algorithm, _, value = stated.partition(":")
    if algorithm.lower() not in ("sha1", "sha256", "md5"):
        return None
    digest = hashlib.new(algorithm.lower(), data)
    if value.upper() == base64.b32encode(digest.digest()).decode() or value.lower() == digest.hexdigest():
        return None
    found = f"{algorithm}:{base64.b32encode(digest.digest()).decode()}"
    return f"{what} digest is {stated}, but its {len(data)} bytes give {found}"


def payload_digest(headers: dict[str, str]) -> str:
    """The payload digest in Base32 as the index writes it, without the algorithm; empty where there is none."""
    return headers.get("warc-payload-digest", "").rpartition(":")[2].upper()
