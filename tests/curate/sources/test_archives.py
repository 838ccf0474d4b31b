"""Archives: every record once, in one of documents, skipped and failures, however the file is cut."""

from __future__ import annotations

import gzip
import io
import zlib
from pathlib import Path

import pytest
from fastwarc.warc import ArchiveIterator
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curate.sources import Documents, Extent, Failure, Shard, Skipped, chain, plan, read
from curate.sources.write import WarcFile

HTML = [("Content-Type", "text/html; charset=utf-8")]


def sample(pages: int = 5, compressed: bool = True) -> bytes:
    """A small WARC: warcinfo, then request, response and metadata of each page; page 3 is missing (404)."""
    stream = io.BytesIO()
    with WarcFile(stream, compressed=compressed) as warc:
        warc.info("sample.warc.gz", {"software": "test"}, date="2025-01-01T00:00:00Z")
        for number in range(pages):
            url, date = f"https://site.example/{number}", f"2025-01-01T00:00:{number % 60:02}Z"
            warc.request(url, [("Host", "site.example")], date=date)
            body = f"<html><body><p>Page {number}: grüße</p></body></html>".encode()
            warc.response(url, 404 if number == 3 else 200, HTML, body, date=date, record_id=f"<urn:test:{number}>")
            warc.metadata(url, {"fetchTimeMs": str(number)}, date=date)
    return stream.getvalue()


def events(path: Path, **inputs: int) -> tuple[list[Documents], list[Skipped], list[Failure]]:
    """All events of a file read as the engine would: each shard, then those that `chain` asks for."""
    shards = plan({"warc": str(path), **inputs})
    found = [list(read(shard)) for shard in shards]
    while again := chain([(shard, extent_of(each)) for shard, each in zip(shards, found, strict=True)]):
        for place, shard in again:
            shards[place], found[place] = shard, list(read(shard))
    flat = [event for each in found for event in each]
    return (
        [event for event in flat if isinstance(event, Documents)],
        [event for event in flat if isinstance(event, Skipped)],
        [event for event in flat if isinstance(event, Failure)],
    )


def extent_of(found: list[object]) -> Extent | None:
    return next((event for event in found if isinstance(event, Extent)), None)


def outcome(path: Path, **inputs: int) -> tuple[list[str], list[tuple[object, ...]], list[Failure]]:
    """What became of each record, free of how batches fall."""
    documents, skipped, failures = events(path, **inputs)
    rows = [row for event in documents for row in event.batch.to_pylist()]
    return [str(row) for row in rows], [tuple(row) for event in skipped for row in event.rows], failures


def test_every_record_is_a_document_or_skipped_with_a_reason(tmp_path: Path) -> None:
    path = tmp_path / "sample.warc.gz"
    path.write_bytes(sample())
    documents, skipped, failures = events(path)
    rows = [row for event in documents for row in event.batch.to_pylist()]
    reasons = sorted(row.reason for event in skipped for row in event.rows)
    assert [row["url"] for row in rows] == [f"https://site.example/{number}" for number in (0, 1, 2, 4)]
    assert rows[0]["html"] == "<html><body><p>Page 0: grüße</p></body></html>"
    assert (rows[0]["charset"], rows[0]["http"]["status"]) == ("utf-8", 200)
    assert reasons == ["metadata"] * 5 + ["request"] * 5 + ["status_404", "warcinfo"]
    assert failures == []


def test_offset_and_length_give_the_record_back(tmp_path: Path) -> None:
    path = tmp_path / "sample.warc.gz"
    data = sample()
    path.write_bytes(data)
    documents, _, _ = events(path)
    for row in (row for event in documents for row in event.batch.to_pylist()):
        record = gzip.decompress(data[row["offset"] : row["offset"] + row["length"]])
        assert f"WARC-Target-URI: {row['url']}".encode() in record


def test_any_split_gives_the_same_records(tmp_path: Path) -> None:
    for compressed in (True, False):
        path = tmp_path / ("sample.warc.gz" if compressed else "sample.warc")
        path.write_bytes(sample(compressed=compressed))
        whole = outcome(path)
        assert len(whole[0]) == 4
        for shard_bytes in (*range(1, 40, 7), 100, 333, 1000):
            assert outcome(path, shard_bytes=shard_bytes) == whole


def test_a_shard_goes_through_json() -> None:
    shard = Shard("jsonl", "a.jsonl", 0, 9, 9, (("text", "body"),), True, "7", ("a", "b"))
    assert Shard.from_json(shard.to_json()) == shard


# ---------------------------------------------------------------------------------------- ranges


