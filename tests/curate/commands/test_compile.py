"""`python -m curate compile` leaves nothing for a run to compile."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from curate.commands.compile import PAGES, compile_kernels
from examples.miniweb.build import build

RECORDED = """
import json, sys
from numba.core import event
from curate.cli import main
with event.install_recorder("numba:compile") as record:
    status = main(sys.argv[1:])
print(json.dumps([status, sorted({str(each.data["dispatcher"]) for _, each in record.buffer})]))
"""


@pytest.mark.parametrize("recipe", ["fineweb_like", "full"])
def test_a_run_of_a_shipped_recipe_compiles_nothing_after_the_command(tmp_path: Path, recipe: str) -> None:
    result = compile_kernels()
    assert result.manifest["counts"]["read"] == PAGES
    assert result.manifest["counts"]["failed"] == 0
    build(tmp_path / "web", pages=300)
    arguments = ["run", f"pipelines/{recipe}.yaml", "--inline", "--quiet", "--output", str(tmp_path / "run")]
    arguments += ["--set", f"input.warc={tmp_path}/web/*.warc.gz", "--set", "tokenize.vocabulary=1000"]
    done = subprocess.run([sys.executable, "-c", RECORDED, *arguments], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.splitlines()[-1]) == [0, []], done.stderr
