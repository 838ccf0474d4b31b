"""A table of the extraction benchmark over pages that draw their text by scripts: what can be read of their data.

Pages with gold whose text stands in their scripts as well are stripped of everything else, JSON-LD too, as if they
showed nothing without a browser; in go these, out come rows of Markdown by kind of page.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from benchmarks.extraction_tables import TextOf
from classifiers.blocks_data import Source, word_f1, words_of
from curate.stages.extract.references import unescape

MIN_WORDS = 100
MIN_SHARE = 0.7
"""Of the gold's runs of three words: so many must stand in the scripts."""
_SCRIPT = re.compile(r"<script\b(?![^>]*ld\+json)[^>]*>(.*?)</script\s*>", re.IGNORECASE | re.DOTALL)
_HEAD = re.compile(r"<(?:title\b[^>]*>[^<]*</title|meta\b[^>]*)>", re.IGNORECASE)
_ESCAPE = re.compile(r"\\u([0-9a-fA-F]{4})")


def scripts(ours: TextOf, theirs: TextOf, sources: Sequence[Source]) -> Iterator[str]:
    """Both engines' mean word-F1, and of how many pages each finds more than half, where only scripts hold the text."""
    groups: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for source in sources:
        gold = words_of(source.gold)
        if len(gold) < MIN_WORDS or _share_in_scripts(source.html, gold) < MIN_SHARE:
            continue
        bare = "".join(_HEAD.findall(source.html)) + "".join(m[0] for m in _SCRIPT.finditer(source.html))
        page = replace(source, name=f"{source.name} scripts alone", html=f"<html>{bare}</html>")
        kind = f"benchmark, {source.kind}" if source.collection == "wcxb" else source.collection
        scores = word_f1(words_of(ours(page)), gold), word_f1(words_of(theirs(page)), gold)
        groups[kind].append(scores)
        groups["all"].append(scores)
    yield "| pages | number | blocks | trafilatura default | over .5: blocks | trafilatura |"
    yield "|---|---|---|---|---|---|"
    for name, rows in sorted(groups.items()):
        f1 = np.array(rows)
        means, found = f1.mean(0), (f1 > 0.5).sum(0)
        yield f"| {name} | {len(rows)} | {means[0]:.3f} | {means[1]:.3f} | {found[0]} | {found[1]} |"


def _share_in_scripts(html: str, gold: Sequence[str]) -> float:
    written = _ESCAPE.sub(lambda match: chr(int(match[1], 16)), "\n".join(_SCRIPT.findall(html)))
    words = words_of(unescape(written.replace("\\n", " ").replace('\\"', '"')))
    runs = set(zip(words, words[1:], words[2:], strict=False))
    wanted = list(zip(gold, gold[1:], gold[2:], strict=False))
    return sum(run in runs for run in wanted) / len(wanted)
