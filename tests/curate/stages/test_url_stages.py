"""URL block lists: what a listed domain, URL or word blocks, and that absent lists are never silent."""

from __future__ import annotations

import gzip
from pathlib import Path

import pyarrow as pa
import pytest

from curate.stage import Shared
from curate.stages.safety import url_lists
from curate.stages.safety.url_filter import UrlFilter, UrlFilterParameters
from curate.stages.safety.url_lists import ListsError
from curate.stages.safety.url_safety import UrlSafety, UrlSafetyParameters
from curate.stages.safety.url_words import UrlWords


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("CURATE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def lists(tmp_path: Path) -> Path:
    folder = tmp_path / "ut1"
    (folder / "gambling").mkdir(parents=True)
    (folder / "adult").mkdir()
    (folder / "gambling" / "domains").write_text("# comment\nbets.test\n10.1.2.3\nboth.test\n")
    (folder / "gambling" / "urls").write_text("news.test/casino/\nwww2.shop.test/a?id=3\n")
    with gzip.open(folder / "adult" / "domains.gz", "wt") as file:
        file.write("adult-site.test\nboth.test")
    return folder


def urls(*values: str | None) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict({"url": pa.array(values, pa.string())})


def rules(stage: UrlFilter | UrlSafety, *values: str | None) -> list[str | None]:
    stage.open()
    outcome = stage.process(urls(*values), Shared())
    return [None] * len(values) if outcome.verdicts is None else outcome.verdicts.column("rule").to_pylist()


@pytest.mark.parametrize(
    ("url", "category"),
    [
        ("http://bets.test/", "gambling"),
        ("HTTPS://WWW.Bets.TEST:8080/x", "gambling"),
        ("a.b.bets.test", "gambling"),
        ("http://me:pw@bets.test./?q=1", "gambling"),
        ("//bets.test/x", "gambling"),
        ("https://10.1.2.3/login", "gambling"),
        ("http://news.test/casino", "gambling"),
        ("http://www.news.test/Casino/roulette?x=1", "gambling"),
        ("http://shop.test/a?id=3&b=4", "gambling"),
        ("https://adult-site.test#top", "adult"),
        ("http://both.test/", "adult"),
        ("http://mybets.test/", None),
        ("http://bets.test.example/", None),
        ("http://example.test/bets.test/", None),
        ("http://example.test/?next=http://bets.test/", None),
        ("http://news.test/casino-royale-review", None),
        ("http://other.news.test/casino", None),
        ("http://shop.test/a?id=33", None),
        ("http://2.3/", None),
        ("http://[2001:db8::1]:80/", None),
        ("", None),
        (None, None),
        ("http://", None),
        ("mailto:someone@bets.example", None),
    ],
)
def test_a_listed_domain_blocks_what_is_below_it_and_nothing_beside(
    lists: Path, url: str | None, category: str | None
) -> None:
    stage = UrlSafety(UrlSafetyParameters(lists=str(lists), categories=("adult", "gambling")))
    assert rules(stage, url) == [category]


def test_compiled_lists_are_read_again_and_answer_the_same(lists: Path, cache: Path) -> None:
    files = url_lists.folder_lists(lists)
    first = url_lists.UrlLists(files)
    assert len(list((cache / "url-lists").iterdir())) == 1
    second = url_lists.UrlLists(files)
    asked = pa.array(["http://bets.test", "http://news.test/casino", "http://x.test"])
    assert first.match(asked) == second.match(asked)
    assert len(first) == len(second) == 6


def test_lists_serve_where_the_cache_cannot_be_written(
    lists: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("CURATE_CACHE", str(blocked))
    assert url_lists.UrlLists(url_lists.folder_lists(lists)).match(pa.array(["bets.test"])).domain == {0: "bets.test"}


def test_changed_lists_change_the_fingerprint(lists: Path) -> None:
    stage = UrlSafety(UrlSafetyParameters(lists=str(lists), categories=("gambling",)))
    before = stage.fingerprint()
    (lists / "gambling" / "domains").write_text("bets.test\n")
    assert stage.fingerprint() != before


def test_drop_narrows_which_categories_drop_and_annotate_drops_none(lists: Path) -> None:
    asked = {"lists": str(lists), "categories": ("adult", "gambling")}
    assert rules(UrlSafety(UrlSafetyParameters(**asked, drop=("adult",))), "bets.test", "both.test") == [None, "adult"]
    stage = UrlSafety(UrlSafetyParameters(**asked, mode="annotate"))
    stage.open()
    outcome = stage.process(urls("bets.test"), Shared())
    assert outcome.verdicts is None
    assert outcome.batch.column("url_safety").to_pylist() == [{"category": "gambling", "matched": "bets.test"}]


def test_absent_lists_are_an_error_that_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CURATE_UT1", raising=False)
    with pytest.raises(ListsError, match=r"fetch them from https://.*CURATE_UT1"):
        UrlSafety(UrlSafetyParameters()).open()
    with pytest.raises(ListsError, match="categories there: none"):
        UrlSafety(UrlSafetyParameters(lists=str(tmp_path))).open()


def test_without_datatrove_the_signals_say_that_no_list_was_asked(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for module in ("url_lists", "url_filter"):
        monkeypatch.setattr(f"curate.stages.safety.{module}.datatrove_assets", lambda: None)
    stage = UrlFilter(UrlFilterParameters())
    found = rules(stage, "http://a.test/free-porn", "http://a.test/xnxx99", "http://a.test/sexy-teens", "http://b.test")
    assert found == ["blocked_word", "blocked_subword", "soft_words", None]
    assert "datatrove is not installed" in caplog.text
    signals = stage.process(urls("http://b.test"), Shared()).batch.column("url_filter").to_pylist()
    assert signals[0]["lists"] == "none: datatrove is not installed"
    with pytest.raises(ListsError, match="not installed"):
        UrlFilter(UrlFilterParameters(lists="datatrove")).open()
    with pytest.raises(ListsError, match="not installed"):
        UrlFilter(UrlFilterParameters(lists="none", words="datatrove")).open()


def test_own_words_own_lists_and_allowed_domains(lists: Path) -> None:
    stage = UrlFilter(
        UrlFilterParameters(
            lists="none", words="none", own_lists=str(lists), own_words=("Lottery",), allow_domains=("fine.bets.test",)
        )
    )
    found = rules(
        stage, "http://x.test/LOTTERY/1", "http://x.test/lotterys", "http://bets.test", "http://a.fine.bets.test"
    )
    assert found == ["blocked_word", None, "blocked_domain", None]


def test_subwords_are_found_across_separators_and_inside_words() -> None:
    words = UrlWords(hard=["one"], soft=["two", "three", "four"], subwords=["abc", "bcd", "hotel"])
    column = pa.array(
        ["http://x/a-b_c", "http://x/xxbcdxx", "http://x/ab/xc", "http://x/one", "x/two/two/three", "hote"]
    )
    found = words.match(column)
    assert found.subword == {0: "abc", 1: "bcd"}
    assert found.word == {3: "one"}
    assert found.soft_words.tolist() == [0, 0, 0, 0, 2, 0]


def test_the_lists_of_datatrove_are_found_and_used(monkeypatch: pytest.MonkeyPatch) -> None:
    if url_lists.datatrove_assets() is None:
        pytest.skip("datatrove is not installed")
    monkeypatch.delenv("CURATE_CACHE")
    stage = UrlFilter(UrlFilterParameters())
    assert rules(stage, "https://www.pornhub.com/", "https://en.wikipedia.org/wiki/Scunthorpe") == [
        "blocked_domain",
        None,
    ]
    assert stage._named.startswith("ut1 (datatrove")
