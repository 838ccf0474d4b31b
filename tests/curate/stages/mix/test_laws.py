"""regression and scaling_law: the file that `python -m model mixture` writes, read and minimised under caps."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from curate.stages.mix.allocation import MixError
from curate.stages.mix.laws import read
from curate.stages.mix.plan import MixParameters, mix
from model.mixture import MixtureRuns, search

DOMAINS = ("books", "code", "web")


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs whose loss is 2 + exp(k + t·r), best near code, with its result file."""
    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.ones(3), 60)
    losses = np.column_stack([2 + np.exp(shares @ np.array(t)) for t in ([-1.0, -0.2, 0.1], [0.3, -1.5, 0.0])])
    result = search(MixtureRuns(DOMAINS, shares, ("val_a", "val_b"), losses), n_bootstrap=3)
    file = tmp_path_factory.mktemp("laws") / "mixture.json"
    file.write_text(json.dumps(result))
    return file


def test_weights_of_the_file_where_no_cap_binds(fitted: Path) -> None:
    p = MixParameters(strategy="regression", file=str(fitted), total_tokens=1000)
    content = mix(p, dict.fromkeys(DOMAINS, 10_000))
    weights = json.loads(fitted.read_text())["weights"]
    for domain, entry in content["domains"].items():
        assert entry["share"] == pytest.approx(weights[domain], abs=1e-3)
    assert content["fitted_weights_interval"].keys() == set(DOMAINS)


def test_a_cap_moves_the_optimum_as_minimising_anew_says(fitted: Path) -> None:
    weights = json.loads(fitted.read_text())["weights"]
    most = max(weights, key=weights.__getitem__)
    available = {d: (100 if d == most else 100_000) for d in DOMAINS}
    content = mix(MixParameters(strategy="regression", file=str(fitted), total_tokens=2000, max_epochs=2), available)
    assert content["domains"][most]["tokens"] <= 200
    fit = read(str(fitted))
    found = np.array([content["domains"][d]["share"] for d in DOMAINS])
    best = fit._loss(found)[0]
    rng = np.random.default_rng(1)
    for other in rng.dirichlet(np.ones(3), 3000):
        seen = all(share <= fit.caps[domain] for domain, share in zip(DOMAINS, other, strict=True))
        if seen and other[DOMAINS.index(most)] <= 0.1:
            assert fit._loss(other)[0] >= best - 1e-4


def test_a_mixture_that_lost_to_another_in_real_runs_is_refused_with_what_to_do(fitted: Path, tmp_path: Path) -> None:
    content = json.loads(fitted.read_text())
    rival = {"best_minus_rival": 0.15, "low": 0.12, "high": 0.18, "p": 0.0, "weights": {"web": 1.0}}
    content["validation"] = {"rivals": {"natural": rival, "uniform": rival | {"best_minus_rival": -0.2, "low": -0.3}}}
    file = tmp_path / "lost.json"
    file.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=r"lost to the natural one by 0\.150 bits a byte; give that mixture"):
        mix(MixParameters(strategy="regression", file=str(file), total_tokens=1000), dict.fromkeys(DOMAINS, 10_000))
    p = MixParameters(strategy="file", file=str(file), total_tokens=1000)
    assert mix(p, dict.fromkeys(DOMAINS, 10_000))["domains"]["code"]["tokens"] > 0


def test_scaling_law_refuses_linear_laws(fitted: Path, tmp_path: Path) -> None:
    content = json.loads(fitted.read_text())
    for law in content["laws"].values():
        law["law"] = "linear"
    other = tmp_path / "linear.json"
    other.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="takes exponential ones only"):
        MixParameters(strategy="scaling_law", file=str(other))


def test_a_file_of_another_kind_is_named(tmp_path: Path) -> None:
    file = tmp_path / "other.json"
    file.write_text("{}")
    with pytest.raises(MixError, match="format is None; allowed: 'mixture/1'"):
        read(str(file))
