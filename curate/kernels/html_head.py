"""The places of a page that say something about it: metas, JSON-LD scripts, links to a licence.

In go a page's bytes, out come the ranges of those tags, found in one pass whatever the page does: each byte is looked
at once or, within a tag that matters, twice.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from curate.kernels.html_bytes import contains, is_space, lower

META, JSON_LD, LICENSE = range(3)
"""A meta's attributes; where the content of a JSON-LD script begins; a link's tag that speaks of a licence."""
MAX_TAG = 8000
"""Bytes; a longer tag is passed over."""
_META, _SCRIPT, _LINK = (np.frombuffer(name, np.uint8) for name in (b"meta", b"script", b"link"))
_LD = np.frombuffer(b"application/ld+json", np.uint8)


@njit(cache=True, nogil=True)
def _is_named(page, at, name):
    end = at + len(name)
    return end < len(page) and is_space(page[end]) and contains(page, at, end, name)


@njit(cache=True, nogil=True)
def _tag_end(page, i):
    """Position of the `>` or `<` at or after i, within MAX_TAG; −1 if there is no `>` before a `<`."""
    stop = min(i + MAX_TAG, len(page))
    while i < stop and page[i] != 62 and page[i] != 60:
        i += 1
    return i if i < stop and page[i] == 62 else -1


@njit(cache=True, nogil=True)
def _may_license(page, start, end):
    """Whether a tag has the letters `lice` or `licd`, as in license and in creativecommons.org/publicdomain."""
    for i in range(start, end - 3):
        if page[i] == 108 and page[i + 1] == 105 and page[i + 2] == 99 and 99 < page[i + 3] < 102:
            return True
    return False


@njit(cache=True, nogil=True)
def _find_marks(page):
    n = len(page)
    found, number = np.empty((n // 6 + 1, 3), np.int32), 0
    i = 0
    while i < n - 6:
        if page[i] != 60:
            i += 1
            continue
        i += 1
        letter = lower(page[i])
        kind, size = -1, 0
        if letter == 109 and _is_named(page, i, _META):
            kind, size = META, 4
        elif letter == 115 and _is_named(page, i, _SCRIPT):
            kind, size = JSON_LD, 6
        elif letter == 97 and is_space(page[i + 1]):
            kind, size = LICENSE, 1
        elif letter == 108 and _is_named(page, i, _LINK):
            kind, size = LICENSE, 4
        if kind < 0:
            continue
        end = _tag_end(page, i + size)
        if end < 0:
            continue
        start = i + size
        if kind == LICENSE:
            if not _may_license(page, start, end):
                i = end
                continue
            start = i - 1
        elif kind == JSON_LD:
            if not contains(page, start, end, _LD):
                i = end
                continue
            start = end + 1
        found[number, 0], found[number, 1], found[number, 2] = kind, start, end
        number += 1
        i = end
    return found[:number]


def find_marks(page: bytes) -> npt.NDArray[np.int32]:
    """[marks, 3]: kind, first byte and the position of the tag's `>`."""
    return _find_marks(np.frombuffer(page, np.uint8))  # type: ignore[no-any-return]
