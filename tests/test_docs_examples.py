"""What the documentation shows as a recipe, an ablation or a classifier's spec is one."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from classifiers.toolkit import load_spec
from curate.cli import COMMANDS as CURATE
from curate.cli import parsed as curate_command
from curate.commands.stages import describe
from curate.recipe import load
from curate.stage import Shared
from model.__main__ import COMMANDS as MODEL
from model.__main__ import parsed as model_command
from model.ablation import read

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
BLOCKS = [
    pytest.param(block, id=f"{file.name}-{number}")
    for file in PAGES
    for number, block in enumerate(re.findall(r"^```yaml\n(.*?)^```", file.read_text(), re.DOTALL | re.MULTILINE))
]


@pytest.mark.parametrize("block", BLOCKS)
def test_an_example_can_be_used_as_it_stands(tmp_path: Path, block: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "thresholds.json").write_text('{"limits": {}}')
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


LINES = sorted(
    {
        line.split("#")[0].strip()
        for file in PAGES
        for block in re.findall(r"^```sh\n(.*?)^```", file.read_text(), re.DOTALL | re.MULTILINE)
        for line in block.replace("\\\n", " ").splitlines()
        if line.startswith(("python -m curate ", "python -m model "))
    }
)


@pytest.mark.parametrize("line", LINES)
def test_a_command_line_that_the_documentation_shows_can_be_read(line: str) -> None:
    _, _, program, *arguments = shlex.split(line)
    assert (curate_command if program == "curate" else model_command)(arguments).command == arguments[0]


def test_every_command_is_on_the_page_of_commands_with_its_example() -> None:
    text = (ROOT / "docs" / "commands.md").read_text()
    shown = [f"python -m curate {name} {example}".strip() for name, (_, _, example) in CURATE.items()]
    assert [line for line in shown if f"{line}\n" not in text] == []
    assert [name for name in MODEL if f"python -m model {name} " not in text] == []
