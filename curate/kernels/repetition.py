"""How much of a text repeats itself: duplicate paragraphs and lines, top and duplicate word n-grams.

The measures of Gopher (Rae et al. 2021, table A1, https://arxiv.org/abs/2112.11446), computed as datatrove 0.10
does: fractions are of the text's characters, and a duplicate n-gram, once met, is stepped over as a whole.
Lines and n-grams are told apart by 64-bit hashes. An n-gram is a sequence of words here; datatrove joins the
words of a duplicate n-gram without a separator, so that "can not" repeats "cannot" there and not here.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from curate.kernels import characters as c
from curate.kernels.compiled import kernel
from curate.kernels.hashing import FNV_OFFSET, finish, step
from curate.kernels.utf8 import decode

TOP_N_GRAMS = (2, 3, 4)
DUPLICATE_N_GRAMS = (5, 6, 7, 8, 9, 10)
MEASURES = (
    "duplicate_paragraph_fraction",
    "duplicate_paragraph_character_fraction",
    "duplicate_line_fraction",
    "duplicate_line_character_fraction",
    *(f"top_{n}_gram_character_fraction" for n in TOP_N_GRAMS),
    *(f"duplicate_{n}_gram_character_fraction" for n in DUPLICATE_N_GRAMS),
)
"""The columns of `repetition`'s answer."""

_N_GRAM_FACTOR = np.uint64(0x9E3779B97F4A7C15)


