"""What lies in the folders of compiled kernels and derived arrays, and removing what nobody uses any more.

Each version of the kernels has a folder of its own, and so has each set of derived arrays; a process that uses one
says so by the folder's time (`curate.kernels.mark_used`). Nothing here is needed for good: what is removed is made
again by whoever misses it.
"""

from __future__ import annotations

import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from curate.kernels import CACHE, VERSION
from curate.kernels.tables import derived_folder

UNUSED_DAYS = 30
"""Whatever was not used for so long goes."""
NEWEST = 20
"""Of more former ones, also the older go, unless some process may be at them."""
BUSY_DAYS = 2
"""A folder's time is that of its last use to a day; of one that was in use yesterday another process may hold files."""


@dataclass(frozen=True)
class Cached:
    """A folder that can be removed as a whole."""

    path: Path
    days: float
    """Since its last use."""

    @property
    def bytes(self) -> int:
        sizes = 0
        for path in self.path.rglob("*"):
            with suppress(OSError):
                sizes += path.lstat().st_size
        return sizes


def former_kernels() -> list[Cached]:
    """Folders of other versions of the kernels, last used first."""
    return _cached(path for path in _folders(CACHE) if path.name != VERSION)


def derived_arrays() -> list[Cached]:
    """Folders of derived arrays, last used first. Which are of this version is known only to who asks for them."""
    return _cached(code for kind in _folders(derived_folder()) for key in _folders(kind) for code in _folders(key))


def unused(cached: list[Cached]) -> list[Cached]:
    """Those to remove."""
    return [
        each
        for place, each in enumerate(cached)
        if each.days > UNUSED_DAYS or (place >= NEWEST and each.days > BUSY_DAYS)
    ]


def prune() -> tuple[int, int]:
    """Removes what nobody uses; how many folders, and their bytes. Other processes may do the same meanwhile."""
    gone = freed = 0
    for each in [*unused(former_kernels()), *unused(derived_arrays())]:
        size = each.bytes
        away = each.path.with_name(f".{uuid.uuid4().hex}")
        try:
            each.path.rename(away)  # at once: nobody sees a half of it
        except OSError:
            continue
        shutil.rmtree(away, ignore_errors=True)
        with suppress(OSError):  # a key whose last arrays are gone
            each.path.parent.rmdir()
        gone, freed = gone + 1, freed + size
    return gone, freed


def _folders(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir() and not path.is_symlink())
    except OSError:
        return []


def _cached(paths: Iterator[Path]) -> list[Cached]:
    found = []
    now = time.time()
    for path in paths:
        with suppress(OSError):
            found.append(Cached(path, (now - path.stat().st_mtime) / 86400))
    return sorted(found, key=lambda each: each.days)
