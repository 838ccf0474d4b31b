"""Tokens that clean prose does not have: words outside a reference vocabulary, broken characters, encoded data,
code debris."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from curate.kernels import characters as c
from curate.kernels.compiled import kernel
from curate.kernels.repetition import clear, insert, slots_for, table_size
from curate.kernels.utf8 import REPLACEMENT, decode
from curate.kernels.words import HAS_LETTER

CHARACTER_COUNTS = ("characters", "replacement", "mojibake", "control", "encoded", "code")
"""Columns of `dirty_characters`: those that are no whitespace, and of them U+FFFD; UTF-8 read as Latin-1 or
Windows-1252; control and private-use characters; runs that look like base64 or a hash; brackets, operators and
other marks of code."""

MIN_ENCODED_CHARACTERS = 24
"""A shorter run without whitespace is no encoded data: longer than nearly all words, shorter than a SHA-1."""
_UNSEEN_LOG = -16.0
"""Natural logarithm of the probability given to a word that the reference does not have, about 1 in 9 million."""


def word_divergence(
    first: NDArray[np.int64],
    last: NDArray[np.int64],
    hashes: NDArray[np.uint64],
    flags: NDArray[np.uint8],
    keys: NDArray[np.uint64],
    log_probability: NDArray[np.float32],
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """For each document: its words with a letter; those that the reference lacks; the Kullback-Leibler divergence
    of its words' distribution from the reference, in nats.

    `keys` (as `insert` fills it) and `log_probability` are the reference, by slot.
    """
    n = len(first)
    words, unknown, divergence = np.zeros(n, dtype=np.int64), np.zeros(n, dtype=np.int64), np.zeros(n)
    size = table_size(int((last - first).max(initial=0)))
    table, counts = np.zeros(size, dtype=np.uint64), np.zeros(size, dtype=np.int64)
    _word_divergence(first, last, hashes, flags, keys, log_probability, table, counts, words, unknown, divergence)
    return words, unknown, divergence


def reference_table(
    hashes: NDArray[np.uint64], log_probability: NDArray[np.float32]
) -> tuple[NDArray[np.uint64], NDArray[np.float32]]:
    """The hash table that `word_divergence` reads, of a reference given as two lists."""
    size = table_size(len(hashes))
    keys, values = np.zeros(size, dtype=np.uint64), np.zeros(size, dtype=np.float32)
    _fill(hashes, log_probability, keys, values)
    return keys, values


@kernel
def _fill(hashes, log_probability, keys, values):  # type: ignore[no-untyped-def]
    for index in range(len(hashes)):
        slot, _ = insert(keys, len(keys), hashes[index])
        values[slot] = log_probability[index]


@kernel
def _word_divergence(  # type: ignore[no-untyped-def]
    first, last, hashes, flags, keys, log_probability, table, counts, words, unknown, divergence
):
    mask = len(keys) - 1
    for document in range(len(first)):
        size = slots_for(last[document] - first[document])
        clear(table, size)
        for word in range(first[document], last[document]):
            if flags[word] & HAS_LETTER:
                words[document] += 1
                slot, seen = insert(table, size, hashes[word])
                counts[slot] = counts[slot] + 1 if seen else 1
        total = 0.0
        for slot in range(size):
            key = table[slot]
            if key == np.uint64(0):
                continue
            share = counts[slot] / words[document]
            place = np.int64((key ^ (key >> np.uint64(32))) & np.uint64(mask))
            while keys[place] != np.uint64(0) and keys[place] != key:
                place = (place + 1) & mask
            if keys[place] == key:
                total += share * (np.log(share) - log_probability[place])
            else:
                total += share * (np.log(share) - _UNSEEN_LOG)
                unknown[document] += counts[slot]
        divergence[document] = total


def dirty_characters(
    data: NDArray[np.uint8], text_start: NDArray[np.int64], text_stop: NDArray[np.int64], classes: NDArray[np.uint32]
) -> NDArray[np.int64]:
    """int64[documents, len(CHARACTER_COUNTS)]."""
    counts = np.zeros((len(text_start), len(CHARACTER_COUNTS)), dtype=np.int64)
    _dirty_characters(data, text_start, text_stop, classes, counts)
    return counts


@kernel
def _dirty_characters(data, text_start, text_stop, classes, counts):  # type: ignore[no-untyped-def]
    for document in range(len(text_start)):
        row = counts[document]
        position, stop = text_start[document], text_stop[document]
        before = np.int32(0)
        digits, capitals, small, other, changes, kind = 0, 0, 0, 0, 0, 0
        while position <= stop:
            point, size = decode(data, position, stop) if position < stop else (np.int32(32), 1)
            mask = classes[point]
            if mask & c.SPACE:
                length = digits + capitals + small
                if length >= MIN_ENCODED_CHARACTERS and _encoded(digits, capitals, small, other, changes):
                    row[4] += length + other
                digits, capitals, small, other, changes, kind = 0, 0, 0, 0, 0, 0
            else:
                row[0] += 1
                row[1] += point == REPLACEMENT
                row[2] += _mojibake(before, point)
                row[3] += (mask & (c.CONTROL | c.PRIVATE)) != 0
                row[5] += _code(point)
                now = 0
                if 48 <= point <= 57:
                    digits, now = digits + 1, 1
                elif 65 <= point <= 90:
                    capitals, now = capitals + 1, 2
                elif 97 <= point <= 122:
                    small, now = small + 1, 3
                else:
                    other += 1
                changes += now > 0 and kind > 0 and now != kind
                kind = now
            before = point
            position += size


@kernel
def _encoded(digits, capitals, small, other, changes):  # type: ignore[no-untyped-def]
    """Whether a long run is encoded data: digits among letters, changing kind at least every five characters, and
    next to nothing else."""
    length = digits + capitals + small
    return digits * 20 >= length and digits < length and changes * 5 >= length and other * 8 <= length


@kernel
def _mojibake(before, point):  # type: ignore[no-untyped-def]
    """Whether two characters are what the bytes of one UTF-8 character look like in Latin-1 or Windows-1252."""
    if before == 0xC2 or before == 0xC3:  # Â, Ã before a continuation byte
        return 0x80 <= point <= 0xBF or point == 0x20AC or point == 0x201A or point == 0x192 or point == 0x152
    if before == 0xE2:  # â before €, or before the control character of that byte
        return point == 0x20AC or point == 0x80
    if before == 0xF0:  # ð before Ÿ: an emoji
        return point == 0x178 or point == 0x9F
    return 0x80 <= point <= 0x9F and 0x80 <= before <= 0xFF


@kernel
def _code(point):  # type: ignore[no-untyped-def]
    """Brackets and operators that prose seldom has: { } [ ] < > = ; | \\ _ # $ @ ^ ~ ` * + /."""
    return (
        point == 123 or point == 125 or point == 91 or point == 93 or point == 60 or point == 62 or point == 61
        or point == 59 or point == 124 or point == 92 or point == 95 or point == 35 or point == 36 or point == 64
        or point == 94 or point == 126 or point == 96 or point == 42 or point == 43 or point == 47
    )  # fmt: skip
