"""What the documentation shows as a recipe, an ablation or a classifier's spec is one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from classifiers.toolkit import load_spec
from curate.commands.stages import describe
from curate.recipe import load
from curate.stage import Shared
from model.ablation import read

ROOT = Path(__file__).parents[1]
BLOCKS = [
    pytest.param(block, id=f"{file.name}-{number}")
    for file in sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
    for number, block in enumerate(re.findall(r"^```yaml\n(.*?)^```", file.read_text(), re.DOTALL | re.MULTILINE))
]


@pytest.mark.parametrize("block", BLOCKS)
def test_an_example_can_be_used_as_it_stands(tmp_path: Path, block: str) -> None:
    file = tmp_path / "example.yaml"
    file.write_text(block)
    if "\narms:" in block:
        assert read(file).arms
    elif "\nexamples:" in block:
        assert load_spec(str(file)).examples
    elif "extends:" in block:
        file.write_text(block.replace("extends: ", f"extends: {ROOT}/pipelines/"))
        assert load(file).stages
    elif "\nstages:" in block:
        assert load(file).stages
    elif block.startswith("  - "):
        head = "name: x\ninput: {jsonl: x.jsonl}\noutput: out\nstages:\n"
        # A model that an example names is the reader's own.
        file.write_text(head + block.replace("models/recipes_worth_keeping.ftz", "edu"))
        assert load(file).stages
    elif block.startswith("limits:"):
        file.write_text(f"name: x\ninput: {{jsonl: x.jsonl}}\noutput: out\nstages: [gopher_quality]\n{block}")
        assert load(file).header.limits.record_cpu_seconds > 0
    else:
        assert "mixture:" in block, "an example of a kind that this test does not know"


def test_the_stage_that_the_guide_shows_measures_decides_and_describes_itself() -> None:
    [source] = re.findall(r"^```python\n(.*?)^```", (ROOT / "CONTRIBUTING.md").read_text(), re.DOTALL | re.MULTILINE)
    module: dict[str, Any] = {"__name__": "shouting"}
    exec(compile(source, "CONTRIBUTING.md", "exec"), module)
    kind = module["Shouting"]
    stage = kind(module["ShoutingParameters"]())
    batch = pa.record_batch({"text": ["MOSTLY LOUD", "hardly Any", "", None]})
    outcome = stage.process(batch, Shared())
    assert outcome.verdicts is not None
    assert outcome.verdicts["rule"].to_pylist() == ["shouting", None, None, None]
    assert describe(kind, "shouting")["parameters"][1]["source"] == "our own forums"
