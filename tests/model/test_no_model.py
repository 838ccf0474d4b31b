"""What is no model is named by every command that takes one, in a line of the project's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.__main__ import main


@pytest.mark.parametrize("command", [["evaluate"], ["sample"], ["export"]])
def test_a_path_without_a_model_is_a_wrong_command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    rest = [str(tmp_path / "out")] if command == ["export"] else []
    (tmp_path / "empty").mkdir()
    (tmp_path / "page.html").write_text("<p>no model</p>")
    for name, status, said in (
        ("none", 2, "there is no model; allowed: the folder of a training run"),
        ("empty", 2, "no checkpoint there"),
        ("page.html", 1, "it is damaged, or no checkpoint"),
    ):
        assert main([*command, str(tmp_path / name), *rest]) == status
        told = capsys.readouterr().err
        assert said in told and told.count(str(tmp_path / name)) == 1 and told.count("\n") == 1, told


def test_a_file_of_runs_that_is_not_there_is_named_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["mixture", str(tmp_path / "none.json")]) == 2
    assert capsys.readouterr().err == f"model mixture: cannot read {tmp_path}/none.json: No such file or directory\n"
