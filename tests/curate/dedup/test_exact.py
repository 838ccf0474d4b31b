"""deduplicate by url and by text: one of each stays, whichever way the input was cut."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from curate.recipe import RecipeError, load
from curate.stage import GlobalContext
from curate.stages.dedup.deduplicate import Deduplicate
from curate.stages.dedup.parameters import DeduplicateParameters, MinhashParameters, UrlParameters
from tests.curate.stages.collection import Applied, apply, collection

CONTEXT = GlobalContext(memory_mb=512, workers=1, recipe_hash="")


def deduplicate(rows: list[dict[str, Any]], shards: int = 1, batch_rows: int = 1000, **parameters: Any) -> Applied:
    documents = collection(rows, shards, batch_rows)
    stage = Deduplicate(DeduplicateParameters.model_validate(parameters), f"deduplicate_{parameters['by']}")
    return apply(documents, stage.run(documents, CONTEXT))


def pages(n: int, urls: int, seed: int = 0) -> list[dict[str, Any]]:
    """n documents over `urls` URLs and texts, in random order."""
    draw = random.Random(seed)
    out = []
    for index in range(n):
        page = draw.randrange(urls)
        out.append(
            {
                "id": f"{draw.getrandbits(128):032x}",
                "url": f"http{draw.choice(['', 's'])}://www.a.example/{page}?utm_source={index}",
                "date": f"2025-01-{draw.randrange(1, 29):02d}T00:00:00Z",
                "source": draw.choice(["a/1", "b/1"]),
                "text": draw.choice(["  Page  {}", "page {}\n", "PAGE {}"]).format(page),
                "quality": {"score": draw.choice([None, 0.25, 0.5, 0.75])},
            }
        )
    return out


def test_by_url_keeps_the_best_and_names_it() -> None:
    rows = [
        {"id": "a", "url": "http://x.example/1/", "text": "short", "date": "2025-01-02"},
        {"id": "b", "url": "https://www.x.example/1#top", "text": "a longer text", "date": "2025-01-03"},
        {"id": "c", "url": "http://x.example/2", "text": "other", "date": None},
        {"id": "d", "url": None, "text": "nowhere", "date": None},
        {"id": "e", "url": None, "text": "nowhere", "date": None},
    ]
    answer = deduplicate(rows, by="url")
    assert set(answer.kept) == {"b", "c", "d", "e"}
    (verdict,) = answer.dropped.values()
    assert verdict["rule"] == "duplicate_url"
    assert verdict["value"] == "http://x.example/1"
    assert verdict["duplicate_of"] == "b"
    assert answer.kept["b"]["cluster_size"] == 2
    assert answer.kept["c"]["cluster_size"] == 1
    assert answer.kept["c"]["cluster"] == "c"
    audit = {row["id"]: row for row in answer.files["duplicates/deduplicate_url"]}
    assert set(audit) == {"a", "b"}
    assert audit["a"]["keeper"] == audit["a"]["joined_to"] == "b"
    assert audit["b"]["joined_to"] is None


@pytest.mark.parametrize("by", ["url", "text"])
def test_the_answer_is_that_of_a_plain_dictionary_however_the_input_is_cut(by: str) -> None:
    rows = pages(700, 150)
    best: dict[str, dict[str, Any]] = {}
    key = {"url": lambda row: row["url"].split("/")[3].split("?")[0], "text": lambda row: row["text"].split()[1]}[by]

    def rank(row: dict[str, Any]) -> Any:
        score = row["quality"]["score"]
        return (-score if score is not None else 9, -len(row["text"]), row["date"], row["id"])

    for row in rows:
        if key(row) not in best or rank(row) < rank(best[key(row)]):
            best[key(row)] = row
    expected = {row["id"]: best[key(row)]["id"] for row in rows if best[key(row)] is not row}
    for shards, batch_rows in ((1, 1000), (3, 7), (13, 64)):
        random.Random(shards).shuffle(rows)
        answer = deduplicate(rows, shards, batch_rows, by=by)
        assert {id: verdict["duplicate_of"] for id, verdict in answer.dropped.items()} == expected
        assert sum(row["cluster_size"] for row in answer.kept.values()) == len(rows)


def test_sizes_add_up_over_two_passes() -> None:
    rows = pages(300, 60)
    first = deduplicate(rows, 2, by="url")
    second = deduplicate(
        [{k: v for k, v in row.items() if k not in ("row", "cluster")} for row in first.kept.values()], 2, by="text"
    )
    assert sum(row["cluster_size"] for row in second.kept.values()) == 300


def test_drop_only_spares_the_other_collection() -> None:
    rows = pages(400, 40)
    answer = deduplicate(rows, 3, by="text", drop_only={"source": "a/*"})
    by_id = {row["id"]: row for row in rows}
    assert {by_id[id]["source"] for id in answer.dropped} == {"a/1"}
    in_b = {row["text"].split()[1] for row in rows if row["source"] == "b/1"}
    # every page of A that B has is gone, in favour of B's
    assert not [row for row in answer.kept.values() if row["source"] == "a/1" and row["text"].split()[1] in in_b]
    assert all(by_id[v["duplicate_of"]]["source"] == "b/1" for v in answer.dropped.values())


def test_annotate_drops_nothing_and_names_clusters() -> None:
    answer = deduplicate(pages(100, 10), 2, by="text", mode="annotate")
    assert not answer.dropped
    assert len({row["cluster"] for row in answer.kept.values()}) == 10


def test_parameters_are_those_of_the_way() -> None:
    assert isinstance(DeduplicateParameters.model_validate({"by": "url"}), UrlParameters)
    assert isinstance(DeduplicateParameters.model_validate({"by": "minhash", "ngram": 7}), MinhashParameters)
    for wrong, message in (
        ({"by": "url", "ngram": 5}, "ngram"),
        ({"by": "simhash"}, "simhash"),
        ({}, "none of"),
        ({"by": "url", "keep": "tallest"}, "tallest"),
        ({"by": "url", "without_rules": ["ww"]}, "ww"),
        ({"by": "minhash", "threshold": 0.8, "bands": 3}, "threshold"),
    ):
        with pytest.raises(ValidationError, match=message):
            DeduplicateParameters.model_validate(wrong)


def test_a_missing_ranking_column_is_named() -> None:
    with pytest.raises(ValueError, match=r"fluency\.score"):
        deduplicate(pages(3, 2), by="url", keep="max fluency.score")
    with pytest.raises(ValueError, match="no 'dump'"):
        deduplicate(pages(3, 2), by="url", drop_only={"dump": "2024-*"})


def test_a_recipe_is_told_the_keys_of_the_way_it_names(tmp_path: Path) -> None:
    recipe = tmp_path / "recipe.yaml"
    for given, message in (
        ("{by: minhash, treshold: 0.8}", "threshold"),
        ("{by: url, ngram: 5}", "allowed: .*without_rules"),
        ("{by: simhash}", "minhash"),
    ):
        recipe.write_text(f"name: x\ninput: {{jsonl: x.jsonl}}\nstages:\n  - deduplicate: {given}\noutput: out\n")
        with pytest.raises(RecipeError, match=message):
            load(recipe, [], None)
