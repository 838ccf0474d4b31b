"""The lines of UTF-8 texts: bounds, characters, hashes and what is in them, found once for all filters that count them.

A line is what stands between newlines. It is read eight bytes at a time: which characters it may have is worked out
on all eight at once (https://graphics.stanford.edu/~seander/bithacks.html, "a zero byte in a word"), so that a later
look at single bytes is needed only for the few lines that have something to see.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from curate.kernels import characters as c
from curate.kernels.compiled import kernel
from curate.kernels.hashing import finish
from curate.kernels.utf8 import decode, decode_last

BREAKS = 1  # may have a line break of another kind (str.splitlines) before its end
TERMINAL = 2  # its last character is a sentence-final mark
SQUARE = 4  # has a [
CURLY = 8  # has a {
HASH = 16  # has a #
DOTS = 32  # has two full stops side by side
WIDE = 64  # has bytes that are no ASCII


class LineArrays(NamedTuple):
    """Lines of a batch in the order of the text; document d has the lines first[d] up to first[d + 1], at least one."""

    first: NDArray[np.int64]
    start: NDArray[np.int64]
    """Byte position in the data."""
    stop: NDArray[np.int64]
    """That of the newline behind it, or of the text's end."""
    visible_start: NDArray[np.int64]
    """The same without the whitespace around it; both are `start` where there is nothing else."""
    visible_stop: NDArray[np.int64]
    characters: NDArray[np.int32]
    hashes: NDArray[np.uint64]
    """Of its bytes, for comparisons within a batch."""
    flags: NDArray[np.uint8]


def find_lines(data: NDArray[np.uint8], offsets: NDArray[np.int64], classes: NDArray[np.uint32]) -> LineArrays:
    """The lines of the documents data[offsets[d]:offsets[d + 1]].

    Shapes: data uint8[bytes], offsets int64[documents + 1], classes uint32[0x110000] (characters.character_classes).
    """
    newlines = np.flatnonzero(data[offsets[0] : offsets[-1]] == ord("\n")) + offsets[0]
    first = np.arange(len(offsets), dtype=np.int64) + np.searchsorted(newlines, offsets)
    n = int(first[-1])
    places = np.empty((4, n), dtype=np.int64)
    lines = LineArrays(
        first, places[0], places[1], places[2], places[3],
        np.empty(n, dtype=np.int32), np.empty(n, dtype=np.uint64), np.empty(n, dtype=np.uint8),
    )  # fmt: skip
    _find_lines(data, eights(data), offsets, newlines, classes, *lines)
    return lines


