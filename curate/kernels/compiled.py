"""The decorator of every kernel.

Kernels release the GIL, are cached, and run without numba's reference counts: with them, each call of one kernel
by another costs an atomic increment and decrement for every array that it passes, which made the word scan ten
times slower. So a kernel must not allocate: its caller hands it the arrays that it writes to.
"""

from __future__ import annotations

import importlib
import sys

from numba import njit


def _load_array_functions() -> None:
    """Loads the part of numba that any kernel needs, with scipy.linalg out of sight: it would be imported, for a third
    of a second, only to learn whether `np.cov` may use BLAS. What needs BLAS still asks for it by itself."""
    if "scipy.linalg" in sys.modules:
        return
    sys.modules["scipy.linalg"] = None  # type: ignore[assignment]
    try:
        importlib.import_module("numba.np.arraymath")
    finally:
        del sys.modules["scipy.linalg"]


_load_array_functions()
kernel = njit(cache=True, nogil=True, _nrt=False)
