"""Mixture laws: RegMix's public runs, and mixtures whose best is known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from model.__main__ import main
from model.mixture import (
    ExponentialLaw,
    LinearLaw,
    MixtureRuns,
    best_mixture,
    dirichlet_designs,
    fit_exponential,
    fit_linear,
    fit_target,
    runs_of,
    search,
    temperature_mixture,
)
from model.mixture_command import read

DOMAINS = ("web", "books", "code")


REGMIX_BEST = {
    "arxiv": 0.0012, "freelaw": 0.0015, "nih_exporter": 0.0012, "pubmed_central": 0.0031, "wikipedia_en": 0.0159,
    "dm_mathematics": 0.0003, "github": 0.0002, "philpapers": 0.0, "stackexchange": 0.0003, "enron_emails": 0.0017,
    "gutenberg_pg_19": 0.0016, "pile_cc": 0.8702, "ubuntu_irc": 0.0642, "europarl": 0.0, "hackernews": 0.0119,
    "pubmed_abstracts": 0.0242, "uspto_backgrounds": 0.0025,
}  # fmt: skip
"""The mixture that RegMix trains its 1B model on (sail-sg/regmix, mixture_config/config_1b/regmix.yaml)."""


def simulated(n: int = 60, noise: float = 0.002, seed: int = 0) -> MixtureRuns:
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet([1.0, 1.0, 1.0], n)
    prose = ExponentialLaw(2.0, 0.0, np.array([-1.0, -2.0, 0.5]))
    code = ExponentialLaw(1.0, 0.5, np.array([0.2, 0.0, -3.0]))
    losses = np.column_stack([law(shares) for law in (prose, code)]) * np.exp(rng.normal(0, noise, (n, 2)))
    return MixtureRuns(DOMAINS, shares, ("prose", "code"), losses)


def test_regmix_small_runs_rank_larger_ones(shared_data: Path) -> None:
    folder = shared_data / "scaling/regmix"
    train = read(folder / "train_mixture_1m.csv", folder / "train_pile_loss_1m.csv")
    target = next(i for i, name in enumerate(train.targets) if "pile_cc" in name)
    law = fit_exponential(train.shares, train.losses[:, target])
    for size, published in (("1m", 0.963), ("60m", 0.958), ("1B", 0.986)):
        test = read(folder / f"test_mixture_{size}.csv", folder / f"test_pile_loss_{size}.csv")
        assert spearmanr(law(test.shares), test.losses[:, target])[0] == pytest.approx(published, abs=0.0015)


def test_regmix_published_mixture_is_as_good_as_the_recovered_one(shared_data: Path) -> None:
    """By the law of the 1M runs, to a thousandth, which is less than the law's own error on new runs."""
    folder = shared_data / "scaling/regmix"
    train = read(folder / "train_mixture_1m.csv", folder / "train_pile_loss_1m.csv")
    target = next(i for i, name in enumerate(train.targets) if "pile_cc" in name)
    law = fit_exponential(train.shares, train.losses[:, target])
    published = np.array([REGMIX_BEST[name.removeprefix("train_the_pile_")] for name in train.domains])
    best = best_mixture([law], np.array([1.0]), np.ones(len(train.domains)))
    assert best[[name.endswith("pile_cc") for name in train.domains]] == pytest.approx([1.0], abs=1e-6)
    assert law(best[None])[0] <= law(published[None])[0] <= 1.001 * law(best[None])[0]


def test_exponential_law_is_recovered_and_chosen() -> None:
    runs = simulated()
    fitted = fit_target(runs.shares, runs.losses[:, 1])
    assert fitted.law.name == "exponential"
    truth = ExponentialLaw(1.0, 0.5, np.array([0.2, 0.0, -3.0]))
    fresh = np.random.default_rng(9).dirichlet([1.0, 1.0, 1.0], 50)
    assert fitted.law(fresh) == pytest.approx(truth(fresh), rel=0.01)


def test_few_runs_get_the_regression() -> None:
    runs = simulated().take(slice(0, 6))
    assert fit_target(runs.shares, runs.losses[:, 0]).law.name == "linear"


