"""Which examples must not be on both sides of a split: those of one site, and near-duplicates, whatever site they are
of. MinHash finds candidates, exact Jaccard similarity of word shingles decides, and the sites of a pair become one.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from classifiers.corpora import Example

SHINGLE = 3
"""Words a shingle; messages are short."""
MIN_SIMILARITY = 0.5
BANDS, ROWS = 24, 3
"""A pair of similarity .5 meets in a band with probability 1 − (1 − .5³)²⁴ = .96."""
MAX_BUCKET = 50
"""Texts of a bucket that are compared with its first; boilerplate of a thousand pages is one chain, not a million
pairs."""
_PRIME = np.uint64((1 << 31) - 1)


def apart(examples: Sequence[Example]) -> list[Example]:
    """The examples with `group` made wider: one name for all groups that near-duplicates join."""
    parent: dict[str, str] = {example.group: example.group for example in examples}

    def root(name: str) -> str:
        while parent[name] != name:
            parent[name] = parent[parent[name]]
            name = parent[name]
        return name

    for a, b in near_duplicates([example.text for example in examples]):
        first, second = sorted((root(examples[a].group), root(examples[b].group)))
        parent[second] = first
    return [replace(example, group=root(example.group)) for example in examples]


def near_duplicates(texts: Sequence[str]) -> Iterable[tuple[int, int]]:
    """Pairs of places whose texts have at least MIN_SIMILARITY; enough of them to connect all that are alike."""
    sets = [shingles(text) for text in texts]
    signatures = np.stack([signature(each) for each in sets]) if sets else np.zeros((0, BANDS * ROWS), np.uint64)
    for band in range(BANDS):
        buckets: dict[bytes, list[int]] = defaultdict(list)
        for place, row in enumerate(signatures[:, band * ROWS : (band + 1) * ROWS]):
            if len(sets[place]):
                buckets[row.tobytes()].append(place)
        for members in buckets.values():
            pairs = [(members[0], other) for other in members[1:MAX_BUCKET]]
            for a, b in [*pairs, *pairwise(members[MAX_BUCKET - 1 :])]:
                if similarity(sets[a], sets[b]) >= MIN_SIMILARITY:
                    yield a, b


def shingles(text: str) -> NDArray[np.uint64]:
    """Hashes of runs of SHINGLE words, sorted and different; of the whole text where it is shorter."""
    words = text.lower().split()
    runs = {" ".join(words[i : i + SHINGLE]) for i in range(max(len(words) - SHINGLE + 1, 1))} if words else set()
    hashes = {int.from_bytes(hashlib.blake2b(run.encode(), digest_size=4).digest(), "little") for run in runs}
    return np.array(sorted(hashes), dtype=np.uint64)


def signature(values: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """MinHash by the functions (a·x + b) mod 2³¹ − 1, fixed by a seed."""
    source = np.random.default_rng(7)
    a = source.integers(1, int(_PRIME), BANDS * ROWS, dtype=np.uint64)
    b = source.integers(0, int(_PRIME), BANDS * ROWS, dtype=np.uint64)
    if not len(values):
        return np.zeros(BANDS * ROWS, np.uint64)
    lowest = np.full(BANDS * ROWS, _PRIME, np.uint64)
    for start in range(0, len(values), 4096):
        part = values[start : start + 4096] % _PRIME
        lowest = np.minimum(lowest, ((a[:, None] * part + b[:, None]) % _PRIME).min(axis=1))
    return lowest


def similarity(a: NDArray[np.uint64], b: NDArray[np.uint64]) -> float:
    """Jaccard similarity of two sets."""
    both = len(np.intersect1d(a, b, assume_unique=True))
    return both / max(len(a) + len(b) - both, 1)
