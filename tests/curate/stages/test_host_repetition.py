"""Pages filled in from their host's own text fall; pages with a text of their own stay, furniture and all."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

from curate.stage import GlobalContext
from curate.stages.safety.host_repetition import MIN_RUNS, HostRepetition, HostRepetitionParameters, runs_of
from tests.curate.stages.collection import Applied, apply, collection

WORDS = (
    "river mill stone harbour winter copper bridge market letter teacher garden window engine summer candle forest "
    "ledger valley orchard saddle kettle lantern meadow anchor barrel chimney ferry granite hammer island"
).split()
FILLER = (
    "Order your {thing} today and have it sent to your door by our own drivers within two working days of payment. "
    "Every {thing} that we sell has been looked at by hand before it leaves the warehouse, so that nothing arrives "
    "broken, and if you should not be happy with it you may send it back to us free of charge for a whole month. "
    "Our team answers questions about sizes, colours and materials on every day of the week from eight until six. "
    "Sign up for our letter and be the first to hear of the next sale, with codes that are sent to nobody else."
)
FOOTER = (
    "Follow us on all of the usual channels, read our terms before you order, and tell a friend about our shop; "
    "we have been a family firm since the year of the great flood and hope to be one for another hundred years."
)


def own_text(seed: int, words: int = 300) -> str:
    draw = random.Random(seed)
    return " ".join(draw.choice(WORDS) for _ in range(words)) + "."


def page(number: int, host: str, text: str | None) -> dict[str, Any]:
    return {"id": f"{number:032x}", "url": f"https://{host}/p{number}", "text": text}


def pages() -> list[dict[str, Any]]:
    rows = [page(n, "www.shop.example", FILLER.format(thing=WORDS[n])) for n in range(8)]
    rows += [page(100 + n, "shop.example", f"{own_text(n)} {FOOTER}") for n in range(8)]
    rows += [page(200 + n, f"one{n}.example", FILLER.format(thing=WORDS[n])) for n in range(8)]
    rows += [page(300 + n, "short.example", "Back to the list of all the things that we sell") for n in range(8)]
    rows += [page(400 + n, "few.example", FILLER.format(thing=WORDS[n])) for n in range(3)]
    rows.append({"id": f"{500:032x}", "url": None, "text": None})
    random.Random(1).shuffle(rows)
    return rows


def answer(rows: list[dict[str, Any]], shards: int = 1, batch_rows: int = 1000, **parameters: Any) -> Applied:
    documents = collection(rows, shards, batch_rows)
    stage = HostRepetition(HostRepetitionParameters.model_validate(parameters))
    return apply(documents, stage.run(documents, GlobalContext(memory_mb=512, workers=1, recipe_hash="")))


def test_only_pages_made_of_their_hosts_text_fall() -> None:
    dropped = answer(pages()).dropped
    assert {int(id, 16) for id in dropped} == set(range(8))
    verdict = next(iter(dropped.values()))
    assert verdict["rule"] == "repeats_its_host" and float(verdict["value"]) > 0.6 and verdict["threshold"] == "0.5"


def test_fewer_pages_than_asked_for_are_no_pattern() -> None:
    assert {int(id, 16) for id in answer(pages(), min_pages=3).dropped} == {*range(8), 400, 401, 402}
    assert not answer(pages(), min_pages=9).dropped


@pytest.mark.parametrize(("shards", "batch_rows"), [(1, 3), (4, 1000), (7, 2)])
def test_the_answer_does_not_depend_on_how_the_documents_are_cut(shards: int, batch_rows: int) -> None:
    expected, found = answer(pages()), answer(pages(), shards, batch_rows)
    assert {id: row["value"] for id, row in found.dropped.items()} == {
        id: row["value"] for id, row in expected.dropped.items()
    }
    assert {id: row["host_repetition"] for id, row in found.kept.items()} == {
        id: row["host_repetition"] for id, row in expected.kept.items()
    }


def test_annotating_keeps_every_page_and_tells_its_share() -> None:
    kept = answer(pages(), mode="annotate").kept
    assert len(kept) == len(pages())
    assert kept[f"{0:032x}"]["host_repetition"]["score"] > 0.6
    assert 0 < kept[f"{100:032x}"]["host_repetition"]["score"] < 0.3
    assert kept[f"{500:032x}"]["host_repetition"]["score"] == 0


def test_runs_are_of_words_in_their_order() -> None:
    words = np.random.default_rng(0).integers(0, 2**63, 400).astype(np.uint64)
    runs = runs_of(words, 8)
    assert MIN_RUNS < len(runs) < 200
    assert set(runs_of(words[100:300], 8)) <= set(runs)
    assert not set(runs_of(words[::-1], 8)) & set(runs)
    assert len(runs_of(words[:7], 8)) == len(runs_of(words[:20], 8)) == 0
