"""`python -m model fit` reads tables as people write them and answers in JSON."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from model.__main__ import main
from model.scaling import Chinchilla

LAW = Chinchilla.of(A=400.0, B=2000.0, E=1.7, alpha=0.34, beta=0.36)


def table(path: Path, header: str = "N,D,loss", compute: bool = False) -> Path:
    N, D = (grid.ravel() for grid in np.meshgrid(np.geomspace(1e7, 1e10, 6), np.geomspace(1e9, 1e12, 6)))
    second = 6 * N * D if compute else D
    rows = [f"{n},{d},{loss}" for n, d, loss in zip(N, second, LAW.loss(N, D), strict=True)]
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def fit(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str, str]:
    code = main(["fit", *args])
    out, err = capsys.readouterr()
    return code, out, err


@pytest.mark.parametrize(
    ("header", "options"),
    [
        ("N,D,loss", []),
        ("params,tokens,val_loss", []),
        ("x,y,z", ["--parameters", "x", "--tokens", "y", "--loss", "z"]),
    ],
)
def test_columns_are_found_by_name_or_option(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], header: str, options: list[str]
) -> None:
    code, out, _ = fit(capsys, str(table(tmp_path / "r.csv", header)), *options, "--bootstrap", "5", "--json")
    answer = json.loads(out)
    assert code == 0
    assert answer["alpha"] == pytest.approx(0.34, abs=1e-3)
    assert answer["n_runs"] == 36
    assert {"A", "B", "E", "beta", "objective", "bootstrap", "profile", "warnings", "optimum"} <= answer.keys()


def test_tokens_follow_from_compute(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = table(tmp_path / "r.csv", "N,C,loss", compute=True)
    _, out, _ = fit(capsys, str(path), "--bootstrap", "0", "--json")
    assert json.loads(out)["beta"] == pytest.approx(0.36, abs=1e-3)


def test_the_same_seed_gives_the_same_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(table(tmp_path / "r.csv"))
    answers = {fit(capsys, path, "--bootstrap", "10", "--json")[1] for _ in range(2)}
    assert len(answers) == 1


def test_text_shows_chinchillas_rule_and_the_served_optimum(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = str(table(tmp_path / "r.csv"))
    _, out, _ = fit(capsys, path, "--bootstrap", "0", "--budget", "1e22", "--served-tokens", "1e14")
    assert "at_20_tokens_per_parameter" in out
    assert "inference_aware" in out


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        ("N,D\n1,2\n", [], "no column for loss; it has N, D"),
        ("N,D,loss\n1,2,x\n", [], "column loss (loss) holds something not a number"),
        ("N,D,loss\n", [], "holds no runs"),
        ("N,D,loss\n1,2,3\n", ["--loss", "bpb"], "--loss bpb: no such column; the table has N, D, loss"),
        ("N,D,loss\n1,2,-3\n", [], "loss of run 0 is -3.0; every value must be a positive number"),
    ],
)
def test_a_wrong_table_is_refused_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str, options: list[str], message: str
) -> None:
    path = tmp_path / "r.csv"
    path.write_text(content)
    code, out, err = fit(capsys, str(path), *options)
    assert code == 2
    assert out == ""
    assert message in err


def test_fitting_does_not_import_torch(tmp_path: Path) -> None:
    path = table(tmp_path / "r.csv")
    script = (
        "import sys; from model.__main__ import main; "
        f"main(['fit', {str(path)!r}, '--bootstrap', '0']); assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
