"""The fitter gives the published answers on public runs, and the truth on simulated ones."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import check_grad, minimize

from model.intervals import (
    bootstrap,
    identifiability_warnings,
    leave_largest_out,
    percentile_interval,
    profile_interval,
)
from model.optimum import (
    compute_multiplier,
    compute_optimal,
    curve_multiplier,
    data_multiplier,
    inference_optimal,
    isoflop_exponent,
    isoflop_minima,
)
from model.repeats import RepeatLaw, fit_repeats, profile_r_star_tokens, repeat_objective
from model.scaling import Chinchilla, HuberObjective, Runs, design, fit_chinchilla, fit_offset_power_law

TRUE = Chinchilla.of(A=480.0, B=2100.0, E=1.8, alpha=0.35, beta=0.37)
PUBLISHED_REPEATS = Chinchilla.of(*np.exp([6.255414, 7.3049974, 0.6254804]), 0.3526596, 0.3526596)


def columns(path: Path, *names: str) -> list[np.ndarray]:
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [np.array([float(row[name]) for row in rows]) for name in names]


def chinchilla_runs(shared_data: Path, n: int) -> Runs:
    """The n runs of lowest loss of the 245 read off Chinchilla's figure 4."""
    N, C, loss = columns(shared_data / "scaling/epoch_chinchilla_fig4.csv", "Model Size", "Training FLOP", "loss")
    return Runs(N, C / 6 / N, loss).take(np.sort(np.argsort(loss)[:n]))


def repeated_runs(shared_data: Path) -> Runs:
    path = shared_data / "scaling/datablations_parametric_fit_runs.csv"
    return Runs(*columns(path, "params", "tokens", "val_loss", "unique_tokens"))


def simulated(seed: int = 0, noise: float = 0.002) -> Runs:
    rng = np.random.default_rng(seed)
    N, D = (grid.ravel() for grid in np.meshgrid(np.geomspace(1e7, 1e10, 8), np.geomspace(1e9, 1e12, 8)))
    return Runs(N, D, TRUE.loss(N, D) * np.exp(rng.normal(0, noise, len(N))))


def test_240_chinchilla_runs_give_the_published_refit(shared_data: Path) -> None:
    law = fit_chinchilla(chinchilla_runs(shared_data, 240))
    assert pytest.approx(477.8, abs=0.1) == law.A
    assert pytest.approx(2143, abs=1) == law.B
    assert pytest.approx(1.8172, abs=5e-5) == law.E
    assert law.alpha == pytest.approx(0.3473, abs=5e-5)
    assert law.beta == pytest.approx(0.3672, abs=5e-5)
    assert law.objective == pytest.approx(0.00101827, abs=5e-9)


def test_five_outliers_move_beta(shared_data: Path) -> None:
    assert fit_chinchilla(chinchilla_runs(shared_data, 245)).beta == pytest.approx(0.453, abs=5e-4)


