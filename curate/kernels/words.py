"""Words of UTF-8 text: their bytes, hashes and classes, found once for all the filters that count them.

A word is what spaCy's blank English tokenizer calls a token, whitespace tokens apart, because datatrove's
filters count those: a run without whitespace loses punctuation from both ends, keeps URLs and special words
(curate.kernels.english) whole, and is split at inner punctuation. Every step moves one of two pointers towards
the other, so the cost is linear in the bytes, whatever they are; bytes that are no UTF-8 are read as U+FFFD.
"""

from __future__ import annotations

import functools
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from curate.kernels import characters as c
from curate.kernels.affixes import find_slot, infix_length, prefix_length, suffix_length
from curate.kernels.characters import character_classes
from curate.kernels.compiled import kernel
from curate.kernels.english import MAX_SPECIAL_CHARACTERS, SpecialWords, special_tables, special_words
from curate.kernels.hashing import FNV_OFFSET, finish, hash_range, step
from curate.kernels.urls import is_url
from curate.kernels.utf8 import decode

NON_SYMBOL = 1  # has a character that is no punctuation or control character (datatrove's set)
HAS_LETTER = 2  # has an alphabetic character
ENDS_SENTENCE = 4  # is a sentence-final mark
IS_PUNCTUATION = 8  # has punctuation alone (category P)
AFTER_GAP = 16  # follows whitespace other than one plain space
UNSPACED = 32  # has a character of a script that puts no space between words: may be several (curate.stages.words)

_NONE = np.uint32(0)
_SEEN = 64
_MAX_MERGED = 11  # words that a special word can be spread over


class WordArrays(NamedTuple):
    """Words of a batch in the order of the text; document d has the words first[d] up to first[d + 1]."""

    first: NDArray[np.int64]
    start: NDArray[np.int64]
    """Byte position in the data."""
    length: NDArray[np.int32]
    """Bytes."""
    characters: NDArray[np.int32]
    hashes: NDArray[np.uint64]
    flags: NDArray[np.uint8]


