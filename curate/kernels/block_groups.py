"""Groups of equal keys, for features that count what a page repeats."""

from __future__ import annotations

import numpy as np

from curate.kernels.compiled import allocating_kernel


@allocating_kernel
def count_keys(keys):
    """For each key the index of its first occurrence, and there how often it occurs (open addressing)."""
    n = len(keys)
    size = 16
    while size < 2 * n:
        size *= 2
    table, first = np.full(size, -1, np.int32), np.zeros(n, np.int32)
    number = np.zeros(n, np.int32)
    for i in range(n):
        slot = ((keys[i] ^ (keys[i] >> 32)) * 0x1E3779B97F4A7C15 >> 32) & (size - 1)
        while table[slot] >= 0 and keys[table[slot]] != keys[i]:
            slot = (slot + 1) & (size - 1)
        if table[slot] < 0:
            table[slot] = i
        first[i] = table[slot]
        number[first[i]] += 1
    return first, number
