"""What the lines and words of a text look like: the counts behind Gopher's and FineWeb's quality rules."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from curate.kernels import characters as c
from curate.kernels.compiled import kernel
from curate.kernels.hashing import FNV_OFFSET, finish, step
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
    data: NDArray[np.uint8],
    text_start: NDArray[np.int64],
    text_stop: NDArray[np.int64],
    first: NDArray[np.int64],
    last: NDArray[np.int64],
    characters: NDArray[np.int32],
    hashes: NDArray[np.uint64],
    flags: NDArray[np.uint8],
    stop_words: NDArray[np.uint64],
    classes: NDArray[np.uint32],
) -> NDArray[np.int64]:
    """int64[documents, len(GOPHER)]. `stop_words` are hashes, different ones."""
    counts = np.zeros((len(first), len(GOPHER)), dtype=np.int64)
    size = table_size(len(stop_words))
    keys = np.zeros(size, dtype=np.uint64)
    seen_in = np.full(size, -1, dtype=np.int64)
    _gopher_words(first, last, characters, hashes, flags, stop_words, keys, seen_in, counts)
    _gopher_lines(data, text_start, text_stop, classes, counts)
    return counts


@kernel
def _gopher_words(first, last, characters, hashes, flags, stop_words, keys, seen_in, counts):  # type: ignore[no-untyped-def]
    size = len(keys)
    for index in range(len(stop_words)):
        insert(keys, size, stop_words[index])
    mask = size - 1
    for document in range(len(first)):
        row = counts[document]
        for word in range(first[document], last[document]):
            row[0] += 1
            if flags[word] & NON_SYMBOL:
                row[1] += 1
                row[2] += characters[word]
            if flags[word] & HAS_LETTER:
                row[3] += 1
            key = hashes[word]
            slot = np.int64((key ^ (key >> np.uint64(32))) & np.uint64(mask))
            while keys[slot] != np.uint64(0):
                if keys[slot] == key:
                    if seen_in[slot] != document:
                        seen_in[slot] = document
                        row[4] += 1
                    break
                slot = (slot + 1) & mask


@kernel
def line_end(data, position, stop, classes):  # type: ignore[no-untyped-def]
    """Where the line that begins at `position` ends, and where the next begins (str.splitlines)."""
    while position < stop:
        byte = data[position]
        if byte < 128:
            if classes[byte] & c.LINE_BREAK:
                crlf = byte == 13 and position + 1 < stop and data[position + 1] == 10
                return position, position + (2 if crlf else 1)
            position += 1
        else:
            point, size = decode(data, position, stop)
            if classes[point] & c.LINE_BREAK:
                return position, position + size
            position += size
    return stop, stop


@kernel
def _gopher_lines(data, text_start, text_stop, classes, counts):  # type: ignore[no-untyped-def]
    for document in range(len(text_start)):
        row = counts[document]
        start, stop = text_start[document], text_stop[document]
        dots = 0
        for index in range(start, stop):
            byte = data[index]
            row[5] += byte == 35
            dots = dots + 1 if byte == 46 else 0
            if dots == 3:
                row[6] += 1
                dots = 0
            row[6] += byte == 0xA6 and index >= start + 2 and data[index - 1] == 0x80 and data[index - 2] == 0xE2
        position = start
        while position < stop:
            end, following = line_end(data, position, stop, classes)
            row[7] += 1
            visible, visible_end = np.int32(-1), position
            at = position
            while at < end:
                point, size = decode(data, at, end)
                if not classes[point] & c.SPACE:
                    if visible < 0:
                        visible = point
                    visible_end = at + size
                at += size
            row[8] += visible == 45 or visible == 0x2022
            if visible_end - position >= 3:
                x, y, z = data[visible_end - 3], data[visible_end - 2], data[visible_end - 1]
                row[9] += (x == 46 and y == 46 and z == 46) or (x == 0xE2 and y == 0x80 and z == 0xA6)
            position = following


def fineweb_counts(
    data: NDArray[np.uint8],
    text_start: NDArray[np.int64],
    text_stop: NDArray[np.int64],
    short_line_characters: int,
    classes: NDArray[np.uint32],
) -> NDArray[np.int64]:
    """int64[documents, len(FINEWEB)]; a line of up to `short_line_characters` is short."""
    counts = np.zeros((len(text_start), len(FINEWEB)), dtype=np.int64)
    _newlines(data, text_start, text_stop, counts)
    keys = np.zeros(table_size(int(counts[:, 5].max(initial=0)) + 1), dtype=np.uint64)
    _fineweb(data, text_start, text_stop, short_line_characters, classes, keys, counts)
    return counts


@kernel
def _newlines(data, text_start, text_stop, counts):  # type: ignore[no-untyped-def]
    for document in range(len(text_start)):
        for index in range(text_start[document], text_stop[document]):
            counts[document, 5] += data[index] == 10


@kernel
def _fineweb(data, text_start, text_stop, short, classes, keys, counts):  # type: ignore[no-untyped-def]
    for document in range(len(text_start)):
        row = counts[document]
        stop = text_stop[document]
        size = slots_for(row[5] + 1)
        clear(keys, size)
        position = text_start[document]
        while position < stop:
            value = FNV_OFFSET
            length = 0
            blank = True
            point = np.int32(0)
            while position < stop and data[position] != 10:
                point, width = decode(data, position, stop)
                for index in range(position, position + width):
                    value = step(value, data[index])
                length += 1
                if not classes[point] & c.SPACE:
                    blank = False
                position += width
            row[4] += length
            if not blank:
                row[0] += 1
                row[1] += (classes[point] & c.TERMINAL) != 0
                row[2] += length <= short
                _, seen = insert(keys, size, finish(value))
                if seen:
                    row[3] += length
            position += 1


def long_lines(
    data: NDArray[np.uint8], text_start: NDArray[np.int64], text_stop: NDArray[np.int64], least: int
) -> NDArray[np.int64]:
    """For each document, the lines (between newlines) of `least` characters or more."""
    counts = np.zeros(len(text_start), dtype=np.int64)
    _long_lines(data, text_start, text_stop, least, counts)
    return counts


@kernel
def _long_lines(data, text_start, text_stop, least, counts):  # type: ignore[no-untyped-def]
    for document in range(len(text_start)):
        length = 0
        for index in range(text_start[document], text_stop[document] + 1):
            if index == text_stop[document] or data[index] == 10:
                counts[document] += length >= least
                length = 0
            else:
                length += (data[index] & 0xC0) != 0x80
