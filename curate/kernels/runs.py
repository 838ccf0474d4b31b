"""A run of characters without whitespace, cut into its words: ends first, then inside, then what belongs together.

The order is that of spaCy's tokenizer; where to cut is curate.kernels.affixes', which words stay whole is
curate.kernels.english's. Two pointers move towards each other, so a run costs what it is long.
"""

from __future__ import annotations

import numpy as np

from curate.kernels import characters as c
from curate.kernels.affixes import find_slot, infix_length, prefix_length, suffix_length
from curate.kernels.compiled import kernel
from curate.kernels.english import BEGINS, ENDS, JOINS, MAX_SPECIAL_CHARACTERS
from curate.kernels.hashing import hash_range
from curate.kernels.urls import is_url

_SEEN = 64
_MAX_MERGED = 11  # words that a special word can be spread over


@kernel
def may_be_special(first_byte, last_byte, characters, shapes):  # type: ignore[no-untyped-def]
    """False for most words that are none of the special ones, by how they begin and end."""
    if characters > MAX_SPECIAL_CHARACTERS:
        return False
    return (shapes[BEGINS, first_byte] & shapes[ENDS, last_byte]) >> characters & 1 != 0


@kernel
def _special(data, places, low, high, keys, shapes):  # type: ignore[no-untyped-def]
    """The slot of the special word that spans these characters, or -1."""
    if high <= low or not may_be_special(data[places[low]], data[places[high] - 1], high - low, shapes):
        return np.int64(-1)
    return find_slot(keys, hash_range(data, places[low], places[high]))


@kernel
def split_run(  # type: ignore[no-untyped-def]
    data, points, places, n_points, inner, classes, keys, splits, cuts, units, shapes, low, high, marks
):
    """Writes the words of a run without whitespace to low and high; answers how many."""
    n = 0
    a, b = 0, n_points
    tail = len(high)  # suffixes are stacked from the far end of `high`, by their first character
    whole = np.int64(-1)
    while a < b:
        whole = _special(data, places, a, b, keys, shapes)
        if whole >= 0:
            break
        prefix = prefix_length(points, a, b, classes)
        if prefix and prefix < b - a:
            whole = _special(data, places, a + prefix, b, keys, shapes)
            if whole >= 0:
                low[n], high[n] = a, a + prefix
                n += 1
                a += prefix
                break
        suffix = suffix_length(data, points, places, a + prefix, b, classes, units)
        if suffix and suffix < b - a:
            whole = _special(data, places, a, b - suffix, keys, shapes)
            if whole >= 0:
                tail -= 1
                high[tail] = b - suffix
                b -= suffix
                break
        if not prefix and not suffix:
            break
        if prefix:
            low[n], high[n] = a, a + prefix
            n += 1
            a += prefix
        if suffix:
            tail -= 1
            high[tail] = b - suffix
            b -= suffix
    if whole >= 0:
        n = _emit_special(splits[whole], a, low, high, n)
    elif a < b:
        if not inner or is_url(points, a, b, classes):
            low[n], high[n] = a, b
            n += 1
        else:
            n = _split_inside(points, a, b, classes, low, high, n)
    while tail < len(high):  # the last stacked is the first in the text
        begin = high[tail]
        stop = high[tail + 1] if tail + 1 < len(high) else n_points
        low[n], high[n] = begin, stop
        n += 1
        tail += 1
    if n > 1:
        n = _merge_special(data, places, keys, splits, cuts, shapes, low, high, marks, n)
    return n


@kernel
def _emit_special(split, at, low, high, n):  # type: ignore[no-untyped-def]
    while split:
        size = np.int32(split & np.uint32(255))
        low[n], high[n] = at, at + size
        at += size
        n += 1
        split >>= np.uint32(8)
    return n


@kernel
def _split_inside(points, a, b, classes, low, high, n):  # type: ignore[no-untyped-def]
    begin, at = a, a
    while at < b:
        size = infix_length(points, at, a, b, classes) if classes[points[at]] & c.INNER else 0
        if size == 0:
            at += 1
            continue
        if at > a:
            if at > begin:
                low[n], high[n] = begin, at
                n += 1
            low[n], high[n] = at, at + size
            n += 1
            begin = at + size
        at += size
    if begin < b:
        low[n], high[n] = begin, b
        n += 1
    return n


@kernel
def _merge_special(data, places, keys, splits, cuts, shapes, low, high, marks, n):  # type: ignore[no-untyped-def]
    """Puts together words that make a special word, such as the `)` and `:` of "(so):"; answers how many remain.

    They must be cut just as the rules alone would cut the special word. The longest goes first, then the
    leftmost; what overlaps it is left alone, and so is what overlaps that.
    """
    longest = 0
    for word in range(n - 1):
        if not _joined(data, places, shapes, low, word):
            continue
        for size in range(2, min(_MAX_MERGED, n - word) + 1):
            if _special_slot(data, places, keys, cuts, shapes, low, high, word, size) >= 0:
                longest = max(longest, size)
    if longest == 0:
        return n
    for word in range(n):
        marks[word] = 1
    for size in range(longest, 1, -1):
        for word in range(n - size + 1):
            if _special_slot(data, places, keys, cuts, shapes, low, high, word, size) >= 0:
                free = not marks[word] & _SEEN and not marks[word + size - 1] & _SEEN
                for index in range(word, word + size):
                    marks[index] |= _SEEN
                if free:
                    marks[word] = _SEEN | size
    out, word = 0, 0
    more = 0  # words that there are too few places for
    while word < n:
        size = marks[word] & ~_SEEN
        slot = _special_slot(data, places, keys, cuts, shapes, low, high, word, size) if size > 1 else np.int64(-1)
        parts = _parts(splits[slot]) if slot >= 0 else size
        begin = out
        if parts > size:  # "°C." has three parts; they are given room below
            low[out], high[out] = low[word], high[word + size - 1]
            out += 1
            more += parts - 1
        elif slot >= 0:
            out = _emit_special(splits[slot], low[word], low, high, out)
        else:
            for index in range(word, word + size):
                low[out], high[out] = low[index], high[index]
                out += 1
        for index in range(begin, out):
            marks[index] = np.int32(parts > size)
        word += size
    if more:
        end = out + more
        for index in range(out - 1, -1, -1):
            if marks[index]:
                split = splits[_special(data, places, low[index], high[index], keys, shapes)]
                end -= _parts(split)
                _emit_special(split, low[index], low, high, end)
            else:
                end -= 1
                low[end], high[end] = low[index], high[index]
    return out + more


@kernel
def _joined(data, places, shapes, low, word):  # type: ignore[no-untyped-def]
    """Whether a special word is cut as between this word and the next."""
    length = low[word + 1] - low[word]
    return length < MAX_SPECIAL_CHARACTERS and shapes[JOINS, data[places[low[word + 1]]]] >> length & 1 != 0


@kernel
def _special_slot(data, places, keys, cuts, shapes, low, high, word, size):  # type: ignore[no-untyped-def]
    """The slot of the special word that these words make, or -1."""
    found = np.uint32(0)
    for index in range(word + 1, word + size):
        at = low[index] - low[word]
        if at >= MAX_SPECIAL_CHARACTERS:
            return np.int64(-1)
        found |= np.uint32(1) << np.uint32(at)
    slot = _special(data, places, low[word], high[word + size - 1], keys, shapes)
    return slot if slot >= 0 and cuts[slot] == found else np.int64(-1)


@kernel
def _parts(split):  # type: ignore[no-untyped-def]
    count = 0
    while split:
        count += 1
        split >>= np.uint32(8)
    return count
