"""Words of scripts that put no space between them: Chinese, Japanese, Thai, Lao, Khmer, Burmese.

The word kernel marks the runs that have such characters; these alone are cut again, by ICU's dictionaries, so a
text without them pays for one look at its words' flags. A name in Chinese on an English page stays one word, as
for datatrove's English filters: runs are cut in documents that such scripts make a good part of. Each run is cut on
its own, so the words of a document do not depend on its neighbours in the batch.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from curate.kernels.characters import character_classes
from curate.kernels.pieces import with_pieces
from curate.kernels.words import UNSPACED, WordArrays

MIN_SHARE = 0.25
"""Share of the bytes of a document's words that lie in marked runs, from which on they are cut: set by hand."""
CHUNK_BYTES = 1 << 18
"""Runs are handed to ICU joined by line breaks, this much at a time: what it costs to start is then spread thin."""


def split_unspaced(data: NDArray[np.uint8], words: WordArrays) -> WordArrays:
    """The words of a batch, with those that are marked UNSPACED cut into several where a document is of such a
    script. A marked word whose bytes are no UTF-8 stays whole.
    """
    marked = np.flatnonzero(words.flags & UNSPACED)
    marked = marked[_of_script(words, marked)]
    if not len(marked):
        return words
    cut = [_cut(data, words.start[chunk], words.length[chunk].astype(np.int64))
           for chunk in _chunks(marked, words.length)]  # fmt: skip
    counts, begins = (np.concatenate(parts) for parts in zip(*cut, strict=True))
    return with_pieces(data, words, marked, counts, begins, character_classes())


def _of_script(words: WordArrays, marked: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Which of the marked words are in a document that such scripts make a good part of."""
    document = np.searchsorted(words.first, marked, side="right") - 1
    cuts = np.zeros(len(words.first), dtype=bool)
    marked_bytes = np.bincount(document, weights=words.length[marked], minlength=len(cuts))
    for d in np.flatnonzero(marked_bytes):
        cuts[d] = marked_bytes[d] >= MIN_SHARE * int(words.length[words.first[d] : words.first[d + 1]].sum())
    return np.asarray(cuts[document])


def _chunks(marked: NDArray[np.int64], length: NDArray[np.int32]) -> Iterator[NDArray[np.int64]]:
    """The marked words in order, by the part of the batch's bytes that they end in."""
    part = np.cumsum(length[marked], dtype=np.int64) // CHUNK_BYTES
    yield from np.split(marked, np.flatnonzero(np.diff(part)) + 1)


def _cut(
    data: NDArray[np.uint8], start: NDArray[np.int64], length: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """How many pieces each run has, and where in the data they begin."""
    from icu4py.breakers import WordBreaker

    runs = [data[a : a + n].tobytes() for a, n in zip(start, length, strict=True)]
    try:
        text = b"\n".join(runs).decode()
    except UnicodeDecodeError:
        if len(runs) == 1:
            return np.ones(1, dtype=np.int64), start
        alone = [_cut(data, start[i : i + 1], length[i : i + 1]) for i in range(len(runs))]
        return np.concatenate([counts for counts, _ in alone]), np.concatenate([begins for _, begins in alone])
    # Lengths of the pieces rather than their places, which ICU counts in UTF-16.
    sizes = np.fromiter(map(len, WordBreaker(text, "en")), dtype=np.int64)
    joined = np.frombuffer(text.encode(), dtype=np.uint8)
    byte_of = np.flatnonzero((joined & 0xC0) != 0x80)  # of each character
    begins = byte_of[np.cumsum(sizes) - sizes]
    begins = begins[joined[begins] != ord("\n")]
    run_begins = np.cumsum(length + 1) - (length + 1)
    run = np.searchsorted(run_begins, begins, side="right") - 1
    return np.bincount(run, minlength=len(runs)), start[run] + begins - run_begins[run]
