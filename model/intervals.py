"""How well a scaling law is known: bootstrap and profile-likelihood intervals, and warnings where it is not.

A fit always returns numbers. This module says which of them the runs determine: intervals by resampling runs and
by walking each parameter away from its best value, what the runs lack, and how far the law errs on the largest
runs when it has not seen them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import chi2

from model.scaling import HUBER_DELTA, Array, Chinchilla, HuberObjective, Runs, design, fit_chinchilla

MIN_DECADES = 1.0
"""Below this range of N or D an exponent is an extrapolation; Chinchilla's runs span 2.4 and 2.6 decades."""

PROFILE_TOLERANCE = 1e-12
"""Of the objective along a profile. Bounds move by less than 1e-5 of their distance beside the full tolerance, in half
the time; only an estimate is quoted to more digits."""


@dataclass(frozen=True)
class Interval:
    """An estimate with a 95 % interval; a bound may be infinite."""

    value: float
    low: float
    high: float

    def as_dict(self) -> dict[str, float | None]:
        return {"value": _finite(self.value), "low": _finite(self.low), "high": _finite(self.high)}


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


# ---------------------------------------------------------------------------------------- bootstrap


def bootstrap(
    runs: Runs,
    law: Chinchilla,
    *,
    n: int = 400,
    seed: int = 0,
    groups: NDArray[Any] | None = None,
    delta: float = HUBER_DELTA,
) -> list[Chinchilla]:
    """Refits on n resamples of the runs, each started at the law.

    `groups` (one label a run) resamples whole groups: checkpoints of one training run are not independent.
    """
    rng = np.random.default_rng(seed)
    labels, member = np.unique(np.arange(len(runs)) if groups is None else groups, return_inverse=True)
    rows_of = [np.flatnonzero(member == i) for i in range(len(labels))]
    laws: list[Chinchilla] = []
    while len(laws) < n:
        rows = np.concatenate([rows_of[i] for i in rng.integers(0, len(labels), len(labels))])
        sample = runs.take(rows)
        if len(np.unique(sample.parameters)) < 2 or len(np.unique(sample.tokens)) < 2:
            continue  # says nothing about one of the exponents
        laws.append(fit_chinchilla(sample, near=law, delta=delta))
    return laws


def percentile_interval(value: float, samples: Sequence[float] | Array, level: float = 0.95) -> Interval:
    """The middle `level` of the bootstrap samples."""
    tail = 50.0 * (1.0 - level)
    low, high = np.nanpercentile(np.asarray(samples, float), [tail, 100.0 - tail])
    return Interval(value, float(low), float(high))


# ---------------------------------------------------------------------------------------- profile likelihood


def likelihood_ratio_threshold(residuals: Array, n_parameters: int, delta: float, level: float = 0.95) -> float:
    """By how much Σ Huber may rise before a value leaves the interval.

    For an M-estimator 2(ρ(θ₀) − ρ(θ̂))·E[ψ']/E[ψ²] is χ² with one degree of freedom (Schrader and Hettmansperger
    1980). ψ' is 1 inside ±δ; since δ is often far below the noise, its mean is estimated from a wider window h
    and scaled by δ/h, leaving out the residuals that the fit made zero.
    """
    n = len(residuals)
    size = np.abs(residuals)
    noise = float(np.median(size)) / 0.6745
    window = max(delta, 1.06 * noise * n ** (-0.2))
    inside = max(float(np.sum(size <= window)) - n_parameters, 1.0) / max(n - n_parameters, 1)
    slope = inside * min(delta / window, 1.0)
    energy = float(np.sum(np.clip(residuals, -delta, delta) ** 2)) / max(n - n_parameters, 1)
    return float(chi2.ppf(level, 1)) / 2.0 * energy / slope


def profile_interval(
    runs: Runs, law: Chinchilla, name: str, *, delta: float = HUBER_DELTA, level: float = 0.95
) -> Interval:
    """Profile-likelihood interval of alpha, beta or E: the values whose best fit stays under the threshold.

    A bound is infinite (or 0) where the objective never rises enough: the runs do not fix that side.
    """
    objective = HuberObjective(design(runs), np.log(runs.loss), delta)
    index = {"alpha": 2, "beta": 3, "E": 4}[name]
    best = objective.inward(law.theta)
    residuals = law.log_loss(design(runs)) - np.log(runs.loss)
    limit = law.objective + likelihood_ratio_threshold(residuals, len(best), delta, level)

    def outward(x: float) -> float:
        return float(np.exp(x)) if name == "E" else float(x / objective.spread[index - 2])

    bounds = []
    for direction in (-1.0, 1.0):
        start = best.copy()
        step = 0.02 * max(abs(best[index]), 0.05)
        inside, bound = float(best[index]), direction * np.inf
        for _ in range(40):
            at = inside + direction * step
            trial = start.copy()
            trial[index] = at
            reached, value = objective.minimum(trial, (index,), PROFILE_TOLERANCE)
            if value > limit:
                bound = _crossing(objective, start, index, inside, at, limit)
                break
            start, inside, step = reached, at, step * 1.5
            if abs(at) > 50:
                break
        bounds.append(bound)
    low, high = bounds
    if not np.isfinite(low):
        low = 0.0
    else:
        low = outward(low)
    return Interval(getattr(law, name), low, outward(high) if np.isfinite(high) else np.inf)


