"""The JSON schema for editors is that of the stages as they are."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from curate.commands.stages import recipe_schema

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
