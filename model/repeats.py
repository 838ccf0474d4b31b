"""The data-constrained scaling law: what tokens are worth when they repeat.

Repeated tokens lose value exponentially, D' = U + U·R*(1 − exp(−R/R*)) with R = D/U − 1 repeats of U unique
tokens, and parameters beyond the compute-optimal size for U tokens likewise (Muennighoff et al. 2023). The
underlying law comes from runs without repeats; here the two R* are fitted, and profiled, since they are often
poorly determined.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize

from model.scaling import HUBER_DELTA, Array, Chinchilla, Runs

R_STAR_GRID = np.geomspace(0.5, 500.0, 9)
"""Where the search for each R* starts; the published values are 5.3 (parameters) and 15.4 (tokens)."""


@dataclass(frozen=True)
class RepeatLaw:
    """The loss of N parameters on D tokens of which U are unique."""

    base: Chinchilla
    r_star_parameters: float
    r_star_tokens: float
    """Repeats after which a further pass is worth 1/e of a first one."""
    objective: float

    def loss(self, runs: Runs) -> Array:
        return np.exp(_log_loss(self.base, runs, self.r_star_parameters, self.r_star_tokens)[0])

    def effective_tokens(self, unique: float, epochs: float) -> float:
        """Fresh tokens that `epochs` passes over `unique` tokens are worth."""
        return float(_effective(np.array([unique]), np.array([max(epochs - 1.0, 0.0)]), self.r_star_tokens)[0][0])


def _effective(unit: Array, repeats: Array, r_star: float) -> tuple[Array, Array]:
    """U' = U + U·R*(1 − exp(−R/R*)), and ∂U'/∂ln R*."""
    decay = np.exp(-repeats / r_star)
    value = unit * (1.0 + r_star * (1.0 - decay))
    return value, unit * (r_star * (1.0 - decay) - repeats * decay)


def _log_loss(law: Chinchilla, runs: Runs, r_n: float, r_d: float) -> tuple[Array, Array]:
    """ln L̂ and its gradient by (ln R*_N, ln R*_D), shape (n, 2)."""
    unique = runs.tokens if runs.unique_tokens is None else np.minimum(runs.unique_tokens, runs.tokens)
    G = (law.alpha * law.A / (law.beta * law.B)) ** (1.0 / (law.alpha + law.beta))
    # The N for which U tokens are compute-optimal: N = G·(C/6)^(β/(α+β)) with U = (C/6)^(α/(α+β))/G.
    wanted = np.minimum(G * (unique * G) ** (law.beta / law.alpha), runs.parameters)
    n, dn = _effective(wanted, runs.parameters / wanted - 1.0, r_n)
    d, dd = _effective(unique, runs.tokens / unique - 1.0, r_d)
    by_n, by_d = law.A * n**-law.alpha, law.B * d**-law.beta
    total = law.E + by_n + by_d
    gradient = np.column_stack([-law.alpha * by_n * dn / n / total, -law.beta * by_d * dd / d / total])
    return np.log(total), gradient


def _objective(law: Chinchilla, runs: Runs, log_r: Array, delta: float) -> tuple[float, Array]:
    predicted, slope = _log_loss(law, runs, float(np.exp(log_r[0])), float(np.exp(log_r[1])))
    residual = predicted - np.log(runs.loss)
    clipped = np.clip(residual, -delta, delta)
    return float(np.sum(clipped * (residual - clipped / 2))), clipped @ slope


def repeat_objective(
    law: Chinchilla, runs: Runs, r_star_parameters: float, r_star_tokens: float, *, delta: float = HUBER_DELTA
) -> float:
    """Σ Huber(log L̂ − log L) of the runs under the law with these R*."""
    return _objective(law, runs, np.log([r_star_parameters, r_star_tokens]), delta)[0]


def fit_repeats(law: Chinchilla, runs: Runs, *, delta: float = HUBER_DELTA) -> RepeatLaw:
    """Fits R*_N and R*_D over a grid of starts, the law of fresh tokens being given."""
    if runs.unique_tokens is None or not np.any(runs.tokens > runs.unique_tokens * 1.001):
        raise ValueError("no run repeats its tokens, so R* cannot be fitted; give runs with tokens > unique_tokens")
    found = [_descend(law, runs, np.log([r_n, r_d]), delta, free=(0, 1)) for r_n in R_STAR_GRID for r_d in R_STAR_GRID]
    log_r, value = min(found, key=lambda result: result[1])
    return RepeatLaw(law, float(np.exp(log_r[0])), float(np.exp(log_r[1])), value)


def profile_r_star_tokens(
    law: Chinchilla, runs: Runs, values: Array, *, delta: float = HUBER_DELTA
) -> list[tuple[float, float, float]]:
    """For each R*_D the best R*_N and the objective there: (R*_D, R*_N, objective).

    Where the objective stays flat over a wide range of R*_D, the data do not tell it.
    """
    rows = []
    for value in values:
        begin = [np.array([np.log(r_n), np.log(value)]) for r_n in R_STAR_GRID]
        log_r, objective = min((_descend(law, runs, x, delta, free=(0,)) for x in begin), key=lambda found: found[1])
        rows.append((float(value), float(np.exp(log_r[0])), objective))
    return rows


def _descend(law: Chinchilla, runs: Runs, log_r: Array, delta: float, free: tuple[int, ...]) -> tuple[Array, float]:
    index = list(free)
    scale = 1.0 / (len(runs) * delta)

    def objective(part: Array) -> tuple[float, Array]:
        full = log_r.copy()
        full[index] = part
        value, gradient = _objective(law, runs, full, delta)
        return value * scale, gradient[index] * scale

    bounds = [(np.log(0.05), np.log(1e4))] * len(index)
    options = {"ftol": 1e-15, "gtol": 1e-10, "maxiter": 500}
    result = minimize(objective, log_r[index], jac=True, method="L-BFGS-B", bounds=bounds, options=options)
    full = log_r.copy()
    full[index] = result.x
    return full, float(result.fun) / scale
