"""Fills the cache of compiled kernels: `python -m curate.kernels.compile`, run once by `make setup`.

Each kernel is called on a few bytes, with the types that the stages call it with; numba writes what it compiles
to the environment's cache (see curate.kernels), from which every later process loads it in milliseconds.
"""

from __future__ import annotations

import sys
import time

import numpy as np

from curate.kernels.characters import character_classes
from curate.kernels.words import english_tables, find_words


def compile_kernels() -> None:
    """Compiles, or loads, every kernel."""
    data = np.frombuffer(b"A few words (so): don't stop, http://example.com 5km.\n", dtype=np.uint8)
    offsets = np.array([0, len(data)], dtype=np.int64)
    find_words(data, offsets, character_classes(), english_tables())


if __name__ == "__main__":
    began = time.perf_counter()
    compile_kernels()
    print(f"kernels ready in {time.perf_counter() - began:.1f} s", file=sys.stderr)
