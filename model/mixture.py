"""Domain mixtures: from proxy runs (mixture → loss) to the mixture that a target asks for.

Proxy runs flow in as a table of domain shares and held-out losses. For each evaluation domain a law is fitted,
either the exponential mixing law L = c + exp(k + t·r) (Ye et al. 2024) or a regression (RegMix, Liu et al. 2024),
the better one by cross-validation; the mixture that minimises the stated target comes out, with its uncertainty,
as the file that `mix: {strategy: regression}` reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy.optimize import least_squares, minimize
from scipy.stats import spearmanr

from model.scaling import Array

FORMAT = "mixture/1"
"""Version of the result file, checked when it is read."""

HUBER_DELTA = 1e-2
"""Residual of log loss from which on it counts linearly: proxy runs are noisier than the runs of a scaling law."""

RIDGES = (1e-3, 3e-3, 1e-2, 3e-2, 1e-1, 3e-1, 1.0, 3.0)
"""Ridges that the linear law chooses among, by leave-one-out error: on some dozens of noisy proxies the unshrunk slopes
predict worse than the mean does."""

LawName = Literal["exponential", "linear"]


@dataclass(frozen=True)
class MixtureRuns:
    """Proxy runs: the shares of the domains in training, and the losses on the evaluation domains."""

    domains: tuple[str, ...]
    shares: Array
    """(runs, domains), each row a mixture that sums to one."""
    targets: tuple[str, ...]
    losses: Array
    """(runs, targets)."""

    def __post_init__(self) -> None:
        n = len(self.shares)
        if self.shares.shape != (n, len(self.domains)) or self.losses.shape != (n, len(self.targets)):
            raise ValueError(
                f"mixture runs: shares {self.shares.shape} for {len(self.domains)} domains, "
                f"losses {self.losses.shape} for {len(self.targets)} targets"
            )
        if not np.all(np.isfinite(self.losses)) or np.any(self.losses <= 0):
            raise ValueError("mixture runs: every loss must be a positive number")
        total = self.shares.sum(axis=1)
        wrong = np.flatnonzero((np.abs(total - 1) > 0.02) | np.any(self.shares < 0, axis=1))
        if len(wrong):
            row = int(wrong[0])
            raise ValueError(f"mixture runs: the shares of run {row} sum to {total[row]:.4f}; they must sum to 1")

    def take(self, rows: Any) -> MixtureRuns:
        return MixtureRuns(self.domains, self.shares[rows], self.targets, self.losses[rows])


# ---------------------------------------------------------------------------------------- laws


@dataclass(frozen=True)
class ExponentialLaw:
    """L = c + exp(k + t·r) for shares r."""

    c: float
    k: float
    t: Array
    name: LawName = "exponential"

    def __call__(self, shares: Array) -> Array:
        return np.asarray(self.c + np.exp(self.k + shares @ self.t))

    def gradient(self, shares: Array) -> Array:
        return np.asarray(np.exp(self.k + shares @ self.t) * self.t)

    def as_dict(self, domains: Sequence[str]) -> dict[str, Any]:
        return {"law": self.name, "c": self.c, "k": self.k, "t": dict(zip(domains, self.t.tolist(), strict=True))}


@dataclass(frozen=True)
class LinearLaw:
    """L = k + t·r: RegMix's linear regression, shrunk by a ridge."""

    k: float
    t: Array
    name: LawName = "linear"

    def __call__(self, shares: Array) -> Array:
        return np.asarray(self.k + shares @ self.t)

    def gradient(self, shares: Array) -> Array:
        return self.t

    def as_dict(self, domains: Sequence[str]) -> dict[str, Any]:
        return {"law": self.name, "k": self.k, "t": dict(zip(domains, self.t.tolist(), strict=True))}


Law = ExponentialLaw | LinearLaw


def fit_linear(shares: Array, loss: Array, ridge: float | None = None) -> LinearLaw:
    """Least squares with a ridge on the slopes, around the mean mixture. None: the ridge of `RIDGES` with the least
    leave-one-out error."""
    middle = shares.mean(axis=0)
    centred, varying = shares - middle, loss - loss.mean()
    if ridge is None:
        u, s, _ = np.linalg.svd(centred, full_matrices=False)
        errors = []
        for each in RIDGES:
            kept = s**2 / (s**2 + each)
            leverage = u**2 @ kept + 1 / len(loss)
            left = varying - u @ (kept * (u.T @ varying))
            errors.append(float(np.sum((left / np.maximum(1 - leverage, 1e-9)) ** 2)))
        ridge = RIDGES[int(np.argmin(errors))]
    gram = centred.T @ centred + ridge * np.eye(shares.shape[1])
    t = np.linalg.solve(gram, centred.T @ varying)
    return LinearLaw(float(loss.mean() - middle @ t), t)


