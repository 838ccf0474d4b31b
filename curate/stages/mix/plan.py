"""What a mix is asked to be, by a recipe or the command `mix`, and the answer for the tokens there are: mix.json."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, Literal

from pydantic import model_validator

from curate.stage import StageParameters, parameter
from curate.stages.mix import laws
from curate.stages.mix.allocation import (
    MixError,
    allocate,
    check_domains,
    check_weights,
    given,
    natural,
    temperature,
    uniform,
)

Strategy = Literal["natural", "uniform", "temperature", "weights", "file", "regression", "scaling_law"]
FORMAT = "mix/1"


class MixParameters(StageParameters):
    """What mix is wanted."""

    strategy: Strategy = parameter(
        "natural",
        "natural: as the tokens lie; uniform: every domain alike; temperature: by tokens^temperature; weights: those "
        "given; file: those of a JSON file; regression, scaling_law: the best by the laws in a file that `python -m "
        "model mixture` wrote (scaling_law: only if all of them are exponential)",
    )
    temperature: float = parameter(
        0.5, "exponent on a domain's tokens: 1 natural, 0 uniform", source="Conneau et al. 2020, §3.1: 0.3 to 0.7",
        ge=0, le=1,
    )  # fmt: skip
    weights: dict[str, float] | None = parameter(None, "domain → share, summing to one, for strategy weights")
    file: str | None = parameter(None, "JSON file of the strategies file, regression and scaling_law")
    total_tokens: int | None = parameter(None, "budget; none given: as many as the domains have", unit="tokens", ge=1)
    max_epochs: float = parameter(
        4.0, "most times that a domain's tokens are repeated", source="Muennighoff et al. 2023: 4 epochs cost little",
        gt=0, unit="epochs",
    )  # fmt: skip
    cluster_weight: Literal["none", "log2", "sqrt"] = parameter(
        "none",
        "what a document that was duplicated n times counts for in its domain's size: 1, 1 + log2 n, or √n; moves the "
        "shares of natural and temperature, needs the column cluster_size",
    )

    materialise: bool = parameter(False, "also write the mix as shards in one shuffled order, under tokens/mixed/")

    @model_validator(mode="after")
    def _complete(self) -> MixParameters:
        if self.strategy == "weights":
            if not self.weights:
                raise ValueError("strategy weights needs `weights`: domain → share")
            check_weights(self.weights)
        elif self.weights is not None:
            raise ValueError(f"`weights` belong to strategy weights, not to {self.strategy}")
        if self.strategy in ("file", "regression", "scaling_law"):
            if self.file is None:
                raise ValueError(f"strategy {self.strategy} needs `file`, the path of a JSON file")
            self.from_file()
        elif self.file is not None:
            raise ValueError(
                f"`file` belongs to the strategies file, regression and scaling_law, not to {self.strategy}"
            )
        return self

    def from_file(self) -> dict[str, float]:
        """The shares in `file`."""
        assert self.file is not None
        if self.strategy == "file":
            weights = laws.read_weights(self.file)
            check_weights(weights)
            return weights
        return self.fit().weights

    def fit(self) -> laws.Fit:
        """The fitted laws in `file`."""
        assert self.file is not None
        fit = laws.read(self.file)
        if self.strategy == "scaling_law" and fit.kinds() != {"exponential"}:
            raise MixError(
                f"{self.file}: its laws are {', '.join(sorted(fit.kinds()))}; scaling_law takes exponential ones only, "
                "regression takes whichever did better in cross-validation"
            )
        return fit

    def named(self) -> dict[str, float]:
        """Domains that the mix names, with their shares; empty for strategies that take all domains."""
        if self.strategy == "weights":
            return dict(self.weights or {})
        if self.strategy in ("file", "regression", "scaling_law"):
            return {domain: share for domain, share in self.from_file().items() if share > 1e-9}
        return {}


def shares_of(
    p: MixParameters, available: Mapping[str, int], total: int, sizes: Mapping[str, int] | None = None
) -> dict[str, Fraction]:
    """Target share of each domain. `sizes`: what natural and temperature go by where it is not the tokens."""
    by = sizes or available
    if p.strategy == "natural":
        return natural(by)
    if p.strategy == "uniform":
        return uniform(available)
    if p.strategy == "temperature":
        return temperature(by, p.temperature)
    if p.strategy in ("regression", "scaling_law"):
        check_domains(p.named(), available)
        best = p.fit().best({domain: p.max_epochs * n / total for domain, n in available.items()})
        # Descent ends within rounding of one; shares must sum to it.
        return given({domain: share / sum(best.values()) for domain, share in best.items()}, available)
    return given(p.named(), available)


def mix(p: MixParameters, available: Mapping[str, int], sizes: Mapping[str, int] | None = None) -> dict[str, Any]:
    """The content of mix.json for training tokens by domain. MixError where the mix cannot be had."""
    total = p.total_tokens or sum(available.values())
    shares = shares_of(p, available, total, sizes)
    allocations = allocate(shares, available, total, p.max_epochs)
    content: dict[str, Any] = {
        "format": FORMAT,
        "parameters": p.model_dump(),
        "total_tokens": total,
        "domains": {
            domain: {
                "available_tokens": each.available,
                "target_share": each.share,
                "tokens": each.taken,
                "share": each.taken / total,
                "epochs": each.epochs,
                "capped": each.capped,
            }
            for domain, each in allocations.items()
        },
    }
    if p.strategy in ("regression", "scaling_law"):
        fit = p.fit()
        content["fitted_weights"] = fit.weights
        content["fitted_weights_interval"] = fit.interval
    return content


def weights_of(content: Mapping[str, Any]) -> dict[str, float]:
    """`mix` of dataset.json: domain → share of the training tokens, those with any."""
    domains = content["domains"]
    return {domain: entry["share"] for domain, entry in domains.items() if entry["tokens"]}
