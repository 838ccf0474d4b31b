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
from curate.kernels.affixes import find_slot
from curate.kernels.characters import character_classes
from curate.kernels.compiled import kernel
from curate.kernels.english import MAX_SPECIAL_CHARACTERS, SpecialWords, special_tables, special_words
from curate.kernels.hashing import FNV_OFFSET, finish, hash_range, step
from curate.kernels.runs import split_run
from curate.kernels.tables import stored
from curate.kernels.utf8 import decode

NON_SYMBOL = 1  # has a character that is no punctuation or control character (datatrove's set)
HAS_LETTER = 2  # has an alphabetic character
ENDS_SENTENCE = 4  # is a sentence-final mark
IS_PUNCTUATION = 8  # has punctuation alone (category P)
AFTER_GAP = 16  # follows whitespace other than one plain space
UNSPACED = 32  # has a character of a script that puts no space between words: may be several (curate.stages.words)

_NONE = np.uint32(0)


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
    shapes,
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
            byte, mask = np.uint8(32), classes[32]
            while position < stop:  # ASCII letters and digits
                byte = data[position]
                mask = classes[byte]
                if not mask & c.PLAIN:
                    break
                seen |= mask
                value = step(value, byte)
                position += 1
            n_plain = position - run_start
            # Most runs are such letters and digits, one mark behind them, or one mark alone: one or two words, unless
            # they are special or end in a unit of measure.
            marks_behind = 2
            if position >= stop or (byte < 128 and mask & c.SPACE):
                marks_behind = 0
            elif (
                byte < 128
                and (position + 1 == stop or (data[position + 1] < 128 and classes[data[position + 1]] & c.SPACE))
                and (n_plain == 0 or _splits_off(data[position - 1], byte, classes))
            ):
                marks_behind = 1
            if marks_behind < 2 and n_plain > 1 and seen & c.DIGIT and not classes[data[position - 1]] & c.DIGIT:  # 5km
                marks_behind = 2
            if marks_behind < 2 and 0 < n_plain <= MAX_SPECIAL_CHARACTERS:
                special = find_slot(keys, finish(value)) >= 0
                if special or (marks_behind and find_slot(keys, finish(step(value, byte))) >= 0):
                    marks_behind = 2
            if marks_behind < 2:
                if n + 2 > len(start):
                    progress[0], progress[1], progress[2], progress[3] = document, gap_start, n, 2
                    return False
                if n_plain:
                    start[n], length[n], characters[n] = run_start, n_plain, n_plain
                    hashes[n] = finish(value)
                    flags[n] = NON_SYMBOL | after_gap | (HAS_LETTER if seen & c.LETTER else 0)
                    after_gap = 0
                    n += 1
                if marks_behind:
                    start[n], length[n], characters[n] = position, 1, 1
                    hashes[n] = finish(step(FNV_OFFSET, byte))
                    flags[n] = (
                        (0 if mask & c.SYMBOL else NON_SYMBOL)
                        | (ENDS_SENTENCE if mask & c.SENTENCE_END else 0)
                        | (IS_PUNCTUATION if mask & c.PUNCTUATION else 0)
                        | after_gap
                    )
                    n += 1
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
            n_words = split_run(
                data, points, places, n_points, inner, classes, keys, splits, cuts, units, shapes, low, high, marks
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


@functools.cache
def english_tables() -> SpecialWords:
    """The special words of English, as `find_words` wants them."""
    return SpecialWords(**stored("english", lambda: _english_tables()._asdict()))


def _english_tables() -> SpecialWords:
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
