"""How many tokens of each domain: shares by a strategy, caps by epochs, and whole numbers that sum to the budget.

Tokens available by domain flow in, allocations come out. All of it is exact arithmetic, so that a share that asks for
one epoch never takes a token of a second one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

EXACT_POWERS = (Fraction(0), Fraction(1))


class MixError(ValueError):
    """A mix cannot be had; the message names the domain or number, what is there and what is allowed."""


@dataclass(frozen=True)
class Allocation:
    """What one domain gives."""

    available: int
    """Tokens that there are."""
    share: float
    """What the strategy asked for."""
    taken: int
    """Tokens of the budget."""
    capped: bool
    """Whether the cap on epochs holds it under its share."""

    @property
    def epochs(self) -> float:
        return self.taken / self.available if self.available else 0.0


def natural(available: Mapping[str, int]) -> dict[str, Fraction]:
    """Shares as the tokens lie."""
    return temperature(available, 1.0)


def uniform(available: Mapping[str, int]) -> dict[str, Fraction]:
    """The same share for each domain that has tokens."""
    return temperature(available, 0.0)


def temperature(available: Mapping[str, int], exponent: float) -> dict[str, Fraction]:
    """Shares ∝ tokens^exponent (Conneau et al. 2020, §3.1): 1 natural, 0 uniform."""
    power = Fraction(exponent)
    if power in EXACT_POWERS:
        powered = {d: Fraction(n) ** int(power) if n else Fraction(0) for d, n in available.items()}
    else:
        powered = {d: Fraction(n**exponent) if n else Fraction(0) for d, n in available.items()}
    return _to_one(powered)


def given(weights: Mapping[str, float], available: Mapping[str, int]) -> dict[str, Fraction]:
    """Shares as they were given. MixError: a domain that is not there or has no tokens, a negative weight, a sum
    other than one."""
    check_weights(weights)
    check_domains(weights, available)
    # repr gives .1 as one tenth, not as the binary fraction beside it.
    shares = {domain: Fraction(repr(float(weights.get(domain, 0.0)))) for domain in available}
    return _to_one(shares)


def check_weights(weights: Mapping[str, float]) -> None:
    """MixError unless the weights are shares."""
    for domain, weight in weights.items():
        if not (math.isfinite(weight) and weight >= 0):
            raise MixError(f"the weight of {domain!r} is {weight}; allowed: numbers from 0 to 1")
    total = sum(weights.values())
    if abs(total - 1) > 1e-6:
        raise MixError(f"the weights sum to {total:.6g}, not to 1; divide each by {total:.6g}")


def check_domains(weights: Mapping[str, float], available: Mapping[str, int]) -> None:
    """MixError if a domain with a weight is unknown or empty."""
    there = ", ".join(sorted(domain for domain, n in available.items() if n)) or "none"
    for domain, weight in weights.items():
        if domain not in available:
            raise MixError(f"there is no domain {domain!r}; domains with tokens: {there}")
        if weight > 0 and not available[domain]:
            raise MixError(f"domain {domain!r} has weight {weight} and no tokens; domains with tokens: {there}")


def check_budget(total_tokens: int, available: Mapping[str, int], max_epochs: float) -> None:
    """MixError if the budget is more than all domains give within `max_epochs`."""
    most = sum(_cap(n, max_epochs) for n in available.values())
    if total_tokens > most:
        raise MixError(
            f"total_tokens is {total_tokens}, but the domains of this mix give no more than {most} in {max_epochs:g} "
            f"epochs of {sum(available.values())} tokens; lower total_tokens, raise max_epochs or add documents"
        )


def allocate(
    shares: Mapping[str, Fraction], available: Mapping[str, int], total_tokens: int, max_epochs: float
) -> dict[str, Allocation]:
    """Whole tokens by domain, which sum to `total_tokens`; no domain over `max_epochs`, and what a cap leaves over
    goes to the other domains in the proportion of their shares. MixError if that cannot be."""
    check_budget(total_tokens, {d: available[d] for d, share in shares.items() if share}, max_epochs)
    caps = {domain: _cap(available[domain], max_epochs) for domain in shares}
    quotas, capped = _fill(shares, caps, total_tokens)
    taken = _whole(quotas, total_tokens)
    return {
        domain: Allocation(available[domain], float(shares[domain]), taken[domain], domain in capped)
        for domain in sorted(shares)
    }


def _cap(tokens: int, max_epochs: float) -> int:
    return int(Fraction(repr(float(max_epochs))) * tokens)


def _to_one(values: Mapping[str, Fraction]) -> dict[str, Fraction]:
    total = sum(values.values(), Fraction(0))
    if not total:
        raise MixError("no domain has tokens; loosen the filters before the mix")
    return {domain: value / total for domain, value in values.items()}


def _fill(
    shares: Mapping[str, Fraction], caps: Mapping[str, int], total: int
) -> tuple[dict[str, Fraction], frozenset[str]]:
    """Exact quotas under the caps, and the domains that are held by theirs."""
    capped: set[str] = set()
    while True:
        left = Fraction(total - sum(caps[domain] for domain in capped))
        free = sum((share for domain, share in shares.items() if domain not in capped), Fraction(0))
        quotas = {
            domain: Fraction(caps[domain]) if domain in capped else share * left / free if free else Fraction(0)
            for domain, share in shares.items()
        }
        over = {domain for domain, quota in quotas.items() if quota > caps[domain]}
        if not over:
            return quotas, frozenset(capped)
        capped |= over


def _whole(quotas: Mapping[str, Fraction], total: int) -> dict[str, int]:
    """Largest remainder (Hamilton): floors, then one more for the largest fractions; ties by name. A quota at or under
    a whole number of tokens, as caps and epochs are, stays at or under it."""
    floors = {domain: int(quota) for domain, quota in quotas.items()}
    by_remainder = sorted(quotas, key=lambda domain: (floors[domain] - quotas[domain], domain))
    for domain in by_remainder[: total - sum(floors.values())]:
        floors[domain] += 1
    return floors
