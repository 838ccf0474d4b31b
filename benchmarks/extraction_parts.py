"""Tables of the extraction benchmark over pages whose gold is partial: more pages, and more of them not in English.

In go crawl pages with lines that belong to their text and lines that do not, and pages whose JSON-LD holds the body of
their article; out come rows of Markdown, by language. The block model is trained on some of these pages (recipes, for
one), so our engine must be asked by the models of the folds, which have seen no page of the domain.
"""

from __future__ import annotations

import gzip
import json
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.extraction_tables import MIN_SITES, TextOf, interval
from classifiers.blocks_data import RECIPES, crawl_sources, word_f1, words_of
from curate.stages.extract.references import unescape

PART_SETS = ("trafilatura", "htmldate_extra", "goose3", RECIPES)
"""The lines of recipes are ingredients and steps; those of the others are of articles."""
MIN_WORDS = 80
"""A shorter body may be a summary."""
_LD = re.compile(r"<script\b[^>]*\bld\+json\b[^>]*>(.*?)</script\s*>", re.IGNORECASE | re.DOTALL)
_BODY = re.compile(r'"articleBody"\s*:\s*("(?:[^"\\]|\\.)*")', re.DOTALL)
_TAGS = re.compile(r"<[^>]*>")
Row = tuple[str, tuple[int, ...], tuple[int, ...]]


def parts(ours: TextOf, theirs: TextOf, data: Path) -> Iterator[str]:
    """Which of the lines that belong to a page's text, and which of those that do not, each engine keeps."""
    unwanted_of = _unwanted(data)
    groups: dict[str, list[Row]] = defaultdict(list)
    for source in crawl_sources(data, PART_SETS):
        wanted = [line for line in map(_spaced, source.gold.split("\n")) if line]
        unwanted = [_spaced(line) for line in unwanted_of[source.name]]
        kept = [_kept(text_of(source), wanted, unwanted) for text_of in (ours, theirs)]
        kind = "recipes" if source.collection == RECIPES else "articles"
        groups[f"{kind}, {source.language}"].append((source.domain, kept[0], kept[1]))
    yield "| pages | number (domains) | wanted kept | unwanted kept | F1 | difference | 95 % interval |"
    yield "|---|---|---|---|---|---|---|"
    for name, rows in sorted(groups.items()):
        found = np.array([[*mine, *other] for _, mine, other in rows], np.float64).reshape(len(rows), 2, 4)
        shares = found.sum(0)[:, [0, 2]] / np.maximum(found.sum(0)[:, [1, 3]], 1)
        wanted, unwanted = (f"{mine:.3f} / {other:.3f}" for mine, other in shares.T.tolist())
        f1 = 2 * found[:, :, 0] / (found[:, :, 0] + found[:, :, 1] + found[:, :, 2])
        unwanted = unwanted if found[:, 0, 3].any() else "none given"
        yield f"| {name} | {_sites(rows)} | {wanted} | {unwanted} | {_means(f1)} | {_difference(f1, rows)} |"


def bodies(ours: TextOf, theirs: TextOf, data: Path) -> Iterator[str]:
    """Word-F1 against the body that JSON-LD gives, which neither engine is shown."""
    groups: dict[str, list[Row]] = defaultdict(list)
    scores: dict[str, list[list[float]]] = defaultdict(list)
    for source in crawl_sources(data, sets=None):
        gold = words_of(article_body(source.html))
        if len(gold) < MIN_WORDS:
            continue
        page = replace(source, name=f"{source.name} without JSON-LD", html=_LD.sub("", source.html))
        scores[source.language].append([word_f1(words_of(text_of(page)), gold) for text_of in (ours, theirs)])
        groups[source.language].append((source.domain, (), ()))
    yield "| language | pages (domains) | blocks | trafilatura default | difference | 95 % interval |"
    yield "|---|---|---|---|---|---|"
    for language, rows in sorted(groups.items()):
        f1 = np.array(scores[language])
        yield f"| {language} | {_sites(rows)} | {_means(f1).replace(' /', ' |')} | {_difference(f1, rows)} |"


def article_body(html: str) -> str:
    """The longest body of an article in a page's JSON-LD."""
    found = [""]
    for text in _LD.findall(html):
        for body in _BODY.findall(text):
            try:
                found.append(_TAGS.sub(" ", unescape(json.loads(body, strict=False))))
            except ValueError:
                continue
    return max(found, key=len)


def _unwanted(data: Path) -> dict[str, Sequence[str]]:
    with gzip.open(data / "crawl" / "labels.jsonl.gz", "rt") as lines:
        labels: list[dict[str, Any]] = [json.loads(line) for line in lines]
    return {label["record_id"]: label.get("gold_without") or () for label in labels}


def _spaced(text: str) -> str:
    return " ".join(text.split())


def _kept(text: str, wanted: Sequence[str], unwanted: Sequence[str]) -> tuple[int, int, int, int]:
    said = _spaced(text)
    return sum(line in said for line in wanted), len(wanted), sum(line in said for line in unwanted), len(unwanted)


def _sites(rows: Sequence[Row]) -> str:
    return f"{len(rows)} ({len({domain for domain, *_ in rows})})"


def _means(f1: np.ndarray) -> str:
    return " / ".join(f"{mean:.3f}" for mean in f1.mean(0))


def _difference(f1: np.ndarray, rows: Sequence[Row]) -> str:
    difference, low, high, sites = interval(f1[:, 0] - f1[:, 1], [domain for domain, *_ in rows])
    return f"{difference:+.3f} | " + (f"{low:+.3f} … {high:+.3f}" if sites >= MIN_SITES else "too few sites")
