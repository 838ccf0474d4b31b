"""Input, phase store and output on object storage: a real S3 server on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
from moto.server import ThreadedMotoServer

from tests.curate.engine.test_run import carry_out, job, published, rows


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    fsspec.filesystem("s3").clear_instance_cache()
    fsspec.filesystem("s3").mkdir("curate")
    yield "s3://curate"
    fsspec.filesystem("s3").rm("curate", recursive=True)  # the server's state outlives it
    server.stop()


def test_a_run_from_s3_to_s3_keeps_what_one_on_a_disk_keeps(tmp_path: Path, crawl: Path, bucket: str) -> None:
    local = carry_out(job(tmp_path, str(tmp_path / "runs" / "one")))
    files = fsspec.filesystem("s3")
    files.put(f"{crawl}/", f"{bucket}/crawl/", recursive=True)
    there = f"{bucket}/runs/one"
    remote_job = job(tmp_path, there, set=[f"input.warc={bucket}/crawl/*.warc.gz"])
    remote = carry_out(remote_job)
    assert remote.manifest["counts"]["kept"] == local.manifest["counts"]["kept"]
    files.get(f"{there}/", f"{tmp_path}/fetched/", recursive=True)
    texts = [
        {row["id"]: row["text"] for row in rows(folder, "documents")}
        for folder in (tmp_path / "runs/one", tmp_path / "fetched")
    ]
    assert texts[0] == texts[1]
    assert set(published(remote)) == set(published(local))
    assert carry_out(remote_job).did_nothing
