"""One character of UTF-8 at a time, safe on bytes that are none."""

from __future__ import annotations

import numpy as np

from curate.kernels.compiled import kernel

REPLACEMENT = 0xFFFD


@kernel
def decode(data, position, stop):  # type: ignore[no-untyped-def]
    """The code point at data[position], and its size in bytes; never reads data[stop] or beyond.

    A byte that begins no well-formed sequence is U+FFFD, of size 1. Surrogates, which UTF-8 forbids but some
    writers emit, come out as their code points, size 3.
    """
    byte = np.int32(data[position])
    if byte < 0x80:
        return byte, 1
    size = 2 if 0xC2 <= byte < 0xE0 else (3 if 0xE0 <= byte < 0xF0 else (4 if 0xF0 <= byte < 0xF5 else 0))
    if size == 0 or position + size > stop:
        return np.int32(REPLACEMENT), 1
    point = byte & (0x1F if size == 2 else (0x0F if size == 3 else 0x07))
    for index in range(1, size):
        following = np.int32(data[position + index])
        if following & 0xC0 != 0x80:
            return np.int32(REPLACEMENT), 1
        point = (point << 6) | (following & 0x3F)
    if (size == 3 and point < 0x800) or (size == 4 and (point < 0x10000 or point > 0x10FFFF)):
        return np.int32(REPLACEMENT), 1
    return np.int32(point), size


@kernel
def decode_last(data, start, stop):  # type: ignore[no-untyped-def]
    """The last code point of data[start:stop], which is not empty, and its size: what `decode` would come to from the
    left, since a byte that can begin a character is never inside one."""
    at = stop - 1
    while at > start and stop - at < 4 and data[at] & 0xC0 == 0x80:
        at -= 1
    point, size = decode(data, at, stop)
    if at + size == stop:
        return point, size
    return np.int32(REPLACEMENT), 1
