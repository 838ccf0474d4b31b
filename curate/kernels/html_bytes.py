"""Small steps of the page scanner over bytes: names by their hash, numbers, words of a class, the end of an element.

Every function takes the page and a range of it, looks at each byte at most once and allocates nothing.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from curate.kernels.compiled import kernel
from curate.kernels.markup import CLASS_BITS, CLASS_TABLE, EDGE, FOLD, SYMBOL_BITS, TABLE_SIZE

MAX_SPAN = 1000
"""More columns or rows than this no cell spans (the limit of the HTML standard for columns)."""

CHUNK = 256
"""Bytes that are searched together."""


@njit(cache=True, nogil=True, inline="always")
def lower(byte):
    return byte + 32 if 65 <= byte <= 90 else byte


@njit(cache=True, nogil=True, inline="always")
def is_space(byte):
    return byte == 32 or (9 <= byte <= 13)


@kernel
def lookup(hashes, codes, value):
    slot = value % TABLE_SIZE
    while hashes[slot] >= 0:
        if hashes[slot] == value:
            return codes[slot]
        slot = (slot + 1) % TABLE_SIZE
    return np.int16(0)


@kernel
def contains(page, start, end, pattern):
    """Whether page[start:end] has the lower-case `pattern`, in any case."""
    first, size = pattern[0], len(pattern)
    for i in range(start, end - size + 1):
        if lower(page[i]) == first:
            k = 1
            while k < size and lower(page[i + k]) == pattern[k]:
                k += 1
            if k == size:
                return True
    return False


@kernel
def span(page, start, end):
    """The number of cells that a colspan or rowspan says, from 1 to MAX_SPAN."""
    value = 0
    for i in range(start, min(end, start + 4)):
        if not 48 <= page[i] <= 57:
            break
        value = value * 10 + page[i] - 48
    return min(max(value, 1), MAX_SPAN)


@kernel
def is_blank(page, start, end):
    i = start
    while i < end and page[i] <= 32:
        i += 1
    return i >= end


@kernel
def is_number(page, start, end):
    """Whether a text is digits and white space alone."""
    i = start
    while i < end and (page[i] <= 32 or 48 <= page[i] <= 57):
        i += 1
    return i >= end


@kernel
def attribute_value(page, i):
    """The range of the value of the attribute whose name ends at i, empty where it has none, and the position after."""
    n = len(page)
    while i < n and is_space(page[i]):
        i += 1
    if i >= n or page[i] != 61:
        return i, i, i
    i += 1
    while i < n and is_space(page[i]):
        i += 1
    start = i
    if i < n and (page[i] == 34 or page[i] == 39):
        end = find_byte(page, page[i], i + 1, n)
        return start + 1, end, end + 1
    while i < n and page[i] > 32 and page[i] != 62:
        i += 1
    return start, i, i


@kernel
def find_byte(page, byte, start, end):
    """Position of a byte in a range; its end if there is none."""
    # Counting from zero in a slice spares each step a test for a negative index.
    part = page[start:end]
    for i in range(len(part)):
        if part[i] == byte:
            return start + i
    return max(start, end)


@kernel
def after_comment(page, start):
    """Position after the `-->` that ends a comment, its `>` at `start` or later; 0 if there is none."""
    i = find_byte(page, 62, start, len(page))
    while i < len(page):
        if page[i - 1] == 45 and page[i - 2] == 45:
            return i + 1
        i = find_byte(page, 62, i + 1, len(page))
    return 0


@kernel
def find_tag(page, start):
    """Position of the next `<` that begins a tag, a comment or the like; the page's end if there is none."""
    part = page[start:]
    for i in range(len(part) - 1):
        if part[i] == 60:
            after = part[i + 1]
            if 97 <= lower(after) <= 122 or after == 47 or after == 33 or after == 63:
                return start + i
    return len(page)


@kernel
def find_end_tag(page, i, name_start, name_end):
    """Position of the `</name` at or after i; −1 if none. Scripts are long and have few `</`, so that many bytes are
    looked at together, in vector instructions, before one by one."""
    name, last = page[name_start:name_end], len(page) - (name_end - name_start) - 1
    for begin in range(i, last, CHUNK):
        part = page[begin : min(begin + CHUNK, last) + 1]
        seen = False
        for at in range(len(part) - 1):
            seen |= (part[at] == 60) & (part[at + 1] == 47)
        if seen:
            for at in range(begin, begin + len(part) - 1):
                if page[at] == 60 and page[at + 1] == 47:
                    k = 0
                    while k < len(name) and lower(page[at + 2 + k]) == lower(name[k]):
                        k += 1
                    if k == len(name):
                        return at
    return -1


@kernel
def class_bits(page, start, end, shape):
    """Bits of the words of CLASS_WORDS in a range, and the hash `shape` carried on over its bytes."""
    state, bits = CLASS_TABLE[EDGE], np.int64(0)
    for byte in page[start:end]:
        state = CLASS_TABLE[state << SYMBOL_BITS | FOLD[byte]]
        bits |= CLASS_BITS[state]
        shape = ((shape ^ byte) * 16777619) & 0xFFFFFFFF
    return bits | CLASS_BITS[CLASS_TABLE[state << SYMBOL_BITS | EDGE]], shape
