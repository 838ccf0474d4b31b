"""C4's list of bad words: a document that has one is dropped, but for a share that is kept.

Raffel et al. 2020 (https://arxiv.org/abs/1910.10683) used the list of Shutterstock's LDNOOBW; mC4 added other
languages. A phrase counts where no letter or digit touches it; in Japanese, Thai and Chinese, wherever it occurs.
Which documents the kept share is made of follows from their ids, so a rerun keeps the same ones.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pyarrow as pa

from curate.stage import FilterParameters, MapStage, Rule, Shared, parameter

_WORD = re.compile(r"\w+")


class C4BadWordsParameters(FilterParameters):
    words: str = parameter(doc="a file with a word or phrase a line, such as LDNOOBW's `en`")
    separated: bool = parameter(True, "false for Japanese, Thai and Chinese: words are not set apart there")
    keep_fraction: float = parameter(
        0.0,
        "share of the documents with a bad word that is kept",
        unit="fraction",
        source="mC4",
        role="decide",
        ge=0,
        le=1,
    )


class C4BadWords(MapStage):
    """Drops documents with a word of a list."""

    name = "c4_bad_words"
    Parameters = C4BadWordsParameters
    reads = ("id", "text")

    def __init__(self, parameters: C4BadWordsParameters, label: str | None = None) -> None:
        super().__init__(parameters, label)
        try:
            lines = Path(parameters.words).read_text(encoding="utf-8").splitlines()
        except OSError as error:
            raise ValueError(f"c4_bad_words: the word list {parameters.words} cannot be read: {error}") from error
        self._phrases = sorted(
            {line.strip().lower() for line in lines} - {""}, key=lambda phrase: (-len(phrase), phrase)
        )
        # Most pages have no word that a phrase begins with: only the others are searched by pattern.
        self._first = {match.group() for phrase in self._phrases if (match := _WORD.search(phrase))}
        self._odd = [phrase for phrase in self._phrases if not _WORD.search(phrase)]
        choices = "|".join(map(re.escape, self._phrases)) or "(?!)"
        self._pattern = re.compile(rf"(?:\W|^)({choices})(?=\W|$)" if parameters.separated else f"({choices})")

    def fingerprint(self) -> str:
        return hashlib.sha256("\n".join(self._phrases).encode()).hexdigest()

    def measure(self, batch: pa.RecordBatch, shared: Shared) -> pa.StructArray:
        found = [self._find(text or "") for text in batch.column("text").to_pylist()]
        draws = [
            None if word is None else _draw(id_)
            for word, id_ in zip(found, batch.column("id").to_pylist(), strict=True)
        ]
        return pa.StructArray.from_arrays(
            [pa.array(found, pa.string()), pa.array(draws, pa.float64())], ["word", "draw"]
        )

    def rules(self) -> Sequence[Rule]:
        p = cast(C4BadWordsParameters, self.parameters)
        return (Rule("bad_word", "draw", "<", p.keep_fraction, "keep_fraction"),)

    def _find(self, text: str) -> str | None:
        lower = text.lower()
        separated = cast(C4BadWordsParameters, self.parameters).separated
        possible = not self._first.isdisjoint(_WORD.findall(lower)) or any(odd in lower for odd in self._odd)
        if separated and not possible:
            return None
        match = self._pattern.search(lower)
        return match.group(1) if match else None


def _draw(id_: str) -> float:
    """A number from 0 to 1, even over ids and the same for the same id."""
    return int.from_bytes(hashlib.blake2b(id_.encode(), digest_size=7).digest(), "big") / 2**56
