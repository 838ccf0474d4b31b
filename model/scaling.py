"""Scaling laws: what loss a model of N parameters reaches on D tokens, fitted to runs.

Runs flow in as arrays (parameters, tokens, loss), a law flows out. Every law here is a constant plus power laws,
L = E + Σ_j A_j x_j^(-α_j); it is fitted in log space, where log L is a log-sum-exp of functions linear in log x_j,
by L-BFGS with the analytic gradient on the *summed* Huber loss of log L, from a grid of starts.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

Array = NDArray[np.float64]

HUBER_DELTA = 1e-3
"""Residual of log L from which on it counts linearly (Hoffmann et al. 2022, appendix D.3)."""

N_POLISHED_STARTS = 12
"""How many of the grid's starts, the lowest first, are followed to their minimum."""


@dataclass(frozen=True)
class Runs:
    """Finished training runs: one entry a run in each array."""

    parameters: Array
    """N, without embeddings where the trainer can tell them apart."""
    tokens: Array
    """D, tokens seen; repeats count."""
    loss: Array
    """Held-out loss, nats a token (or bits a byte: the law does not mind, as long as all runs agree)."""
    unique_tokens: Array | None = None
    """Distinct tokens in the training set; None: nothing was repeated."""

    def __post_init__(self) -> None:
        columns = {"parameters": self.parameters, "tokens": self.tokens, "loss": self.loss}
        if self.unique_tokens is not None:
            columns["unique_tokens"] = self.unique_tokens
        for name, column in columns.items():
            if column.shape != self.loss.shape or column.ndim != 1:
                raise ValueError(f"runs: column {name} has shape {column.shape}, loss has {self.loss.shape}")
            wrong = np.flatnonzero(~(np.isfinite(column) & (column > 0)))
            if len(wrong):
                row = int(wrong[0])
                raise ValueError(f"runs: {name} of run {row} is {column[row]}; every value must be a positive number")

    def __len__(self) -> int:
        return len(self.loss)

    @property
    def flops(self) -> Array:
        """C = 6ND (Kaplan et al. 2020)."""
        return 6.0 * self.parameters * self.tokens

    def take(self, rows: NDArray[Any]) -> Runs:
        """The runs at `rows` (indices or a mask)."""
        unique = None if self.unique_tokens is None else self.unique_tokens[rows]
        return Runs(self.parameters[rows], self.tokens[rows], self.loss[rows], unique)


@dataclass(frozen=True)
class PowerLaw:
    """L = E + Σ_j A_j x_j^(-α_j), as fitted."""

    log_coefficients: Array
    """ln A_j, one a variable."""
    exponents: Array
    """α_j."""
    log_constant: float
    """ln E."""
    objective: float
    """Σ Huber(log L̂ − log L) at the fit."""

    @property
    def constant(self) -> float:
        return float(np.exp(self.log_constant))

    @property
    def theta(self) -> Array:
        """(ln A_1…, α_1…, ln E)."""
        return np.concatenate([self.log_coefficients, self.exponents, [self.log_constant]])

    def log_loss(self, log_x: Array) -> Array:
        """ln L̂ at the points `log_x`, shape (n, number of variables)."""
        terms = self.log_coefficients - log_x * self.exponents
        return np.asarray(np.logaddexp.reduce(np.column_stack([terms, np.full(len(terms), self.log_constant)]), axis=1))


