"""Fills the cache of compiled kernels: `python -m curate.kernels.compile`, run once by `make setup`.

Each kernel is called on a few bytes, with the types that the stages call it with; numba writes what it compiles
to the environment's cache (see curate.kernels), from which every later process loads it in milliseconds.
"""

from __future__ import annotations

import sys
import time

import numpy as np

from curate.kernels.c4 import C4Rules, c4_lines
from curate.kernels.characters import character_classes
from curate.kernels.lines import fineweb_counts, gopher_counts, long_lines
from curate.kernels.outliers import dirty_characters, reference_table, word_divergence
from curate.kernels.repetition import repetition
from curate.kernels.words import describe, english_tables, find_words


def compile_kernels() -> None:
    """Compiles, or loads, every kernel."""
    data = np.frombuffer(b"A few words (so): don't [1] stop, http://example.com 5km.\n", dtype=np.uint8)
    offsets = np.array([0, len(data)], dtype=np.int64)
    begin, end = offsets[:-1], offsets[1:]
    classes, special = character_classes(), english_tables()
    w = find_words(data, offsets, classes, special)
    first, last = w.first[:-1], w.first[1:]
    describe(data, w.start, w.length, classes, w.characters, w.hashes, w.flags)
    repetition(data, begin, end, first, last, w.characters, w.hashes, classes)
    gopher_counts(data, begin, end, first, last, w.characters, w.hashes, w.flags, w.hashes[:1], classes)
    fineweb_counts(data, begin, end, 30, classes)
    long_lines(data, begin, end, 200)
    c4_lines(data, begin, end, first, last, w.start, w.flags, C4Rules(), classes, special)
    keys, values = reference_table(w.hashes, np.zeros(len(w.hashes), dtype=np.float32))
    word_divergence(first, last, w.hashes, w.flags, keys, values)
    dirty_characters(data, begin, end, classes)


if __name__ == "__main__":
    began = time.perf_counter()
    compile_kernels()
    print(f"kernels ready in {time.perf_counter() - began:.1f} s", file=sys.stderr)
