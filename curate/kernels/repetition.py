"""How much of a text repeats itself: duplicate paragraphs and lines, top and duplicate word n-grams.

The measures of Gopher (Rae et al. 2021, table A1, https://arxiv.org/abs/2112.11446), computed as datatrove 0.10
does: fractions are of the text's characters, and a duplicate n-gram, once met, is stepped over as a whole.
Lines and n-grams are told apart by 64-bit hashes. An n-gram is a sequence of words here; datatrove joins the
words of a duplicate n-gram without a separator, so that "can not" repeats "cannot" there and not here.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from curate.kernels.compiled import kernel
from curate.kernels.hashing import finish
from curate.kernels.lines import eights, mixed, span_hash

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
    first: NDArray[np.int64],
    last: NDArray[np.int64],
    characters: NDArray[np.int32],
    hashes: NDArray[np.uint64],
    line_first: NDArray[np.int64],
    line_last: NDArray[np.int64],
    line_start: NDArray[np.int64],
    line_stop: NDArray[np.int64],
    visible_start: NDArray[np.int64],
    visible_stop: NDArray[np.int64],
    line_characters: NDArray[np.int32],
    line_hashes: NDArray[np.uint64],
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The characters of each document, and float64[documents, len(MEASURES)]; an empty text has none of anything.

    The arguments are those of curate.stages.words.Words and curate.stages.lines.Lines.
    """
    n = len(first)
    length = np.zeros(n, dtype=np.int64)
    measures = np.zeros((n, len(MEASURES)), dtype=np.float64)
    most_words, most_lines = int((last - first).max(initial=0)), int((line_last - line_first).max(initial=0)) + 2
    size = table_size(max(most_words, most_lines))
    keys = np.zeros(size, dtype=np.uint64)
    counts, firsts = np.zeros(size, dtype=np.int32), np.zeros(size, dtype=np.int32)
    grams, before = np.zeros(most_words, dtype=np.uint64), np.zeros(most_words + 1, dtype=np.int64)
    places, slots = np.zeros(most_words, dtype=np.int32), np.zeros(most_words, dtype=np.int32)
    met = np.zeros(4 * size, dtype=np.uint8)
    _line_repetition(
        data, eights(data), line_first, line_last, line_start, line_stop, visible_start, visible_stop,
        line_characters, line_hashes, keys, length, measures,
    )  # fmt: skip
    _gram_repetition(
        first, last, characters, hashes, keys, counts, firsts, grams, before, places, slots, met, length, measures
    )
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
def _line_repetition(  # type: ignore[no-untyped-def]
    data, eight, first, last, start, stop, visible_start, visible_stop, characters, hashes, keys, length, measures
):
    for document in range(len(first)):
        a, b = first[document], last[document]
        total = b - a - 1
        for line in range(a, b):
            total += characters[line]
        length[document] = total
        if total == 0:
            continue
        row = measures[document]
        elements, duplicates, repeated = _paragraphs(
            data, eight, a, b, start, stop, visible_start, visible_stop, characters, hashes, keys
        )
        row[0], row[1] = duplicates / elements, repeated / total
        elements, duplicates, repeated = _between_newlines(a, b, start, stop, characters, hashes, keys)
        row[2], row[3] = duplicates / elements, repeated / total


@kernel
def _between_newlines(a, b, start, stop, characters, hashes, keys):  # type: ignore[no-untyped-def]
    """Elements between runs of newlines; those seen before; the characters of those. An empty element stands before
    newlines that begin a text, and behind newlines that end it."""
    size = slots_for(b - a)
    clear(keys, size)
    elements, duplicates, repeated = 0, 0, 0
    for line in range(a, b):
        if start[line] == stop[line]:
            continue
        elements += 1
        _, seen = insert(keys, size, hashes[line])
        if seen:
            duplicates += 1
            repeated += characters[line]
    if b - a > 1:
        outer = (start[a] == stop[a]) + (start[b - 1] == stop[b - 1])
        elements += outer
        duplicates += outer == 2
    return elements, duplicates, repeated


@kernel
def _paragraphs(  # type: ignore[no-untyped-def]
    data, eight, a, b, start, stop, visible_start, visible_stop, characters, hashes, keys
):
    """Elements between runs of two newlines or more, of the text without the whitespace around it; those seen before;
    the characters of those."""
    while a < b and visible_start[a] == visible_stop[a]:
        a += 1
    if a == b:
        return 1, 0, 0
    while visible_start[b - 1] == visible_stop[b - 1]:
        b -= 1
    size = slots_for(b - a)
    clear(keys, size)
    elements, duplicates, repeated = 0, 0, 0
    value, count, lines = np.uint64(0), 0, 0
    for line in range(a, b + 1):
        if line == b or start[line] == stop[line]:
            if lines:
                elements += 1
                _, seen = insert(keys, size, finish(mixed(value, np.uint64(lines))))
                if seen:
                    duplicates += 1
                    repeated += count + lines - 1
            value, count, lines = np.uint64(0), 0, 0
            continue
        part, here = hashes[line], characters[line]
        low = visible_start[line] if line == a else start[line]
        high = visible_stop[line] if line == b - 1 else stop[line]
        if low > start[line] or high < stop[line]:
            part, here, _ = span_hash(data, eight, low, high)
        value = mixed(value, part)
        count += here
        lines += 1
    return elements, duplicates, repeated


@kernel
def _gram_repetition(  # type: ignore[no-untyped-def]
    first, last, characters, hashes, keys, counts, firsts, grams, before, places, slots, met, length, measures
):
    for document in range(len(first)):
        total = length[document]
        if total == 0:
            continue
        row = measures[document]
        base = first[document]
        n_words = last[document] - base
        so_far = 0
        for word in range(n_words):
            grams[word] = hashes[base + word]
            before[word] = so_far
            so_far += characters[base + word]
        before[n_words] = so_far
        left = _repeated_pairs(grams, n_words, places, met)
        # Only where an (n-1)-gram repeats can an n-gram repeat: from one n to the next, fewer places remain.
        for n in range(2, 11):
            while left and places[left - 1] > n_words - n:
                left -= 1
            if n > 2:
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
                places[kept] = places[index]
                if counts[slots[index]] > 1:
                    kept += 1
            left = kept


@kernel
def _repeated_pairs(grams, n_words, places, met):  # type: ignore[no-untyped-def]
    """Makes `grams` 2-grams and fills `places` with the places of those that may occur twice; answers how many. Counts
    them in a table without keys first, without a branch: most pairs are alone in their slot, and go."""
    size = 4 * slots_for(n_words)
    for slot in range(size):
        met[slot] = 0
    bits = 0
    while 1 << bits < size:
        bits += 1
    shift = np.uint64(64 - bits)
    for place in range(n_words - 1):
        gram = grams[place] * _N_GRAM_FACTOR + grams[place + 1]
        grams[place] = gram
        pair = np.int64((gram * _N_GRAM_FACTOR) >> shift)
        met[pair] = min(met[pair] + 1, 2)
    kept = 0
    for place in range(n_words - 1):
        places[kept] = place
        if met[np.int64((grams[place] * _N_GRAM_FACTOR) >> shift)] > 1:
            kept += 1
    return kept


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
