"""Which records are pages: by declared type, by sniffing where nothing is declared, and what every other one is."""

from __future__ import annotations

import bz2
import gzip
import io
import zlib
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.documents import TEXT, document_id
from curate.sources import Documents, Extent, Failure, Skipped, plan, read
from curate.sources.write import WarcFile
from tests.curate.sources.test_archives import outcome, sample

PAGE = b"<!DOCTYPE html><title>x</title><p>words</p>"


def one(path: Path, kind: str = "warc", **inputs: Any) -> tuple[list[dict[str, Any]], list[Any], list[Failure]]:
    events = [event for shard in plan({kind: str(path), **inputs}) for event in read(shard)]
    documents = [row for event in events if isinstance(event, Documents) for row in event.batch.to_pylist()]
    skipped = [row for event in events if isinstance(event, Skipped) for row in event.rows]
    return documents, skipped, [event for event in events if isinstance(event, Failure)]


@pytest.mark.parametrize(
    ("content_type", "body", "reason"),
    [
        ("text/html", PAGE, None),
        ("TEXT/HTML ; charset=utf-8", PAGE, None),
        ("application/xhtml+xml", PAGE, None),
        ("text/html", b"no markup at all", None),
        (None, PAGE, None),
        (None, b"\xef\xbb\xbf\n <!-- c --> <HTML lang=en>", None),
        (None, b"junk before <html><body>", None),
        ("application/octet-stream", PAGE, None),
        ("unknown", PAGE, None),
        ("text/html, text/html", PAGE, None),
        ("application/xml", b'<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml"></html>', None),
        ("application/xml", b'<?xml version="1.0"?><rss></rss>', "mime_application/xml"),
        (None, b"plain words", "mime_unidentified"),
        ("application/octet-stream", b"\x00\x01\x02", "mime_application/octet-stream"),
        ("text/plain", PAGE, "mime_text/plain"),
        ("image/png", b"\x89PNG", "mime_image/png"),
        ("text/html", b"%PDF-1.4 ...", "sniffed_application/pdf"),
        ("text/html", b" \n", "empty_body"),
        ("text/html", b"", "empty_body"),
    ],
)
def test_html_is_what_is_declared_or_looks_like_it(
    content_type: str | None, body: bytes, reason: str | None, tmp_path: Path
) -> None:
    path = tmp_path / "a.warc.gz"
    with path.open("wb") as stream, WarcFile(stream) as warc:
        warc.response("https://a.example/", 200, [("Content-Type", content_type)] if content_type else [], body)
    documents, skipped, failures = one(path)
    assert failures == []
    assert [row.reason for row in skipped] == ([reason] if reason else [])
    assert len(documents) == (reason is None)


def test_a_document_carries_its_identity_and_the_headers_that_matter(tmp_path: Path) -> None:
    path = tmp_path / "a.warc.gz"
    headers = [("Content-Type", "text/html"), ("X-Robots-Tag", "noai"), ("TDM-Reservation", "1"), ("Link", "<x>")]
    with path.open("wb") as stream, WarcFile(stream) as warc:
        warc.response(
            "https://a.example/b c", 200, headers, PAGE, date="2025-02-03T04:05:06Z", record_id="<urn:uuid:1>"
        )
    (row,), _, _ = one(path)
    assert row["id"] == document_id("<urn:uuid:1>")
    assert (row["url"], row["date"]) == ("https://a.example/b%20c", "2025-02-03T04:05:06Z")
    assert (row["source"], row["offset"], row["length"]) == (str(path), 0, path.stat().st_size)
    assert row["http"] == {
        "status": 200,
        "content_type": "text/html",
        "content_language": None,
        "x_robots_tag": "noai",
        "tdm_reservation": "1",
        "tdm_policy": None,
        "link": "<x>",
    }


def test_a_bomb_and_an_oversized_page_are_failures_with_their_names(tmp_path: Path) -> None:
    path = tmp_path / "a.warc.gz"
    html = [("Content-Type", "text/html")]
    with path.open("wb") as stream, WarcFile(stream) as warc:
        bomb = gzip.compress(bytes(3_000_000))
        warc.response("https://a.example/bomb", 200, [*html, ("Content-Encoding", "gzip")], bomb)
        warc.response("https://a.example/big", 200, html, b"<p>" + b"x" * 3_000_000)
        warc.response("https://a.example/huge", 200, html, b"<p>" + b"x" * 9_000_000)
        warc.response("https://a.example/fine", 200, html, PAGE)
    documents, _, failures = one(path, max_page_bytes=1_000_000)
    assert [row["url"] for row in documents] == ["https://a.example/fine"]
    assert [failure.url for failure in failures] == [f"https://a.example/{name}" for name in ("bomb", "big", "huge")]
    assert all(failure.id and "over the limit" in failure.error for failure in failures)


def test_wet_records_are_texts(tmp_path: Path) -> None:
    path = tmp_path / "a.warc.wet.gz"
    with path.open("wb") as stream, WarcFile(stream) as warc:
        warc.info("a", {"software": "x"})
        for number in range(3):
            body = f"Grüße {number}\nzweite Zeile".encode() if number else b" "
            warc.record(f"https://a.example/{number}", "conversion", body, content_type="text/plain")
    documents, skipped, failures = one(path, "wet")
    assert list(documents[0]) == TEXT.names
    assert [row["text"] for row in documents] == ["Grüße 1\nzweite Zeile", "Grüße 2\nzweite Zeile"]
    assert ([row.reason for row in skipped], failures) == (["warcinfo", "empty_body"], [])


