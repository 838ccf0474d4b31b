"""Deduplication carried out by the engine, in files: the same for any cut of the input and after any kill."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.commands.run import job_of
from curate.engine.executor import InlineExecutor, RayExecutor
from curate.engine.progress import Progress
from curate.engine.run import run as carry_out
from curate.recipe import load
from curate.stage import Resources
from tests.curate.dedup.test_minhash import planted

RECIPE = """
name: near
input: {{parquet: {data}/*.parquet}}
stages:
  - deduplicate: {{by: text}}
  - deduplicate: {{by: minhash, verify: 0.7}}
  - deduplicate: {{by: substring, length: 40}}
  - deduplicate: {{by: lines, within: collection}}
output: {output}
"""


class KilledError(RuntimeError):
    """Stands for a SIGKILL."""


class MortalExecutor(InlineExecutor):
    """Dies after some tasks, one of them done but its answer lost."""

    def __init__(self, tasks: int) -> None:
        self.left = tasks

    def run(self, tasks: Iterable[Any], work: Callable[[Any], Any], resources: Resources) -> Iterator[Any]:
        for task in tasks:
            answer = work(task)
            self.left -= 1
            if self.left <= 0:
                raise KilledError
            yield answer


def written(folder: Path, rows: list[dict[str, Any]], files: int) -> Path:
    """A folder of input files."""
    folder.mkdir(parents=True)
    for number in range(files):
        part = pa.Table.from_pylist([{**row, "url": f"http://a.example/{row['id']}"} for row in rows[number::files]])
        pq.write_table(part.drop_columns(["date", "source"]), folder / f"{number}.parquet")
    return folder


def recipe_in(folder: Path, data: Path) -> Path:
    """A recipe whose run, and all that it commits, is in the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    recipe = folder / "recipe.yaml"
    recipe.write_text(RECIPE.format(data=data, output=folder / "run"), encoding="utf-8")
    return recipe


def run(recipe: Path, make: Callable[[], Any]) -> None:
    carry_out(job_of(load(recipe, [], None)), make, Progress(True))


def answers(recipe: Path) -> dict[str, Any]:
    """What became of each document, and the audit, by id."""
    output = recipe.parent / "run"
    ledger = pq.read_table(output / "ledger").select(["id", "verdict", "stage", "rule", "value", "duplicate_of"])
    audit = pq.read_table(output / "duplicates" / "deduplicate_minhash")
    texts = pq.read_table(output / "documents", columns=["id", "text", "cluster", "cluster_size"])
    return {
        name: sorted(table.to_pylist(), key=lambda row: row["id"])
        for name, table in (("ledger", ledger), ("audit", audit), ("texts", texts))
    }


def file_bytes(recipe: Path) -> dict[str, bytes]:
    output = recipe.parent / "run"
    return {str(p.relative_to(output)): p.read_bytes() for p in sorted(output.rglob("*.parquet"))}


def test_the_cut_of_the_input_changes_nothing(tmp_path: Path) -> None:
    rows = planted(8, 12)
    found = []
    for files in (1, 2, 5):
        recipe = recipe_in(tmp_path / f"run-{files}", written(tmp_path / str(files), rows, files))
        run(recipe, InlineExecutor)
        found.append(answers(recipe))
    assert found[0] == found[1] == found[2]
    dropped = [row for row in found[0]["ledger"] if row["verdict"] == "dropped"]
    assert {row["stage"] for row in dropped} >= {"deduplicate_text", "deduplicate_minhash"}


def test_a_run_killed_in_every_operation_ends_with_the_same_bytes(tmp_path: Path) -> None:
    data = written(tmp_path / "data", planted(5, 8), 2)
    calm, killed = recipe_in(tmp_path / "calm", data), recipe_in(tmp_path / "killed", data)
    run(calm, InlineExecutor)
    deaths = 0
    finished = False
    while not finished and deaths < 300:
        try:
            # 1 to 7 tasks an attempt: some tasks, such as those of publication, are done together or not at all
            run(killed, partial(MortalExecutor, 1 + deaths % 7))
            finished = True
        except KilledError:
            deaths += 1
    assert finished
    assert deaths > 20
    expected = file_bytes(calm)
    assert len(expected) >= 10
    assert file_bytes(killed) == expected


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2, 4])
def test_the_number_of_workers_changes_nothing(tmp_path: Path, workers: int) -> None:
    rows = planted(25, 40)
    data = written(tmp_path / "data", rows, 4)
    calm, parallel = recipe_in(tmp_path / "inline", data), recipe_in(tmp_path / "ray", data)
    run(calm, InlineExecutor)
    run(parallel, lambda: RayExecutor(workers, None))
    assert answers(parallel) == answers(calm)
    assert file_bytes(parallel) == file_bytes(calm)
