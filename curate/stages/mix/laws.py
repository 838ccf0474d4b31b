"""Mixtures from proxy runs: the result file of `python -m model mixture` read, and its laws minimised under the caps.

The file holds a law for each evaluation domain, L = k + t·r (RegMix, Liu et al. 2024) or L = c + exp(k + t·r)
(Ye et al. 2024), the mixture that was best for them, and its interval. A budget that would repeat a domain too often
caps its share; then the laws are minimised anew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from curate.stages.mix.allocation import MixError

FORMAT = "mixture/1"
KEYS = ("domains", "weights", "weights_interval", "target", "laws")

Array = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class Fit:
    """The content of a result file."""

    domains: tuple[str, ...]
    weights: dict[str, float]
    interval: dict[str, list[float]]
    """Bootstrap interval, 95 %, of each weight."""
    target: dict[str, float]
    laws: dict[str, dict[str, Any]]
    caps: dict[str, float]
    """Largest share of each domain that the laws were asked about: no run had more."""

    def kinds(self) -> set[str]:
        """The laws of the targets that count."""
        return {str(self.laws[name]["law"]) for name in self.target}

    def best(self, caps: Mapping[str, float]) -> dict[str, float]:
        """Shares that minimise the target, none over its cap: those of the file where they are."""
        if all(weight <= caps.get(domain, 0.0) for domain, weight in self.weights.items() if weight > 0):
            return {domain: weight for domain, weight in self.weights.items() if weight > 0}
        return self._minimum(
            np.array([min(self.caps.get(domain, 1.0), caps.get(domain, 0.0)) for domain in self.domains])
        )

    def _minimum(self, caps: Array) -> dict[str, float]:
        from scipy.optimize import minimize

        if caps.sum() < 1:
            raise MixError(
                f"the domains that the runs decide about fill only {caps.sum():.3f} of total_tokens within max_epochs; "
                "lower total_tokens, raise max_epochs or add documents"
            )
        start = caps / caps.sum()
        found = minimize(
            lambda shares: self._loss(shares)[0],
            start,
            jac=lambda shares: self._loss(shares)[1],
            bounds=[(0.0, float(cap)) for cap in caps],
            constraints={"type": "eq", "fun": lambda r: r.sum() - 1.0, "jac": lambda r: np.ones(len(r))},
            method="SLSQP",
            options={"maxiter": 500, "ftol": 1e-12},
        )
        shares = np.clip(found.x, 0.0, caps)
        shares[shares < 1e-9] = 0.0
        return dict(zip(self.domains, (shares / shares.sum()).tolist(), strict=True))

    def _loss(self, shares: Array) -> tuple[float, Array]:
        """Σ target weight × predicted loss, and its gradient."""
        total, gradient = 0.0, np.zeros(len(shares))
        for name, weight in self.target.items():
            law = self.laws[name]
            t = np.array([law["t"][domain] for domain in self.domains])
            line = law["k"] + float(shares @ t)
            if law["law"] == "linear":
                total, gradient = total + weight * line, gradient + weight * t
            else:
                varying = float(np.exp(line))
                total, gradient = total + weight * (law["c"] + varying), gradient + weight * varying * t
        return total, gradient


def read(path: str) -> Fit:
    """A result file. MixError names what is wrong with it."""
    content = _content(path, "; `python -m model mixture` writes one from proxy runs")
    found = content.get("format") if isinstance(content, dict) else None
    if found != FORMAT:
        raise MixError(f"{path}: format is {found!r}; allowed: {FORMAT!r}, as `python -m model mixture` writes")
    missing = [key for key in KEYS if key not in content]
    if missing:
        raise MixError(f"{path}: no key {missing[0]!r}; needed: {', '.join(KEYS)}")
    _check_validation(path, content.get("validation"))
    return Fit(
        tuple(content["domains"]), content["weights"], content["weights_interval"], content["target"],
        content["laws"], content.get("caps", {}),
    )  # fmt: skip


def _check_validation(path: str, validation: Any) -> None:
    """MixError if real runs say that another mixture is better than the one that the laws found."""
    rivals = validation["rivals"] if validation else {}
    lost = [name for name, rival in rivals.items() if rival["low"] > 0]
    if lost:
        name = max(lost, key=lambda each: float(rivals[each]["best_minus_rival"]))
        raise MixError(
            f"{path}: in real runs its best mixture lost to the {name} one by {rivals[name]['best_minus_rival']:.3f} "
            f"bits a byte; give that mixture (it is in the file, below validation) as `weights`, or search again with "
            "more designs; `strategy: file` takes the mixture of the laws all the same"
        )


def read_weights(path: str) -> dict[str, float]:
    """Shares by domain from a JSON file: `{domain: share}`, or one with a key `weights`."""
    content = _content(path, "; wanted: JSON, domain → share", "; wanted: domain → share")
    weights = content.get("weights", content) if isinstance(content, dict) else None
    if not isinstance(weights, dict) or not all(isinstance(value, int | float) for value in weights.values()):
        raise MixError(f"{path}: wanted an object, domain → share, or one with such a key `weights`")
    return {str(domain): float(value) for domain, value in weights.items()}


def _content(path: str, if_absent: str, if_broken: str = "") -> Any:
    """What a JSON file holds; the further words are those of the errors."""
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise MixError(f"no file {path!r}{if_absent}") from error
    except (OSError, ValueError) as error:
        raise MixError(f"{path}: not JSON ({error}){if_broken}") from error
