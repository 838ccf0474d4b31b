"""The same records from a real S3 server on loopback, by range requests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from curate.sources import Documents, Extent, Failure, Skipped, chain, plan, read, store
from tests.curate.sources.test_archives import sample

moto_server = pytest.importorskip("moto.server", reason="moto[server] is not installed")


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    import fsspec
    import s3fs

    server = moto_server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    s3fs.S3FileSystem.clear_instance_cache()
    system = fsspec.filesystem("s3")
    if system.exists("crawl"):  # the server's memory outlives it
        system.rm("crawl", recursive=True)
    system.mkdir("crawl")
    yield system
    s3fs.S3FileSystem.clear_instance_cache()
    server.stop()


def outcome(pattern: str, **inputs: int) -> tuple[list[str], list[tuple[object, ...]], list[Failure]]:
    shards = plan({"warc": pattern, **inputs})
    found = [list(read(shard)) for shard in shards]

    def extent(events: list[Any]) -> Extent | None:
        return next((event for event in events if isinstance(event, Extent)), None)

    assert chain([(shard, extent(events)) for shard, events in zip(shards, found, strict=True)]) == []
    flat = [event for events in found for event in events]
    rows = [row for event in flat if isinstance(event, Documents) for row in event.batch.to_pylist()]
    skipped = [row[1:] for event in flat if isinstance(event, Skipped) for row in event.rows]
    failures = [event for event in flat if isinstance(event, Failure)]
    return [str({**row, "source": ""}) for row in rows], [tuple(row) for row in skipped], failures


def test_s3_objects_are_listed_split_and_read_like_files(bucket: Any, tmp_path: Path) -> None:
    data = sample(60)
    path = tmp_path / "a.warc.gz"
    path.write_bytes(data)
    bucket.pipe("crawl/one/a.warc.gz", data)
    bucket.pipe("crawl/one/ignored.txt", b"x")
    shards = plan({"warc": "s3://crawl/**/*.warc.gz", "shard_bytes": 5_000})
    assert {shard.path for shard in shards} == {"s3://crawl/one/a.warc.gz"}
    assert (shards[0].size, len(shards)) == (len(data), -(-len(data) // 5_000))
    assert shards[0].version
    assert outcome("s3://crawl/one/*.warc.gz", shard_bytes=5_000) == outcome(str(path))


def test_a_range_costs_its_bytes_and_not_the_object(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    data = sample(400)
    bucket.pipe("crawl/a.warc.gz", data)
    monkeypatch.setattr(store.RemoteFile, "chunk", 4096)
    fetched: list[int] = []
    cat_file = type(bucket).cat_file

    def counted(self: Any, path: str, start: int | None = None, end: int | None = None, **rest: Any) -> bytes:
        assert start is not None and end is not None
        fetched.append(end - start)
        return bytes(cat_file(self, path, start=start, end=end, **rest))

    monkeypatch.setattr(type(bucket), "cat_file", counted)
    shards = plan({"warc": "s3://crawl/a.warc.gz", "shard_bytes": 20_000})
    assert sum(isinstance(event, Documents) for event in read(shards[2])) == 1
    assert sum(fetched) < 20_000 + 8 * 4096 < len(data)


def test_a_missing_bucket_is_a_wrong_input_and_a_gone_object_a_failure(bucket: Any) -> None:
    from curate.sources import InputError

    with pytest.raises(InputError, match="matches no file"):
        plan({"warc": "s3://crawl/none-*.warc.gz"})
    bucket.pipe("crawl/b.warc.gz", sample(1))
    (shard,) = plan({"warc": "s3://crawl/b.warc.gz"})
    bucket.rm("crawl/b.warc.gz")
    (failure,) = read(shard)
    assert isinstance(failure, Failure) and "gone" in failure.error
