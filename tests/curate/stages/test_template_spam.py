"""Pages spun from one template over many hosts fall, wherever they lie; what merely resembles or repeats stays."""

from __future__ import annotations

import random
from typing import Any

import pytest

from curate.stage import GlobalContext
from curate.stages.safety.templates import TemplateSpam, TemplateSpamParameters, frame_of
from tests.curate.stages.collection import Applied, apply, collection

TEMPLATE = (
    "Are you looking for a good {trade} in {city} and do you not want to pay too much? "
    "We are the best {trade} in {city}, and we can be at your door in an hour or two. "
    "All of our team is on call for you, day or night, in {city} and all over {county}. "
    "Call us now and get a free quote for a {trade} you can rely on, at a low price."
)
TRADES = ("plumber", "locksmith", "carpet cleaner", "roofing contractor", "emergency electrician", "tree surgeon")
CITIES = ("Springfield", "New Haven", "Aberdeen", "Stoke", "Bath", "Rio", "Saint Paul", "Leeds", "Hull")
RELEASE = (
    "The two companies said in a joint statement that the merger is to be put to a vote of all owners in the spring. "
    "It is not yet known how many of the jobs at the old site are to go, or who is to lead the new group."
)


def page(number: int, host: str, text: str) -> dict[str, Any]:
    return {"id": f"{number:032x}", "url": f"https://{host}/p{number}", "text": text}


def pages() -> list[dict[str, Any]]:
    draw = random.Random(3)
    short = "the of a in on it he by an to at".split()
    words = "river mill stone harbour winter copper bridge market letter teacher garden window engine summer".split()
    rows = []
    for n in range(9):
        text = TEMPLATE.format(trade=TRADES[n % len(TRADES)], city=CITIES[n], county=f"{CITIES[-n]} county")
        rows.append(page(n, f"best{n}.example", text))
        rows.append(page(100 + n, f"news{n}.example", RELEASE))
        plain = " ".join(" ".join(draw.choices(words + short, k=14)).capitalize() + "." for _ in range(5))
        rows.append(page(200 + n, f"own{n}.example", plain))
        spun = TEMPLATE.format(trade=TRADES[n % len(TRADES)], city=CITIES[n], county="the county")
        rows.append(page(300 + n, "one.example", spun.replace("We are", "They are").replace("Call us", "Ask them")))
    rows.append(page(400, "own.example", f"How the trick works: {TEMPLATE[:60]}"))
    rows.append({"id": f"{500:032x}", "url": None, "text": None})
    draw.shuffle(rows)
    return rows


def spam(rows: list[dict[str, Any]], shards: int = 1, batch_rows: int = 1000, **parameters: Any) -> Applied:
    documents = collection(rows, shards, batch_rows)
    stage = TemplateSpam(TemplateSpamParameters.model_validate(parameters))
    return apply(documents, stage.run(documents, GlobalContext(memory_mb=512, workers=1, recipe_hash="")))


def test_spun_pages_fall_and_equal_ones_and_those_of_one_host_stay() -> None:
    dropped = spam([row for row in pages() if int(row["id"], 16) < 300 or int(row["id"], 16) >= 400]).dropped
    assert {int(id, 16) for id in dropped} == set(range(9))
    verdict = next(iter(dropped.values()))
    assert verdict["rule"] == "template_over_hosts" and float(verdict["value"]) > 0.9 and verdict["threshold"] == "0.5"


def test_a_template_of_one_host_is_its_own_affair() -> None:
    assert not spam([row for row in pages() if 300 <= int(row["id"], 16) < 400]).dropped


def test_fewer_hosts_than_asked_for_are_no_pattern() -> None:
    few = [row for row in pages() if int(row["id"], 16) < 4]
    assert not spam(few).dropped
    assert len(spam(few, min_hosts=4).dropped) == 4


@pytest.mark.parametrize(("shards", "batch_rows"), [(1, 3), (4, 1000), (7, 2)])
def test_the_answer_does_not_depend_on_how_the_documents_are_cut(shards: int, batch_rows: int) -> None:
    rows = pages()
    expected, answer = spam(rows), spam(rows, shards, batch_rows)
    assert {id: verdict["value"] for id, verdict in answer.dropped.items()} == {
        id: verdict["value"] for id, verdict in expected.dropped.items()
    }
    assert {id: row["template_spam"] for id, row in answer.kept.items()} == {
        id: row["template_spam"] for id, row in expected.kept.items()
    }


def test_annotating_keeps_every_page_and_tells_its_share() -> None:
    kept = spam(pages(), mode="annotate").kept
    assert len(kept) == len(pages())
    assert kept[f"{0:032x}"]["template_spam"]["score"] > 0.9
    assert kept[f"{500:032x}"]["template_spam"]["score"] == 0


def test_a_frame_leaves_open_what_is_exchanged() -> None:
    frame = frame_of("We are the best in New York, so do call us.")
    assert frame == frame_of("We are the cheapest in Hull, so do call us.") == "we are the * in * so do * us"
    assert frame_of("The old mill.") is None
    assert frame_of("") is None
