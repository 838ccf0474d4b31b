"""The stage `extract`: what it writes, what it drops, and that a bad page harms no other."""

from __future__ import annotations

import pyarrow as pa
import pytest

from curate.registry import stage_class
from curate.stage import Shared
from curate.stages.extract import engines
from curate.stages.extract.metadata import read_head, read_metadata
from curate.stages.extract.stage import Extract, ExtractParameters

PARAGRAPH = "The quick brown fox jumps over the lazy dog while the old farmer watches from his porch, amused. "
PAGE = f"""<html lang="de-AT"><head><title>A fox | Farm News</title>
<meta name="author" content="Jane Roe"><meta property="og:site_name" content="Farm News">
<meta property="article:published_time" content="2024-05-01"><meta name="robots" content="index, NOAI">
<link rel="license" href="https://creativecommons.org/licenses/by/4.0/"></head>
<body><nav><a href="/">Home</a> <a href="/about">About</a></nav>
<article><h1>A fox</h1><p>{PARAGRAPH * 3}</p><p>{PARAGRAPH * 4}</p></article></body></html>"""


def batch(*pages: str | None) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict(
        {
            "id": [f"{n:032x}" for n in range(len(pages))],
            "url": ["https://example.org/"] * len(pages),
            "html": pa.array(pages, type=pa.string()),
        }
    )


def make(**parameters: object) -> Extract:
    return Extract(ExtractParameters(**parameters))


@pytest.mark.parametrize("engine", sorted(engines.ENGINES))
def test_every_engine_finds_the_article_and_its_metadata(engine: str) -> None:
    if engine == "datatrove":
        pytest.importorskip("datatrove")
    outcome = make(engine=engine).process(batch(PAGE), Shared())
    row = outcome.batch.to_pylist()[0]
    assert PARAGRAPH.strip() in row["text"]
    assert row["title"] == "A fox"
    said = row["extract"]
    assert (said["author"], said["date"], said["site"]) == ("Jane Roe", "2024-05-01", "Farm News")
    assert said["html_lang"] == "de-at"
    assert said["robots"] == ["noai"]
    assert said["license"] == "https://creativecommons.org/licenses/by/4.0/"
    assert "html" not in outcome.batch.schema.names


def test_page_without_text_is_dropped_by_name() -> None:
    outcome = make().process(batch(PAGE, "", None), Shared())
    assert outcome.verdicts is not None
    assert outcome.verdicts.column("rule").to_pylist() == [None, "empty_text", "empty_text"]
    assert outcome.verdicts.column("value").to_pylist()[1] == "0"


def test_page_that_raises_becomes_a_dead_letter_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    def raising(html: str, url: str | None, options: engines.Options) -> engines.Extracted:
        if "poison" in html:
            raise ValueError("poisoned")
        return engines.Extracted(html)

    monkeypatch.setitem(engines.ENGINES, "trafilatura", raising)
    outcome = make(engine="trafilatura").process(batch("fine", "poison", "also fine"), Shared())
    assert outcome.failed == {1: "ValueError: poisoned"}
    assert outcome.batch.column("text").to_pylist() == ["fine", None, "also fine"]


def test_html_is_kept_on_request_and_the_declared_columns_are_true() -> None:
    stage = make(keep_html=True)
    names = stage.process(batch(PAGE), Shared()).batch.schema.names
    assert "html" in names
    assert set(stage.writes()) <= set(names)
    assert stage.removes() == ()
    assert make().removes() == ("html",)


def test_a_page_answers_the_same_alone_and_after_its_twin() -> None:
    alone = make().process(batch(PAGE), Shared()).batch.to_pylist()[0]
    after = make().process(batch(PAGE, PAGE, PAGE, PAGE), Shared()).batch.to_pylist()
    assert [row["text"] for row in after] == [alone["text"]] * 4


def test_stage_is_registered() -> None:
    assert stage_class("extract") is Extract


def test_json_ld_with_a_lone_surrogate_stays_encodable() -> None:
    page = '<script type="application/ld+json">{"@type":"Article","headline":"a \\ud800 b"}</script>'
    title = read_metadata(read_head(page.encode("utf-8", "replace"))).title
    assert title is not None
    assert title.encode() == b"a ? b"
