"""Arrays that follow from something installed, built once and mapped into memory by every later process.

Tables that follow from the kernels' source and from Python's Unicode database lie beside the compiled kernels (see
`curate.kernels`). What follows from models and lists lies in `$CURATE_CACHE`, by default `curate` in the user's cache
folder, under the hashes of what it was built from and of the code that built it, so that it is never out of date. Both
folders may be removed at any time. Where no file can be written, each process builds its own.
"""

from __future__ import annotations

import hashlib
import inspect
import os
import shutil
import tempfile
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curate.kernels import VERSION, mark_used

Arrays = dict[str, NDArray[Any]]


def stored(name: str, build: Callable[[], Arrays]) -> Arrays:
    """The named tables, read-only, that `build` answers from the kernels' source and Unicode alone."""
    folder = os.environ.get("NUMBA_CACHE_DIR")
    return _kept(Path(folder) / f"{name}-{unicodedata.unidata_version}-{VERSION}" if folder else None, build)


def derived(kind: str, key: str, build: Callable[[], Arrays]) -> Arrays:
    """The named arrays, read-only, that `build` answers from what `key` is the hash of, its module and the kernels."""
    code = hashlib.blake2b(VERSION.encode() + Path(inspect.getfile(build)).read_bytes(), digest_size=8).hexdigest()
    return _kept(derived_folder() / kind / key / code, build)


def derived_folder() -> Path:
    """Where derived arrays lie, as kind / key / hash of the code."""
    cache = os.environ.get("CURATE_CACHE")
    return Path(cache) if cache else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "curate"


def _kept(folder: Path | None, build: Callable[[], Arrays]) -> Arrays:
    found = None if folder is None else _load(folder)
    if found is None:
        built = build()
        if folder is not None:
            _save(folder, built)
            found = _load(folder)
        found = found or built
    elif folder is not None:
        mark_used(folder)
    for array in found.values():
        array.setflags(write=False)  # mapped or not: kernels are compiled for arrays of one kind
    return found


def _load(folder: Path) -> Arrays | None:
    """None: not there, or not whole."""
    try:
        return {path.stem: np.asarray(np.load(path, mmap_mode="r")) for path in sorted(folder.glob("*.npy"))} or None
    except (OSError, ValueError, EOFError):
        return None


def _save(folder: Path, arrays: Arrays) -> None:
    """Writes the arrays beside their place and renames: another process sees all of them or none."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as name:
            fresh = Path(name) / "arrays"
            fresh.mkdir()
            for key, array in arrays.items():
                np.save(fresh / f"{key}.npy", array)
            shutil.rmtree(folder, ignore_errors=True)
            fresh.rename(folder)
    except OSError:
        pass  # the next process builds them again
