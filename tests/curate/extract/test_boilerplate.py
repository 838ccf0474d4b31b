"""The stage `boilerplate`: a host's template leaves its pages, however the collection is cut."""

from __future__ import annotations

import random
from typing import Any

import pyarrow as pa
import pytest

from curate.registry import stage_class
from curate.stage import GlobalContext, Shared
from curate.stages.code_lines import are_code, line_numbers
from curate.stages.dedup.deduplicate import Deduplicate
from curate.stages.dedup.parameters import LinesParameters
from curate.stages.extract.boilerplate import Boilerplate, BoilerplateParameters
from curate.stages.extract.stage import Extract, ExtractParameters
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
    assert are_code(["a", "~~~", "b", "~~~", "c", "\td"]) == [False, True, True, True, False, True]


LISTING = "Listen 192.0.2.1:80\nUserDir disabled\n  Order deny,allow\n$ ./configure --prefix=/opt"


def manual(number: int) -> str:
    """A page of a manual in plain text; its listing is that of all translations."""
    own = " ".join(f"word{number}x{i} and" for i in range(60))
    return (
        f"<html><body><main><h1>Manual {number}</h1><p>{own} the end.</p><pre><code>{LISTING}</code></pre>"
        f"<p>{own} again.</p><p>Read this page in another language, or ask in the forum.</p></main></body></html>"
    )


@pytest.mark.parametrize("markdown", [False, True])
@pytest.mark.parametrize("stage", ["boilerplate", "lines"])
def test_the_extractor_tells_which_lines_are_code_and_they_stay(stage: str, markdown: bool) -> None:
    rows = [{"id": str(n), "url": f"https://manual.example/{n}", "html": manual(n)} for n in range(9)]
    extract = Extract(ExtractParameters(format="markdown" if markdown else "text"))
    batch = extract.process(pa.RecordBatch.from_pylist(rows), Shared()).batch
    assert batch.column("extract").field("n_code_characters").to_pylist() == [len(LISTING)] * 9
    table = pa.Table.from_batches([batch])

    def kept(**parameters: Any) -> list[str]:
        stage_of = {
            "boilerplate": lambda: Boilerplate(BoilerplateParameters(**parameters)),
            "lines": lambda: Deduplicate(LinesParameters(**parameters)),
        }
        context = GlobalContext(memory_mb=512, workers=1, recipe_hash="")
        documents = collection(table, 2)
        return [row["text"] for row in apply(documents, stage_of[stage]().run(documents, context)).kept.values()]

    for text in kept():
        assert LISTING in text and "another language" not in text
    if not markdown:
        assert not any("Listen 192.0.2.1" in text for text in kept(keep_code=False))


def test_a_line_of_code_is_known_also_as_an_item_of_a_list_and_quoted() -> None:
    known = line_numbers(["make install\n}", "x = 1"])
    assert are_code(["- make install", "> x = 1", "x = 2", "}"], known) == [True, True, False, True]


def test_stage_is_registered() -> None:
    assert stage_class("boilerplate") is Boilerplate
