"""What is no run, half of one, or a run of another version, is answered by every command in a line, not read."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from curate.cli import main

COMMANDS = {
    "status": [],
    "report": [],
    "explain": ["http://a.example/20"],
    "what-if": ["--set", "gopher_quality.min_words=9"],
    "calibrate": ["--out", "table.json", "--min-documents", "10"],
    "verify": [],
}
"""Commands that take a run, with what else they need."""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("made")
    rows = [{"url": f"http://a.example/{n}", "text": "the river and the mill with that stone " * n} for n in range(40)]
    (folder / "texts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    recipe = folder / "recipe.yaml"
    recipe.write_text(
        f"name: small\ninput: {{jsonl: {folder}/texts.jsonl}}\noutput: {folder}/run\nstages:\n  - language\n"
        "  - gopher_quality: {min_words: 30}\n  - domains\n  - deduplicate: {by: url}\n  - deduplicate: {by: text}\n"
    )
    assert main(["run", str(recipe), "--inline", "--quiet"]) == 0
    return folder / "run"


def change(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def answers(capsys: pytest.CaptureFixture[str], run: Path, *commands: str) -> dict[str, tuple[int, str]]:
    found = {}
    for command in commands or COMMANDS:
        status = main([command, str(run), *COMMANDS[command]])
        found[command] = status, capsys.readouterr().err
    return found


NO_RUNS: dict[str, tuple[Callable[[Path], object], str]] = {
    "missing": (lambda place: shutil.rmtree(place), "no run here (there is no manifest.json)"),
    "file": (lambda place: (shutil.rmtree(place), place.write_text("x")), "is a file; allowed: the output folder"),
    "damaged": (lambda place: (place / "manifest.json").write_text('{"name": '), "no JSON"),
    "foreign": (lambda place: (place / "manifest.json").write_text("[1]"), "is not the manifest of a run"),
    "older": (
        lambda place: change(place / "manifest.json", '"reasons"', '"causes"'),
        "lacks 'counts.reasons', so the run was made by another version",
    ),
}


@pytest.fixture
def place(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run of one's own, to spoil."""
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copytree(run, tmp_path / "place"))


@pytest.mark.parametrize("kind", NO_RUNS)
def test_what_is_no_run_is_named_and_not_read(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    spoil, said = NO_RUNS[kind]
    spoil(place)
    for command, (status, told) in answers(capsys, place).items():
        assert status == 2, (command, told)
        assert said in told and str(place) in told and told.count("\n") == 1, (command, told)
    assert not (tmp_path / "table.json").exists()


@pytest.mark.parametrize("state", ["before its manifest", "publishing"])
def test_half_a_run_is_said_to_be_half(place: Path, capsys: pytest.CaptureFixture[str], state: str) -> None:
    if state == "publishing":
        change(place / "manifest.json", '"state": "done"', '"state": "publishing"')
    else:
        (place / "manifest.json").unlink()
    before = (place / "report.html").read_bytes()
    for command, (status, told) in answers(capsys, place, "report", "explain", "what-if", "calibrate").items():
        assert status == 2 and "the run is not finished" in told and "goes on from" in told, (command, told)
    assert (place / "report.html").read_bytes() == before
    assert answers(capsys, place, "status")["status"][0] == 0


def test_a_run_whose_recipe_cannot_be_read_here_is_said_to_be_of_another_version(
    run: Path, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    change(place / "recipe.yaml", "min_words:", "fewest_words:")
    for command, (status, told) in answers(capsys, place, "what-if", "calibrate").items():
        assert status == 2, (command, told)
        assert "made by another version" in told and "unknown key 'gopher_quality.fewest_words'" in told
    status, told = answers(capsys, place, "explain")["explain"]
    assert status == 0 and "by their signals alone" in told
    assert answers(capsys, place, "status", "report", "verify").keys() == {"status", "report", "verify"}
    recipe = run.parent / "recipe.yaml"
    assert main(["plan", str(recipe), "--output", str(place)]) == 0


def test_a_plan_beside_something_that_is_no_run_has_no_costs(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for text in ("[1]", "{", '{"name": "small", "state": "done"}'):
        (tmp_path / "manifest.json").write_text(text)
        assert main(["plan", str(run.parent / "recipe.yaml"), "--output", str(tmp_path)]) == 0
        assert "cost: not measured yet" in capsys.readouterr().out


def test_the_life_of_a_document_has_what_each_stage_wrote_in_signals_or_plain_columns(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["explain", str(run), "http://a.example/20"]) == 0
    lines = {line.split(":")[0].strip(): line for line in capsys.readouterr().out.splitlines()}
    assert "language=en, language_score=0." in lines["language"]
    assert "words=" in lines["gopher_quality"]
    assert "domain=" in lines["domains"] and "domain_score=0." in lines["domains"]
    assert "deduplicate_url" not in lines, "the second deduplication wrote the same columns anew"
    assert "cluster_size=1" in lines["deduplicate_text"]
    assert main(["explain", str(run), "http://a.example/2"]) == 0
    said = capsys.readouterr().out
    assert "dropped by gopher_quality: too_few_words" in said and "language=en" in said
    assert "at byte" not in said and "domains" not in said