@dataclass(frozen=True)
class Chinchilla(PowerLaw):
    """L(N, D) = E + A/N^α + B/D^β (Hoffmann et al. 2022)."""

    @property
    def A(self) -> float:  # noqa: N802
        return float(np.exp(self.log_coefficients[0]))

    @property
    def B(self) -> float:  # noqa: N802
        return float(np.exp(self.log_coefficients[1]))

    @property
    def E(self) -> float:  # noqa: N802
        return self.constant

    @property
    def alpha(self) -> float:
        return float(self.exponents[0])

    @property
    def beta(self) -> float:
        return float(self.exponents[1])

    def loss(self, parameters: Any, tokens: Any) -> Array:
        """L̂(N, D), broadcast."""
        parameters, tokens = np.broadcast_arrays(np.asarray(parameters, float), np.asarray(tokens, float))
        # Each term in logarithms: a bootstrap's law of few runs may have coefficients beyond any float.
        terms = [
            np.exp(coefficient - exponent * np.log(x))
            for coefficient, exponent, x in zip(
                self.log_coefficients, self.exponents, (parameters, tokens), strict=True
            )
        ]
        return np.asarray(self.E + terms[0] + terms[1])

    def as_dict(self) -> dict[str, float]:
        names = ("A", "B", "E", "alpha", "beta", "objective")
        return {name: float(getattr(self, name)) for name in names}

    @classmethod
    def of(cls, A: float, B: float, E: float, alpha: float, beta: float, objective: float = float("nan")) -> Chinchilla:
        """The law with these constants."""
        return cls(np.log([A, B]), np.array([alpha, beta], float), float(np.log(E)), objective)


class HuberObjective:
    """Σ Huber_δ(log L̂ − log L) of a power law and its gradient, in coordinates that L-BFGS finds round.

    The raw parameters are badly conditioned: ln A and α move together since ln N is far from zero, and with
    δ = 1e-3 gradients are so small that default tolerances (or a mean in place of the sum) stop the search far
    from the minimum. So the log variables are standardised and the objective is divided by n·δ.
    """

    def __init__(self, log_x: Array, log_loss: Array, delta: float = HUBER_DELTA) -> None:
        self.mean = log_x.mean(axis=0)
        spread = log_x.std(axis=0)
        self.spread = np.where(spread > 1e-9, spread, 1.0)
        self.z = (log_x - self.mean) / self.spread
        self.log_loss = log_loss
        self.delta = delta
        self.k = log_x.shape[1]

    def inward(self, theta: Array) -> Array:
        """From (ln A, α, ln E) to the standardised coordinates."""
        k = self.k
        coefficients, exponents = theta[:k], theta[k : 2 * k]
        return np.concatenate([coefficients - exponents * self.mean, exponents * self.spread, theta[2 * k :]])

    def outward(self, x: Array) -> Array:
        """From the standardised coordinates to (ln A, α, ln E)."""
        k = self.k
        exponents = x[k : 2 * k] / self.spread
        return np.concatenate([x[:k] + exponents * self.mean, exponents, x[2 * k :]])

    def __call__(self, x: Array) -> tuple[float, Array]:
        """The summed Huber loss and its gradient, both divided by n·δ."""
        k = self.k
        terms = np.empty((len(self.z), k + 1))
        terms[:, :k] = x[:k] - self.z * x[k : 2 * k]
        terms[:, k] = x[2 * k]
        top = terms.max(axis=1)
        shares = np.exp(terms - top[:, None])
        total = shares.sum(axis=1)
        residual = top + np.log(total) - self.log_loss
        clipped = np.clip(residual, -self.delta, self.delta)
        # Huber: r²/2 inside δ, δ(|r| − δ/2) outside; both are c·(r − c/2) with c = clip(r, ±δ).
        value = float(np.sum(clipped * (residual - clipped / 2)))
        slope = shares * (clipped / total)[:, None]
        gradient = np.concatenate([slope[:, :k].sum(0), -(slope[:, :k] * self.z).sum(0), [slope[:, k].sum()]])
        scale = 1.0 / (len(self.z) * self.delta)
        return value * scale, gradient * scale

    def summed(self, x: Array) -> float:
        """The summed Huber loss, in the units that papers quote."""
        return self(x)[0] * len(self.z) * self.delta

    def minimum(self, x: Array, fixed: tuple[int, ...] = (), tolerance: float = 1e-15) -> tuple[Array, float]:
        """Follows one start down; entries `fixed` of the standardised coordinates stay where they are. `tolerance`: the
        relative decrease at which L-BFGS stops."""
        free = np.setdiff1d(np.arange(len(x)), fixed)
        x = x.copy()

        def objective(part: Array) -> tuple[float, Array]:
            full = x.copy()
            full[free] = part
            value, gradient = self(full)
            return value, gradient[free]

        options = {"ftol": tolerance, "gtol": 1e-11, "maxiter": 3000, "maxfun": 6000, "maxcor": 20}
        value = np.inf
        for _ in range(4):  # a fresh L-BFGS memory gets past a line search that gave up on rounding
            found = minimize(objective, x[free], jac=True, method="L-BFGS-B", options=options)
            x[free] = found.x
            if value - found.fun <= 1e-10 * max(abs(found.fun), 1e-12):
                break
            value = float(found.fun)
        return x, float(found.fun) * len(self.z) * self.delta


