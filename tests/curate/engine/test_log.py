"""The run's log: what happened in every attempt, and nothing of a document."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from curate.engine.log import RunLog
from curate.stage import GlobalStage, StageParameters
from tests.curate.engine.test_run import carry_out, job


class Refusing(GlobalStage):
    """Quotes a document in an error that is not the project's own."""

    name = "refusing"
    reads = ("id",)
    Parameters = StageParameters

    def run(self, documents: Any, context: Any) -> Any:
        raise LookupError("harbour copper letter")


def lines(output: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (output / "log.jsonl").read_text(encoding="utf-8").splitlines()]


def test_the_log_names_versions_phases_and_counts_and_a_run_that_finds_all_done_adds_nothing(
    tmp_path: Path, crawl: Path
) -> None:
    output = tmp_path / "run"
    result = carry_out(job(tmp_path, str(output)))
    told = lines(output)
    assert [line["event"] for line in told] == ["run", *["phase"] * len(result.manifest["phases"]), "done"]
    assert {"python", "pyarrow", "ray"} <= set(told[0]["versions"])
    assert told[1]["phase"] == "read → extract" and told[1]["read"] == 79
    assert told[-2]["phase"] == "write what is kept" and told[-2]["kept"] == result.manifest["counts"]["kept"]
    assert 0 <= told[-1]["start_seconds"] <= told[-1]["seconds"]
    assert {name: told[-1][name] for name in ("read", "kept")} == {
        "read": 79,
        "kept": result.manifest["counts"]["kept"],
    }
    carry_out(job(tmp_path, str(output)))
    assert lines(output) == told


def test_an_attempt_that_stops_is_told_without_the_words_of_a_foreign_error(tmp_path: Path, crawl: Path) -> None:
    output = tmp_path / "run"
    with pytest.raises(LookupError):
        carry_out(job(tmp_path, str(output), more=(Refusing(StageParameters()),)))
    assert lines(output)[-1]["error"] == "LookupError"
    assert "harbour" not in (output / "log.jsonl").read_text(encoding="utf-8")
    carry_out(job(tmp_path, str(output)))
    assert [line["event"] for line in lines(output)].count("run") == 2
    assert lines(output)[-1]["event"] == "done"


def test_a_worker_that_dies_is_told_by_its_task(tmp_path: Path) -> None:
    RunLog(str(tmp_path)).lost("key/done/00003.json", 1, "WorkerCrashedError")
    assert lines(tmp_path)[-1]["task"] == "key/done/00003.json"
