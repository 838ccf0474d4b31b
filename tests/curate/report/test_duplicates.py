"""The report's part on duplicates: differences marked, what documents say escaped, precision and recall estimated."""

from __future__ import annotations

import random
from html.parser import HTMLParser
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.commands.run import job_of
from curate.engine.executor import InlineExecutor
from curate.engine.progress import Progress
from curate.engine.run import run as carry_out
from curate.engine.store import Store
from curate.recipe import load
from curate.report.duplicates import duplicates, marked
from curate.report.page import render

RECIPE = """
name: near
input: {{parquet: {folder}/data.parquet}}
stages:
  - deduplicate: {{by: text}}
  - deduplicate: {{by: minhash}}
output: {folder}/run
"""


def test_what_differs_is_marked_and_nothing_is_lost() -> None:
    a, b = "The Café, he said, is open: today!", "the cafe he said was shut; today (again)"
    left, right = marked(a, b)
    assert "".join(text for _, text in left) == a
    assert "".join(text for _, text in right) == b
    assert [text for is_marked, text in left if is_marked] == ["is open"]
    assert [text for is_marked, text in right if is_marked] == ["was shut", "again"]
    assert marked("機械学習です", "機械翻訳です")[0] == [(False, "機械"), (True, "学習"), (False, "です")]
    assert marked("", "one") == ([], [(True, "one")])


def test_long_texts_of_one_repeated_word_are_compared_in_time() -> None:
    a, b = "x " * 1000, "y " + "x " * 500 + "y " + "x " * 490
    assert "".join(text for _, text in marked(a, b)[1]) == b


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.marked: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        if self.tags and self.tags[-1] == "mark":
            self.marked.append(data)

    def handle_endtag(self, tag: str) -> None:
        self.tags.append(f"/{tag}")


@pytest.fixture
def run(tmp_path: Path) -> Store:
    draw = random.Random(1)
    rows = []
    for cluster in range(12):
        words = [f"w{draw.randrange(5000)}" for _ in range(150)]
        for member in range(2 if cluster else 9):
            changed = list(words)
            changed[70] = f"<script>alert({member})</script>"
            rows.append({"id": f"{cluster:02d}-{member}", "text": " ".join(changed)})
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "data.parquet")
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(RECIPE.format(folder=tmp_path), encoding="utf-8")
    carry_out(job_of(load(recipe, [], None)), InlineExecutor, Progress(True))
    return Store(str(tmp_path / "run"))


def test_the_page_shows_pairs_side_by_side_and_runs_nothing_of_theirs(run: Store) -> None:
    html = render(run)
    page = _Page()
    page.feed(html)
    assert "script" not in page.tags
    assert html.count("&lt;script&gt;") > 10
    assert {"0", "1"} <= set(page.marked)
    assert "Duplicates: deduplicate_text" in html
    assert "Duplicates: deduplicate_minhash" in html


def test_sizes_precision_and_recall_are_those_of_the_run(run: Store) -> None:
    exact, near = duplicates(run, run.read_json("manifest.json"))
    assert exact["sizes"] == []
    assert exact["curve"] is None
    assert [(row["sizes"], row["clusters"], row["documents"]) for row in near["sizes"]] == [
        ("2", 11, 22),
        ("9–16", 1, 9),
    ]
    assert near["dropped"] == 19
    assert len(near["pairs"]) >= 19
    for row in near["curve"]["measured"]:
        assert row["precision"] == 1
        assert 0.98 < row["recall"] <= 1