def find_words(
    data: NDArray[np.uint8], offsets: NDArray[np.int64], classes: NDArray[np.uint32], special: SpecialWords
) -> WordArrays:
    """The words of the documents data[offsets[d]:offsets[d + 1]].

    Shapes: data uint8[bytes], offsets int64[documents + 1], classes uint32[0x110000]
    (characters.character_classes), special: english_tables().
    """
    first = np.zeros(len(offsets), dtype=np.int64)
    found = _arrays(max(64, int(offsets[-1] - offsets[0]) // 4), _WORD_TYPES)
    run = _arrays(64, _RUN_TYPES)
    progress = np.array([0, offsets[0], 0, 0], dtype=np.int64)  # document, position, words, room needed for a run
    while not _scan(data, offsets, classes, *special, first, *found, *run, progress):
        words, needed = int(progress[2]), int(progress[3])
        if needed >= len(run[0]):
            run = _arrays(2 * needed, _RUN_TYPES)
        if words + needed > len(found[0]):
            larger = _arrays(max(2 * len(found[0]), words + needed), _WORD_TYPES)
            for old, new in zip(found, larger, strict=True):
                new[:words] = old[:words]
            found = larger
    return WordArrays(first, *(array[: int(progress[2])] for array in found))


def _arrays(size: int, kinds: tuple[type[np.generic], ...]) -> list[NDArray[Any]]:
    return [np.empty(size, dtype=kind) for kind in kinds]


_WORD_TYPES = (np.int64, np.int32, np.int32, np.uint64, np.uint8)
# Of a run: its code points, their byte positions, the first and past-the-last character of its words, and marks
# on these words.
_RUN_TYPES = (np.int32, np.int64, np.int32, np.int32, np.int32)


@kernel
def _scan(  # type: ignore[no-untyped-def]
    data,
    offsets,
    classes,
    keys,
    splits,
    cuts,
    units,
    first,
    start,
    length,
    characters,
    hashes,
    flags,
    points,
    places,
    low,
    high,
    marks,
    progress,
):
    """Goes on where `progress` says; False if it needs more room, which `progress` then says."""
    document, position, n = progress[0], progress[1], progress[2]
    n_documents = len(offsets) - 1
    while document < n_documents:
        stop = offsets[document + 1]
        while position < stop:
            gap_start = position
            while position < stop:
                byte = data[position]
                if byte < 128:
                    if not classes[byte] & c.SPACE:
                        break
                    position += 1
                else:
                    point, size = decode(data, position, stop)
                    if not classes[point] & c.SPACE:
                        break
                    position += size
            if position >= stop:
                break
            gap = position - gap_start
            after_gap = AFTER_GAP if gap > 1 or (gap == 1 and data[gap_start] != 32) else 0
            run_start = position
            value = FNV_OFFSET
            seen = _NONE
            while position < stop:  # ASCII letters and digits: one word, unless it is special
                byte = data[position]
                mask = classes[byte]
                if byte >= 128 or not mask & c.PLAIN:
                    break
                seen |= mask
                value = step(value, byte)
                position += 1
            n_points = position - run_start
            unit = n_points > 1 and seen & c.DIGIT and not classes[data[position - 1]] & c.DIGIT  # 5km
            if not unit and (position >= stop or (data[position] < 128 and classes[data[position]] & c.SPACE)):
                value = finish(value)
                if n_points > MAX_SPECIAL_CHARACTERS or find_slot(keys, value) < 0:
                    if n == len(start):
                        progress[0], progress[1], progress[2], progress[3] = document, gap_start, n, 1
                        return False
                    start[n], length[n], characters[n], hashes[n] = run_start, n_points, n_points, value
                    flags[n] = NON_SYMBOL | after_gap | (HAS_LETTER if seen & c.LETTER else 0)
                    n += 1
                    continue
            if (
                n_points
                and not unit
                and position < stop
                and _splits_off(data[position - 1], data[position], classes)
                and (position + 1 == stop or (data[position + 1] < 128 and classes[data[position + 1]] & c.SPACE))
            ):  # the same with a comma or full stop behind it: two words, unless one or both together are special
                byte = data[position]
                together = finish(step(value, byte))
                value = finish(value)
                if find_slot(keys, value) < 0 and find_slot(keys, together) < 0:
                    if n + 2 > len(start):
                        progress[0], progress[1], progress[2], progress[3] = document, gap_start, n, 2
                        return False
                    start[n], length[n], characters[n], hashes[n] = run_start, n_points, n_points, value
                    flags[n] = NON_SYMBOL | after_gap | (HAS_LETTER if seen & c.LETTER else 0)
                    mask = classes[byte]
                    start[n + 1], length[n + 1], characters[n + 1] = position, 1, 1
                    hashes[n + 1] = finish(step(FNV_OFFSET, byte))
                    flags[n + 1] = (
                        (0 if mask & c.SYMBOL else NON_SYMBOL)
                        | (ENDS_SENTENCE if mask & c.SENTENCE_END else 0)
                        | (IS_PUNCTUATION if mask & c.PUNCTUATION else 0)
                    )
                    n += 2
                    position += 1
                    continue
            while position < stop:
                byte = data[position]
                if byte < 128:
                    if classes[byte] & c.SPACE:
                        break
                    position += 1
                else:
                    point, size = decode(data, position, stop)
                    if classes[point] & c.SPACE:
                        break
                    position += size
            if position - run_start >= len(points) or n + position - run_start > len(start):
                progress[0], progress[1], progress[2], progress[3] = document, gap_start, n, position - run_start
                return False
            n_points, inner = _decode_run(data, run_start, position, points, places, classes)
            n_words = _split_run(
                data, points, places, n_points, inner, classes, keys, splits, cuts, units, low, high, marks
            )
            for word in range(n_words):
                a, b = low[word], high[word]
                start[n], length[n], characters[n] = places[a], places[b] - places[a], b - a
                hashes[n] = hash_range(data, places[a], places[b])
                flags[n] = _flags(points, a, b, classes) | after_gap
                after_gap = 0
                n += 1
        document += 1
        first[document] = n
        position = stop
    progress[2] = n
    return True


@kernel
def _splits_off(before, byte, classes):  # type: ignore[no-untyped-def]
    """Whether an ASCII mark behind ASCII letters and digits, and before white space, is a word of its own: what
    `suffix_length` says of it there."""
    if byte >= 128:
        return False
    return classes[before] & c.BEFORE_STOP != 0 if byte == 46 else classes[byte] & c.SUFFIX != 0


@kernel
def _decode_run(data, position, stop, points, places, classes):  # type: ignore[no-untyped-def]
    """Writes the code points of data[position:stop] and their positions; answers how many, and whether one of them
    may split a word that it stands in."""
    n = 0
    seen = _NONE
    while position < stop:
        places[n] = position
        byte = data[position]
        if byte < 128:
            points[n] = byte
            seen |= classes[byte]
            position += 1
        else:
            point, size = decode(data, position, stop)
            points[n] = point
            seen |= classes[point]
            position += size
        n += 1
    places[n] = stop
    return n, (seen & c.INNER) != 0


@kernel
def _flags(points, low, high, classes):  # type: ignore[no-untyped-def]
    any_of, all_of = _NONE, ~_NONE
    symbols_only = True
    for index in range(low, high):
        mask = classes[points[index]]
        any_of |= mask
        all_of &= mask
        if not mask & c.SYMBOL:
            symbols_only = False
    flags = 0
    if not symbols_only:
        flags |= NON_SYMBOL
    if any_of & c.LETTER:
        flags |= HAS_LETTER
    if high - low == 1 and any_of & c.SENTENCE_END:
        flags |= ENDS_SENTENCE
    if all_of & c.PUNCTUATION:
        flags |= IS_PUNCTUATION
    if any_of & c.UNSPACED and high - low > 1:
        flags |= UNSPACED
    return flags


@kernel
def describe(data, start, length, classes, characters, hashes, flags):  # type: ignore[no-untyped-def]
    """Fills the last three arrays for the words data[start[i]:start[i] + length[i]] that were cut elsewhere; whether
    a word follows a gap is left open."""
    for word in range(len(start)):
        position, stop = start[word], start[word] + length[word]
        hashes[word] = hash_range(data, position, stop)
        any_of, all_of = _NONE, ~_NONE
        symbols_only = True
        count = 0
        while position < stop:
            point, size = decode(data, position, stop)
            mask = classes[point]
            any_of |= mask
            all_of &= mask
            if not mask & c.SYMBOL:
                symbols_only = False
            position += size
            count += 1
        characters[word] = count
        flags[word] = (
            (0 if symbols_only else NON_SYMBOL)
            | (HAS_LETTER if any_of & c.LETTER else 0)
            | (ENDS_SENTENCE if count == 1 and any_of & c.SENTENCE_END else 0)
            | (IS_PUNCTUATION if all_of & c.PUNCTUATION else 0)
        )


@kernel
def _special(data, places, low, high, keys):  # type: ignore[no-untyped-def]
    """The slot of the special word that spans these characters, or -1."""
    if high <= low or high - low > MAX_SPECIAL_CHARACTERS:
        return np.int64(-1)
    return find_slot(keys, hash_range(data, places[low], places[high]))


@kernel
def _split_run(data, points, places, n_points, inner, classes, keys, splits, cuts, units, low, high, marks):  # type: ignore[no-untyped-def]
    """Writes the words of a run without whitespace to low and high; answers how many."""
    n = 0
    a, b = 0, n_points
    tail = len(high)  # suffixes are stacked from the far end of `high`, by their first character
    whole = np.int64(-1)
    while a < b:
        whole = _special(data, places, a, b, keys)
        if whole >= 0:
            break
        prefix = prefix_length(points, a, b, classes)
        if prefix and prefix < b - a:
            whole = _special(data, places, a + prefix, b, keys)
            if whole >= 0:
                low[n], high[n] = a, a + prefix
                n += 1
                a += prefix
                break
        suffix = suffix_length(data, points, places, a + prefix, b, classes, units)
        if suffix and suffix < b - a:
            whole = _special(data, places, a, b - suffix, keys)
            if whole >= 0:
                tail -= 1
                high[tail] = b - suffix
                b -= suffix
                break
        if not prefix and not suffix:
            break
        if prefix:
            low[n], high[n] = a, a + prefix
            n += 1
            a += prefix
        if suffix:
            tail -= 1
            high[tail] = b - suffix
            b -= suffix
    if whole >= 0:
        n = _emit_special(splits[whole], a, low, high, n)
    elif a < b:
        if not inner or is_url(points, a, b, classes):
            low[n], high[n] = a, b
            n += 1
        else:
            n = _split_inside(points, a, b, classes, low, high, n)
    while tail < len(high):  # the last stacked is the first in the text
        begin = high[tail]
        stop = high[tail + 1] if tail + 1 < len(high) else n_points
        low[n], high[n] = begin, stop
        n += 1
        tail += 1
    if n > 1:
        n = _merge_special(data, places, keys, splits, cuts, low, high, marks, n)
    return n


@kernel
def _emit_special(split, at, low, high, n):  # type: ignore[no-untyped-def]
    while split:
        size = np.int32(split & np.uint32(255))
        low[n], high[n] = at, at + size
        at += size
        n += 1
        split >>= np.uint32(8)
    return n


@kernel
def _split_inside(points, a, b, classes, low, high, n):  # type: ignore[no-untyped-def]
    begin, at = a, a
    while at < b:
        size = infix_length(points, at, a, b, classes) if classes[points[at]] & c.INNER else 0
        if size == 0:
            at += 1
            continue
        if at > a:
            if at > begin:
                low[n], high[n] = begin, at
                n += 1
            low[n], high[n] = at, at + size
            n += 1
            begin = at + size
        at += size
    if begin < b:
        low[n], high[n] = begin, b
        n += 1
    return n


@kernel
def _merge_special(data, places, keys, splits, cuts, low, high, marks, n):  # type: ignore[no-untyped-def]
    """Puts together words that make a special word, such as the `)` and `:` of "(so):"; answers how many remain.

    They must be cut just as the rules alone would cut the special word. The longest goes first, then the
    leftmost; what overlaps it is left alone, and so is what overlaps that.
    """
    longest = 0
    for word in range(n - 1):
        for size in range(2, min(_MAX_MERGED, n - word) + 1):
            if _special_slot(data, places, keys, cuts, low, high, word, size) >= 0:
                longest = max(longest, size)
    if longest == 0:
        return n
    for word in range(n):
        marks[word] = 1
    for size in range(longest, 1, -1):
        for word in range(n - size + 1):
            if _special_slot(data, places, keys, cuts, low, high, word, size) >= 0:
                free = not marks[word] & _SEEN and not marks[word + size - 1] & _SEEN
                for index in range(word, word + size):
                    marks[index] |= _SEEN
                if free:
                    marks[word] = _SEEN | size
    out, word = 0, 0
    while word < n:
        size = marks[word] & ~_SEEN
        slot = _special_slot(data, places, keys, cuts, low, high, word, size) if size > 1 else np.int64(-1)
        if slot >= 0 and _parts(splits[slot]) <= size:
            out = _emit_special(splits[slot], low[word], low, high, out)
        else:
            for index in range(word, word + size):
                low[out], high[out] = low[index], high[index]
                out += 1
        word += size
    return out


@kernel
def _special_slot(data, places, keys, cuts, low, high, word, size):  # type: ignore[no-untyped-def]
    """The slot of the special word that these words make, or -1."""
    found = np.uint32(0)
    for index in range(word + 1, word + size):
        at = low[index] - low[word]
        if at >= MAX_SPECIAL_CHARACTERS:
            return np.int64(-1)
        found |= np.uint32(1) << np.uint32(at)
    slot = _special(data, places, low[word], high[word + size - 1], keys)
    return slot if slot >= 0 and cuts[slot] == found else np.int64(-1)


@kernel
def _parts(split):  # type: ignore[no-untyped-def]
    count = 0
    while split:
        count += 1
        split >>= np.uint32(8)
    return count


@functools.cache
def english_tables() -> SpecialWords:
    """The special words of English, as `find_words` wants them."""
    words = special_words()
    data = "".join(words).encode()
    offsets = np.cumsum([0, *(len(word.encode()) for word in words)], dtype=np.int64)
    rules = special_tables({}, {})
    first, start, *_ = find_words(np.frombuffer(data, dtype=np.uint8), offsets, character_classes(), rules)
    cuts: dict[str, int] = {}
    for index, word in enumerate(words):
        begins = start[first[index] + 1 : first[index + 1]] - offsets[index]
        cuts[word] = sum(1 << len(word.encode()[:begin].decode()) for begin in begins)
    return special_tables(words, cuts)
