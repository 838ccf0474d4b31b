"""An HTTP response as a crawl stored it: status, header fields, and the body with its transfer and content codings
undone. Servers and crawlers both lie about codings, so each is tried and believed only where the bytes agree."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass

import brotli
import zstandard
from isal import isal_zlib

from curate.sources.archives import HEADER_END, Fields, parse_fields
from curate.sources.streams import GZIP, INFLATE_ERRORS

_STATUS = re.compile(rb"(?:HTTP/\d+(?:\.\d+)?|ICY)[ \t]+(\d{3})(?!\d)")
_CHUNK = re.compile(rb"[ \t]*([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\n]*)?\r?\n")
_ZSTD = b"\x28\xb5\x2f\xfd"
_PIECE = 1 << 16
_LAYERS = 4
"""Content codings undone at most; more than two is met in attacks only."""
_MARKUP = re.compile(rb"\s*(?:\xef\xbb\xbf)?\s*[<\w{\[]")
"""How an uncoded page begins, where a coding that has no signature was declared."""


class BodyError(ValueError):
    """A body that cannot be decoded, or is larger than the limit once decoded."""


@dataclass(slots=True)
class Response:
    """A response's status, header fields by lower-case name, and its body as stored."""

    status: int
    fields: Fields
    body: bytes


def parse_response(block: bytes | memoryview) -> Response | None:
    """The response in a record's content, or None where it is none (a DNS answer, an FTP file, bare HTML)."""
    match = _STATUS.match(block)
    if match is None:
        return None
    end = HEADER_END.search(block)
    head, body = (block[: end.start()], block[end.end() :]) if end else (block, b"")
    return Response(int(match[1]), parse_fields(bytes(head)), bytes(body))


def decode_body(response: Response, limit: int) -> bytes:
    """The body with chunking and compression undone. BodyError if it cannot be, or grows over `limit` bytes.

    A compressed body that was cut (crawlers cut at a size) gives what is there. A declared coding whose signature
    the bytes lack was already undone by the crawler, and is ignored; an undeclared gzip or zstd is undone, as no
    page begins with those bytes.
    """
    body = response.body
    if b"chunked" in response.fields.get(b"transfer-encoding", b"").lower():
        body = _unchunk(body)
    declared = response.fields.get(b"content-encoding")
    codings = [name.strip() for name in declared.lower().split(b",")] if declared else []
    for _ in range(_LAYERS):
        if body.startswith(GZIP):
            body = _inflate(body, limit)
        elif body.startswith(_ZSTD):
            body = _unzstd(body, limit)
        else:
            break
        if codings:
            codings.pop()
    for name in reversed(codings):
        if name == b"deflate":
            body = _undeflate(body, limit)
        elif name == b"br":
            body = _unbrotli(body, limit)
    if len(body) > limit:
        raise BodyError(f"a body of {len(body)} bytes is over the limit of {limit}")
    return body


def _unchunk(body: bytes) -> bytes:
    """Chunks joined; the body as it is where it is not chunked (crawlers undo it and keep the header)."""
    parts = []
    at = 0
    while match := _CHUNK.match(body, at):
        length = int(match[1], 16)
        if length == 0:
            break
        start = match.end()
        parts.append(body[start : start + length])
        at = start + length
        if at > len(body):
            break
        at += 2 if body[at : at + 2] == b"\r\n" else 1 if body[at : at + 1] == b"\n" else 0
    else:
        if not parts:
            return body
        # Not a chunk where one should begin: the rest is kept, damaged as it is.
        parts.append(body[at:])
    return b"".join(parts)


def _inflate(body: bytes, limit: int) -> bytes:
    """One gzip member or several."""
    pieces: list[bytes] = []
    size = at = 0
    view = memoryview(body)
    inflate = isal_zlib.decompressobj(31)
    try:
        while at < len(body):
            piece = inflate.decompress(view[at : at + _PIECE], limit + 1 - size)
            at += min(_PIECE, len(body) - at)
            pieces.append(piece)
            size += len(piece)
            if size > limit:
                break
            if inflate.eof:
                at -= len(inflate.unused_data)
                if body[at : at + 3] != GZIP:
                    break
                inflate = isal_zlib.decompressobj(31)
    except INFLATE_ERRORS as error:
        if not size:
            raise BodyError(f"a compressed body cannot be read: {error}") from error
    return _bounded(b"".join(pieces), body, limit)


def _bounded(data: bytes, body: bytes, limit: int) -> bytes:
    if len(data) > limit:
        raise BodyError(f"a compressed body of {len(body)} bytes grows over the limit of {limit}")
    return data


def _undeflate(body: bytes, limit: int) -> bytes:
    """RFC 9110 means zlib by `deflate`; many servers send it raw."""
    for window_bits in (15, -15):
        inflate = zlib.decompressobj(window_bits)
        try:
            data = inflate.decompress(body, limit + 1)
        except zlib.error:
            continue
        if data:
            return _bounded(data, body, limit)
    return _plain_or_error(body, "deflate")


def _unbrotli(body: bytes, limit: int) -> bytes:
    decompressor = brotli.Decompressor()
    pieces: list[bytes] = []
    size = 0
    try:
        piece = decompressor.process(body, output_buffer_limit=_PIECE)
        while piece and size <= limit:
            pieces.append(piece)
            size += len(piece)
            piece = decompressor.process(b"", output_buffer_limit=_PIECE)
    except brotli.error:
        # Plain text passes for the first bytes of a stream now and then, but not to its end.
        return _plain_or_error(body, "br")
    return _bounded(b"".join(pieces), body, limit) if size else _plain_or_error(body, "br")


def _unzstd(body: bytes, limit: int) -> bytes:
    reader = zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(body, read_across_frames=True)
    try:
        return _bounded(bytes(reader.read(limit + 1)), body, limit)
    except zstandard.ZstdError as error:
        raise BodyError(f"a zstd body cannot be read: {error}") from error


def _plain_or_error(body: bytes, coding: str) -> bytes:
    if not body or _MARKUP.match(body):
        return body
    raise BodyError(f"a body declared as {coding} is neither that nor plain: it begins with {body[:8]!r}")
