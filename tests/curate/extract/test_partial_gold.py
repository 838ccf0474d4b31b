"""The benchmark's tables over pages with partial gold, on invented pages."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from benchmarks import extraction_parts
from benchmarks.extraction_parts import article_body, bodies, parts
from classifiers.blocks_data import Source

SOURCES = [
    Source("a", "trafilatura", "prose", "a.example", "https://a.example", "<p>", "One  line.\nA second line.", "de"),
    Source("b", "recipe_scrapers", "prose", "b.example", "https://b.example", "<p>", "1 egg", "fr"),
]
WORDS = " ".join(f"word{i}" for i in range(100))


def test_lines_kept_and_lines_kept_that_should_not_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "crawl").mkdir()
    labels = [{"record_id": "a", "gold_without": ["Menu", "Related"]}, {"record_id": "b", "gold_without": None}]
    with gzip.open(tmp_path / "crawl" / "labels.jsonl.gz", "wt") as lines:
        lines.writelines(json.dumps(label) + "\n" for label in labels)
    monkeypatch.setattr(extraction_parts, "crawl_sources", lambda data, sets: SOURCES)
    texts = {"a": "One line.\nA second\nline.", "b": "1 egg"}
    rows = list(parts(lambda source: texts[source.name], lambda source: "One line. Menu", tmp_path))[2:]
    assert rows == [
        "| articles, de | 1 (1) | 1.000 / 0.500 | 0.000 / 0.500 | 1.000 / 0.500 | +0.500 | too few sites |",
        "| recipes, fr | 1 (1) | 1.000 / 0.000 | none given | 1.000 / 0.000 | +1.000 | too few sites |",
    ]


def test_the_body_in_json_ld_is_gold_and_shown_to_no_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = json.dumps({"@type": "NewsArticle", "articleBody": f"<p>{WORDS}</p>"})
    html = f'<script type="application/ld+json">{said}</script><p>{WORDS}</p>'
    assert article_body(html).split() == WORDS.split()
    assert article_body('<script type="application/ld+json">{"articleBody": "a\\q"}</script>') == ""
    pages = [Source("c", "fundus", "prose", "c.example", "https://c.example", html, "", "ja"), SOURCES[0]]
    monkeypatch.setattr(extraction_parts, "crawl_sources", lambda data, sets: pages)
    seen = []

    def text_of(source: Source) -> str:
        seen.append(source.html)
        return WORDS

    assert list(bodies(text_of, text_of, tmp_path))[2:] == ["| ja | 1 (1) | 1.000 | 1.000 | +0.000 | too few sites |"]
    assert seen == [f"<p>{WORDS}</p>"] * 2