def test_a_mean_objective_with_default_tolerances_stops_where_the_original_paper_did(shared_data: Path) -> None:
    runs = chinchilla_runs(shared_data, 240)
    objective = HuberObjective(design(runs), np.log(runs.loss))

    def mean_objective(theta: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = objective(objective.inward(theta))
        jacobian = np.column_stack([objective.inward(row) for row in np.eye(5)])
        return value * objective.delta, slope @ jacobian * objective.delta

    stopped = minimize(mean_objective, [6.0, 6.0, 0.35, 0.35, 0.5], jac=True, method="L-BFGS-B")
    assert stopped.success  # it says so
    assert np.exp(stopped.x[:2]) == pytest.approx([403, 404], abs=3)
    assert stopped.x[2:4] == pytest.approx([0.338, 0.284], abs=1e-3)
    assert stopped.fun * 240 > 1.1 * fit_chinchilla(runs).objective


def test_published_repeat_law_has_its_published_objective(shared_data: Path) -> None:
    value = repeat_objective(PUBLISHED_REPEATS, repeated_runs(shared_data), 5.309743, 15.387756)
    assert value == pytest.approx(0.0158259, abs=5e-8)


def test_r_star_is_not_identified_by_the_published_runs(shared_data: Path) -> None:
    runs = repeated_runs(shared_data)
    best = fit_repeats(PUBLISHED_REPEATS, runs)
    assert best.objective <= 0.0158259
    assert best.r_star_tokens > 5 * 15.387756
    profile = profile_r_star_tokens(PUBLISHED_REPEATS, runs, np.array([5.0, 15.0, 100.0, 250.0]))
    within = [objective / best.objective - 1 < 0.0035 for _, _, objective in profile]
    assert within == [False, True, True, True]


def test_gradient_is_the_derivative() -> None:
    objective = HuberObjective(design(simulated()), np.log(simulated().loss))
    x = objective.inward(TRUE.theta) + 0.05
    assert check_grad(lambda x: objective(x)[0], lambda x: objective(x)[1], x) < 1e-5


def test_exact_runs_give_the_law_back() -> None:
    law = fit_chinchilla(simulated(noise=0.0))
    assert law.theta == pytest.approx(TRUE.theta, rel=1e-4)


def test_a_law_in_bits_and_small_numbers_is_found_too() -> None:
    N, D = (grid.ravel() for grid in np.meshgrid([6e4, 2.5e5, 1e6], np.geomspace(2e5, 8e6, 5)))
    truth = Chinchilla.of(A=12.0, B=30.0, E=1.1, alpha=0.25, beta=0.3)
    law = fit_chinchilla(Runs(N, D, truth.loss(N, D)))
    assert law.loss(1e6, 1e7) == pytest.approx(truth.loss(1e6, 1e7), rel=1e-4)


def test_offset_power_law_in_one_variable() -> None:
    x = np.geomspace(1e5, 1e8, 12)
    law = fit_offset_power_law(x, 1.5 + 40 * x**-0.4)
    assert (law.constant, law.exponents[0]) == pytest.approx((1.5, 0.4), rel=1e-4)


def test_repeats_are_recovered() -> None:
    N, D = (grid.ravel() for grid in np.meshgrid(np.geomspace(1e7, 1e9, 6), np.geomspace(1e9, 1e11, 8)))
    runs = Runs(N, D, np.ones_like(N), np.full_like(N, 1e9))
    exact = RepeatLaw(TRUE, 6.0, 12.0, 0.0)
    fitted = fit_repeats(TRUE, Runs(N, D, exact.loss(runs), runs.unique_tokens))
    assert (fitted.r_star_parameters, fitted.r_star_tokens) == pytest.approx((6.0, 12.0), rel=1e-2)
    assert fitted.effective_tokens(1e9, epochs=1) == pytest.approx(1e9)
    assert fitted.effective_tokens(1e9, epochs=1e6) == pytest.approx(13e9, rel=1e-2)


def test_intervals_hold_the_truth_and_narrow_with_less_noise() -> None:
    widths = []
    for noise in (0.004, 0.001):
        runs = simulated(seed=3, noise=noise)
        law = fit_chinchilla(runs)
        profile = profile_interval(runs, law, "beta")
        resampled = percentile_interval(law.beta, [s.beta for s in bootstrap(runs, law, n=100)])
        for interval in (profile, resampled):
            assert interval.low < TRUE.beta < interval.high
        widths.append(profile.high - profile.low)
    assert widths[1] < widths[0] / 2


def test_runs_at_a_fixed_ratio_are_called_unidentified() -> None:
    N = np.geomspace(1e7, 1e10, 20)
    runs = Runs(N, 20 * N, TRUE.loss(N, 20 * N))
    warnings = identifiability_warnings(runs, fit_chinchilla(runs))
    assert any("correlate" in warning for warning in warnings)


def test_well_spread_runs_raise_no_warning() -> None:
    runs = simulated()
    assert identifiability_warnings(runs, fit_chinchilla(runs)) == []


def test_two_sizes_do_not_make_an_exponent() -> None:
    runs = simulated().take(np.isin(simulated().parameters, np.unique(simulated().parameters)[:2]))
    warnings = identifiability_warnings(runs, fit_chinchilla(runs))
    assert any("only 2 distinct values of parameters" in warning for warning in warnings)


def test_largest_runs_are_predicted_without_them() -> None:
    error = leave_largest_out(simulated())
    assert error is not None
    assert error["mean_absolute_relative_error"] < 0.005


def test_compute_optimum_is_the_minimum_on_its_budget() -> None:
    best = compute_optimal(TRUE, 1e22)
    assert 6 * best.parameters * best.tokens == pytest.approx(1e22)
    for factor in (0.8, 0.95, 1.05, 1.25):
        N = best.parameters * factor
        assert TRUE.loss(N, 1e22 / 6 / N) > best.loss


def test_serving_many_tokens_asks_for_a_smaller_model_on_more_data() -> None:
    best = compute_optimal(TRUE, 1e22)
    few, many = (inference_optimal(TRUE, best.loss, served) for served in (1e6, 1e14))
    assert few.parameters == pytest.approx(best.parameters, rel=1e-2)
    assert many.parameters < best.parameters / 2
    assert many.tokens / many.parameters > 150
    assert TRUE.loss(many.parameters, many.tokens) == pytest.approx(best.loss)


def test_a_loss_under_the_irreducible_one_cannot_be_asked_for() -> None:
    with pytest.raises(ValueError, match="irreducible"):
        inference_optimal(TRUE, 1.5, 1e12)


def test_isoflop_minima_follow_the_law() -> None:
    C = np.repeat(np.geomspace(1e19, 1e22, 4), 9)
    N = np.concatenate([compute_optimal(TRUE, c).parameters * np.geomspace(0.4, 2.5, 9) for c in np.unique(C)])
    minima = isoflop_minima(Runs(N, C / 6 / N, TRUE.loss(N, C / 6 / N)))
    assert len(minima) == 4
    exponent = isoflop_exponent(minima)
    assert exponent == pytest.approx(TRUE.beta / (TRUE.alpha + TRUE.beta), abs=0.01)


def test_multipliers_say_how_much_more_the_baseline_needs() -> None:
    better = float(TRUE.loss(1e9 * np.sqrt(1.3), 1e11 * np.sqrt(1.3)))
    assert compute_multiplier(TRUE, 1e9, 1e11, better) == pytest.approx(1.3)
    assert compute_multiplier(TRUE, 1e9, 1e11, 1.7) == np.inf
    steep = Chinchilla(np.array([900.0, 900.0]), np.array([80.0, 80.0]), np.log(1.8), 0.0)
    assert np.isfinite(steep.loss(1e5, 1e5))
    assert 0 < compute_multiplier(steep, 1e5, 1e5, 1.9) < np.inf, "a coefficient that overflows is no reason to fail"
    assert data_multiplier(TRUE, 1e9, 1e11, float(TRUE.loss(1e9, 0.7e11))) == pytest.approx(0.7)


def test_curve_multiplier_reads_the_baselines_curve() -> None:
    x = np.geomspace(1e6, 8e6, 4)
    loss = np.array([4.0, 3.0, 2.5, 2.25])
    inside, extrapolated = curve_multiplier(x, loss, 2e6, 2.5)
    assert (inside, extrapolated) == (pytest.approx(2.0), False)
    beyond, extrapolated = curve_multiplier(x, loss, 8e6, 2.0)
    assert (beyond, extrapolated) == (pytest.approx(2.0), True)


def test_bad_runs_are_named() -> None:
    with pytest.raises(ValueError, match="loss of run 1 is nan"):
        Runs(np.ones(2), np.ones(2), np.array([1.0, np.nan]))
    with pytest.raises(ValueError, match="4 runs cannot fix 5 parameters"):
        fit_chinchilla(simulated().take(np.arange(4)))
