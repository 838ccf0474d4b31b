"""A cluster that is not there is said to be not there, with what to do, and nothing is lost."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

RECIPE = """
name: lost
input: {{jsonl: {folder}/texts.jsonl}}
stages: [gopher_quality]
output: {folder}/run
"""


@pytest.mark.parametrize("address", ["127.0.0.1:9", "no-address"])
def test_an_address_where_no_cluster_answers_is_named_with_what_to_do(tmp_path: Path, address: str) -> None:
    (tmp_path / "texts.jsonl").write_text('{"text": "a"}\n')
    (tmp_path / "recipe.yaml").write_text(RECIPE.format(folder=tmp_path))
    command = [sys.executable, "-m", "curate", "run", str(tmp_path / "recipe.yaml"), "--address", address]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert f"--address {address}: no Ray cluster answers there" in done.stderr
    assert "Traceback" not in done.stderr
    again = subprocess.run([*command[:-2], "--inline"], capture_output=True, text=True, check=False)
    assert again.returncode == 0, again.stderr
