"""Benchmark questions as word n-grams: what a document must share with one to be suspected of holding it.

Files are JSON lines (plain or gzip) with `text`, and optionally `benchmark` and `id`; the index maps the hash of
each n-gram to where it stands in which question. A question shorter than the n-gram counts whole.
"""

from __future__ import annotations

import glob
import gzip
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from curate.kernels.units import Units, find_units
from curate.kernels.windows import filter_bits, find_windows, window_hashes


@dataclass(frozen=True)
class Item:
    """A question of a benchmark."""

    benchmark: str
    id: str
    words: int


@dataclass(frozen=True)
class Grams:
    """The n-grams of one length."""

    length: int
    keys: NDArray[np.uint64]
    """Sorted, distinct."""
    first: NDArray[np.int64]
    """keys[k] stands at the places first[k] up to first[k + 1] of the two arrays below."""
    items: NDArray[np.int64]
    places: NDArray[np.int64]
    bits: NDArray[np.uint8]


@dataclass
class Match:
    """What one document shares with one question."""

    item: Item
    covered: float
    """Fraction of the question's words that lie in a shared n-gram."""
    windows: list[tuple[int, int]]
    """First and past-the-last word of the shared n-grams in the document."""


def benchmark_files(patterns: Sequence[str]) -> list[Path]:
    """The files that paths or globs name. ValueError for one that names none."""
    found: list[Path] = []
    for pattern in patterns:
        paths = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207, as patterns may be absolute
        if not paths:
            raise ValueError(f"decontaminate: benchmarks: no file matches {pattern!r}")
        found += map(Path, paths)
    return found


def files_digest(patterns: Sequence[str]) -> str:
    """Hash of the files' contents, in order."""
    digest = hashlib.sha256()
    for path in benchmark_files(patterns):
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


class BenchmarkIndex:
    """The n-grams of all questions, in memory: about 40 bytes each."""

    def __init__(self, patterns: Sequence[str], ngram: int, min_item_words: int, max_items: int) -> None:
        self.items: list[Item] = []
        self.too_short = 0
        """Questions with fewer than `min_item_words` words, which nothing can be told from."""
        by_length: dict[int, list[tuple[NDArray[np.uint64], int]]] = {}
        for path in benchmark_files(patterns):
            for benchmark, id, text in _questions(path):
                units = _units(text)
                words = len(units.hashes)
                if words < min_item_words:
                    self.too_short += 1
                    continue
                length = min(ngram, words)
                windows = window_hashes(units.hashes, 0, words, length)
                by_length.setdefault(length, []).append((windows, len(self.items)))
                self.items.append(Item(benchmark, id, words))
        self.grams = [_grams(length, found, max_items) for length, found in sorted(by_length.items())]

    def matches(self, units: Units) -> dict[int, list[Match]]:
        """Document → its matches, best first; documents that share nothing are not there."""
        shared: dict[tuple[int, int], list[tuple[int, int, int]]] = {}
        for grams in self.grams:
            found = find_windows(units.hashes, units.first, grams.length, grams.keys, grams.bits)
            for document, place, slot in zip(*(array.tolist() for array in found), strict=True):
                for at in range(grams.first[slot], grams.first[slot + 1]):
                    key = (document, int(grams.items[at]))
                    shared.setdefault(key, []).append((place, int(grams.places[at]), grams.length))
        matches: dict[int, list[Match]] = {}
        for (document, number), windows in shared.items():
            item = self.items[number]
            covered = np.zeros(item.words, dtype=bool)
            for _, place, length in windows:
                covered[place : place + length] = True
            spans = sorted({(place, place + length) for place, _, length in windows})
            matches.setdefault(document, []).append(Match(item, float(covered.mean()), spans))
        for each in matches.values():
            each.sort(key=lambda match: (-match.covered, match.item.benchmark, match.item.id))
        return matches


def _questions(path: Path) -> list[tuple[str, str, str]]:
    """(benchmark, id, text) of a file's lines."""
    data = path.read_bytes()
    lines = (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8").split("\n")
    found = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        record: Any = json.loads(line)
        if not isinstance(record, dict) or not isinstance(record.get("text"), str):
            raise ValueError(f"decontaminate: {path}, line {number}: a JSON object with a string `text` is expected")
        name = path.name.removesuffix(".gz").removesuffix(".jsonl")
        found.append((str(record.get("benchmark", name)), str(record.get("id", number)), record["text"]))
    return found


def _units(text: str) -> Units:
    data = text.encode("utf-8", "surrogatepass")
    return find_units(np.frombuffer(data, dtype=np.uint8), np.array([0, len(data)]))


def _grams(length: int, found: list[tuple[NDArray[np.uint64], int]], max_items: int) -> Grams:
    windows = np.concatenate([each for each, _ in found])
    items = np.concatenate([np.full(len(each), item) for each, item in found])
    places = np.concatenate([np.arange(len(each)) for each, _ in found])
    order = np.lexsort((places, items, windows))
    windows, items, places = windows[order], items[order], places[order]
    keys, first, sizes = np.unique(windows, return_index=True, return_counts=True)
    # How many different questions share an n-gram: instructions and templates are in very many.
    opens = np.ones(len(windows), dtype=np.int64)
    opens[1:] = (windows[1:] != windows[:-1]) | (items[1:] != items[:-1])
    telling = np.add.reduceat(opens, first) <= max_items
    chosen = np.repeat(telling, sizes)
    keys, sizes = keys[telling], sizes[telling]
    bounds = np.concatenate([[0], np.cumsum(sizes)])
    return Grams(length, keys, bounds, items[chosen], places[chosen], filter_bits(keys))
