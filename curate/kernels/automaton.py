"""Naive Bayes over the byte n-grams that an automaton finds: each byte of a text moves it on by one look-up, some
states name an n-gram, and a class's score is a sum over the n-grams met. Also: characters of a text by script.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from curate.kernels.compiled import kernel
from curate.kernels.utf8 import decode


@kernel
def class_scores(
    data: NDArray[np.uint8],
    begin: NDArray[np.int64],
    end: NDArray[np.int64],
    moves: NDArray[np.int32],
    states: NDArray[np.int32],
    weights: NDArray[np.int16],
    prior: NDArray[np.float32],
    counts: NDArray[np.int32],
    met: NDArray[np.int32],
    scores: NDArray[np.float32],
    found: NDArray[np.int64],
) -> None:
    """Fills `scores` (texts × classes) with prior + Σ log(1 + count of n-gram) · weights[n-gram], and `found` with
    each text's number of different n-grams.

    Text i is the bytes `data[begin[i]:end[i]]`. By byte b the automaton goes from state s to
    `moves[states[s, 0] + b]`; `states[s, 1]` is the n-gram that ends in s, or -1. `counts` (one for each n-gram,
    zeros, left as zeros) and `met` (as long as the longest text in bytes) are working space. Time is linear in bytes
    + different n-grams · classes. Weights are whole numbers, half as much memory to read as floats.
    """
    classes = weights.shape[1]
    for i in range(len(begin)):
        row = states[0, 0]
        distinct = 0
        for place in range(begin[i], end[i]):
            state = moves[row + data[place]]
            row = states[state, 0]
            gram = states[state, 1]
            if gram >= 0:
                if counts[gram] == 0:
                    met[distinct] = gram
                    distinct += 1
                counts[gram] += 1
        found[i] = distinct
        for c in range(classes):
            scores[i, c] = prior[c]
        for k in range(distinct):
            gram = met[k]
            often = np.float32(math.log1p(counts[gram]))
            counts[gram] = 0
            for c in range(classes):
                scores[i, c] += often * np.float32(weights[gram, c])


@kernel
def script_counts(
    data: NDArray[np.uint8],
    begin: NDArray[np.int64],
    end: NDArray[np.int64],
    script: NDArray[np.uint8],
    counts: NDArray[np.int64],
) -> None:
    """Fills `counts` (texts × scripts) with the characters of each script; `script` gives a code point's."""
    for i in range(len(begin)):
        place = begin[i]
        while place < end[i]:
            point, size = decode(data, place, end[i])
            if point < len(script):
                counts[i, script[point]] += 1
            place += size
