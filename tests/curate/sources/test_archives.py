"""Archives: every record once, in one of documents, skipped and failures, however the file is cut."""

from __future__ import annotations

import gzip
import io
from pathlib import Path

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