def repetition(
    data: NDArray[np.uint8],
    text_start: NDArray[np.int64],
    text_stop: NDArray[np.int64],
    first: NDArray[np.int64],
    last: NDArray[np.int64],
    characters: NDArray[np.int32],
    hashes: NDArray[np.uint64],
    classes: NDArray[np.uint32],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The characters of each document, and float64[documents, len(MEASURES)]; an empty text has none of anything.

    The arguments are those of curate.stages.words.Words.
    """
    n = len(first)
    length = np.zeros(n, dtype=np.int64)
    measures = np.zeros((n, len(MEASURES)), dtype=np.float64)
    most_words = int((last - first).max(initial=0))
    # A text of b bytes has at most b + 1 lines, but few have more lines than words; those that do get room too.
    most_lines = int(_most_newlines(data, text_start, text_stop)) + 1 if n else 0
    size = table_size(max(most_words, most_lines))
    keys = np.zeros(size, dtype=np.uint64)
    counts, firsts = np.zeros(size, dtype=np.int32), np.zeros(size, dtype=np.int64)
    grams, before = np.zeros(most_words, dtype=np.uint64), np.zeros(most_words + 1, dtype=np.int64)
    places, slots = np.zeros(most_words, dtype=np.int64), np.zeros(most_words, dtype=np.int64)
    _repetition(
        data, text_start, text_stop, first, last, characters, hashes, classes,
        keys, counts, firsts, grams, before, places, slots, length, measures,
    )  # fmt: skip
    return length, measures


def table_size(entries: int) -> int:
    """Slots of a table that holds so many entries, at most half full: a power of two."""
    return 1 << max(4, (2 * entries).bit_length())


@kernel
def slots_for(entries):  # type: ignore[no-untyped-def]
    """`table_size`, inside kernels: how much of a table a document with so many entries uses."""
    size = 16
    while size < 2 * entries:
        size *= 2
    return size


@kernel
def clear(keys, size):  # type: ignore[no-untyped-def]
    for slot in range(size):
        keys[slot] = np.uint64(0)


@kernel
def insert(keys, size, key):  # type: ignore[no-untyped-def]
    """The key's slot in the table keys[:size], and whether the key was there before."""
    if key == np.uint64(0):
        key = np.uint64(1)
    mask = size - 1
    slot = np.int64((key ^ (key >> np.uint64(32))) & np.uint64(mask))
    while keys[slot] != np.uint64(0):
        if keys[slot] == key:
            return slot, True
        slot = (slot + 1) & mask
    keys[slot] = key
    return slot, False


@kernel
def _most_newlines(data, text_start, text_stop):  # type: ignore[no-untyped-def]
    most = 0
    for document in range(len(text_start)):
        count = 0
        for index in range(text_start[document], text_stop[document]):
            count += data[index] == 10
        most = max(most, count)
    return most


@kernel
def _repetition(  # type: ignore[no-untyped-def]
    data, text_start, text_stop, first, last, characters, hashes, classes,
    keys, counts, firsts, grams, before, places, slots, length, measures,
):  # fmt: skip
    for document in range(len(first)):
        start, stop = text_start[document], text_stop[document]
        total = 0
        for index in range(start, stop):
            total += (data[index] & 0xC0) != 0x80
        length[document] = total
        if total == 0:
            continue
        row = measures[document]
        a, b = stripped(data, start, stop, classes)
        elements, duplicates, repeated = _duplicates(data, a, b, 2, keys)
        row[0], row[1] = duplicates / elements, repeated / total
        elements, duplicates, repeated = _duplicates(data, start, stop, 1, keys)
        row[2], row[3] = duplicates / elements, repeated / total
        base = first[document]
        n_words = last[document] - base
        before[0] = 0
        for word in range(n_words):
            grams[word] = hashes[base + word]
            before[word + 1] = before[word] + characters[base + word]
            places[word] = word
        # Only where an (n-1)-gram repeats can an n-gram repeat: from one n to the next, fewer places remain.
        left = n_words
        for n in range(2, 11):
            while left and places[left - 1] > n_words - n:
                left -= 1
            for index in range(left):
                place = places[index]
                grams[place] = grams[place] * _N_GRAM_FACTOR + hashes[base + place + n - 1]
            if n <= 4:
                repeated = _top(grams, places, left, n_words, n, before, keys, counts, firsts, slots)
            else:
                repeated = _duplicate_grams(grams, places, left, n, before, keys, counts, slots)
            row[2 + n] = repeated / total
            kept = 0
            for index in range(left):
                if counts[slots[index]] > 1:
                    places[kept] = places[index]
                    kept += 1
            left = kept


@kernel
def stripped(data, start, stop, classes):  # type: ignore[no-untyped-def]
    """The bounds of data[start:stop] without the whitespace around it."""
    first, end = stop, start
    position = start
    while position < stop:
        point, size = decode(data, position, stop)
        if not classes[point] & c.SPACE:
            if first == stop:
                first = position
            end = position + size
        position += size
    return (first, end) if first < end else (start, start)


@kernel
def _duplicates(data, start, stop, newlines, keys):  # type: ignore[no-untyped-def]
    """Elements between runs of so many newlines or more; those seen before; the characters of those."""
    entries = 1
    for index in range(start, stop):
        entries += data[index] == 10
    size = slots_for(entries)
    clear(keys, size)
    elements, duplicates, repeated = 0, 0, 0
    position = start
    while True:
        value = FNV_OFFSET
        count = 0
        end = position
        run = 0
        while end < stop:
            if data[end] == 10:
                run = 1
                while end + run < stop and data[end + run] == 10:
                    run += 1
                if run >= newlines:
                    break
            value = step(value, data[end])
            count += (data[end] & 0xC0) != 0x80
            end += 1
            run = 0
        elements += 1
        _, seen = insert(keys, size, finish(value))
        if seen:
            duplicates += 1
            repeated += count
        if end >= stop:
            return elements, duplicates, repeated
        position = end + run


@kernel
def _top(grams, places, n_places, n_words, n, before, keys, counts, firsts, slots):  # type: ignore[no-untyped-def]
    """Characters, with the spaces between the words, of the most frequent n-gram's occurrences; of several, the
    one that comes first. Leaves the count of each place's n-gram in counts[slots]."""
    if n_words < n:
        return 0
    size = slots_for(n_places)
    clear(keys, size)
    best, top = 1, 0  # where none repeats, the first n-gram of the text
    for index in range(n_places):
        place = places[index]
        slot, seen = insert(keys, size, grams[place])
        slots[index] = slot
        if seen:
            counts[slot] += 1
        else:
            counts[slot] = 1
            firsts[slot] = place
        if counts[slot] > best or (counts[slot] == best and firsts[slot] < top):
            best, top = counts[slot], firsts[slot]
    return best * (before[top + n] - before[top] + n - 1)


@kernel
def _duplicate_grams(grams, places, n_places, n, before, keys, counts, slots):  # type: ignore[no-untyped-def]
    """Characters of n-grams met before, each stepped over as a whole once met. Leaves counts as `_top` does."""
    size = slots_for(n_places)
    clear(keys, size)
    for index in range(n_places):
        slot, seen = insert(keys, size, grams[places[index]])
        slots[index] = slot
        counts[slot] = counts[slot] + 1 if seen else 1
    repeated, free = 0, 0
    for index in range(n_places):
        place, slot = places[index], slots[index]
        if place < free or counts[slot] == 1:
            continue
        if keys[slot] == np.uint64(0):  # met before: the key was taken out then
            repeated += before[place + n] - before[place]
            free = place + n
        else:
            keys[slot] = np.uint64(0)
    return repeated