def members(data: bytes) -> list[int]:
    """Where each gzip member begins."""
    places, at = [], 0
    while at < len(data):
        inflate = zlib.decompressobj(31)
        inflate.decompress(data[at:])
        places.append(at)
        at = len(data) - len(inflate.unused_data)
    return places


def planted() -> bytes:
    """A WARC among whose pages is one that is itself a .warc.gz, stored without compression: its members can be taken
    for records of the outer file by whoever looks from the middle."""
    inner = sample(6)
    stream = io.BytesIO()
    with WarcFile(stream) as warc:
        warc.response("https://site.example/before", 200, HTML, b"<p>before</p>", record_id="<urn:test:a>")
    plain = io.BytesIO()
    with WarcFile(plain, compressed=False) as warc:
        warc.response("https://site.example/x.warc.gz", 200, [("Content-Type", "application/gzip")], inner)
    deflate = zlib.compressobj(0, zlib.DEFLATED, 31)
    stream.write(deflate.compress(plain.getvalue()) + deflate.flush())
    with WarcFile(stream) as warc:
        warc.response("https://site.example/after", 200, HTML, b"<p>after</p>", record_id="<urn:test:b>")
    assert inner in stream.getvalue()
    return stream.getvalue()


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("ranges")
    content = {
        "compressed.warc.gz": sample(40),
        "plain.warc": sample(40, compressed=False),
        "planted.warc.gz": planted(),
        "damaged.warc.gz": damaged(sample(40)),
    }
    for name, data in content.items():
        (folder / name).write_bytes(data)
    return {name: folder / name for name in content}


def damaged(data: bytes) -> bytes:
    """A member with flipped bytes, junk between two others, and the end cut off."""
    places = members(data)
    broken = bytearray(data)
    broken[places[20] + 200 : places[20] + 230] = bytes(30)
    return bytes(broken[: places[50]]) + b"junk \x1f\x8b\x08 junk" + bytes(broken[places[50] : places[-1] + 40])


@pytest.mark.parametrize("name", ["compressed.warc.gz", "plain.warc", "planted.warc.gz", "damaged.warc.gz"])
@given(shard_bytes=st.integers(min_value=40, max_value=20_000))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_the_union_of_the_ranges_is_exactly_the_records(name: str, shard_bytes: int, files: dict[str, Path]) -> None:
    assert outcome(files[name], shard_bytes=shard_bytes) == outcome(files[name])


def test_a_record_inside_a_stored_page_is_not_a_record_of_the_file(files: dict[str, Path]) -> None:
    path = files["planted.warc.gz"]
    shards = plan({"warc": str(path), "shard_bytes": 300})
    first_reading = [list(read(shard)) for shard in shards]
    assert chain([(shard, extent_of(found)) for shard, found in zip(shards, first_reading, strict=True)])
    documents, skipped, failures = outcome(path, shard_bytes=300)
    assert [eval(row)["url"].rsplit("/", 1)[1] for row in documents] == ["before", "after"]
    assert [(row[3], row[5]) for row in skipped] == [("https://site.example/x.warc.gz", "mime_application/gzip")]
    assert failures == []


def test_damage_costs_its_own_records_alone(files: dict[str, Path]) -> None:
    """Of 121 records one is broken and the last is cut before its URL; junk and the cut are failures of bytes."""
    documents, skipped, failures = outcome(files["damaged.warc.gz"])
    broken = [failure for failure in failures if failure.url is not None]
    assert len(documents) + len(skipped) == 119
    assert [failure.url for failure in broken] == ["https://site.example/6"]
    assert any("junk" in failure.error for failure in failures)
    assert any("ends inside" in failure.error for failure in failures)
    size = files["damaged.warc.gz"].stat().st_size
    assert all(failure.offset is not None and 0 <= failure.offset <= size for failure in failures)


def test_every_place_of_every_split_of_the_crawl_is_read_once(shared_data: Path) -> None:
    """The real crawl, cut at sizes from a quarter of a page to a quarter of a file: same records, by FastWARC too."""
    path = shared_data / "crawl" / "CC-TEST-2025-visible-00000.warc.gz"
    if not path.exists():
        pytest.skip(f"no crawl at {path}")
    with path.open("rb") as stream:
        expected = [record.stream_pos for record in ArchiveIterator(stream, parse_http=False)]
    for shard_bytes in (97_001, 1_000_003, 64_000_000):
        documents, skipped, failures = events(path, shard_bytes=shard_bytes)
        offsets = [offset for event in documents for offset in event.batch.column("offset").to_pylist()]
        offsets += [row.offset for event in skipped for row in event.rows]
        assert sorted(offsets) == expected
        assert failures == []
