"""A run's folder on an object store has one owner: a real S3 server on loopback, and stores that know no condition."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import fsspec
import pytest

from curate.engine import claim_remote
from curate.engine.claim import LOCK, Claim, OutputError
from curate.engine.claim_remote import HeldError, RemoteClaim
from curate.engine.store import Store
from tests.curate.engine.test_s3 import bucket as bucket


@pytest.fixture
def place(request: pytest.FixtureRequest) -> Iterator[str]:
    """A folder on a store: S3, or one in memory."""
    if request.param == "s3":
        yield f"{request.getfixturevalue('bucket')}/runs/one"
        return
    yield "memory://claims/run"
    with suppress(FileNotFoundError):
        fsspec.filesystem("memory").rm("/claims", recursive=True)


STORES = pytest.mark.parametrize("place", ["s3", "memory"], indirect=True)


def holder(place: str) -> dict[str, Any]:
    said = json.loads(Store(place).read_bytes(LOCK))
    assert isinstance(said, dict)
    return said


def leave(place: str, **changed: Any) -> None:
    """A file as a run of another machine left it."""
    said = {"run": "x", "machine": "elsewhere", "process": 7, "renewed": time.time(), "time": "then"}
    Store(place).write_bytes(LOCK, json.dumps(said | changed).encode())


@STORES
def test_a_second_run_is_refused_and_told_who_is_there(place: str) -> None:
    claim = Claim(place, "test")
    said = holder(place)
    with pytest.raises(OutputError, match=rf"another run \(process {said['process']} on .*, last heard of at 20"):
        Claim(place, "test")
    assert holder(place)["run"] == said["run"]
    claim.close()
    assert not Store(place).exists(LOCK)
    Claim(place, "test").close()


def test_of_runs_that_begin_at_once_one_gets_the_folder(bucket: str) -> None:
    got: list[RemoteClaim | HeldError] = []

    def begin() -> None:
        try:
            got.append(RemoteClaim(Store(f"{bucket}/race"), LOCK))
        except HeldError as error:
            got.append(error)

    runs = [threading.Thread(target=begin) for _ in range(6)]
    for run in runs:
        run.start()
    for run in runs:
        run.join()
    assert len(got) == 6
    (claim,) = [each for each in got if isinstance(each, RemoteClaim)]
    claim.close()


@STORES
@pytest.mark.parametrize(
    ("left", "free"),
    [
        ({}, False),
        ({"renewed": time.time() - 2 * claim_remote.DEAD_SECONDS}, True),
        ({"machine": claim_remote._machine(), "process": 2**22 + 1}, True),
        ({"machine": claim_remote._machine(), "process": 1}, False),
        ({"renewed": None}, True),
    ],
)
def test_what_a_dead_run_left_is_taken_over_and_what_a_living_one_holds_is_not(
    place: str, left: dict[str, Any], free: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(claim_remote, "SETTLED_SECONDS", 0.01)
    leave(place, **left)
    if free:
        Claim(place, "test").close()
        assert not Store(place).exists(LOCK)
    else:
        with pytest.raises(OutputError, match=rf"or when {place}/{LOCK} is removed"):
            Claim(place, "test")


@STORES
def test_a_run_renews_its_file_until_another_has_taken_it_over(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claim_remote, "RENEWED_SECONDS", 0.02)
    claim = RemoteClaim(Store(place), LOCK)
    first = holder(place)["renewed"]
    until = time.monotonic() + 20
    while holder(place)["renewed"] == first and time.monotonic() < until:
        time.sleep(0.02)
    assert holder(place)["renewed"] > first
    while claim._renewing.is_alive() and time.monotonic() < until:
        leave(place)  # again where it was overwritten between a look and a renewal, which here take turns at once
        claim._renewing.join(0.5)
    assert not claim._renewing.is_alive()
    claim.close()
    assert holder(place)["machine"] == "elsewhere", "what is another's is not removed"


def test_a_store_that_knows_no_condition_is_asked_again_whose_the_file_is(monkeypatch: pytest.MonkeyPatch) -> None:
    files = fsspec.filesystem("memory")
    monkeypatch.setattr(type(files), "pipe_file", lambda self, path, value, **_: self.store.pop(path, None) or
                        fsspec.spec.AbstractFileSystem.pipe_file(self, path, value))  # fmt: skip
    waited: list[float] = []

    def other_comes(seconds: float) -> None:
        waited.append(seconds)
        leave("memory://claims/blind")

    monkeypatch.setattr(claim_remote.time, "sleep", other_comes)
    with pytest.raises(HeldError, match="process 7 on elsewhere"):
        RemoteClaim(Store("memory://claims/blind"), LOCK)
    assert waited == [claim_remote.SETTLED_SECONDS]
    files.rm("/claims", recursive=True)


def test_a_bucket_that_is_not_there_is_no_folder_held_by_another(bucket: str) -> None:
    with pytest.raises(OSError, match=r"s3://nosuch/run: .*bucket"):
        Claim("s3://nosuch/run", "test")


def test_a_manifest_that_is_of_no_run_is_left_alone(tmp_path: Path) -> None:
    for text in ("{", "[1]", "{}"):
        (tmp_path / "manifest.json").write_text(text)
        with pytest.raises(OutputError, match=r"holds a manifest.json that is not of a run, and is left alone"):
            Claim(str(tmp_path), "test")