ARC_HEAD = (
    b"filedesc://a.arc 0.0.0.0 20080430204825 text/plain 76\n1 0 InternetArchive\n"
    b"URL IP-address Archive-date Content-type Archive-length\n\n"
)


def arc_record(url: str, block: bytes) -> bytes:
    return f"{url} 192.0.2.1 20080430204825 text/html {len(block)}\n".encode() + block + b"\n"


@pytest.mark.parametrize("compressed", [True, False])
def test_arc_records_are_pages(compressed: bool, tmp_path: Path) -> None:
    answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + PAGE
    parts = [
        ARC_HEAD,
        arc_record("http://a.example/1", answer),
        arc_record("http://a.example/with space", answer),
        arc_record("http://a.example/bare", PAGE),
        arc_record("dns:a.example", b"20080430204825\na.example. 1 IN A 192.0.2.1\n"),
    ]
    path = tmp_path / ("a.arc.gz" if compressed else "a.arc")
    path.write_bytes(b"".join(gzip.compress(part) for part in parts) if compressed else b"".join(parts))
    documents, skipped, failures = one(path, "arc", shard_bytes=150)
    assert [row["url"] for row in documents] == [
        "http://a.example/1",
        "http://a.example/with%20space",
        "http://a.example/bare",
    ]
    assert {row["date"] for row in documents} == {"2008-04-30T20:48:25Z"}
    assert len({row["id"] for row in documents}) == 3
    assert ([row.reason for row in skipped], failures) == (["warcinfo", "not_http"], [])


def test_many_records_in_one_member_are_all_read(tmp_path: Path) -> None:
    """Some tools compress the whole file at once; it is read as a stream, by one shard."""
    path = tmp_path / "a.warc.gz"
    path.write_bytes(gzip.compress(sample(300, compressed=False)))
    documents, skipped, failures = outcome(path, shard_bytes=500)
    assert (len(documents), len(skipped), failures) == (299, 602, [])


@pytest.mark.parametrize(
    ("suffix", "compress"),
    [(".bz2", bz2.compress), (".zst", zstandard.compress), (".xz", __import__("lzma").compress), ("", bytes)],
)
def test_archives_compressed_as_a_whole_are_read(suffix: str, compress: Any, tmp_path: Path) -> None:
    path = tmp_path / f"a.warc{suffix}"
    path.write_bytes(compress(sample(5, compressed=False)))
    documents, skipped, failures = one(path)
    assert (len(documents), len(skipped), failures) == (4, 12, [])
    assert all((row["offset"] is None) == bool(suffix) for row in documents)


@settings(max_examples=60, deadline=None)
@given(
    flips=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=8),
    cut=st.integers(0, 10_000),
    compressed=st.booleans(),
)
def test_no_damage_raises_and_splits_still_agree(
    flips: list[tuple[int, int]], cut: int, compressed: bool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    data = bytearray(sample(8, compressed=compressed))
    for place, value in flips:
        data[place % len(data)] = value
    data = data[: max(1, len(data) - cut % 700)]
    path = tmp_path_factory.mktemp("damage") / ("a.warc.gz" if compressed else "a.warc")
    path.write_bytes(data)
    whole = outcome(path)
    assert outcome(path, shard_bytes=150 + cut % 2000) == whole


@settings(max_examples=60, deadline=None)
@given(
    data=st.binary(max_size=3000),
    gz=st.booleans(),
    kind=st.sampled_from(["warc", "arc", "wet", "jsonl", "parquet", "html"]),
)
def test_no_bytes_at_all_raise(data: bytes, gz: bool, kind: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("any") / ("a.gz" if gz else "a")
    path.write_bytes(gzip.compress(data) if gz else data)
    for shard in plan({kind: str(path)}):
        for event in read(shard):
            assert isinstance(event, Documents | Skipped | Failure | Extent)


def test_a_large_member_flows_through_in_bounded_memory(tmp_path: Path) -> None:
    """A video of 200 MB between two pages is skipped without being held."""
    import tracemalloc

    path = tmp_path / "a.warc.gz"
    head = (
        b"WARC/1.0\r\nWARC-Type: resource\r\nWARC-Target-URI: https://a.example/v\r\nContent-Length: 209715200\r\n\r\n"
    )
    with path.open("wb") as stream:
        with WarcFile(stream) as warc:
            warc.response("https://a.example/1", 200, [("Content-Type", "text/html")], PAGE)
        deflate = zlib.compressobj(1, zlib.DEFLATED, 31)
        stream.write(deflate.compress(head))
        for _ in range(200):
            stream.write(deflate.compress(bytes(1 << 20)))
        stream.write(deflate.compress(b"\r\n\r\n") + deflate.flush())
        with WarcFile(stream) as warc:
            warc.response("https://a.example/2", 200, [("Content-Type", "text/html")], PAGE)
    tracemalloc.start()
    documents, skipped, failures = one(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [row["url"] for row in documents] == ["https://a.example/1", "https://a.example/2"]
    assert ([row.reason for row in skipped], failures) == (["resource"], [])
    assert peak < 120 << 20


def test_the_writer_writes_what_fastwarc_and_warcio_read() -> None:
    from fastwarc.warc import ArchiveIterator
    from warcio.archiveiterator import ArchiveIterator as Warcio

    data = sample(3)
    assert [record.record_id for record in ArchiveIterator(io.BytesIO(data))] == [
        record.rec_headers.get_header("WARC-Record-ID") for record in Warcio(io.BytesIO(data))
    ]
