"""Comparison units of UTF-8 text: what deduplication and decontamination take for a word.

Bytes and offsets of a batch of documents go in; for each unit its 64-bit hash and its byte range come out. A
unit is a run of letters and digits, folded so that case, accents, width and punctuation do not matter; in scripts
written without spaces (Han, Kana, Thai, Lao, Burmese, Khmer) each character is a unit. This is coarser than the
words that filters count, which must be those of the published rules.
"""

from __future__ import annotations

import functools
import unicodedata
from typing import NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

from curate.kernels.compiled import allocating_kernel, kernel
from curate.kernels.tables import stored

FOLD_LIMIT = 0x323B0
"""Past the last letter of the table (CJK extension H); higher code points separate units."""
SEPARATOR = 0
SKIP = 1  # accents that stand alone: part of the unit, without weight
ALONE = 1 << 31  # a unit by itself

_ALONE_RANGES = (
    (0x0E00, 0x0EFF),  # Thai, Lao
    (0x1000, 0x109F),  # Burmese
    (0x1780, 0x17FF),  # Khmer
    (0x3040, 0x30FF),  # Hiragana, Katakana
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),  # Han
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0xFF66, 0xFF9F),
    (0x20000, FOLD_LIMIT - 1),
)


class Units(NamedTuple):
    """Units of a batch in the order of the text; document d has the units first[d] up to first[d + 1]."""

    first: NDArray[np.int64]
    hashes: NDArray[np.uint64]
    start: NDArray[np.int64]
    """Byte positions in the data."""
    stop: NDArray[np.int64]


def find_units(data: NDArray[np.uint8], offsets: NDArray[np.int64]) -> Units:
    """The units of the documents data[offsets[d]:offsets[d + 1]]. Bytes that are no UTF-8 separate units."""
    return Units(*_find_units(data, offsets, fold_table()))


@functools.cache
def fold_table() -> NDArray[np.uint32]:
    """For each code point: SEPARATOR, SKIP, or its folded form, with the bit ALONE where it is a unit itself."""
    return stored("units", lambda: {"folded": _built()})["folded"]


def _built() -> NDArray[np.uint32]:
    table = np.zeros(FOLD_LIMIT, dtype=np.uint32)
    for point in range(FOLD_LIMIT):
        character = chr(point)
        if 0x300 <= point <= 0x36F:
            table[point] = SKIP
        elif character.isalnum() or unicodedata.category(character) in ("Mn", "Mc"):
            table[point] = _folded(character)
    for low, high in _ALONE_RANGES:
        part = table[low : high + 1]
        part[part > SKIP] |= np.uint32(ALONE)
    return table


def _folded(character: str) -> int:
    """Lower case, without width and accents, where that leaves one character (ﬁ and ㈱ stay as they are)."""
    lower = character.lower()
    base = unicodedata.normalize("NFKD", lower)
    if all(unicodedata.category(mark) == "Mn" for mark in base[1:]):
        return ord(base[0])
    return ord(lower) if len(lower) == 1 else ord(character)


@nb.njit(cache=True, nogil=True, inline="always")
def mix(value):  # type: ignore[no-untyped-def]
    """MurmurHash3's 64-bit finaliser: a bijection after which every bit depends on every bit."""
    value ^= value >> np.uint64(33)
    value *= np.uint64(0xFF51AFD7ED558CCD)
    value ^= value >> np.uint64(33)
    value *= np.uint64(0xC4CEB9FE1A85EC53)
    value ^= value >> np.uint64(33)
    return value


@allocating_kernel
def _find_units(data, offsets, fold):  # type: ignore[no-untyped-def]
    n_documents = len(offsets) - 1
    # Two bytes a unit at least (a letter and a separator, or one character of three bytes), but for the last.
    capacity = (offsets[n_documents] - offsets[0]) // 2 + n_documents
    first = np.zeros(n_documents + 1, dtype=np.int64)
    hashes = np.empty(capacity, dtype=np.uint64)
    start = np.empty(capacity, dtype=np.int64)
    stop = np.empty(capacity, dtype=np.int64)
    basis, prime = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)  # FNV-1a
    alone, skip, limit = np.uint32(ALONE), np.uint32(SKIP), np.uint32(FOLD_LIMIT)
    n = 0
    for document in range(n_documents):
        first[document] = n
        position, end = offsets[document], offsets[document + 1]
        value, is_open = basis, False
        while position < end:
            here = position
            byte = data[position]
            position += 1
            if byte < 0x80:
                folded = fold[byte]
            else:
                point, size = _decode(data, here, end)
                position = here + size
                folded = fold[point] if point < limit else np.uint32(SEPARATOR)
                if folded >= alone:
                    if is_open:
                        hashes[n], stop[n] = mix(value), here
                        n += 1
                        is_open = False
                    hashes[n], start[n], stop[n] = mix((basis ^ np.uint64(folded)) * prime), here, position
                    n += 1
                    continue
            if folded > skip:
                if not is_open:
                    start[n], value, is_open = here, basis, True
                value = (value ^ np.uint64(folded)) * prime
            elif is_open and folded != skip:
                hashes[n], stop[n] = mix(value), here
                n += 1
                is_open = False
        if is_open:
            hashes[n], stop[n] = mix(value), position
            n += 1
    first[n_documents] = n
    return first, hashes[:n], start[:n], stop[:n]


@kernel
def _decode(data, position, end):  # type: ignore[no-untyped-def]
    """Code point and bytes of a character beyond ASCII; a stray byte is read as one that is no letter."""
    byte = np.uint32(data[position])
    size = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
    if byte < 0xC0 or position + size > end:
        return np.uint32(FOLD_LIMIT), 1
    point = byte & np.uint32(0xFF >> (size + 1))
    for index in range(1, size):
        point = (point << np.uint32(6)) | np.uint32(data[position + index] & np.uint8(0x3F))
    return point, size
