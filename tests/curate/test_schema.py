"""The JSON schema for editors is that of the stages as they are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from curate.cli import main
from curate.commands.stages import recipe_schema
from curate.registry import registered

PIPELINES = Path(__file__).parents[2] / "pipelines"


def test_the_schema_in_the_repository_is_current() -> None:
    stored = json.loads((PIPELINES / "recipe.schema.json").read_text())
    assert stored == recipe_schema(), "run: python -m curate stages --schema > pipelines/recipe.schema.json"


@pytest.mark.parametrize("name", ["fineweb_like", "full"])
def test_a_shipped_recipe_has_only_stages_that_the_schema_knows(name: str) -> None:
    schema = recipe_schema()
    recipe = yaml.safe_load((PIPELINES / f"{name}.yaml").read_text())
    names = {stage if isinstance(stage, str) else next(iter(stage)) for stage in recipe["stages"]}
    assert {f"stage:{name}" for name in names} <= set(schema["$defs"])


def test_the_page_of_stages_is_current(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stages", "--markdown"]) == 0
    stored = (PIPELINES.parent / "docs" / "stages.md").read_text()
    assert capsys.readouterr().out == stored, "run: python -m curate stages --markdown > docs/stages.md"


def test_a_stage_is_described_with_what_must_be_given_and_what_is_allowed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stages"]) == 0
    said = capsys.readouterr().out
    assert "rule (required)" in said and "  by: minhash\n" in said
    assert "which extractor (one of blocks, trafilatura, resiliparse, datatrove)" in said
    assert main(["stages", "gopher"]) == 2
    assert "did you mean 'gopher_quality'" in capsys.readouterr().err


def test_a_broken_stage_of_another_package_is_named_and_no_obstacle(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    declared = registered() | {"broken": "no_such_module:Stage"}
    monkeypatch.setattr("curate.commands.stages.registered", lambda: declared)
    monkeypatch.setattr("curate.registry.registered", lambda: declared)
    assert main(["stages"]) == 0
    said = capsys.readouterr()
    assert "gopher_quality: " in said.out
    assert "the stage 'broken' cannot be loaded: it is declared as no_such_module:Stage, and No module" in said.err
    assert main(["stages", "broken"]) == 1
    assert main(["stages", "--schema"]) == 0
