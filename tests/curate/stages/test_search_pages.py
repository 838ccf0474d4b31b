"""Addresses that ask a site's search, and such as only look like it."""

from __future__ import annotations

import time

import pyarrow as pa
import pytest

from benchmarks import test_data
from curate.stage import FilterParameters, Shared
from curate.stages.safety.search_pages import SearchPages, search_signs


@pytest.mark.parametrize(
    ("url", "sign"),
    [
        ("https://www.shop.test/search?sort=price&page=2", "path"),
        ("https://shop.test/en/Site-Search/Results.aspx?term=a%20b", "path"),
        ("https://shop.test/job-search/page?location=x", "path"),
        ("https://laden.test/suche.html?begriff=x", "path"),
        ("http://search.news.test/all?x=y", "host"),
        ("https://a.test/index.php?lang=en&keywords=red+shoes", "question"),
        ("https://a.test/?s=red+shoes", "short"),
        ("https://a.test/s?k=red+shoes&ref=x", "short"),
        ("https://a.test/?p=red+shoes", "short"),
        ("https://a.test/?p=4711", None),
        ("https://old.test/?q=node/5", None),
        ("https://old.test/index.php?q=content%2Fabout", None),
        ("https://a.test/research?id=3", None),
        ("https://a.test/search-engine-optimisation?utm_source=b", None),
        ("https://a.test/search", None),
        ("https://a.test/search/?", None),
        ("https://a.test/faq?question=3&unique=5", None),
        ("https://a.test/news/the-search-for-life?page=2", None),
        ("https://a.test/view?id=3#?q=x", None),
        ("", None),
        (None, None),
    ],
)
def test_a_search_is_known_by_path_host_or_question(url: str | None, sign: str | None) -> None:
    assert search_signs(pa.array([url], pa.string())).to_pylist() == [sign]


def test_the_stage_drops_them_with_what_told() -> None:
    stage = SearchPages(FilterParameters())
    batch = pa.RecordBatch.from_pydict({"url": ["https://a.test/search?q=x", "https://a.test/x", None]})
    outcome = stage.process(batch, Shared())
    assert outcome.verdicts is not None
    assert outcome.verdicts.column("rule").to_pylist() == ["search_results", None, None]
    assert outcome.batch.column("search_pages").to_pylist() == [{"sign": "path"}, {"sign": None}, {"sign": None}]


def test_long_addresses_cost_time_in_their_length() -> None:
    long = ["http://a/?" + "q=/" * 10**6, "http://a/" + "search/" * 10**6 + "?", "http://a/?" + "&s=" * 10**6]
    begin = time.process_time()
    assert search_signs(pa.array(long)).to_pylist() == [None, None, None]
    assert time.process_time() - begin < 20


@pytest.mark.usefixtures("shared_data")
def test_of_labelled_pages_most_results_and_next_to_no_others_are_found() -> None:
    rows = list(test_data.rows("crawl/labels"))
    signs = search_signs(pa.array([row["url"] for row in rows])).to_pylist()
    found = [row["label"] for row, sign in zip(rows, signs, strict=True) if sign is not None]
    assert found.count("serp") > 0.85 * sum(row["label"] == "serp" for row in rows)
    assert sum(found.count(label) for label in ("prose", "documentation", "code", "math", "forum", "product")) <= 1
