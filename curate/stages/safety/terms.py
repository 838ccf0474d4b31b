"""Terms in a text: which words and phrases of a list it has, how often, in one pass over its words.

Words are runs of letters, digits and marks, case folded; phrases are up to four words. In scripts without spaces
(Chinese, Japanese, Thai) terms are found as parts of the text.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

DATA = Path(__file__).parent / "data"
PLAIN_WEIGHT = 0.1
"""Of a word that has plain uses too. Chosen by us: ten of them weigh what one obscene word does."""
MAX_PHRASE = 4

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")
_SENTENCE = re.compile(r"[^\n.!?。！？]*(?:[.!?。！？]+[\"'”’)]*|\n|$)\s*")
_SPACELESS = re.compile(r"[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff]")


def words_of_text(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def sentences_of(text: str) -> list[str]:
    """The text's sentences, by their end signs and line ends; joined, they are the text."""
    return [sentence for sentence in _SENTENCE.findall(text) if sentence]


def read_table(path: Path) -> list[list[str]]:
    """Lines of tab-separated fields; `#` begins a comment line."""
    lines = path.read_text("utf-8").splitlines()
    return [line.split("\t") for line in lines if line and not line.startswith("#")]


def plain_words() -> frozenset[str]:
    return frozenset(row[0] for row in read_table(DATA / "plain_words.txt"))


class Terms:
    """Weighted terms, ready to be looked for."""

    def __init__(self, weights: Mapping[str, float]) -> None:
        self._by_words: dict[tuple[str, ...], float] = {}
        spaceless: dict[str, float] = {}
        for term, weight in weights.items():
            if _SPACELESS.search(term):
                if len(term) > 1:
                    spaceless[term.casefold()] = weight
                continue
            words = tuple(words_of_text(term))
            if 0 < len(words) <= MAX_PHRASE and len("".join(words)) > 1:
                self._by_words[words] = max(weight, self._by_words.get(words, 0.0))
        self._single = {words[0]: weight for words, weight in self._by_words.items() if len(words) == 1}
        self._first = {words[0] for words in self._by_words if len(words) > 1}
        self._spaceless_weights = spaceless
        self._spaceless = (
            re.compile("|".join(re.escape(term) for term in sorted(spaceless, key=len, reverse=True)))
            if spaceless
            else None
        )

    def count(self, text: str) -> tuple[Counter[str], float, int]:
        """How often each term occurs, the sum of their weights, and the number of words (in scripts without
        spaces two characters count as a word)."""
        words = words_of_text(text)
        found: Counter[str] = Counter()
        weight = 0.0
        for at, word in enumerate(words):
            if word in self._single:
                found[word] += 1
                weight += self._single[word]
            if word in self._first:
                for n in range(2, MAX_PHRASE + 1):
                    phrase = tuple(words[at : at + n])
                    if len(phrase) == n and phrase in self._by_words:
                        found[" ".join(phrase)] += 1
                        weight += self._by_words[phrase]
        n_words = len(words)
        if self._spaceless is not None and _SPACELESS.search(text):
            for match in self._spaceless.findall(text.casefold()):
                found[match] += 1
                weight += self._spaceless_weights[match]
            n_words += len(_SPACELESS.findall(text)) // 2
        return found, weight, n_words
