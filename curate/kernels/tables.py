"""Tables that kernels read, kept beside the compiled kernels: built once an environment, then mapped into memory.

They follow from the kernels' source and from Python's Unicode database, so both are in the files' names. Where no
file can be written, each process builds its own.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curate.kernels import VERSION


def stored(name: str, build: Callable[[], Sequence[NDArray[Any]]], count: int) -> list[NDArray[Any]]:
    """The arrays that `build` answers, so many, read-only; from files if some process has built them before."""
    folder = os.environ.get("NUMBA_CACHE_DIR")
    if not folder:
        return [_read_only(array) for array in build()]
    paths = [Path(folder) / f"{name}-{part}-{unicodedata.unidata_version}-{VERSION}.npy" for part in range(count)]
    try:
        return [np.asarray(np.load(path, mmap_mode="r")) for path in paths]
    except (OSError, ValueError, EOFError):  # not there, or no such file
        arrays = [_read_only(array) for array in build()]
    try:
        Path(folder).mkdir(parents=True, exist_ok=True)
        for path, array in zip(paths, arrays, strict=True):
            part = path.with_name(f"{path.name}.{os.getpid()}")
            with part.open("wb") as file:
                np.save(file, array)
            part.replace(path)
    except OSError:
        pass  # the next process builds them again
    return arrays


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    array.setflags(write=False)
    return array
