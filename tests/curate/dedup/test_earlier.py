"""Deduplication against earlier runs: their indexes say what they saw, as one run over everything would."""

from __future__ import annotations

import random
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.engine.executor import InlineExecutor
from curate.stage import GlobalContext
from curate.stages.dedup.deduplicate import Deduplicate
from curate.stages.dedup.earlier import Lookup, earlier_files
from curate.stages.dedup.parameters import DeduplicateParameters
from tests.curate.dedup.test_exact import deduplicate, pages
from tests.curate.dedup.test_minhash import planted
from tests.curate.dedup.test_through_the_engine import KilledError, MortalExecutor, run
from tests.curate.stages.collection import Applied, apply, collection

WAYS: list[dict[str, Any]] = [{"by": "minhash"}, {"by": "text"}, {"by": "url"}]


def rows_of(by: str) -> list[dict[str, Any]]:
    rows = planted(25, 60) if by == "minhash" else pages(500, 120)
    random.Random(5).shuffle(rows)
    return rows


def indexed(
    folder: Path, rows: list[dict[str, Any]], shards: int = 2, recipe: str = "", batch_rows: int = 50, **given: Any
) -> Applied:
    """One stage over the rows, its index written as a run's folder has it."""
    documents = collection(rows, shards, batch_rows)
    stage = Deduplicate(DeduplicateParameters.model_validate(given | {"index": True}), f"deduplicate_{given['by']}")
    outcome = stage.run(documents, GlobalContext(memory_mb=512, workers=1, recipe_hash=recipe))
    for files in outcome.files:
        if files.folder.startswith("index/"):
            (folder / files.folder).mkdir(parents=True)
            assert files.names is not None
            for name, table in zip(files.names, files.collection.shards, strict=True):  # type: ignore[attr-defined]
                pq.write_table(table, folder / files.folder / name, row_group_size=100)
    for name, data in outcome.artifacts.items():
        if name.startswith("index/"):
            (folder / name).write_bytes(data)
    return apply(documents, outcome)


@pytest.mark.parametrize("given", WAYS, ids=lambda given: given["by"])
def test_the_second_run_drops_what_one_run_over_both_that_prefers_the_first_would(
    tmp_path: Path, given: dict[str, Any]
) -> None:
    rows = rows_of(given["by"])
    half = len(rows) // 2
    first, second = (
        [row | {"source": name} for row in part] for name, part in (("a", rows[:half]), ("b", rows[half:]))
    )
    indexed(tmp_path / "a", first, **given)
    both = deduplicate(first + second, 3, drop_only={"source": "b"}, **given)
    for shards, batch_rows in ((1, 1000), (4, 13)):
        random.Random(shards).shuffle(second)
        answer = deduplicate(second, shards, batch_rows, against=str(tmp_path / "a"), **given)
        assert set(answer.dropped) == set(both.dropped)
        assert {id: v["duplicate_of"] for id, v in answer.dropped.items()} == {
            id: v["duplicate_of"] for id, v in both.dropped.items()
        }
        earlier = {row["id"] for row in first}
        assert len({v["duplicate_of"] for v in answer.dropped.values()} & earlier) > 10
        audit = answer.files[f"duplicates/deduplicate_{given['by']}"]
        assert {row["id"] for row in audit if row["keeper"] in earlier} <= set(answer.dropped)
        assert all(row["joined_to"] for row in audit if row["keeper"] in earlier)


@pytest.mark.parametrize("given", WAYS, ids=lambda given: given["by"])
def test_a_third_run_sees_the_indexes_of_both_before_it(tmp_path: Path, given: dict[str, Any]) -> None:
    rows = rows_of(given["by"])
    parts = [rows[0::3], rows[1::3], rows[2::3]]
    kept = set(indexed(tmp_path / "run-a", parts[0], **given).kept)
    kept |= set(indexed(tmp_path / "run-b", parts[1], against=str(tmp_path / "run-a"), **given).kept)
    answer = indexed(tmp_path / "run-c", parts[2], shards=5, against=[str(tmp_path / "run-[ab]")], **given)
    both = deduplicate(
        [row | {"source": "ab"} for row in parts[0] + parts[1]] + [row | {"source": "c"} for row in parts[2]],
        2,
        drop_only={"source": "c"},
        **given,
    )
    assert set(answer.dropped) == set(both.dropped)
    # what a verdict names was kept by the run that first had it
    assert {v["duplicate_of"] for v in answer.dropped.values()} <= kept | set(answer.kept)


