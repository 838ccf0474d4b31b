"""What a scaling law recommends: the best size and data for a budget, and what a better recipe saves.

A fitted law flows in; compute-optimal N and D, the optimum when the model will be served, isoFLOP minima and
the compute multiplier of an arm over its baseline flow out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq, minimize_scalar

from model.scaling import Array, Chinchilla, Runs

CHINCHILLA_TOKENS_PER_PARAMETER = 20.0
"""Hoffmann et al. 2022; printed beside every optimum."""


@dataclass(frozen=True)
class Allocation:
    """A size and a data budget."""

    parameters: float
    tokens: float
    training_flops: float
    loss: float
    serving_flops: float = 0.0

    def as_dict(self) -> dict[str, float]:
        return {
            "parameters": self.parameters,
            "tokens": self.tokens,
            "tokens_per_parameter": self.tokens / self.parameters,
            "training_flops": self.training_flops,
            "serving_flops": self.serving_flops,
            "loss": self.loss,
        }


def compute_optimal(law: Chinchilla, flops: float) -> Allocation:
    """N and D that minimise L(N, D) subject to 6ND = flops.

    N = G·(C/6)^(β/(α+β)), D = (C/6)^(α/(α+β))/G, G = (αA/βB)^(1/(α+β)) (Hoffmann et al. 2022, equation 4).
    """
    total = law.alpha + law.beta
    G = (law.alpha * law.A / (law.beta * law.B)) ** (1.0 / total)
    parameters = G * (flops / 6.0) ** (law.beta / total)
    tokens = flops / (6.0 * parameters)
    return Allocation(parameters, tokens, flops, float(law.loss(parameters, tokens)))


def at_tokens_per_parameter(law: Chinchilla, flops: float, ratio: float) -> Allocation:
    """The size whose budget gives it `ratio` tokens a parameter."""
    parameters = float(np.sqrt(flops / (6.0 * ratio)))
    tokens = ratio * parameters
    return Allocation(parameters, tokens, flops, float(law.loss(parameters, tokens)))


def inference_optimal(law: Chinchilla, target_loss: float, served_tokens: float) -> Allocation:
    """The cheapest model over its life that reaches `target_loss`: minimises 6ND + 2N·served_tokens.

    Sardana and Frankle 2023. For each N above the smallest that can reach the loss, D follows from the law.
    Raises ValueError if the loss is at or under E.
    """
    if target_loss <= law.E:
        raise ValueError(f"loss {target_loss:.4f} is not above the law's irreducible loss E = {law.E:.4f}")
    smallest = (law.A / (target_loss - law.E)) ** (1.0 / law.alpha)

    def tokens_for(parameters: float) -> float:
        rest = target_loss - law.E - law.A * parameters**-law.alpha
        return (law.B / rest) ** (1.0 / law.beta) if rest > 0 else np.inf

    def life_cost(excess: float) -> float:
        parameters = smallest * (1.0 + np.exp(excess))
        return float(np.log(6.0 * parameters * tokens_for(parameters) + 2.0 * parameters * served_tokens))

    coarse = np.linspace(-12.0, 12.0, 97)
    at = int(np.argmin([life_cost(x) for x in coarse]))
    bounds = (coarse[max(at - 1, 0)], coarse[min(at + 1, len(coarse) - 1)])
    excess = float(minimize_scalar(life_cost, bounds=bounds, method="bounded", options={"xatol": 1e-9}).x)
    parameters = smallest * (1.0 + np.exp(excess))
    tokens = tokens_for(parameters)
    return Allocation(parameters, tokens, 6.0 * parameters * tokens, target_loss, 2.0 * parameters * served_tokens)


# ---------------------------------------------------------------------------------------- isoFLOP


@dataclass(frozen=True)
class IsoFlop:
    """The minimum of a parabola through the runs of one compute budget."""

    flops: float
    parameters: float
    loss: float
    n_runs: int
    inside: bool
    """Whether the minimum lies between the smallest and the largest size tried."""


def isoflop_minima(runs: Runs, *, tolerance: float = 0.1, min_sizes: int = 3) -> list[IsoFlop]:
    """Fits loss = a + b ln N + c (ln N)² to each group of runs of equal compute (within `tolerance` of ln C).

    Groups with fewer than `min_sizes` sizes, or that do not curve upwards, have no minimum and are left out.
    """
    order = np.argsort(runs.flops, kind="stable")
    log_c = np.log(runs.flops[order])
    starts = np.flatnonzero(np.diff(log_c, prepend=-np.inf) > tolerance)
    minima = []
    for rows in np.split(order, starts[1:]):
        size, loss = np.log(runs.parameters[rows]), runs.loss[rows]
        if len(np.unique(np.round(size, 6))) < min_sizes:
            continue
        middle = size.mean()
        c, b, a = np.polyfit(size - middle, loss, 2)
        if c <= 0:
            continue
        at = -b / (2 * c)
        flops = float(np.exp(np.mean(np.log(runs.flops[rows]))))
        inside = bool(size.min() <= at + middle <= size.max())
        minima.append(IsoFlop(flops, float(np.exp(at + middle)), float(a - b * b / (4 * c)), len(rows), inside))
    return minima


def isoflop_exponent(minima: Sequence[IsoFlop]) -> float | None:
    """a in N_opt ∝ C^a over the minima that lie inside their sizes; None with fewer than two."""
    good = [m for m in minima if m.inside]
    if len({m.flops for m in good}) < 2:
        return None
    return float(np.polyfit([np.log(m.flops) for m in good], [np.log(m.parameters) for m in good], 1)[0])


# ---------------------------------------------------------------------------------------- compute multiplier


def compute_multiplier(baseline: Chinchilla, parameters: float, tokens: float, arm_loss: float) -> float:
    """How many times the compute the baseline needs for the arm's loss, N and D growing together (each by √m).

    Infinite if the baseline never reaches it; between 0 and 1 where the arm is worse.
    """
    if arm_loss <= baseline.E:
        return float("inf")

    log_x = np.log([[parameters, tokens]])

    def gap(log_m: float) -> float:
        # In logarithms: a bootstrap's law of few runs may have coefficients beyond any float.
        return float(baseline.log_loss(log_x + log_m / 2)[0] - np.log(arm_loss))

    return _solve(gap)


def data_multiplier(baseline: Chinchilla, parameters: float, tokens: float, arm_loss: float) -> float:
    """How many times the tokens the baseline needs for the arm's loss at the same size."""
    rest = arm_loss - baseline.E - baseline.A * parameters**-baseline.alpha
    if rest <= 0:
        return float("inf")
    return float((baseline.B / rest) ** (1.0 / baseline.beta) / tokens)


