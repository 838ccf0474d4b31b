"""Canonical URLs: each rule by itself, together, and on the planted variants of the crawl."""

from __future__ import annotations

import gzip
import json
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.urls import CANONICAL_RULES, canonical_url, join_url, split_url, url_host

BY_RULE = {
    "default_port": [
        ("http://a.example:80/x", "http://a.example/x"),
        ("https://a.example:443/x", "https://a.example/x"),
    ],
    "scheme": [("HTTPS://a.example/x", "http://a.example/x")],
    "host_case": [("http://A.Example./X", "http://a.example/X")],
    "international_host": [("http://bücher.example/x", "http://xn--bcher-kva.example/x")],
    "www": [("http://www.a.example/", "http://a.example/"), ("http://www.example/", "http://www.example/")],
    "session_ids": [
        ("http://a.example/x;jsessionid=0A1B2C?q=1", "http://a.example/x?q=1"),
        ("http://a.example/x?PHPSESSID=abc&q=1", "http://a.example/x?q=1"),
        ("http://a.example/x?sid=7", "http://a.example/x?sid=7"),
        ("http://a.example/x?sid=0123456789abcdef0123", "http://a.example/x"),
        ("http://a.example/(S(lit3py55t21z5v55vlm25s55))/x.aspx", "http://a.example/x.aspx"),
    ],
    "percent_encoding": [
        ("http://a.example/%7euser/caf%c3%a9?q=a+b", "http://a.example/~user/caf%C3%A9?q=a%20b"),
        ("http://a.example/café", "http://a.example/caf%C3%A9"),
        ("http://a.example/a%2fb?x=1%262", "http://a.example/a%2Fb?x=1%262"),
        ("http://a.example/%E9t%E9", "http://a.example/%E9t%E9"),
        ("http://a.example/100%", "http://a.example/100%25"),
    ],
    "dot_segments": [
        ("http://a.example/a/./b/../c//d", "http://a.example/a/c/d"),
        ("http://a.example/..", "http://a.example/"),
    ],
    "tracking": [
        ("http://a.example/x?utm_source=t&id=3&fbclid=9&gclid=8", "http://a.example/x?id=3"),
        ("http://a.example/x?reference=utm_source", "http://a.example/x?reference=utm_source"),
    ],
    "fragment": [("http://a.example/x#top", "http://a.example/x"), ("http://a.example/#!/x", "http://a.example/")],
    "index_document": [
        ("http://a.example/x/index.html", "http://a.example/x/"),
        ("http://a.example/index.php?page=3", "http://a.example/index.php?page=3"),
    ],
    "trailing_slash": [("http://a.example/x/", "http://a.example/x"), ("http://a.example", "http://a.example/")],
    "query_order": [("http://a.example/x?b=2&a=1&b=2", "http://a.example/x?a=1&b=2")],
}


def test_every_rule_has_a_case() -> None:
    assert set(BY_RULE) == set(CANONICAL_RULES)


@pytest.mark.parametrize(
    ("rule", "given_url", "expected"), [(r, g, e) for r, cases in BY_RULE.items() for g, e in cases]
)
def test_a_rule_alone_does_what_it_says(rule: str, given_url: str, expected: str) -> None:
    assert join_url(CANONICAL_RULES[rule](split_url(given_url))) == expected


def test_rules_together_and_each_can_be_left_out() -> None:
    url = "HTTPS://user:pw@WWW.Example.COM:443/a/../b/index.html?utm_medium=x#part"
    assert canonical_url(url) == "http://example.com/b"
    assert canonical_url(url, without=("www",)) == "http://www.example.com/b"
    assert canonical_url("//b.example/x/") == "http://b.example/x"
    assert url_host(url) == "example.com"


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("http://a.example/x?id=1", "http://a.example/x?id=2"),
        ("http://a.example/x", "http://a.example/X"),
        ("http://a.example/x", "http://b.a.example/x"),
        ("http://www2.a.example/x", "http://a.example/x"),
        ("http://a.example:8080/", "http://a.example/"),
        ("http://a.example/?q=1%2B1", "http://a.example/?q=1+1"),
        ("http://a.example/a%2Fb", "http://a.example/a/b"),
    ],
)
def test_different_pages_stay_different(a: str, b: str) -> None:
    assert canonical_url(a) != canonical_url(b)


@pytest.mark.parametrize("odd", ["", "mailto:a@b.example", "not a url", "data:text/plain,x", "http://[::1]:80/x"])
def test_odd_input_is_left_in_peace(odd: str) -> None:
    assert canonical_url(canonical_url(odd)) == canonical_url(odd)


@given(st.text(alphabet="ab/.?&=%#;:2E5F+é \\", max_size=30))
def test_canonical_twice_is_canonical_once(tail: str) -> None:
    once = canonical_url("http://www.a.example/" + tail)
    assert canonical_url(once) == once


def test_planted_variants_meet_and_other_pages_do_not(shared_data: Path) -> None:
    variants: dict[str, set[str]] = defaultdict(set)
    others: dict[str, set[str]] = defaultdict(set)
    with gzip.open(shared_data / "crawl/labels.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            label = json.loads(line)
            if label["duplicate_kind"] == "url_variant":
                variants[label["duplicate_group"]].add(canonical_url(label["url"]))
            else:
                others[canonical_url(label["url"])].add(label["payload_sha1"])
    assert {group: urls for group, urls in variants.items() if len(urls) > 1} == {}
    # equal keys of unequal pages: at most one in a hundred (real sites do answer http and https differently)
    assert sum(len(pages) > 1 for pages in others.values()) < 0.01 * len(others)
