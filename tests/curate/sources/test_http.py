"""Bodies: every coding that servers use, and those they only claim."""

from __future__ import annotations

import gzip
import zlib

import brotli
import pytest
import zstandard

from curate.sources.http import BodyError, Response, decode_body, parse_response

PAGE = b"<!doctype html><title>t</title>" + b"<p>words and words</p>" * 200
LIMIT = 1 << 20


def raw_deflate(data: bytes) -> bytes:
    deflate = zlib.compressobj(9, zlib.DEFLATED, -15)
    return deflate.compress(data) + deflate.flush()


def chunked(data: bytes, size: int = 700, newline: bytes = b"\r\n") -> bytes:
    parts = [data[at : at + size] for at in range(0, len(data), size)]
    return b"".join(b"%x;x=1" % len(part) + newline + part + newline for part in parts) + b"0" + newline + newline


def body(data: bytes, encoding: str = "", transfer: str = "") -> bytes:
    fields = {b"content-encoding": encoding.encode()} if encoding else {}
    if transfer:
        fields[b"transfer-encoding"] = transfer.encode()
    return decode_body(Response(200, fields, data), LIMIT)


def gzipped(data: bytes) -> bytes:
    """Without the time, so that a test has the same name in every process."""
    return gzip.compress(data, mtime=0)


@pytest.mark.parametrize(
    ("data", "encoding", "transfer"),
    [
        (PAGE, "", ""),
        (PAGE, "identity", ""),
        (gzipped(PAGE), "gzip", ""),
        (gzipped(PAGE), "x-gzip", ""),
        (gzipped(PAGE[:900]) + gzipped(PAGE[900:]), "gzip", ""),
        (zlib.compress(PAGE), "deflate", ""),
        (raw_deflate(PAGE), "deflate", ""),
        (brotli.compress(PAGE), "br", ""),
        (zstandard.compress(PAGE), "zstd", ""),
        (chunked(PAGE), "", "chunked"),
        (chunked(PAGE, newline=b"\n"), "", "chunked"),
        (chunked(gzipped(PAGE)), "gzip", "chunked"),
        (chunked(brotli.compress(PAGE)), "br", "Chunked"),
        # declared twice, and done twice, or once
        (gzipped(gzipped(PAGE)), "gzip, gzip", ""),
        (gzipped(PAGE), "gzip, gzip", ""),
        (gzipped(gzipped(PAGE)), "gzip", ""),
        (gzipped(brotli.compress(PAGE)), "br, gzip", ""),
        # lies
        (PAGE, "gzip", ""),
        (PAGE, "br", ""),
        (PAGE, "deflate", ""),
        (PAGE, "zstd", ""),
        (PAGE, "", "chunked"),
        (PAGE, "utf-8", ""),
        (gzipped(PAGE), "", ""),
        (zstandard.compress(PAGE), "gzip", ""),
    ],
)
def test_a_body_is_the_page_whatever_its_codings(data: bytes, encoding: str, transfer: str) -> None:
    assert body(data, encoding, transfer) == PAGE


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
def test_a_cut_body_gives_what_is_there(encoding: str) -> None:
    import random

    words = " ".join(str(random.Random(7).random()) for _ in range(3000)).encode()
    noise = b"<p>" + words + b"".join(b"%d" % random.Random(place).getrandbits(64) for place in range(9000))
    compress = {
        "gzip": gzip.compress,
        "deflate": zlib.compress,
        "br": lambda data: brotli.compress(data, quality=4),
        "zstd": zstandard.compress,
    }[encoding]
    compressed = compress(noise)
    if encoding == "zstd":  # several blocks, as servers send
        compressor = zstandard.ZstdCompressor().compressobj()
        compressed = b"".join(
            compressor.compress(noise[at : at + 4096]) + compressor.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
            for at in range(0, len(noise), 4096)
        )
    part = body(compressed[: len(compressed) * 3 // 4], encoding)
    assert len(part) > len(noise) // 3
    assert noise.startswith(part)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
def test_a_bomb_is_an_error_and_costs_no_memory(encoding: str) -> None:
    zeros = bytes(200 * LIMIT)
    compress = {"gzip": gzip.compress, "deflate": zlib.compress, "br": brotli.compress, "zstd": zstandard.compress}
    bomb = brotli.compress(zeros, quality=1) if encoding == "br" else compress[encoding](zeros)
    with pytest.raises(BodyError, match="over the limit"):
        body(bomb, encoding)


def test_bytes_of_no_known_coding_are_an_error() -> None:
    with pytest.raises(BodyError, match="br"):
        body(b"\x00\x01\x02\x03" * 50, "br")


@pytest.mark.parametrize(
    ("block", "status", "content"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\nbody", 200, b"body"),
        (b"HTTP/1.1 404\r\n\r\nbody", 404, b"body"),
        (b"HTTP/1.0 200 OK\nContent-Type: text/html\n\nbody", 200, b"body"),
        (b"HTTP/2 200 \r\ncontent-type: text/html\r\n\r\n", 200, b""),
        (b"HTTP/1.1 200 OK\r\nContent-Type: text/html", 200, b""),
        (b"ICY 200 OK\r\n\r\nx", 200, b"x"),
    ],
)
def test_odd_responses_are_read(block: bytes, status: int, content: bytes) -> None:
    response = parse_response(block)
    assert response is not None
    assert (response.status, response.body) == (status, content)


def test_what_is_no_response_is_none() -> None:
    for block in (b"", b"20200101 example.org A 1.2.3.4", b"<html>", b"HTTP/1.1 abc"):
        assert parse_response(block) is None


def test_repeated_and_folded_fields_are_joined() -> None:
    response = parse_response(
        b"HTTP/1.1 200 OK\r\nX-Robots-Tag: noai\r\nx-robots-tag: noindex\r\nLink: <a>;\r\n  rel=x\r\n\r\n"
    )
    assert response is not None
    assert response.fields == {b"x-robots-tag": b"noai, noindex", b"link": b"<a>; rel=x"}