def _crossing(
    objective: HuberObjective, start: Array, index: int, inside: float, outside: float, limit: float
) -> float:
    """Where between two values of one parameter the profile passes the limit."""

    def height(at: float) -> float:
        trial = start.copy()
        trial[index] = at
        return objective.minimum(trial, (index,), PROFILE_TOLERANCE)[1] - limit

    low, high = height(inside), height(outside)
    if low * high > 0:
        return inside
    return float(brentq(height, inside, outside, xtol=1e-4 * max(abs(inside), 1e-3)))


def profile(runs: Runs, law: Chinchilla, name: str, values: Array, *, delta: float = HUBER_DELTA) -> list[float]:
    """The lowest objective with alpha, beta or E held at each of the values: the curve that the report draws."""
    objective = HuberObjective(design(runs), np.log(runs.loss), delta)
    index = {"alpha": 2, "beta": 3, "E": 4}[name]
    heights = []
    for value in values:
        x = objective.inward(law.theta)
        x[index] = np.log(value) if name == "E" else value * objective.spread[index - 2]
        heights.append(objective.minimum(x, (index,), PROFILE_TOLERANCE)[1])
    return heights


# ---------------------------------------------------------------------------------------- what the runs lack


def identifiability_warnings(runs: Runs, law: Chinchilla, profiles: dict[str, Interval] | None = None) -> list[str]:
    """In words: what in these runs keeps the law from being known."""
    warnings = []
    log_x = design(runs)
    for column, name in enumerate(("parameters", "tokens")):
        decades = float(np.ptp(log_x[:, column])) / np.log(10)
        distinct = len(np.unique(np.round(log_x[:, column], 6)))
        if distinct < 3:
            warnings.append(f"only {distinct} distinct values of {name}: its exponent is not identified (3 are needed)")
        elif decades < MIN_DECADES:
            warnings.append(f"{name} span {decades:.2f} decades, under {MIN_DECADES:g}: its exponent is extrapolated")
    if np.ptp(log_x[:, 0]) > 0 and np.ptp(log_x[:, 1]) > 0:
        correlation = float(np.corrcoef(log_x.T)[0, 1])
        if abs(correlation) > 0.95:
            warnings.append(
                f"ln N and ln D correlate at {correlation:.3f} (a fixed number of tokens a parameter?): "
                "A/N^α and B/D^β cannot be told apart"
            )
    if len(runs) < 15:
        warnings.append(f"{len(runs)} runs for 5 parameters: intervals are rough; 3 runs a parameter are a minimum")
    noise = float(np.median(np.abs(law.log_loss(log_x) - np.log(runs.loss)))) / 0.6745
    terms = {"A/N^α": law.A * runs.parameters**-law.alpha, "B/D^β": law.B * runs.tokens**-law.beta}
    for term, size in terms.items():
        if float(np.ptp(size)) < 2 * noise * float(runs.loss.mean()):
            warnings.append(f"the term {term} varies by less than twice the residual noise: it is not identified")
    for name, value in (("alpha", law.alpha), ("beta", law.beta)):
        if value <= 0:
            warnings.append(f"{name} = {value:.3g} is not positive: more would make the loss worse")
    if 0.02 * float(runs.loss.min()) > law.E:
        warnings.append("E went to zero: the runs do not bend enough to show an irreducible loss")
    if runs.unique_tokens is not None and np.any(runs.tokens > 1.001 * runs.unique_tokens):
        epochs = float((runs.tokens / runs.unique_tokens).max())
        warnings.append(
            f"runs repeat their tokens up to {epochs:.3g} times: D is not fresh data; see the repeats section"
        )
    for name, interval in (profiles or {}).items():
        if interval.low <= 0 or not np.isfinite(interval.high):
            warnings.append(f"the profile of {name} is open on one side: the runs do not bound it")
    return warnings


def leave_largest_out(runs: Runs, *, fraction: float = 0.1, delta: float = HUBER_DELTA) -> dict[str, float] | None:
    """Fits without the `fraction` of runs with most compute (at least those of the largest value) and predicts them.

    Returns the number held out, the mean relative error and the bias of the loss; None if too few runs remain.
    """
    order = np.sort(runs.flops)
    limit = order[min(int(np.ceil(len(runs) * (1 - fraction))), len(runs) - 1)]
    largest = runs.flops >= limit * (1 - 1e-9)
    if np.sum(~largest) < 6:
        return None
    law = fit_chinchilla(runs.take(~largest), delta=delta)
    held = runs.take(largest)
    error = law.loss(held.parameters, held.tokens) / held.loss - 1.0
    return {
        "held_out": int(largest.sum()),
        "mean_absolute_relative_error": float(np.mean(np.abs(error))),
        "mean_relative_error": float(np.mean(error)),
    }
