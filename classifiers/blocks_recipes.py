"""Which blocks of a recipe's page are known to be content, when only its lines are known: ingredients and steps.

In go the words of a page's blocks and of the lines, out comes which blocks certainly hold one. Of all others nothing
is known: a recipe's page has a story, tips and comments, too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

CERTAIN = 4
"""A line of so many words that stands once on the page says what its block is, whatever else the block says."""
MIN_SHARE = 0.5
"""A shorter line must make this share of its blocks' words."""


def known_blocks(
    words: Sequence[Sequence[str]], lines: Sequence[Sequence[str]], path: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    """Which blocks certainly hold a line [blocks], given the words of blocks and lines and each block's path.

    Known are those in which a line stands that stands nowhere else on the page (over several blocks, where amounts
    have their own), and the blocks of the same path between two such: what a list has between two ingredients is one.
    """
    flat = [word for block in words for word in block]
    block_of = np.repeat(np.arange(len(words)), [len(block) for block in words])
    places: dict[str, list[int]] = defaultdict(list)
    for place, word in enumerate(flat):
        places[word].append(place)
    known = np.zeros(len(words), np.bool_)
    for line in filter(None, map(list, lines)):
        found = [place for place in places.get(line[0], ()) if flat[place : place + len(line)] == line]
        if len(found) == 1:
            blocks = np.unique(block_of[found[0] : found[0] + len(line)])
            if len(line) >= CERTAIN or len(line) >= MIN_SHARE * sum(len(words[b]) for b in blocks):
                known[blocks] = True
    last: dict[int, int] = {}
    for b in np.flatnonzero(known).tolist():
        before = last.get(int(path[b]), b)
        known[before:b] |= path[before:b] == path[b]
        last[int(path[b])] = b
    return known
