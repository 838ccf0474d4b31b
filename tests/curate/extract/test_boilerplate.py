"""The stage `boilerplate`: a host's template leaves its pages, however the collection is cut."""

from __future__ import annotations

import random
from typing import Any

import pytest

from curate.registry import stage_class
from curate.stage import GlobalContext
from curate.stages.extract.boilerplate import Boilerplate, BoilerplateParameters, code_lines
from tests.curate.stages.collection import Applied, apply, collection


def strip(rows: list[dict[str, Any]], shards: int = 1, batch_rows: int = 1000, **parameters: Any) -> Applied:
    documents = collection(rows, shards, batch_rows)
    stage = Boilerplate(BoilerplateParameters(**parameters))
    return apply(documents, stage.run(documents, GlobalContext(memory_mb=512, workers=1, recipe_hash="")))


def page(host: str, number: int, *lines: str) -> dict[str, Any]:
    body = f"What page {number} of {host} says is its own: " + " ".join(f"w{number}x{i}" for i in range(20))
    text = "\n".join(["Home | Shop | About", body, *lines])
    return {"id": f"{host}/{number}", "url": f"https://{host}/{number}", "text": text, "body": body}


def test_lines_of_two_in_five_pages_go_and_rarer_ones_stay() -> None:
    rows = [page("a.example", n, *(["Spring sale"] if n < 8 else []), *(["Rare"] if n < 7 else [])) for n in range(20)]
    kept = strip(rows).kept
    for n, row in enumerate(rows):
        assert kept[row["id"]]["text"] == row["body"] + ("\nRare" if n < 7 else "")
    assert kept["a.example/0"]["boilerplate"]["lines_removed"] == 2


def test_hosts_of_few_pages_and_documents_without_a_host_are_let_alone() -> None:
    rows = [page("small.example", n) for n in range(4)]
    rows += [{**page("", n), "url": None} for n in range(9)]
    kept = strip(rows, 2).kept
    assert all(kept[row["id"]]["text"] == row["text"] for row in rows)


def test_www_is_the_same_host_and_case_and_space_do_not_matter() -> None:
    rows = [page("www.a.example" if n % 2 else "a.example", n) for n in range(6)]
    rows[3]["text"] = rows[3]["text"].replace("Home | Shop", "HOME |  shop")
    assert all(row["text"] == row["body"] for row in strip(rows).kept.values())


@pytest.mark.parametrize("seed", [0, 1])
def test_the_answer_does_not_depend_on_shards_batches_or_order(seed: int) -> None:
    draw = random.Random(seed)
    menu = [f"Menu entry {i}" for i in range(12)]
    rows = [page(f"h{draw.randrange(6)}.example", n, *draw.sample(menu, draw.randrange(9))) for n in range(90)]
    whole = strip(rows, min_words=30)
    assert any(row["boilerplate"]["lines_removed"] > 1 for row in whole.kept.values())
    for shards, batch_rows in ((1, 3), (4, 1000), (7, 5)):
        draw.shuffle(rows)
        cut = strip(rows, shards, batch_rows, min_words=30)
        assert {id: row["text"] for id, row in cut.kept.items()} == {id: row["text"] for id, row in whole.kept.items()}
        assert set(cut.dropped) == set(whole.dropped)


def test_what_is_left_too_short_is_dropped_with_that_reason() -> None:
    rows = [{"id": str(n), "url": "https://a.example/", "text": f"Same on all\nown {n}"} for n in range(5)]
    rows.append({"id": "short", "url": "https://b.example/", "text": "one"})
    answer = strip(rows, 2)
    assert set(answer.kept) == {"short"}
    assert {(v["rule"], v["value"], v["threshold"]) for v in answer.dropped.values()} == {
        ("too_short_without_boilerplate", "2", "20")
    }
    assert strip(rows, 2, mode="annotate").kept["0"]["text"] == "own 0"


def test_code_stays() -> None:
    code = ["```python", "import numpy", "}", "```", "    return 0", "---"]
    rows = [page("docs.example", n, *code, "Was this page helpful?") for n in range(9)]
    assert all(row["text"] == "\n".join([row["body"], *code]) for row in strip(rows).kept.values())
    assert code_lines(["a", "~~~", "b", "~~~", "c", "\td"]) == [False, True, True, True, False, True]


def test_stage_is_registered() -> None:
    assert stage_class("boilerplate") is Boilerplate