def starts(objective: HuberObjective) -> list[Array]:
    """The grid: shares of the lowest loss that are irreducible × how the rest divides among the terms ×
    exponents. Relative to the data, so it serves nats, bits a byte and any unit of x."""
    loss = np.exp(objective.log_loss)
    k = objective.k
    splits = [(1.0,)] if k == 1 else [(0.5, 0.5), (0.15, 0.85), (0.85, 0.15)]
    slopes = (0.05, 0.15, 0.3, 0.45, 0.7, 1.1)
    grid = []
    for irreducible in (0.1, 0.4, 0.6, 0.75, 0.85, 0.93, 0.98):
        constant = irreducible * loss.min()
        rest = float(np.median(loss)) - constant
        for split, exponents in itertools.product(splits, itertools.product(slopes, repeat=k)):
            coefficients = np.log(np.asarray(split) * max(rest, 1e-6))
            grid.append(np.concatenate([coefficients, np.asarray(exponents) * objective.spread, [np.log(constant)]]))
    return grid


def fit_power_law(log_x: Array, log_loss: Array, *, near: Array | None = None, delta: float = HUBER_DELTA) -> PowerLaw:
    """Fits L = E + Σ A_j x_j^(-α_j); `log_x` has shape (n, k), `near` (a theta) replaces the grid by one start.

    Raises ValueError if there are fewer runs than parameters.
    """
    n_parameters = 2 * log_x.shape[1] + 1
    if len(log_x) < n_parameters:
        raise ValueError(f"{len(log_x)} runs cannot fix {n_parameters} parameters; give at least {n_parameters} runs")
    objective = HuberObjective(log_x, log_loss, delta)
    if near is not None:
        begin = [objective.inward(near)]
    else:
        begin = sorted(starts(objective), key=lambda x: objective(x)[0])[:N_POLISHED_STARTS]
    x, value = min((objective.minimum(start) for start in begin), key=lambda found: found[1])
    theta, k = objective.outward(x), log_x.shape[1]
    return PowerLaw(theta[:k], theta[k : 2 * k], float(theta[2 * k]), value)


def fit_chinchilla(runs: Runs, *, near: Chinchilla | None = None, delta: float = HUBER_DELTA) -> Chinchilla:
    """Fits L(N, D) = E + A/N^α + B/D^β to the runs."""
    start = None if near is None else near.theta
    law = fit_power_law(design(runs), np.log(runs.loss), near=start, delta=delta)
    return Chinchilla(law.log_coefficients, law.exponents, law.log_constant, law.objective)


def design(runs: Runs) -> Array:
    """(ln N, ln D), shape (n, 2)."""
    return np.column_stack([np.log(runs.parameters), np.log(runs.tokens)])


def fit_offset_power_law(x: Array, loss: Array, *, delta: float = HUBER_DELTA) -> PowerLaw:
    """Fits L = E + A x^(-α) in one variable (tokens, parameters or compute): one arm of an ablation."""
    return fit_power_law(np.log(x)[:, None], np.log(loss), delta=delta)