def eights(data: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Eight bytes of the data from each place on, as one little-endian number; less than the last seven places have
    none. Without a copy, unless the data is so short that it must be padded."""
    if len(data) < 9:  # two numbers at least: an array of one counts as contiguous, which is another type for numba
        padded = np.zeros(16, dtype=np.uint8)
        padded[: len(data)] = data
        padded.setflags(write=False)
        data = padded
    return np.ndarray((len(data) - 7,), dtype="<u8", buffer=data.data, strides=(1,))


@kernel
def _find_lines(  # type: ignore[no-untyped-def]
    data, eight, offsets, newlines, classes,
    first, start, stop, visible_start, visible_stop, characters, hashes, flags,
):  # fmt: skip
    for document in range(len(offsets) - 1):
        position = offsets[document]
        for line in range(first[document], first[document + 1]):
            end = newlines[line - document] if line + 1 < first[document + 1] else offsets[document + 1]
            a, b = stripped(data, position, end, classes)
            start[line], stop[line], visible_start[line], visible_stop[line] = position, end, a, b
            hashes[line], characters[line], found = span_hash(data, eight, position, end)
            if found & BREAKS and not _breaks(data, position, end, classes):
                found &= ~BREAKS
            if a < b:
                point, _ = decode_last(data, position, end)
                if classes[point] & c.TERMINAL:
                    found |= TERMINAL
            flags[line] = found
            position = end + 1


_LOW = np.uint64(0x0101010101010101)
_HIGH = np.uint64(0x8080808080808080)
_REST = np.uint64(0x7F7F7F7F7F7F7F7F)
_SPACES = np.uint64(0x2020202020202020)
_SQUARES = np.uint64(0x5B5B5B5B5B5B5B5B)
_CURLIES = np.uint64(0x7B7B7B7B7B7B7B7B)
_HASHES = np.uint64(0x2323232323232323)
_STOPS = np.uint64(0x2E2E2E2E2E2E2E2E)
_NEXT_LINES = np.uint64(0x8585858585858585)
_SEPARATORS = np.uint64(0xA8A8A8A8A8A8A8A8)
_EVEN = np.uint64(0xFEFEFEFEFEFEFEFE)
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_SEED = np.uint64(0x243F6A8885A308D3)
_1, _7, _8, _32, _56 = (np.uint64(bits) for bits in (1, 7, 8, 32, 56))


@kernel
def mixed(value, part):  # type: ignore[no-untyped-def]
    """A hash with 64 bits more in it; one-to-one in each of the two. End with `finish`."""
    value = (value ^ part) * _FACTOR
    return value ^ (value >> _32)


@kernel
def _zeros(eight_bytes):  # type: ignore[no-untyped-def]
    """The high bit of each byte that is zero."""
    return ~(((eight_bytes & _REST) + _REST) | eight_bytes | _REST)


@kernel
def span_hash(data, eight, start, stop):  # type: ignore[no-untyped-def]
    """The hash of data[start:stop], its characters, and flags; BREAKS only says that it may be so."""
    value = _SEED
    wide, control, square, curly, sharp = np.uint64(0), np.uint64(0), np.uint64(0), np.uint64(0), np.uint64(0)
    pairs, before, eighty, continuing = np.uint64(0), np.uint64(0), np.uint64(0), np.uint64(0)
    position = start
    while position < stop:
        left = stop - position
        if position < len(eight):
            part = eight[position]
            if left < 8:  # what lies behind the end counts as spaces
                behind = ~np.uint64(0) << np.uint64(8 * left)
                part = (part & ~behind) | (_SPACES & behind)
        else:
            part = _SPACES
            for index in range(min(left, 8)):
                shift = np.uint64(8 * index)
                part ^= (np.uint64(data[position + index]) ^ np.uint64(32)) << shift
        value = mixed(value, part)
        if part & _HIGH:  # U+0085 ends in 85; U+2028 and U+2029 end in 80 A8 and 80 A9
            wide = _HIGH
            control |= ((part ^ _NEXT_LINES) - _LOW) & ~(part ^ _NEXT_LINES)
            ends = _zeros((part & _EVEN) ^ _SEPARATORS)
            eighties = _zeros(part ^ _HIGH)
            control |= ((eighties & (ends >> _8)) | (eighty & ends)) & _HIGH
            eighty = eighties >> _56
            continuing += (((part & ~(part << _1)) & _HIGH) >> _7) * _LOW >> _56
        control |= (part - _SPACES) & ~part
        square |= ((part ^ _SQUARES) - _LOW) & ~(part ^ _SQUARES)
        curly |= ((part ^ _CURLIES) - _LOW) & ~(part ^ _CURLIES)
        sharp |= ((part ^ _HASHES) - _LOW) & ~(part ^ _HASHES)
        stops = _zeros(part ^ _STOPS)
        pairs |= stops & ((stops >> _8) | before)
        before = stops >> _56
        position += 8
    flags = (
        (BREAKS if control & _HIGH else 0)
        | (SQUARE if square & _HIGH else 0)
        | (CURLY if curly & _HIGH else 0)
        | (HASH if sharp & _HIGH else 0)
        | (DOTS if pairs else 0)
        | (WIDE if wide else 0)
    )
    return finish(mixed(value, np.uint64(stop - start))), stop - start - np.int64(continuing), flags


@kernel
def _breaks(data, position, stop, classes):  # type: ignore[no-untyped-def]
    """Whether a line has another line break, but for a carriage return at its end."""
    end, _ = line_end(data, position, stop, classes)
    return end < stop and not (end == stop - 1 and data[end] == 13)


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
def stripped(data, start, stop, classes):  # type: ignore[no-untyped-def]
    """The bounds of data[start:stop] without the whitespace around it; both are `start` where there is nothing else."""
    first, end = start, stop
    while first < end:
        point, size = decode(data, first, end)
        if not classes[point] & c.SPACE:
            break
        first += size
    if first == end:
        return start, start
    while True:
        point, size = decode_last(data, first, end)
        if not classes[point] & c.SPACE:
            return first, end
        end -= size