def fit_exponential(shares: Array, loss: Array, *, delta: float = HUBER_DELTA, ridge: float = 1e-8) -> ExponentialLaw:
    """Huber loss of log L by trust-region least squares, from several shares of the lowest loss as c.

    k and t share a direction (shares sum to one); a small ridge on t settles it.
    """
    log_loss = np.log(loss)
    d = shares.shape[1]
    pull = np.sqrt(ridge)
    ridge_rows = np.column_stack([np.zeros((d, 2)), pull * np.eye(d)])

    def parts(x: Array) -> tuple[float, Array]:
        return float(np.exp(x[0])), np.exp(np.clip(x[1] + shares @ x[2:], -50, 50))

    def residuals(x: Array) -> Array:
        floor, varying = parts(x)
        return np.concatenate([np.log(floor + varying) - log_loss, pull * x[2:]])

    def jacobian(x: Array) -> Array:
        floor, varying = parts(x)
        part = (varying / (floor + varying))[:, None]
        return np.vstack([np.column_stack([1.0 - part, part, part * shares]), ridge_rows])

    best = None
    for part in (0.3, 0.7, 0.9, 0.99):
        c = part * float(loss.min())
        linear = fit_linear(shares, np.log(loss - c))
        start = np.concatenate([[np.log(c), linear.k], linear.t])
        found = least_squares(
            residuals, start, jacobian, loss="huber", f_scale=delta, xtol=1e-8, ftol=1e-9, gtol=1e-10, max_nfev=200
        )
        if best is None or found.cost < best.cost:
            best = found
    assert best is not None
    return ExponentialLaw(float(np.exp(best.x[0])), float(best.x[1]), best.x[2:].copy())


FITTERS = {"exponential": fit_exponential, "linear": fit_linear}


@dataclass(frozen=True)
class FittedTarget:
    """The law chosen for one evaluation domain, and how each law did on held-out folds."""

    law: Law
    spearman: dict[str, float]
    """Law → rank correlation of cross-validated prediction and loss."""
    relative_error: dict[str, float]
    """Law → median absolute relative error, cross-validated."""


