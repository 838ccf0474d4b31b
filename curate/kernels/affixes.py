"""Where a run without whitespace is split: at its front, at its end, inside.

The rules of spaCy's blank English tokenizer, each as a function of the characters around one place. Characters
come as code points, `points[a:b]`, with the byte position of each in `places`.
"""

from __future__ import annotations

import numpy as np

from curate.kernels import characters as c
from curate.kernels.compiled import kernel
from curate.kernels.english import MAX_UNIT_CHARACTERS, TABLE_SIZE
from curate.kernels.hashing import hash_range


@kernel
def find_slot(keys, key):  # type: ignore[no-untyped-def]
    """The slot of the key in an open-addressed table, or -1."""
    mask = TABLE_SIZE - 1
    slot = np.int64(key & np.uint64(mask))
    while keys[slot] != np.uint64(0):
        if keys[slot] == key:
            return slot
        slot = (slot + 1) & mask
    return np.int64(-1)


@kernel
def prefix_length(points, a, b, classes):  # type: ignore[no-untyped-def]
    """Characters to split off the front of points[a:b], or 0."""
    point = points[a]
    if classes[point] & c.PREFIX:
        if point == 43:  # "+5" is a number
            return 0 if a + 1 < b and 48 <= points[a + 1] <= 57 else 1
        return 1
    if point == 46:
        dots = 1
        while a + dots < b and points[a + dots] == 46:
            dots += 1
        return dots if dots > 1 else 0
    if point == 85 and a + 2 < b and points[a + 1] == 83 and points[a + 2] == 36:
        return 3  # US$
    if (point == 67 or point == 65) and a + 1 < b and points[a + 1] == 36:
        return 2  # C$, A$
    return 0


@kernel
def suffix_length(data, points, places, a, b, classes, units):  # type: ignore[no-untyped-def]
    """Characters to split off the end of points[a:b], or 0: the longest that any rule takes."""
    if a >= b:
        return 0
    point = points[b - 1]
    mask = classes[point]
    before = points[b - 2] if b - a > 1 else np.int32(0)
    if point == 46:
        dots = 1
        while b - dots > a and points[b - dots - 1] == 46:
            dots += 1
        if dots > 1:
            return dots
        if b - a < 2:
            return 0
        if classes[before] & c.BEFORE_STOP:
            return 1
        if b - a > 2:
            earlier = points[b - 3]
            if classes[before] & c.UPPER and classes[earlier] & c.UPPER:
                return 1
            if earlier == 176 and (
                before == 70 or before == 102 or before == 67 or before == 99 or before == 75 or before == 107
            ):
                return 1
        return 0
    if point == 0x2026:
        return 2 if before == 0x2026 else 1
    if (point == 115 or point == 83) and (before == 39 or before == 0x2019):
        return 2  # 's
    if mask & c.SUFFIX:
        return 1
    if b - a < 2:
        return 0
    if point == 43:
        return 1 if 48 <= before <= 57 else 0
    if mask & c.CURRENCY:
        if 48 <= before <= 57:
            return 1
        if point == 36:
            if (before == 67 or before == 65) and b - a > 2 and 48 <= points[b - 3] <= 57:
                return 2
            if before == 83 and b - a > 3 and points[b - 3] == 85 and 48 <= points[b - 4] <= 57:
                return 3
        return 0
    if point < 128 and not mask & c.LETTER and point != 37:
        return 0
    for size in range(1, min(MAX_UNIT_CHARACTERS, b - a - 1) + 1):  # 5km
        earlier = points[b - size - 1]
        if 48 <= earlier <= 57:
            return size if find_slot(units, hash_range(data, places[b - size], places[b])) >= 0 else 0
    return 0


@kernel
def infix_length(points, at, a, b, classes):  # type: ignore[no-untyped-def]
    """Characters at `at` that split points[a:b] in two, or 0."""
    point = points[at]
    mask = classes[point]
    if point == 46 and at + 1 < b and points[at + 1] == 46:
        dots = 2
        while at + dots < b and points[at + dots] == 46:
            dots += 1
        return dots
    if point == 0x2026 or mask & c.ICON:
        return 1
    if at == a or at + 1 >= b:
        return 0
    before, after = points[at - 1], points[at + 1]
    digit = 48 <= before <= 57
    if digit and (point == 43 or point == 45 or point == 42 or point == 94) and (48 <= after <= 57 or after == 45):
        return 1
    if point == 46:
        return 1 if classes[before] & (c.LOWER | c.QUOTE) and classes[after] & (c.UPPER | c.QUOTE) else 0
    if point == 44:
        return 1 if classes[before] & c.ALPHA and classes[after] & c.ALPHA else 0
    if not digit and not classes[before] & c.ALPHA:
        return 0
    if point == 58 or point == 60 or point == 62 or point == 61 or point == 47:  # : < > = /
        return 1 if classes[after] & c.ALPHA else 0
    if point == 45 or point == 0x2014 or point == 0x2013 or point == 126:  # hyphen, dashes, tilde
        longest = 3 if point == 45 else (2 if point == 0x2014 else 1)
        for size in range(1, longest + 1):
            if at + size >= b:
                return 0
            if classes[points[at + size]] & c.ALPHA:
                return size
            if points[at + size] != point:
                return 0
    return 0
