"""Some words of a batch replaced by the pieces that a segmenter cut them into, all other words as they were."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from curate.kernels import characters as c
from curate.kernels.compiled import kernel
from curate.kernels.hashing import hash_range
from curate.kernels.utf8 import decode
from curate.kernels.words import AFTER_GAP, ENDS_SENTENCE, HAS_LETTER, IS_PUNCTUATION, NON_SYMBOL, WordArrays


def with_pieces(
    data: NDArray[np.uint8],
    words: WordArrays,
    cut: NDArray[np.int64],
    counts: NDArray[np.int64],
    begins: NDArray[np.int64],
    classes: NDArray[np.uint32],
) -> WordArrays:
    """The words with each word `cut[i]` (ascending) replaced by `counts[i]` pieces, at least one, which begin at the
    next so many of `begins`, byte positions in the data; the first begins where the word does."""
    more = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts - 1)])  # words added by those before cut[i]
    first = words.first + more[np.searchsorted(cut, words.first)]
    out: list[NDArray[Any]] = [np.empty(int(first[-1]), dtype=array.dtype) for array in words[1:]]
    _with_pieces(data, *words[1:], cut, counts, begins, classes, *out)
    return WordArrays(first, *out)


@kernel
def _with_pieces(  # type: ignore[no-untyped-def]
    data, start, length, characters, hashes, flags, cut, counts, begins, classes,
    new_start, new_length, new_characters, new_hashes, new_flags,
):  # fmt: skip
    n, piece, following = 0, 0, 0
    for word in range(len(start)):
        if following == len(cut) or word != cut[following]:
            new_start[n], new_length[n], new_characters[n] = start[word], length[word], characters[word]
            new_hashes[n], new_flags[n] = hashes[word], flags[word]
            n += 1
            continue
        gap = flags[word] & AFTER_GAP
        last = piece + counts[following]
        while piece < last:
            position = begins[piece]
            stop = begins[piece + 1] if piece + 1 < last else start[word] + length[word]
            new_start[n], new_length[n] = position, stop - position
            new_hashes[n] = hash_range(data, position, stop)
            new_characters[n], new_flags[n] = _described(data, position, stop, classes)
            new_flags[n] |= gap
            gap = 0
            n += 1
            piece += 1
        following += 1


@kernel
def _described(data, position, stop, classes):  # type: ignore[no-untyped-def]
    """The characters of the word data[position:stop], and its flags but for AFTER_GAP."""
    any_of, all_of = np.uint32(0), ~np.uint32(0)
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
    return count, (
        (0 if symbols_only else NON_SYMBOL)
        | (HAS_LETTER if any_of & c.LETTER else 0)
        | (ENDS_SENTENCE if count == 1 and any_of & c.SENTENCE_END else 0)
        | (IS_PUNCTUATION if all_of & c.PUNCTUATION else 0)
    )
