"""The places of a page that say something about it: metas, JSON-LD scripts, links to a licence.

In go a page's bytes, out come the ranges of those tags, found in a time that is linear whatever the page does: a tag
ends before the next one begins, so each byte is looked at a few times.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from curate.kernels import markup
from curate.kernels.compiled import kernel
from curate.kernels.html_bytes import contains, find_byte, is_space, lookup, lower

META, JSON_LD, LICENSE = range(3)
"""A meta's attributes; where the content of a JSON-LD script begins; a link's tag that speaks of a licence."""
MAX_TAG = 8000
"""Bytes; a longer tag is passed over."""
_META, _SCRIPT, _LINK = (np.frombuffer(name, np.uint8) for name in (b"meta", b"script", b"link"))
_LD = np.frombuffer(b"application/ld+json", np.uint8)
MetaNames = tuple[npt.NDArray[np.int64], npt.NDArray[np.int16]]
CHUNK = 512
"""Bytes that are searched for a word together, in vector instructions."""


@kernel
def _is_named(page, at, name):
    end = at + len(name)
    return end < len(page) and is_space(page[end]) and contains(page, at, end, name)


@kernel
def _license_words(page, found):
    """Where the page has the letters `lice` or `licd`, as in license and in creativecommons.org/publicdomain; how
    many there are. Hardly a link has them, so they are searched for first."""
    number, last = 0, len(page) - 3
    for begin in range(0, last, CHUNK):
        part = page[begin : min(begin + CHUNK, last) + 3]
        seen = False
        for i in range(len(part) - 3):
            seen |= (part[i] == 108) & (part[i + 1] == 105) & (part[i + 2] == 99)
        if seen:
            for i in range(len(part) - 3):
                if part[i] == 108 and part[i + 1] == 105 and part[i + 2] == 99 and 99 < part[i + 3] < 102:
                    found[number] = begin + i
                    number += 1
    return number


@kernel
def _has_value(page, start, end, hashes, codes):
    """Whether an attribute's value begins with one of the words of a table, or has a character reference there."""
    i = start
    while i < end:
        i = find_byte(page, 61, i, end) + 1
        while i < end and is_space(page[i]):
            i += 1
        if i < end and (page[i] == 34 or page[i] == 39):
            i += 1
        value = np.int64(2166136261)
        while i < end and page[i] > 32 and page[i] != 34 and page[i] != 39 and page[i] != 61:
            if page[i] == 38:
                return True
            value = ((value ^ lower(page[i])) * 16777619) & 0xFFFFFFFF
            i += 1
        if lookup(hashes, codes, value):
            return True
    return False


@kernel
def _mark(page, at, limit, word, hashes, codes):
    """What the `<` at a place begins, if its `>` comes before `limit`: kind, start and end of a mark; kind −1 if it is
    none. `word` is the next place of the letters of a licence."""
    letter = lower(page[at + 1])
    if letter == 109 and _is_named(page, at + 1, _META):
        kind, start = META, at + 5
    elif letter == 115 and _is_named(page, at + 1, _SCRIPT):
        kind, start = JSON_LD, at + 7
    elif word < limit and (
        (letter == 97 and is_space(page[at + 2])) or (letter == 108 and _is_named(page, at + 1, _LINK))
    ):
        kind, start = LICENSE, at
    else:
        return -1, 0, 0
    end = find_byte(page, 62, at + 1, limit)
    if end >= limit or (kind == LICENSE and word + 3 >= end):
        return -1, 0, 0
    if kind == META and not _has_value(page, start, end, hashes, codes):
        return -1, 0, 0
    if kind == JSON_LD:
        return JSON_LD if contains(page, start, end, _LD) else -1, end + 1, end
    return kind, start, end


@kernel
def _find_marks(page, brackets, words, hashes, codes, found):
    """Fills `found`; how many marks there are. `brackets` are the places of all `<`, `words` those of the letters of a
    licence, followed by the page's end."""
    number, word, size = 0, 0, len(page)
    for k in range(len(brackets)):
        at = brackets[k]
        if at >= size - 7:
            break
        while words[word] < at:
            word += 1
        limit = min(brackets[k + 1] if k + 1 < len(brackets) else size, at + 1 + MAX_TAG)
        kind, start, end = _mark(page, at, limit, words[word], hashes, codes)
        if kind >= 0:
            found[number, 0], found[number, 1], found[number, 2] = kind, start, end
            number += 1
    return number


def meta_names(names: Iterable[str]) -> MetaNames:
    """The names (lower case) as `find_marks` takes them."""
    return markup.hash_table(["", *sorted(names)])


def find_marks(page: bytes, wanted: MetaNames) -> npt.NDArray[np.int32]:
    """[marks, 3]: kind, first byte and the position of the tag's `>`. Of metas those that may be `wanted`: an attribute
    begins with such a name."""
    array = np.frombuffer(page, np.uint8)
    brackets = np.flatnonzero(array == ord("<"))
    words = np.empty(len(array) // 3 + 1, np.int64)
    number = _license_words(array, words)
    words[number] = len(array)
    found = np.empty((len(brackets), 3), np.int32)
    return found[: _find_marks(array, brackets, words, *wanted, found)]
