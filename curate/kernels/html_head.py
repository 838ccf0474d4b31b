"""The places of a page that say something about it: metas, JSON-LD scripts, links to a licence.

In go a page's bytes, out come the ranges of those tags, found in one pass whatever the page does: each byte is looked
at once or, within a tag that matters, twice.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from curate.kernels.compiled import allocating_kernel, kernel
from curate.kernels.html_bytes import contains, is_space, lower

META, JSON_LD, LICENSE = range(3)
"""A meta's attributes; where the content of a JSON-LD script begins; a link's tag that speaks of a licence."""
MAX_TAG = 8000
"""Bytes; a longer tag is passed over."""
_META, _SCRIPT, _LINK = (np.frombuffer(name, np.uint8) for name in (b"meta", b"script", b"link"))
_LD = np.frombuffer(b"application/ld+json", np.uint8)
_BRACKETS, _ONES, _HIGH, _NOTHING = (np.uint64(byte * 0x0101010101010101) for byte in (60, 1, 128, 0))


@allocating_kernel
def _is_named(page, at, name):
    end = at + len(name)
    return end < len(page) and is_space(page[end]) and contains(page, at, end, name)


@kernel
def _tag_end(page, start):
    """Position of the tag's `>`; −1 if there is none within MAX_TAG, or a `<` before it."""
    part = page[start : start + MAX_TAG]
    for i in range(len(part)):
        if part[i] == 62:
            return start + i
        if part[i] == 60:
            return -1
    return -1


@kernel
def _may_license(part):
    """Whether a tag has the letters `lice` or `licd`, as in license and in creativecommons.org/publicdomain."""
    for i in range(len(part) - 3):
        if part[i] == 108 and part[i + 1] == 105 and part[i + 2] == 99 and 99 < part[i + 3] < 102:
            return True
    return False


@kernel
def _mark(page, at):
    """What the `<` at a place begins: kind, start and end of a mark; kind −1 if it is none."""
    letter = lower(page[at + 1])
    if letter == 109 and _is_named(page, at + 1, _META):
        kind, start = META, at + 5
    elif letter == 115 and _is_named(page, at + 1, _SCRIPT):
        kind, start = JSON_LD, at + 7
    elif (letter == 97 and is_space(page[at + 2])) or (letter == 108 and _is_named(page, at + 1, _LINK)):
        kind, start = LICENSE, at
    else:
        return -1, 0, 0
    end = _tag_end(page, at + 1)
    if end < 0 or (kind == LICENSE and not _may_license(page[start:end])):
        return -1, 0, 0
    if kind == JSON_LD:
        return JSON_LD if contains(page, start, end, _LD) else -1, end + 1, end
    return kind, start, end


@allocating_kernel
def _find_marks(page, eights):
    found, number = np.empty((64, 3), np.int32), 0
    last = len(page) - 7
    for k in range(len(eights) + 1):
        if k < len(eights):
            # Eight bytes at a time are passed over if none of them is `<` (Warren, Hacker's Delight, 6-1).
            bits = eights[k] ^ _BRACKETS
            if (bits - _ONES) & ~bits & _HIGH == _NOTHING:
                continue
        for at in range(8 * k, min(8 * k + 8, last)):
            if page[at] == 60:
                kind, start, end = _mark(page, at)
                if kind >= 0:
                    if number == len(found):
                        found = np.concatenate((found, np.empty_like(found)))
                    found[number, 0], found[number, 1], found[number, 2] = kind, start, end
                    number += 1
    return found[:number]


def find_marks(page: bytes) -> npt.NDArray[np.int32]:
    """[marks, 3]: kind, first byte and the position of the tag's `>`."""
    array = np.frombuffer(page, np.uint8)
    return _find_marks(array, array[: len(array) // 8 * 8].view(np.uint64))  # type: ignore[no-any-return]
