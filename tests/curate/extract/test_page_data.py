"""Articles that a page holds only as data for its scripts."""

from __future__ import annotations

import html as entities
import json
import time

import pytest

from curate.stages.extract import engines
from curate.stages.extract.engines import Options

TITLE = "Harbour seals return to the northern estuary"
PARAGRAPHS = [
    f"In the {season} the seals of the estuary were counted from boats, and the harbour master wrote down how many "
    f"pups lay on the northern banks, where they return when the water falls & rest until evening. Number {n}."
    for n, season in enumerate(["spring", "early summer", "late summer", "autumn"], 1)
]
MARKUP = "".join(f'<p class="t">{entities.escape(text)}</p>' for text in PARAGRAPHS)
OFFER = [f"Subscribe now and read all that we write for {n} a month, cancel whenever you like, " * 3 for n in range(9)]


def page(script: str, shown: str = "<div id=root></div>", title: str = TITLE) -> str:
    return f"<html><head><title>{title}</title></head><body>{shown}<script>{script}</script></body></html>"


def state(value: object) -> str:
    return json.dumps({"props": {"menu": ["Home", "News"], "offers": {"items": OFFER}, "article": value}})


def element(tag: str, *children: object) -> list[object]:
    return ["$", tag, None, {"className": "text large and quite dark", "children": list(children)}]


FLIGHT = '5:["$","$L23",null,' + json.dumps({"state": {"contentHtml": MARKUP}}) + "]\n"
BODIES = {
    "a string of HTML": state({"contentHtml": MARKUP}),
    "a list of strings": f"window.__STATE__ = {state({'body': PARAGRAPHS})};",
    "elements of a content system": state(
        {"content_elements": [{"_id": "A17", "type": "text", "content": text} for text in PARAGRAPHS]}
    ),
    "a tree like that of HTML": state([{"type": "p", "class": "a b c", "content": [text]} for text in PARAGRAPHS]),
    "plain text in lines": f"window.getData = {state({'plain': chr(10).join(PARAGRAPHS)})}",
    "JSON in a string": f"window.data = JSON.parse({json.dumps(state({'html': MARKUP}))})",
    "a stream of components": f"self.f=self.f||[];self.f.push([1,{json.dumps(FLIGHT)}])",
    "elements of React": f"f.push([1,{json.dumps('7:' + json.dumps([element('p', text) for text in PARAGRAPHS]))}])",
    "a script's string, escaped as HTML": "var a = {content: '&quot;"
    + MARKUP.replace("<", "\\u003C").replace("=", "&#x3D;").replace("'", "\\'")
    + "&quot;'.slice(6, -6)}",
}


ATTRIBUTES = {
    "in double quotes": f'<div id=app data-page="{entities.escape(state({"body": PARAGRAPHS}))}"></div>',
    "in single quotes": f"<x-app :page='{state({'html': MARKUP}).replace(chr(39), '&#39;')}'></x-app>",
}


def extract(html: str) -> engines.Extracted:
    return engines.blocks(html, None, Options())


@pytest.mark.parametrize("how", BODIES)
def test_an_article_that_only_data_holds_is_read(how: str) -> None:
    found = extract(page(BODIES[how]))
    assert found.text.split("\n") == PARAGRAPHS
    assert found.origins == ["data"]


@pytest.mark.parametrize("how", ATTRIBUTES)
def test_an_article_that_only_an_attribute_holds_is_read(how: str) -> None:
    found = extract(page("", shown=ATTRIBUTES[how]))
    assert found.text.split("\n") == PARAGRAPHS
    assert found.origins == ["data"]


def test_what_the_page_shows_comes_first() -> None:
    found = extract(page(BODIES["a string of HTML"], shown=f"<main><h1>{TITLE}</h1><p>By Ann Boe.</p></main>"))
    assert found.text.split("\n")[-4:] == PARAGRAPHS
    assert found.text.startswith(TITLE)
    assert found.origins == ["markup", "data"]


def test_structure_within_the_string_is_kept() -> None:
    body = f"<h2>Count</h2>{MARKUP}<pre><code>seals = 4\n  pups = 2</code></pre>"
    found = engines.blocks(page(state({"html": body})), None, Options(format="markdown"))
    assert found.text.startswith("## Count\n")
    assert "```\nseals = 4\n  pups = 2\n```" in found.text
    assert found.code == ["seals = 4\n  pups = 2"]


def test_a_page_that_shows_its_article_is_not_looked_into() -> None:
    other = [text.replace("seals", "otters") for text in PARAGRAPHS]
    found = extract(page(state({"body": other}), shown=f"<article><h1>{TITLE}</h1>{MARKUP}</article>"))
    assert "otters" not in found.text
    assert found.origins == ["markup"]


@pytest.mark.parametrize(
    "script",
    [
        state(None),
        state({"body": PARAGRAPHS[:2]}),
        state([{"url": f"https://a.example/{n}", "class": text, "caption": text} for n, text in enumerate(PARAGRAPHS)]),
        "function f(a){return {b:[a,'c'],\"d\":" + json.dumps(OFFER) + "}}",
    ],
)
def test_what_is_not_about_the_page_or_no_prose_is_no_article(script: str) -> None:
    found = extract(page(script))
    assert found.text == ""
    assert found.origins == []


def test_a_body_must_be_about_the_title_or_the_description() -> None:
    script = state({"body": PARAGRAPHS})
    assert extract(page(script, title="Minutes of the parish council")).text == ""
    about = page(script, title="Minutes").replace("</head>", f'<meta name=description content="{TITLE}"></head>')
    assert extract(about).text


def test_chinese_and_korean_bodies_are_measured_and_compared_in_their_letters() -> None:
    chinese = [
        f"第{n}天，港口的海豹回到北方的河口，人们从船上数它们，退潮的时候小海豹躺在沙洲上休息到傍晚。"
        for n in "一二三四五六"
    ]
    korean = [
        f"{n}월에 물범이 북쪽 강어귀로 돌아왔고 사람들은 배에서 그 수를 세었으며 물이 빠지면 새끼들이 모래톱에 누워 "
        "저녁까지 쉰다고 항구 사람들이 말한다."
        for n in range(1, 8)
    ]
    assert extract(page(state({"body": chinese}), title="海豹回到河口")).text.split("\n") == chinese
    assert extract(page(state({"body": korean}), title="물범, 북쪽 강어귀 항구로")).text.split("\n") == korean
    assert extract(page(state({"body": chinese}), title="市政会议记录")).text == ""


@pytest.mark.parametrize(
    "script",
    [
        '{"a":[' * 200_000,
        "[" * 500_000 + "]" * 500_000,
        "='" * 500_000,
        '="\\"' * 300_000,
        json.dumps({"a": "b"})[:-1] * 200_000,
        "f(" + "[{" * 300_000,
        "=[x" * 250_000,
        "</script><script>" * 100_000,
        "<script " * 200_000,
    ],
)
def test_hostile_scripts_end_in_time(script: str) -> None:
    begun = time.process_time()
    extract(page(script))
    assert time.process_time() - begun < 5
