"""What the lines and words of a text look like: the counts behind Gopher's and FineWeb's quality rules."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from curate.kernels.compiled import kernel
from curate.kernels.lines import BREAKS, DOTS, HASH, TERMINAL, WIDE, line_end, stripped
from curate.kernels.repetition import clear, insert, slots_for, table_size
from curate.kernels.utf8 import decode
from curate.kernels.words import HAS_LETTER, NON_SYMBOL

GOPHER = (
    "all_words", "words", "word_characters", "alphabetic_words", "stop_words",
    "hashes", "ellipses", "lines", "bullet_lines", "ellipsis_lines",
)  # fmt: skip
"""Columns of `gopher_counts`. `words` are those that are more than punctuation; `stop_words` counts different
ones; `lines` are str.splitlines'."""

FINEWEB = ("lines", "punctuated_lines", "short_lines", "repeated_characters", "characters", "newlines")
"""Columns of `fineweb_counts`. `lines` are those between newlines that are not blank; `characters` leaves out
newlines; `repeated_characters` are those of lines seen before."""


def gopher_counts(
    first: NDArray[np.int64],
    last: NDArray[np.int64],
    characters: NDArray[np.int32],
    hashes: NDArray[np.uint64],
    flags: NDArray[np.uint8],
    stop_words: NDArray[np.uint64],
) -> NDArray[np.int64]:
    """int64[documents, len(GOPHER)], without the counts of lines, which `count_gopher_lines` adds.

    `stop_words` are hashes, different ones; the other arguments are those of curate.stages.words.Words.
    """
    counts = np.zeros((len(first), len(GOPHER)), dtype=np.int64)
    keys = _sparse_table(stop_words)
    seen_in = np.full(len(keys), -1, dtype=np.int64)
    _gopher_words(first, last, characters, hashes, flags, keys, seen_in, counts)
    return counts


def _sparse_table(hashes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """A table in which each hash has its first place to itself, so that one look tells whether it is there."""
    size = np.uint64(64)
    while True:
        places = (hashes ^ (hashes >> np.uint64(32))) & (size - np.uint64(1))
        if len(np.unique(places)) == len(places):
            break
        size *= np.uint64(2)
    keys = np.zeros(int(size), dtype=np.uint64)
    keys[places] = hashes
    return keys


@kernel
def _gopher_words(first, last, characters, hashes, flags, keys, seen_in, counts):  # type: ignore[no-untyped-def]
    mask = np.uint64(len(keys) - 1)
    for document in range(len(first)):
        words, length, lettered, stops = 0, 0, 0, 0
        for word in range(first[document], last[document]):
            if flags[word] & NON_SYMBOL:
                words += 1
                length += characters[word]
            if flags[word] & HAS_LETTER:
                lettered += 1
            key = hashes[word]
            slot = np.int64((key ^ (key >> np.uint64(32))) & mask)
            if keys[slot] == key and seen_in[slot] != document:
                seen_in[slot] = document
                stops += 1
        row = counts[document]
        row[0], row[1], row[2], row[3], row[4] = last[document] - first[document], words, length, lettered, stops


def count_gopher_lines(
    data: NDArray[np.uint8],
    text_stop: NDArray[np.int64],
    first: NDArray[np.int64],
    last: NDArray[np.int64],
    start: NDArray[np.int64],
    stop: NDArray[np.int64],
    visible_start: NDArray[np.int64],
    visible_stop: NDArray[np.int64],
    flags: NDArray[np.uint8],
    classes: NDArray[np.uint32],
    counts: NDArray[np.int64],
) -> None:
    """Adds what `gopher_counts` leaves out. The arguments are those of curate.stages.lines.Lines."""
    _gopher_lines(data, text_stop, first, last, start, stop, visible_start, visible_stop, flags, classes, counts)


@kernel
def _gopher_lines(  # type: ignore[no-untyped-def]
    data, text_stop, first, last, start, stop, visible_start, visible_stop, flags, classes, counts
):
    for document in range(len(first)):
        row = counts[document]
        for line in range(first[document], last[document]):
            if flags[line] & (HASH | DOTS | WIDE):
                _marks(data, start[line], stop[line], row)
            if not flags[line] & BREAKS:
                if start[line] < text_stop[document]:  # no line begins at the end of a text
                    _gopher_line(data, visible_start[line], visible_stop[line], row)
                continue
            position, end = start[line], min(stop[line] + 1, text_stop[document])  # with its newline
            while position < end:
                broken, following = line_end(data, position, end, classes)
                a, b = stripped(data, position, broken, classes)
                _gopher_line(data, a, b, row)
                position = following


@kernel
def _marks(data, start, stop, row):  # type: ignore[no-untyped-def]
    """Counts hashes and ellipses."""
    dots = 0
    for index in range(start, stop):
        byte = data[index]
        row[5] += byte == 35
        dots = dots + 1 if byte == 46 else 0
        if dots == 3:
            row[6] += 1
            dots = 0
        row[6] += byte == 0xA6 and index >= start + 2 and data[index - 1] == 0x80 and data[index - 2] == 0xE2


@kernel
def _gopher_line(data, a, b, row):  # type: ignore[no-untyped-def]
    """Counts a line, data[a:b] without the whitespace around it."""
    row[7] += 1
    if a < b:
        point, _ = decode(data, a, b)
        row[8] += point == 45 or point == 0x2022
    if b - a >= 3:
        x, y, z = data[b - 3], data[b - 2], data[b - 1]
        row[9] += (x == 46 and y == 46 and z == 46) or (x == 0xE2 and y == 0x80 and z == 0xA6)


def fineweb_counts(
    first: NDArray[np.int64],
    last: NDArray[np.int64],
    visible_start: NDArray[np.int64],
    visible_stop: NDArray[np.int64],
    characters: NDArray[np.int32],
    hashes: NDArray[np.uint64],
    flags: NDArray[np.uint8],
    short_line_characters: int,
) -> NDArray[np.int64]:
    """int64[documents, len(FINEWEB)]; a line of up to `short_line_characters` is short. The other arguments are those
    of curate.stages.lines.Lines."""
    counts = np.zeros((len(first), len(FINEWEB)), dtype=np.int64)
    keys = np.zeros(table_size(int((last - first).max(initial=0))), dtype=np.uint64)
    _fineweb(first, last, visible_start, visible_stop, characters, hashes, flags, short_line_characters, keys, counts)
    return counts


@kernel
def _fineweb(  # type: ignore[no-untyped-def]
    first, last, visible_start, visible_stop, characters, hashes, flags, short, keys, counts
):
    for document in range(len(first)):
        row = counts[document]
        row[5] = last[document] - first[document] - 1
        size = slots_for(last[document] - first[document])
        clear(keys, size)
        for line in range(first[document], last[document]):
            row[4] += characters[line]
            if visible_start[line] == visible_stop[line]:
                continue
            row[0] += 1
            row[1] += (flags[line] & TERMINAL) != 0
            row[2] += characters[line] <= short
            _, seen = insert(keys, size, hashes[line])
            if seen:
                row[3] += characters[line]


def long_lines(
    first: NDArray[np.int64], last: NDArray[np.int64], characters: NDArray[np.int32], least: int
) -> NDArray[np.int64]:
    """For each document, the lines (between newlines) of `least` characters or more."""
    total = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(characters >= least)])
    return np.asarray(total[last] - total[first], dtype=np.int64)
