"""Words in URLs: hard ones (one is enough), soft ones (several are), and subwords (found inside longer words).

The lists become sorted hashes and one Aho-Corasick automaton over a-z and 0-9 (Aho and Corasick 1975), which
reads each URL once, whatever the number of subwords.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curate.kernels import url_match
from curate.stages.safety.sparse import Sparse
from curate.stages.words import utf8_buffers

_ALPHABET = "abcdefghijklmnopqrstuvwxyz0123456789"
_OTHER = re.compile(r"[^a-z0-9]+")


def normalised(word: str) -> str:
    """Letters and digits of the word, lower-case: what is compared."""
    return _OTHER.sub("", word.lower())


def _hashes(words: Iterable[str]) -> NDArray[np.uint64]:
    bare = sorted({normalised(word) for word in words} - {""})
    values = [url_match.hash_word(np.frombuffer(word.encode(), dtype=np.uint8), 0, len(word)) for word in bare]
    return np.array(sorted(values), dtype=np.uint64)


def automaton(words: Iterable[str]) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    """Next state by state and letter, and for each state the length of the shortest word that ends there (0: none)."""
    table: list[list[int]] = [[-1] * len(_ALPHABET)]
    ends = [0]
    for word in sorted({normalised(word) for word in words} - {""}):
        state = 0
        for letter in word:
            code = _ALPHABET.index(letter)
            if table[state][code] < 0:
                table[state][code] = len(table)
                table.append([-1] * len(_ALPHABET))
                ends.append(0)
            state = table[state][code]
        ends[state] = len(word)
    fallback = [0] * len(table)
    queue: deque[int] = deque([0])
    while queue:
        state = queue.popleft()
        for code in range(len(_ALPHABET)):
            onward = table[fallback[state]][code] if state else 0
            child = table[state][code]
            if child < 0:
                table[state][code] = onward
                continue
            fallback[child] = onward
            if ends[onward] and (not ends[child] or ends[onward] < ends[child]):
                ends[child] = ends[onward]
            queue.append(child)
    return np.array(table, dtype=np.int32), np.array(ends, dtype=np.int32)


@dataclass(frozen=True)
class WordMatches:
    """The rows with a hard word and with a subword, and for each row how many different soft words it has."""

    word: Sparse
    subword: Sparse
    soft_words: NDArray[np.int32]


class UrlWords:
    """Compiled word lists, ready to be asked."""

    def __init__(self, hard: Iterable[str], soft: Iterable[str], subwords: Iterable[str]) -> None:
        self.hard, self.soft = _hashes(hard), _hashes(soft)
        self.sieve = url_match.sieve_of(self.hard, self.soft)
        self.next_state, self.accepting = automaton(subwords)

    def match(self, column: pa.Array) -> WordMatches:
        data, offsets = utf8_buffers(column)
        never = np.iinfo(np.int32).max
        kind, span, n_soft = url_match.match_words(
            data, offsets, self.hard, self.soft, self.sieve, self.next_state, self.accepting, never
        )
        answer = WordMatches({}, {}, n_soft)
        for row in np.flatnonzero(kind != url_match.NOTHING).tolist():
            if kind[row] == url_match.WORD:
                found = data[span[row, 0] : span[row, 1]].tobytes().decode("ascii").lower()
                answer.word[row] = found
            else:
                before = data[offsets[row] : span[row, 0]].tobytes().decode("utf-8", "replace")
                answer.subword[row] = normalised(before)[-int(span[row, 1]) :]
        return answer
