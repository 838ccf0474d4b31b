"""The engine on small WARCs: every record accounted for, the same bytes however it is run, nothing done twice."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.engine.claim import Claim, OutputError
from curate.engine.columns import MissingColumnError, check_columns
from curate.engine.executor import Executor, InlineExecutor, RayExecutor
from curate.engine.progress import Progress
from curate.engine.run import Job, RunResult, run
from curate.recipe import load
from curate.sources import schema as input_schema
from curate.stage import Stage
from tests.curate.engine.misbehaving import Poison, PoisonParameters

STAGES = """
  - extract: {engine: resiliparse}
  - language: {keep: [en], min_score: 0.5}
  - deduplicate: {by: url}
  - deduplicate: {by: text}
"""


@pytest.fixture(scope="module")
def ray_two() -> Iterator[Callable[[], Executor]]:
    """One Ray for all tests of this module, so that it starts once."""
    executor = RayExecutor(workers=2)
    shared = _Kept(executor)
    yield lambda: shared
    executor.close()


class _Kept:
    """An executor that outlives the run that it is handed to."""

    def __init__(self, inner: RayExecutor) -> None:
        self.workers = inner.workers
        self.run = inner.run

    def close(self) -> None:
        """Stays open for the next test."""


def job(folder: Path, output: str, stages: str = STAGES, more: tuple[Stage, ...] = (), **settings: Any) -> Job:
    recipe_file = folder / "recipe.yaml"
    recipe_file.write_text(f"name: test\ninput: {{warc: {folder}/crawl/*.warc.gz}}\nstages:{stages}output: {output}\n")
    recipe = load(recipe_file, settings.pop("set", ()))
    return Job(
        "test", recipe.header.input, (*more, *recipe.stages), output, recipe.store, recipe.to_yaml(), recipe.hash(),
        settings.pop("cpu_seconds", 30.0), 512,
    )  # fmt: skip


def carry_out(what: Job, executor: Callable[[], Executor] = InlineExecutor) -> RunResult:
    return run(what, executor, Progress(quiet=True))


def published(result: RunResult) -> dict[str, str]:
    """Name → hash of all data files."""
    return {entry["path"]: entry["sha256"] for entry in result.manifest["files"]}


def rows(output: Path, folder: str) -> list[dict[str, Any]]:
    files = sorted((output / folder).rglob("*.parquet"))
    return [row for file in files for row in pq.ParquetFile(file).read().to_pylist()]


def test_every_record_is_in_exactly_one_of_kept_dropped_failed_or_skipped(tmp_path: Path, crawl: Path) -> None:
    output = tmp_path / "runs" / "one"
    result = carry_out(job(tmp_path, str(output)))
    counts = result.manifest["counts"]
    assert counts["read"] == 79
    assert counts["skipped"] == {"warcinfo": 2, "status_404": 1}
    ledger = rows(output, "ledger")
    assert len(ledger) == len({row["id"] for row in ledger}) == 79
    by_verdict = {v: {r["id"] for r in ledger if r["verdict"] == v} for v in ("kept", "dropped", "failed")}
    assert {row["id"] for row in rows(output, "documents")} == by_verdict["kept"]
    assert {row["id"] for row in rows(output, "dropped")} == by_verdict["dropped"]
    assert counts["kept"] == len(by_verdict["kept"]) and counts["failed"] == 0
    twin = next(row for row in ledger if row["verdict"] == "dropped" and row["stage"] == "deduplicate_text")
    assert {twin["url"], next(r["url"] for r in ledger if r["id"] == twin["duplicate_of"])} == {
        "http://site3.example/page/10",
        "http://site1.example/page/50",
    }


def test_a_second_run_does_nothing_and_leaves_the_folder_alone(tmp_path: Path, crawl: Path) -> None:
    output = tmp_path / "runs" / "one"
    first = carry_out(job(tmp_path, str(output)))
    stamps = {file: file.stat().st_mtime_ns for file in output.rglob("*") if file.is_file()}

    def refuse() -> Executor:
        raise AssertionError("there was nothing to do")

    second = carry_out(job(tmp_path, str(output)), refuse)
    assert not first.did_nothing and second.did_nothing
    assert {file: file.stat().st_mtime_ns for file in output.rglob("*") if file.is_file()} == stamps


def test_a_changed_threshold_redoes_no_extraction_even_in_another_run(tmp_path: Path, crawl: Path) -> None:
    first = carry_out(job(tmp_path, str(tmp_path / "runs" / "one")))
    other = carry_out(job(tmp_path, str(tmp_path / "runs" / "two"), set=["language.min_score=0.99"]))
    keys = [[phase["key"] for phase in r.manifest["phases"]] for r in (first, other)]
    assert keys[0][0] == keys[1][0] and keys[0][1] != keys[1][1]
    done = tmp_path / "runs" / ".phases" / keys[0][0] / "done"
    assert all(file.stat().st_mtime < (tmp_path / "runs/two/manifest.json").stat().st_mtime for file in done.iterdir())
    assert "extract" in first.manifest["phases"][0]["title"]


def test_ray_and_this_process_write_the_same_bytes(
    tmp_path: Path, crawl: Path, ray_two: Callable[[], Executor]
) -> None:
    inline = carry_out(job(tmp_path, str(tmp_path / "a" / "run")))
    rayed = carry_out(job(tmp_path, str(tmp_path / "b" / "run")), ray_two)
    assert published(inline) == published(rayed)


def test_a_record_that_crashes_hangs_or_raises_is_dead_lettered_and_the_rest_goes_on(
    tmp_path: Path, crawl: Path, ray_two: Callable[[], Executor]
) -> None:
    output = tmp_path / "runs" / "poisoned"
    poison = Poison(PoisonParameters())
    result = carry_out(job(tmp_path, str(output), more=(poison,), cpu_seconds=3.0), ray_two)
    failed = {row["url"].rsplit("/", 1)[-1]: (row["stage"], row["error"]) for row in rows(output, "failed")}
    assert failed == {
        "13": ("poison", "killed its process with SIGSEGV"),
        "57": ("poison", "exceeded 3 CPU seconds"),
        "19": ("poison", "ValueError: cannot bear http://site5.example/page/19"),
    }
    assert result.manifest["counts"]["read"] == 79
    healthy = carry_out(job(tmp_path, str(tmp_path / "other" / "run")))
    kept = {row["id"]: row["text"] for row in rows(output, "documents")}
    assert kept == {
        row["id"]: row["text"]
        for row in rows(tmp_path / "other" / "run", "documents")
        if row["url"].rsplit("/", 1)[-1] not in failed
    }
    assert healthy.manifest["counts"]["failed"] == 0


def test_ranges_of_any_size_give_the_same_documents(tmp_path: Path, crawl: Path) -> None:
    whole = carry_out(job(tmp_path, str(tmp_path / "a" / "run")))
    split = job(tmp_path, str(tmp_path / "b" / "run"), set=["input.shard_bytes=3000"])
    many = carry_out(split)
    assert many.manifest["input"]["shards"] > 10 * whole.manifest["input"]["shards"]
    texts = [{r["id"]: r["text"] for r in rows(tmp_path / name / "run", "documents")} for name in "ab"]
    assert texts[0] == texts[1]


def test_a_stage_without_its_column_is_refused_before_any_work(tmp_path: Path, crawl: Path) -> None:
    with pytest.raises(MissingColumnError, match="stage language reads the column 'text'"):
        carry_out(job(tmp_path, str(tmp_path / "run"), stages="\n  - language\n"))


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ("gopher_quality.wrods >= 50", r"reads the signal 'gopher_quality\.wrods', which gopher_quality does not have; "
                                       "it has: words, mean_word_length"),
        ("quality.score > 0.3 and quality.scor > 0", r"signal 'quality\.scor', which quality does not have; .*score"),
        ("language.score > 0.3", r"signal 'language\.score', which language does not have; it has: no fields"),
        ("gopher.words >= 50", "stage custom reads the column 'gopher', which is not there at that point"),
        ("gopher_quality.words >= 50 and quality.score > 0.0 and language == 'en'", None),
    ],
)  # fmt: skip
def test_a_rule_over_signals_that_nobody_measures_is_refused_before_any_work(
    tmp_path: Path, crawl: Path, rule: str, message: str | None
) -> None:
    stages = f'\n  - extract\n  - language\n  - gopher_quality\n  - quality\n  - custom: {{rule: "{rule}"}}\n'
    made = job(tmp_path, str(tmp_path / "run"), stages=stages)
    if message is None:
        check_columns(made.stages, input_schema(made.inputs))
        return
    with pytest.raises(MissingColumnError, match=message):
        carry_out(made)
    assert not (tmp_path / "run").exists()


def test_a_folder_that_is_no_run_is_left_alone(tmp_path: Path, crawl: Path) -> None:
    precious = tmp_path / "mine" / "documents"
    precious.mkdir(parents=True)
    (precious / "thesis.txt").write_text("years of work")
    with pytest.raises(OutputError, match=r"holds documents/ but no manifest\.json"):
        carry_out(job(tmp_path, str(tmp_path / "mine")))
    assert (precious / "thesis.txt").read_text() == "years of work"


def test_every_published_file_has_the_hash_that_the_manifest_says(tmp_path: Path, crawl: Path) -> None:
    import hashlib

    output = tmp_path / "runs" / "one"
    carry_out(job(tmp_path, str(output)))
    manifest = json.loads((output / "manifest.json").read_text())
    for entry in manifest["files"]:
        data = (output / entry["path"]).read_bytes()
        assert (hashlib.sha256(data).hexdigest(), len(data)) == (entry["sha256"], entry["bytes"])
        assert pq.read_metadata(pa.BufferReader(data)).num_rows == entry["rows"]


def test_a_folder_of_another_recipe_s_run_is_left_alone(tmp_path: Path, crawl: Path) -> None:
    output = tmp_path / "runs" / "one"
    first = carry_out(job(tmp_path, str(output)))
    other = replace(job(tmp_path, str(output), set=["language.min_score=0.9"]), name="other")
    with pytest.raises(OutputError, match=r"holds the run of another recipe, 'test', and this one's name is 'other'"):
        carry_out(other)
    assert json.loads((output / "manifest.json").read_text()) == first.manifest


def test_a_run_is_refused_while_another_writes_to_its_folder(tmp_path: Path, crawl: Path) -> None:
    output = tmp_path / "runs" / "one"
    claim = Claim(str(output), "test")
    with pytest.raises(OutputError, match="is being written by another run at this moment"):
        carry_out(job(tmp_path, str(output)))
    claim.close()
    assert carry_out(job(tmp_path, str(output))).manifest["counts"]["read"] == 79
    assert not (output / ".lock").exists()


@pytest.mark.parametrize("output", ["crawl/0.warc.gz", "crawl/0.warc.gz/below", "nosuch://bucket/x"])
def test_an_output_that_can_be_no_folder_is_refused_before_any_work(tmp_path: Path, crawl: Path, output: str) -> None:
    where = output if "://" in output else str(tmp_path / output)
    made = replace(job(tmp_path, str(tmp_path / "run")), output=where)
    with pytest.raises(OutputError, match="output: "):
        carry_out(made)
    assert not (tmp_path / ".phases").exists()


def test_a_global_stage_counts_the_documents_that_those_before_it_left(tmp_path: Path, crawl: Path) -> None:
    stages = """
  - extract: {engine: resiliparse}
  - deduplicate: {by: text}
  - deduplicate: {by: url}
"""
    phases = carry_out(job(tmp_path, str(tmp_path / "runs" / "one"), stages)).manifest["phases"]
    seen = {phase["title"]: phase["summary"]["documents"] for phase in phases if "summary" in phase}
    assert seen == {"deduplicate_text": 79, "deduplicate_url": 78}
