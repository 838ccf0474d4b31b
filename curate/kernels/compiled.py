"""The decorator of every kernel.

Kernels release the GIL, are cached, and run without numba's reference counts: with them, each call of one kernel
by another costs an atomic increment and decrement for every array that it passes, which made the word scan ten
times slower. So a kernel must not allocate: its caller hands it the arrays that it writes to.
"""

from __future__ import annotations

from numba import njit

kernel = njit(cache=True, nogil=True, _nrt=False)