def fit_target(shares: Array, loss: Array, *, folds: int = 5, seed: int = 0) -> FittedTarget:
    """Fits each law, and keeps the one with the lower cross-validated error.

    The exponential law needs more runs than parameters (domains + 2) in each training fold; with fewer only the
    regression is fitted.
    """
    n, d = shares.shape
    fold = np.random.default_rng(seed).permutation(n) % min(folds, n)
    names = [name for name in FITTERS if name == "linear" or n * (folds - 1) // folds > d + 2]
    spearman, error = {}, {}
    for name in names:
        predicted = np.empty(n)
        for i in range(int(fold.max()) + 1):
            predicted[fold == i] = FITTERS[name](shares[fold != i], loss[fold != i])(shares[fold == i])
        spearman[name] = float(spearmanr(predicted, loss)[0])
        error[name] = float(np.median(np.abs(predicted / loss - 1)))
    chosen = min(names, key=lambda name: error[name])
    return FittedTarget(FITTERS[chosen](shares, loss), spearman, error)


# ---------------------------------------------------------------------------------------- the best mixture


def best_mixture(laws: Sequence[Law], weights: Array, caps: Array) -> Array:
    """Shares that minimise Σ weight × predicted loss, none over its cap.

    `caps` (domains): the largest share a domain may have, such as max_epochs × its tokens / the budget. The
    exponential law is convex, so one descent from the capped uniform mixture finds the minimum. Raises ValueError
    if the caps sum to less than one.
    """
    if caps.sum() < 1 - 1e-9:
        raise ValueError(
            f"the caps on the domains sum to {caps.sum():.4f}, under 1: the budget needs more epochs, or runs on "
            "mixtures with larger shares of the domains that have room"
        )
    start = fill_to_one(np.minimum(np.full(len(caps), 1.0 / len(caps)), caps), caps)
    result = minimize(
        lambda r: float(sum(w * float(law(r)) for w, law in zip(weights, laws, strict=True))),
        start,
        jac=lambda r: np.sum([w * law.gradient(r) for w, law in zip(weights, laws, strict=True)], axis=0),
        bounds=[(0.0, float(min(cap, 1.0))) for cap in caps],
        constraints={"type": "eq", "fun": lambda r: r.sum() - 1.0, "jac": lambda r: np.ones(len(r))},
        method="SLSQP",
        options={"maxiter": 500, "ftol": 1e-12},
    )
    shares = np.clip(result.x, 0.0, np.minimum(caps, 1.0))
    return np.asarray(shares / shares.sum())


def fill_to_one(shares: Array, caps: Array) -> Array:
    """Spreads what is missing to one over the domains that have room."""
    room = caps - shares
    missing = 1.0 - shares.sum()
    return shares + (room / room.sum() * missing if missing > 1e-12 else 0.0)


def temperature_mixture(tokens: Array, temperature: float) -> Array:
    """Shares ∝ tokens^temperature: 1 natural, 0 uniform."""
    powered = tokens**temperature
    return np.asarray(powered / powered.sum())


def dirichlet_designs(natural: Array, n: int, *, seed: int = 0, strengths: Sequence[float] = (1.0, 3.0, 10.0)) -> Array:
    """n mixtures to run proxies on: Dirichlet draws around the natural one and around uniform, loose and tight
    in turn, so that both its neighbourhood and the corners of the simplex are met (RegMix's design)."""
    rng = np.random.default_rng(seed)
    rows = []
    for i in range(n):
        centre = natural if i % 2 == 0 else np.full(len(natural), 1.0 / len(natural))
        strength = strengths[(i // 2) % len(strengths)] * len(natural)
        rows.append(rng.dirichlet(np.maximum(centre * strength, 0.05)))
    return np.array(rows)


def search(
    runs: MixtureRuns,
    *,
    target: Mapping[str, float] | None = None,
    caps: Mapping[str, float] | None = None,
    n_bootstrap: int = 50,
    seed: int = 0,
) -> dict[str, Any]:
    """Fits the laws, finds the best mixture, and how uncertain it is; the content of the result file.

    `target`: evaluation domain → weight (default: all alike). `caps`: domain → its largest share (default: one). No
    domain gets more than the largest share that a run gave it: beyond, a law is a guess, and a best mixture is where
    the guesses are boldest. Bootstrap resamples runs; the weights' intervals say which domains the runs decide about
    at all.
    """
    unknown = set(target or {}) - set(runs.targets) | set(caps or {}) - set(runs.domains)
    if unknown:
        raise ValueError(f"unknown {sorted(unknown)}; targets: {list(runs.targets)}, domains: {list(runs.domains)}")
    weight = np.array([(target or dict.fromkeys(runs.targets, 1.0)).get(name, 0.0) for name in runs.targets])
    weight = weight / weight.sum()
    cap = np.array([(caps or {}).get(name, 1.0) for name in runs.domains])
    cap = np.minimum(cap, runs.shares.max(axis=0))
    fitted = [fit_target(runs.shares, runs.losses[:, j], seed=seed) for j in range(len(runs.targets))]
    used = [j for j in range(len(weight)) if weight[j] > 0]
    best = best_mixture([fitted[j].law for j in used], weight[used], cap)
    rng = np.random.default_rng(seed)
    resampled = []
    for _ in range(n_bootstrap):
        rows = rng.integers(0, len(runs.shares), len(runs.shares))
        laws = [FITTERS[fitted[j].law.name](runs.shares[rows], runs.losses[rows, j]) for j in used]
        resampled.append(best_mixture(laws, weight[used], cap))
    spread = np.percentile(resampled, [2.5, 97.5], axis=0) if resampled else np.array([best, best])
    predicted = {name: float(fitted[j].law(best)) for j, name in enumerate(runs.targets)}
    return {
        "format": FORMAT,
        "domains": list(runs.domains),
        "targets": list(runs.targets),
        "target": {name: float(w) for name, w in zip(runs.targets, weight, strict=True) if w > 0},
        "caps": {name: float(c) for name, c in zip(runs.domains, cap, strict=True)},
        "weights": dict(zip(runs.domains, best.tolist(), strict=True)),
        "weights_interval": {
            name: [float(low), float(high)] for name, low, high in zip(runs.domains, *spread, strict=True)
        },
        "predicted": predicted,
        "predicted_target": float(sum(weight[j] * predicted[runs.targets[j]] for j in used)),
        "laws": {
            name: {
                **fit.law.as_dict(runs.domains),
                "cross_validated_spearman": fit.spearman,
                "cross_validated_relative_error": fit.relative_error,
            }
            for name, fit in zip(runs.targets, fitted, strict=True)
        },
        "runs": [
            {
                "mixture": dict(zip(runs.domains, shares.tolist(), strict=True)),
                "loss": dict(zip(runs.targets, losses.tolist(), strict=True)),
            }
            for shares, losses in zip(runs.shares, runs.losses, strict=True)
        ],
    }


def runs_of(result: Mapping[str, Any]) -> MixtureRuns:
    """The runs in a result file; ValueError names what is wrong with it."""
    if result.get("format") != FORMAT:
        raise ValueError(f"format is {result.get('format')!r}; {FORMAT!r} is wanted")
    domains, targets = tuple(result["domains"]), tuple(result["targets"])
    shares = np.array([[run["mixture"].get(name, 0.0) for name in domains] for run in result["runs"]], float)
    losses = np.array([[run["loss"][name] for name in targets] for run in result["runs"]], float)
    return MixtureRuns(domains, shares, targets, losses)
