"""What nobody uses any more leaves the caches, and nothing else does."""

from __future__ import annotations

import os
import time
from pathlib import Path

import numpy as np
import pytest

from curate.commands import caches, doctor
from curate.kernels import mark_used
from curate.kernels.tables import derived


@pytest.fixture
def kernels(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "kernels"
    monkeypatch.setattr(caches, "CACHE", folder)
    monkeypatch.setattr("curate.kernels.CACHE", folder)
    monkeypatch.setenv("CURATE_CACHE", str(tmp_path / "derived"))
    return folder


def used(folder: Path, days_ago: float) -> Path:
    folder.mkdir(parents=True)
    (folder / "kernel.nbc").write_bytes(b"code" * 100)
    then = time.time() - days_ago * 86400
    os.utime(folder, (then, then))
    return folder


def test_what_was_not_used_for_a_month_goes_and_this_version_stays(
    kernels: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(kernels / caches.VERSION))
    current, recent, old = (used(kernels / name, days) for name, days in ((caches.VERSION, 90), ("b", 29), ("c", 31)))
    said = list(doctor._caches())
    assert [level for level, _ in said] == ["ok", "note"]
    assert f"2 folders, 0 MB in {kernels}; 1 not used any more" in said[1][1]
    assert caches.prune() == (1, 400)
    assert current.is_dir() and recent.is_dir() and not old.exists()
    assert caches.prune() == (0, 0)


def test_of_many_versions_the_last_used_stay_and_those_that_may_be_in_use(kernels: Path) -> None:
    for number in range(caches.NEWEST):
        used(kernels / f"newest{number}", 0.1)
    busy, idle = used(kernels / "busy", caches.BUSY_DAYS - 0.5), used(kernels / "idle", caches.BUSY_DAYS + 0.5)
    assert caches.prune() == (1, 400)
    assert busy.is_dir() and not idle.exists()


def test_a_use_is_marked_so_that_arrays_in_use_stay(kernels: Path, tmp_path: Path) -> None:
    def build() -> dict[str, np.ndarray]:
        return {"a": np.arange(3)}

    for key in ("used", "forgotten"):
        derived("kind", key, build)
        (folder,) = (tmp_path / "derived" / "kind" / key).iterdir()
        os.utime(folder, (0, 0))
    derived("kind", "used", build)
    assert caches.prune()[0] == 1
    assert [path.name for path in (tmp_path / "derived" / "kind").iterdir()] == ["used"]


def test_a_folder_is_marked_at_most_once_a_day(tmp_path: Path) -> None:
    today, before = used(tmp_path / "today", 0.5), used(tmp_path / "before", 5)
    for folder in (today, before, tmp_path / "none"):
        mark_used(folder)
    assert time.time() - today.stat().st_mtime > 40_000
    assert time.time() - before.stat().st_mtime < 100


def test_what_another_process_removes_meanwhile_does_no_harm(kernels: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = used(kernels / "old", 40)
    found = caches.former_kernels()
    old.rename(kernels / "elsewhere")
    monkeypatch.setattr(caches, "former_kernels", lambda: found)
    assert caches.prune() == (0, 0)
