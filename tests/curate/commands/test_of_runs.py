"""What the commands say of runs: whole, half, failed, or of another kind than they need; on a disk and at a URL."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

from curate.cli import main
from curate.engine.executor import InlineExecutor
from curate.engine.local_ray import LocalRay

TEXTS = [
    {"id": f"{n:032x}", "url": f"http://a.example/{n}", "text": "the river and the mill with that stone " * n}
    for n in range(1, 40)
]


def recipe(folder: Path, stages: str, **header: str) -> Path:
    texts = folder / "texts.jsonl"
    if not texts.exists():
        texts.write_text("".join(json.dumps(row) + "\n" for row in TEXTS))
    file = folder / "recipe.yaml"
    given = {"name": "small", "input": f"{{jsonl: {texts}}}", "output": f"{folder}/run"} | header
    file.write_text("".join(f"{key}: {value}\n" for key, value in given.items()) + f"stages:\n{stages}")
    return file


QUALITY = "  - language\n  - gopher_quality: {min_words: 30}\n"


def test_the_commands_of_a_run_read_it_at_a_url(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = "memory://bucket/run"
    assert main(["run", str(recipe(tmp_path, QUALITY, output=output)), "--inline", "--quiet"]) == 0
    assert main(["what-if", output, "--set", "gopher_quality.min_words=100"]) == 0
    assert main(["what-if", output, "--sweep", "gopher_quality.min_words=10:100:30"]) == 0
    assert main(["calibrate", output, "--out", str(tmp_path / "table.json"), "--min-documents", "10"]) == 0
    assert main(["status", output]) == 0
    assert main(["verify", output]) == 0
    assert main(["explain", output, "http://a.example/20"]) == 0
    said = capsys.readouterr().out
    assert "documents that are kept, and their tokens at 4.3 bytes each" in said
    assert "language: passed; language=en, language_score=" in said
    fsspec.filesystem("memory").rm("/bucket", recursive=True)


def test_a_table_of_limits_holds_no_signal_that_is_a_plain_column(tmp_path: Path) -> None:
    assert main(["run", str(recipe(tmp_path, QUALITY)), "--inline", "--quiet"]) == 0
    out = tmp_path / "table.json"
    assert main(["calibrate", f"{tmp_path}/run", "--out", str(out), "--min-documents", "10"]) == 0
    assert {name.split(".")[0] for name in json.loads(out.read_text())["limits"]["en"]} == {"gopher_quality"}


def test_a_reference_too_small_to_calibrate_by_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", str(recipe(tmp_path, QUALITY)), "--inline", "--quiet"]) == 0
    assert main(["calibrate", f"{tmp_path}/run", "--out", str(tmp_path / "table.json")]) == 2
    assert "no language has 100 documents" in capsys.readouterr().err
    assert not (tmp_path / "table.json").exists()


@pytest.mark.parametrize(
    "command",
    [
        ["what-if", "RUN", "--set", "gopher_quality.min_words=9"], ["calibrate", "RUN", "--out", "t.json"],
        ["mix", "RUN"], ["export", "RUN", "--to", "nanogpt", "--output", "x"], ["tokenizer", "report", "RUN"],
    ],
)  # fmt: skip
def test_half_a_run_is_not_read_as_a_whole_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "run"
    run.mkdir()
    (run / "manifest.json").write_text('{"state": "publishing", "name": "small"}')
    assert main([str(run) if part == "RUN" else part for part in command]) == 2
    assert "the run is not finished (its manifest says 'publishing')" in capsys.readouterr().err


def test_status_of_a_run_that_was_stopped_before_it_had_a_manifest_is_in_its_log(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    file = recipe(tmp_path, QUALITY)
    monkeypatch.setattr("curate.engine.run.publish", interrupted)
    assert main(["run", str(file), "--inline", "--quiet"]) == 1
    assert main(["status", f"{tmp_path}/run"]) == 0
    said = capsys.readouterr().out
    assert "small: not finished; attempt 1" in said
    assert "read → language → gopher_quality: done at" in said and "39 → 36" in said
    assert "by KeyboardInterrupt" in said


def test_a_report_that_an_interruption_left_out_is_made_by_the_next_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, run = recipe(tmp_path, QUALITY), tmp_path / "run"
    assert main(["run", str(file), "--inline", "--quiet"]) == 0

    def interrupted(_: str) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("curate.report.page.write_report", interrupted)
        assert main(["run", str(file), "--inline", "--quiet", "--set", "gopher_quality.min_words=90"]) == 1
    assert not (run / "report.html").exists(), "the report of another threshold is no report of this run"
    assert main(["run", str(file), "--inline", "--quiet", "--set", "gopher_quality.min_words=90"]) == 0
    assert (run / "report.html").exists()


def test_an_input_of_which_nothing_can_be_read_fails_and_says_why(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "page.warc.gz").write_text("<html><body>not an archive</body></html>")
    file = recipe(tmp_path, "  - extract\n", input=f"{{warc: {tmp_path}/page.warc.gz}}")
    assert main(["run", str(file), "--inline", "--quiet"]) == 1
    said = capsys.readouterr().err
    assert "no document could be read" in said and "failed, 1: read: " in said


def test_a_table_without_the_text_column_that_was_named_says_which_there_are(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = recipe(tmp_path, QUALITY, input=f"{{jsonl: {tmp_path}/texts.jsonl, text: body}}")
    assert main(["run", str(file), "--inline", "--quiet"]) == 1
    assert "input.text names the column 'body'; found id, url, text" in capsys.readouterr().err


def test_a_run_that_leaves_nothing_to_tokenize_is_published_and_fails(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = recipe(tmp_path, "  - gopher_quality: {min_words: 5000}\n  - tokenize: {tokenizer: train}\n")
    for _ in range(2):
        assert main(["run", str(file), "--inline", "--quiet"]) == 1
        said = capsys.readouterr().err
        assert "most were dropped by gopher_quality/too_few_words: 39" in said
        assert "error: tokenize: no documents were left to tokenize" in said
    assert "too_few_words" in (tmp_path / "run" / "report.html").read_text()
    assert main(["verify", str(tmp_path / "run")]) == 0


def test_a_run_that_keeps_nothing_says_what_dropped_most(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = recipe(tmp_path, "  - gopher_quality: {min_words: 5000}\n")
    assert main(["run", str(file), "--inline", "--quiet"]) == 0
    assert "most were dropped by gopher_quality/too_few_words: 39" in capsys.readouterr().err


def test_missing_credentials_are_named_with_the_place_and_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    fsspec.filesystem("s3").clear_instance_cache()
    crawl = "s3://bucket-of-nobody/*.warc.gz"
    assert main(["run", str(recipe(tmp_path, "  - extract\n", input=f"{{warc: '{crawl}'}}"))]) == 1
    said = capsys.readouterr().err
    assert f"input.warc: '{crawl}': Unable to locate credentials; give credentials" in said
    assert main(["status", "s3://bucket-of-nobody/run"]) == 1
    assert "give credentials" in capsys.readouterr().err
    fsspec.filesystem("s3").clear_instance_cache()


class _EndsAtOnce(InlineExecutor):
    """As Ray: it puts its own handler of SIGTERM in place, and the signal comes while it works."""

    def __init__(self, workers: int | None, address: str | None, local: LocalRay | None) -> None:
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(15))

    def run(self, *arguments: Any) -> Iterator[Any]:
        os.kill(os.getpid(), signal.SIGTERM)
        yield from super().run(*arguments)


def test_a_run_on_ray_that_is_asked_to_end_says_what_stays_and_exits_with_1(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("curate.engine.executor.RayExecutor", _EndsAtOnce)
    before = signal.getsignal(signal.SIGTERM)
    try:
        assert main(["run", str(recipe(tmp_path, QUALITY)), "--quiet"]) == 1
    finally:
        signal.signal(signal.SIGTERM, before)
    assert "interrupted: what was committed stays" in capsys.readouterr().err


def test_a_plan_s_costs_add_up_and_say_on_how_many_pages_they_were_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = recipe(tmp_path, QUALITY)
    assert main(["plan", str(file)]) == 0
    assert "cost: not measured yet" in capsys.readouterr().out
    assert main(["run", str(file), "--inline", "--quiet"]) == 0
    capsys.readouterr()
    assert main(["plan", str(file), "--pages", "1000", "--json"]) == 0
    cost = json.loads(capsys.readouterr().out)["cost"]
    assert cost["measured_on"] == 39 and set(cost["by_stage_ms_a_page"]) == {
        "read", "language", "gopher_quality", "write",
    }  # fmt: skip
    assert cost["cpu_hours"] == pytest.approx(sum(cost["by_stage_ms_a_page"].values()) / 3600)
    assert main(["plan", str(file)]) == 0
    assert "39 pages are few" in capsys.readouterr().out