def curve_multiplier(x: Array, baseline_loss: Array, at: float, arm_loss: float) -> tuple[float, bool]:
    """The multiplier from measured points alone: the x at which the baseline has the arm's loss, over `at`.

    `x` (tokens or compute, ascending) and `baseline_loss` are the baseline's curve, joined by straight lines in
    ln x and continued with the slope of its end. Returns the multiplier and whether it was extrapolated; NaN
    where the baseline's curve does not fall.
    """
    log_x = np.log(x)
    falling = np.minimum.accumulate(baseline_loss)
    keep = np.concatenate([[True], np.diff(falling) < 0])
    log_x, loss = log_x[keep], falling[keep]
    if len(loss) < 2:
        return float("nan"), True
    if loss[-1] <= arm_loss <= loss[0]:
        return float(np.exp(np.interp(-arm_loss, -loss, log_x)) / at), False
    i, j = (-2, -1) if arm_loss < loss[-1] else (0, 1)
    slope = (loss[j] - loss[i]) / (log_x[j] - log_x[i])
    return float(np.exp(np.clip(log_x[j] + (arm_loss - loss[j]) / slope - np.log(at), -20, 20))), True


def _solve(gap: Callable[[float], float], limit: float = 40.0) -> float:
    """exp of the root of a falling function of ln m; 0 or inf beyond e^±limit."""
    if gap(-limit) < 0:
        return 0.0
    if gap(limit) > 0:
        return float("inf")
    return float(np.exp(brentq(gap, -limit, limit, xtol=1e-10)))