def test_best_mixture_obeys_its_caps() -> None:
    law = LinearLaw(3.0, np.array([-1.0, -2.0, 0.0]))
    best = best_mixture([law], np.array([1.0]), np.array([1.0, 0.3, 1.0]))
    assert best == pytest.approx([0.7, 0.3, 0.0], abs=1e-6)
    with pytest.raises(ValueError, match="more epochs"):
        best_mixture([law], np.array([1.0]), np.array([0.3, 0.3, 0.3]))


def test_the_best_mixture_is_none_that_no_run_was_near() -> None:
    """A domain whose share was small in every run looks good by its slope; how good more of it is, nobody knows."""
    rng = np.random.default_rng(2)
    shares = rng.dirichlet([6.0, 6.0, 1.0], 60)
    law = LinearLaw(3.0, np.array([0.0, -0.1, -2.0]))
    runs = MixtureRuns(DOMAINS, shares, ("all",), law(shares)[:, None])
    result = search(runs, n_bootstrap=0)
    assert result["caps"]["code"] == pytest.approx(shares[:, 2].max())
    assert result["weights"]["code"] == pytest.approx(shares[:, 2].max(), abs=1e-6)


def test_slopes_of_few_noisy_runs_are_shrunk_until_they_predict() -> None:
    rng = np.random.default_rng(3)
    domains, errors = 15, []
    for _ in range(20):
        slopes = rng.normal(0, 0.05, domains)
        shares = rng.dirichlet(np.ones(domains), 540)
        loss = 3 + shares @ slopes + np.concatenate([rng.normal(0, 0.02, 40), np.zeros(500)])
        chosen, plain = (fit_linear(shares[:40], loss[:40], ridge) for ridge in (None, 1e-3))
        errors.append([np.mean((law(shares[40:]) - loss[40:]) ** 2) for law in (chosen, plain)])
    shrunk, unshrunk = np.mean(errors, axis=0)
    assert shrunk < 0.5 * unshrunk


def test_search_beats_natural_and_uniform_in_truth() -> None:
    runs = simulated()
    result = search(runs, n_bootstrap=5)
    best = np.array([result["weights"][name] for name in DOMAINS])
    prose = ExponentialLaw(2.0, 0.0, np.array([-1.0, -2.0, 0.5]))
    code = ExponentialLaw(1.0, 0.5, np.array([0.2, 0.0, -3.0]))

    def truth(shares: np.ndarray) -> float:
        return float(prose(shares) + code(shares))

    for temperature in (0.0, 0.5, 1.0):
        assert truth(best) < truth(temperature_mixture(np.array([100.0, 10.0, 5.0]), temperature))
    low, high = result["weights_interval"]["books"]
    assert low <= result["weights"]["books"] <= high


def test_result_file_reads_back() -> None:
    runs = simulated(n=20)
    again = runs_of(json.loads(json.dumps(search(runs, n_bootstrap=0))))
    assert again.domains == runs.domains
    assert again.losses == pytest.approx(runs.losses)


def test_designs_are_mixtures_and_reproducible() -> None:
    natural = np.array([0.8, 0.15, 0.05])
    designs = dirichlet_designs(natural, 40, seed=3)
    assert designs.sum(axis=1) == pytest.approx(np.ones(40))
    assert np.array_equal(designs, dirichlet_designs(natural, 40, seed=3))
    assert designs[:, 2].max() > 0.3


def test_unknown_names_and_wrong_shares_are_refused() -> None:
    with pytest.raises(ValueError, match="poetry"):
        search(simulated(n=10), target={"poetry": 1.0})
    with pytest.raises(ValueError, match=r"run 0 sum to 0\.5"):
        MixtureRuns(("a", "b"), np.array([[0.2, 0.3]]), ("x",), np.ones((1, 1)))


def test_command_writes_the_file_that_mix_reads(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, output = tmp_path / "runs.json", tmp_path / "mixture.json"
    source.write_text(json.dumps(search(simulated(n=20), n_bootstrap=0)))
    code = main(
        ["mixture", str(source), "--target", "code", "--cap", "code=0.5", "--bootstrap", "3", "--output", str(output)]
    )
    assert code == 0
    assert "code" in capsys.readouterr().out
    result = json.loads(output.read_text())
    assert result["weights"]["code"] == pytest.approx(0.5)
    assert sum(result["weights"].values()) == pytest.approx(1.0)
