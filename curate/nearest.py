"""The nearest right name to a wrong one, as every error that knows the right ones suggests it."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

CUTOFF = 0.5
"""Of difflib's ratio: `langage` is near `language` (0.93), `foo` is near none."""


def nearest(word: str, words: Sequence[str]) -> str:
    """`; did you mean …?`, or nothing where no word is near."""
    close = difflib.get_close_matches(word, words, n=1, cutoff=CUTOFF)
    return f"; did you mean {close[0]!r}?" if close else ""