def test_documents_that_may_not_be_dropped_stay_beside_earlier_ones(tmp_path: Path) -> None:
    rows = [row | {"source": "a/1" if index % 2 else "b/1"} for index, row in enumerate(pages(200, 40))]
    indexed(tmp_path / "a", rows, by="text")
    again = [row | {"id": f"again-{row['id']}"} for row in rows]
    answer = deduplicate(again, 2, by="text", against=str(tmp_path / "a"), drop_only={"source": "a/*"})
    assert {row["source"] for row in answer.kept.values()} == {"b/1"}
    assert len(answer.dropped) == 100
    annotated = deduplicate(again, 2, by="text", against=str(tmp_path / "a"), mode="annotate")
    assert not annotated.dropped
    assert not any(row["cluster"].startswith("again-") for row in annotated.kept.values())


def test_a_lookup_finds_every_key_over_batches_files_and_row_groups(tmp_path: Path) -> None:
    rows = pages(900, 700)
    indexed(tmp_path / "a", rows[:600], by="text")
    files = earlier_files([str(tmp_path / "a")], {"by": "text", "normalize": "case"})
    table = pa.concat_tables([pq.read_table(file.url.removeprefix("file://")) for file in files]).sort_by("high")
    high, low = (table.column(name).to_numpy() for name in ("high", "low"))
    assert high.max() > 2**63
    for size in (1, 7, 1000):
        lookup = Lookup(files)
        found = [
            id for at in range(0, len(high), size) for id in lookup.match(high[at : at + size], low[at : at + size])
        ]
        assert found == table.column("id").to_pylist()
    twice = Lookup(files).match(high[[5, 5, 9]], low[[5, 5, 8]])
    assert twice == [table.column("id")[5].as_py()] * 2 + [None]


def test_the_fingerprint_is_that_of_what_the_index_holds(tmp_path: Path) -> None:
    rows = rows_of("minhash")

    def fingerprint() -> str:
        given = {"by": "minhash", "against": [str(tmp_path / "*")]}
        return Deduplicate(DeduplicateParameters.model_validate(given)).fingerprint()

    indexed(tmp_path / "a", rows[:100], recipe="one", by="minhash")
    before = fingerprint()
    (tmp_path / "a").rename(tmp_path / "elsewhere")
    assert fingerprint() == before
    indexed(tmp_path / "b", rows[100:200], recipe="one", by="minhash")
    assert fingerprint() != before


def test_indexes_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    rows = pages(20, 10)
    indexed(tmp_path / "a", rows, recipe="mine", by="text")
    with pytest.raises(ValueError, match=r"no run with an index.*`index: true`"):
        deduplicate(rows, by="text", against=str(tmp_path / "nowhere"))
    with pytest.raises(ValueError, match=r'"normalize": "case".*needs.*"normalize": "space"'):
        deduplicate(rows, by="text", normalize="space", against=str(tmp_path / "a"))
    with pytest.raises(ValueError, match="own index"):
        indexed(tmp_path / "b", rows, recipe="mine", by="text", against=str(tmp_path / "a"))
    with pytest.raises(ValueError, match="second stage"):
        DeduplicateParameters.model_validate({"by": "minhash", "verify": 0.7, "against": ["a"]})


RECIPE = """
name: {name}
input: {{parquet: {data}}}
stages:
  - deduplicate: {{by: text, index: true{against}}}
  - deduplicate: {{by: minhash, index: true{against}}}
output: {output}
"""


def test_runs_of_the_engine_leave_and_read_indexes_whatever_kills_them(tmp_path: Path) -> None:
    rows = planted(6, 10)

    def recipe(name: str, part: list[dict[str, Any]], against: str) -> Path:
        data = tmp_path / f"{name}.parquet"
        pq.write_table(pa.Table.from_pylist([{"id": row["id"], "text": row["text"]} for row in part]), data)
        file = tmp_path / f"{name}.yaml"
        file.write_text(RECIPE.format(name=name, data=data, against=against, output=tmp_path / name))
        return file

    def ledger(name: str) -> list[dict[str, Any]]:
        table = pq.read_table(tmp_path / name / "ledger").select(["id", "verdict", "stage", "rule", "duplicate_of"])
        return sorted(table.to_pylist(), key=lambda row: str(row["id"]))

    run(recipe("a", rows[::2], ""), InlineExecutor)
    against = f", against: {tmp_path / 'a'}"
    run(recipe("calm", rows[1::2], against), InlineExecutor)
    killed = recipe("killed", rows[1::2], against)
    deaths = 0
    while deaths < 200:
        try:
            run(killed, partial(MortalExecutor, 1 + deaths % 9))
            break
        except KilledError:
            deaths += 1
    assert 5 < deaths < 200
    assert ledger("killed") == ledger("calm")
    kept = {row["id"] for row in ledger("a") if row["verdict"] == "kept"}
    named = {row["duplicate_of"] for row in ledger("calm") if row["duplicate_of"]}
    assert len(named & kept) >= 5
