"""From evaluations to findings: effects with intervals, controls, scale, scaling fits, transfer, multipliers.

The evaluations of an ablation's jobs flow in; one JSON value flows out that holds all that the report shows. It
depends on the evaluations alone: not on time, machine or number of workers.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq

from model.ablation import CONTROLS, DUPLICATES, NOISE, NULL, Ablation, Job
from model.intervals import bootstrap, identifiability_warnings, leave_largest_out, percentile_interval, profile
from model.losses import Losses
from model.optimum import compute_multiplier, curve_multiplier
from model.scaling import Chinchilla, Runs, fit_chinchilla
from model.statistics import (
    Effect,
    decide,
    holm,
    learning_rate_sensitivity,
    mean_effect,
    paired_effect,
    seeds_needed,
    transfer,
)

if TYPE_CHECKING:
    from model.ablate import Study

MEAN = "mean"
"""The primary outcome: the mean over evaluation domains, each counting alike."""


def analyse(ablation: Ablation, study: Study, results: Mapping[Job, Mapping[str, Any]]) -> dict[str, Any]:
    """Everything that the report says."""
    losses = Losses(ablation, study.evaluation, study.overlaps, results)
    overlapped = Counter(d for d, met in zip(domains_of(study.evaluation), study.overlaps, strict=True) if met)
    largest = list(ablation.sizes)[-1]
    regimes = {regime: regime_findings(losses, largest, regime) for regime in ablation.regimes}
    first = regimes[ablation.regimes[0]]
    instrument = judge_instrument(first["effects"])
    return {
        "name": ablation.name,
        "seeds": ablation.seeds,
        "sizes": {
            name: {
                "tokens": size.tokens,
                "parameters": losses.point("baseline", name, ablation.regimes[0], -1)["parameters"],
                "parameters_without_embeddings": parameters_of(losses, name, ablation.regimes[0]),
            }
            for name, size in ablation.sizes.items()
        },
        "largest": largest,
        "points": ablation.points,
        "evaluation": {
            domain: {
                "documents": int((losses.domain == domain).sum()),
                "clusters": len(set(losses.cluster[losses.domain == domain])),
                "bytes": int(losses.bytes[losses.domain == domain].sum()),
                "removed_for_overlap": overlapped[domain],
            }
            for domain in losses.domains
        },
        "arms": provenance(ablation, study, losses, largest),
        "regimes": regimes,
        "instrument": instrument,
        "detectable": max(
            (e[MEAN]["detectable"] for name, e in first["effects"].items() if name not in CONTROLS), default=0.0
        ),
        "learning_rate": rate_findings(losses),
        "curves": curves(losses, largest, ablation.regimes[0]),
    }


def domains_of(evaluation: Path) -> list[str]:
    found: list[str] = pq.read_table(evaluation, columns=["domain"])["domain"].to_pylist()
    return found


def parameters_of(losses: Losses, size: str, regime: str) -> int:
    return int(losses.point("baseline", size, regime, -1)["parameters_without_embeddings"])


def provenance(ablation: Ablation, study: Study, losses: Losses, largest: str) -> dict[str, Any]:
    """Arm → recipe hash, what it kept and removed, tokens, epochs at the largest size."""
    found = {}
    for name in ablation.all_arms():
        source = study.runs.get(name, study.runs["baseline"])
        shards = study.shards[name]
        arm = ablation.arms.get(name)
        found[name] = {
            "label": label_of(ablation, name),
            "changes": {} if arm is None else arm.changes() | ({"mix": arm.mix} if arm.mix else {}),
            "recipe_hash": source.recipe_hash,
            "counts": {key: source.counts[key] for key in ("read", "kept", "dropped", "failed")},
            "documents": shards.documents,
            "unique_tokens": shards.tokens,
            "epochs": losses.point(name, largest, ablation.regimes[0], -1)["epochs"],
        }
    return found


def label_of(ablation: Ablation, name: str) -> str:
    controls = ablation.controls
    own = {
        NULL: "null: baseline, other order",
        NOISE: f"planted: {controls.noise:.0%} noise",
        DUPLICATES: f"planted: {controls.duplicates:.0%} copies",
    }
    return own.get(name) or (ablation.arms[name].label if name in ablation.arms else "") or name.replace("_", " ")


# ---------------------------------------------------------------------------------------- effects


def regime_findings(losses: Losses, largest: str, regime: str) -> dict[str, Any]:
    """Effects at the largest size, the effect at every scale, fits and transfer, under one regime."""
    arms = [name for name in losses.ablation.all_arms() if name != "baseline"]
    effects = effects_at(losses, arms, largest, regime)
    fit, samples = baseline_fit(losses, regime)
    for name in arms:
        effects[name][MEAN]["multiplier"] = multiplier(losses, name, effects[name][MEAN], largest, regime)
        effects[name][MEAN]["compute_multiplier"] = law_multiplier(losses, name, samples, largest, regime)
    points = range(len(losses.ablation.points))
    scale = {
        name: [
            {
                "size": size,
                "tokens": losses.point("baseline", size, regime, point)["tokens"],
                **short(mean_effect(list(losses.pairs(name, size, regime, point).values()), seed=_seed(name, size))),
            }
            for size in losses.ablation.sizes
            for point in points
        ]
        for name in arms
    }
    table = {
        size: {
            name: {
                "tokens": [losses.point(name, size, regime, p)["tokens"] for p in points],
                "loss": [losses.mean(name, size, regime, p).tolist() for p in points],
            }
            for name in ["baseline", *arms]
        }
        for size in losses.ablation.sizes
    }
    return {
        "effects": effects,
        "effect_by_scale": scale,
        "losses": table,
        "baseline_by_domain": dict(
            zip(
                losses.domains,
                losses.by_domain(losses.bits("baseline", largest, regime, -1)).mean(axis=0).tolist(),
                strict=True,
            )
        ),
        "fit": fit,
        "transfer": transfers(losses, largest, regime),
    }


def effects_at(losses: Losses, arms: list[str], size: str, regime: str) -> dict[str, dict[str, Any]]:
    """Arm → (mean and each domain) → effect. Holm corrects the mean over the arms, and the domains over all arms and
    domains. The control arms are planned tests of the instrument, not findings: they take no part of the arms' error
    rate, and the planted ones are corrected for each other. (The null arm alone: its own p is looked at.)"""
    found: dict[str, dict[str, Effect]] = {}
    for name in arms:
        pairs = losses.pairs(name, size, regime, -1)
        found[name] = {MEAN: mean_effect(list(pairs.values()), seed=_seed(name, size))}
        found[name] |= {d: paired_effect(pair, seed=_seed(name, size)) for d, pair in pairs.items()}
    families = [[a for a in arms if a not in CONTROLS], [a for a in arms if a in (NOISE, DUPLICATES)], [NULL]]
    corrected: dict[tuple[str, str], float] = {}
    for family in ([name for name in family if name in arms] for family in families):
        for outcomes in ([MEAN], losses.domains):
            keys = [(name, outcome) for name in family for outcome in outcomes]
            corrected |= zip(keys, holm([found[name][outcome].p for name, outcome in keys]).tolist(), strict=True)
    answer: dict[str, dict[str, Any]] = {}
    for name in arms:
        answer[name] = {}
        for outcome, effect in found[name].items():
            p = corrected[name, outcome]
            clusters = len(set(losses.cluster if outcome == MEAN else losses.cluster[losses.domain == outcome]))
            answer[name][outcome] = asdict(effect) | {
                "p_holm": p,
                "decision": decide(effect, p),
                "detectable": effect.detectable(),
                "seeds_for_half_the_detectable": seeds_needed(
                    effect.detectable() / 2, effect.seed_variance, effect.document_variance, clusters
                ),
            }
    return answer


def short(effect: Effect) -> dict[str, float]:
    return {"difference": effect.difference, "low": effect.low, "high": effect.high}


def _seed(*parts: str) -> int:
    """The same resamples for the same comparison, whatever else is compared."""
    return int.from_bytes(hashlib.sha256("/".join(parts).encode()).digest()[:4])


def judge_instrument(effects: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """Whether the control arms did what they must; if not, no other finding is to be trusted."""
    checks = []
    if NULL in effects:
        null = effects[NULL][MEAN]
        text = f"null arm {null['difference']:+.4f} [{null['low']:+.4f}, {null['high']:+.4f}] bpb, p = {null['p']:.3f}"
        checks.append({"arm": NULL, "ok": bool(null["p"] >= 0.05), "text": text})
    for name in (NOISE, DUPLICATES):
        if name in effects:
            e = effects[name][MEAN]
            text = (
                f"{name} {e['difference']:+.4f} [{e['low']:+.4f}, {e['high']:+.4f}] bpb, p (Holm) = {e['p_holm']:.4f}"
            )
            checks.append({"arm": name, "ok": e["decision"] == "worse", "text": text})
    trusted = all(check["ok"] for check in checks)
    if trusted:
        verdict = "The control arms behave: nothing where nothing was changed, harm where harm was planted."
    else:
        wrong = ", ".join(check["arm"] for check in checks if not check["ok"])
        verdict = f"The instrument is not to be trusted at this budget: {wrong} did not behave."
    return {"trusted": trusted, "verdict": verdict, "checks": checks}


# ---------------------------------------------------------------------------------------- scale


def multiplier(losses: Losses, arm: str, effect: Mapping[str, float], size: str, regime: str) -> dict[str, Any]:
    """How many times the tokens the baseline needs for the arm's loss at the largest size, from its own measured
    curve; the interval is that of the effect, carried through the curve."""
    points = range(len(losses.ablation.points))
    tokens = np.array([losses.point("baseline", size, regime, p)["tokens"] for p in points], float)
    curve = np.array([losses.mean("baseline", size, regime, p).mean() for p in points])
    if len(points) < 2:
        return {"value": None, "low": None, "high": None, "extrapolated": True}
    at = float(losses.point(arm, size, regime, -1)["tokens"])
    found = {
        name: curve_multiplier(tokens, curve, at, float(curve[-1] + effect[key]))
        for name, key in (("value", "difference"), ("low", "high"), ("high", "low"))
    }
    numbers = {name: value if np.isfinite(value) else None for name, (value, _) in found.items()}
    return numbers | {"extrapolated": any(beyond for _, beyond in found.values())}


def points_of(losses: Losses, arm: str, regime: str) -> tuple[Runs, list[str]]:
    """Every (size, budget, seed) of an arm as a run, and which training run it was read off."""
    rows, groups = [], []
    for size in losses.ablation.sizes:
        for point in range(len(losses.ablation.points)):
            said = losses.point(arm, size, regime, point)
            for seed, loss in zip(losses.ablation.seeds, losses.mean(arm, size, regime, point), strict=True):
                rows.append((said["parameters_without_embeddings"], said["tokens"], loss))
                groups.append(f"{size}/{seed}")
    N, D, loss = np.array(rows, float).T
    return Runs(N, D, loss), groups


def baseline_fit(losses: Losses, regime: str) -> tuple[dict[str, Any] | None, list[Chinchilla]]:
    """The baseline's L(N, D) in bits a byte, its intervals, profiles and residuals; None with too few points."""
    runs, groups = points_of(losses, "baseline", regime)
    if len(losses.ablation.sizes) < 2 or len(losses.ablation.points) < 2 or len(runs) < 6:
        return None, []
    law = fit_chinchilla(runs)
    samples = bootstrap(runs, law, n=100, groups=np.array(groups))
    names = ("A", "B", "E", "alpha", "beta")
    spans = {
        name: percentile_interval(getattr(law, name), [getattr(s, name) for s in samples]).as_dict() for name in names
    }
    curves_ = {}
    for name in ("alpha", "beta", "E"):
        centre = max(float(getattr(law, name)), 1e-3)
        values = centre * np.linspace(0.3, 1.7, 15)
        curves_[name] = {"values": values.tolist(), "objective": profile(runs, law, name, values)}
    residuals = law.loss(runs.parameters, runs.tokens) - runs.loss
    fit = {
        **law.as_dict(),
        "intervals": spans,
        "warnings": identifiability_warnings(runs, law),
        "leave_largest_out": leave_largest_out(runs),
        "profiles": curves_,
        "runs": {
            "parameters": runs.parameters.tolist(),
            "tokens": runs.tokens.tolist(),
            "loss": runs.loss.tolist(),
            "residual": residuals.tolist(),
        },
    }
    return fit, samples


def law_multiplier(
    losses: Losses, arm: str, samples: list[Chinchilla], size: str, regime: str
) -> dict[str, float | None] | None:
    """How many times the compute (N and D growing together) the baseline's law asks for the arm's loss at the
    largest size; the interval holds the law's uncertainty and the seeds'. None where the law is no law: where in more
    than one bootstrap sample of twenty larger models or more tokens would make the loss worse."""
    if not samples or sum(law.alpha <= 0 or law.beta <= 0 for law in samples) > len(samples) / 20:
        return None
    said = losses.point(arm, size, regime, -1)
    N, D = float(said["parameters_without_embeddings"]), float(said["tokens"])
    ours, base = losses.mean(arm, size, regime), losses.mean("baseline", size, regime)
    rng = np.random.default_rng(_seed(arm, size, "multiplier"))
    found = []
    for law in samples:
        rows = rng.integers(0, len(ours), len(ours))
        # The effect is carried over to the law, so that the law's own misfit at this point cancels.
        target = float(law.loss(N, D)) + float((ours - base)[rows].mean())
        found.append(compute_multiplier(law, N, D, target))
    values = np.clip(found, 1e-6, 1e6)
    low, middle, high = np.percentile(values, [2.5, 50, 97.5])
    return {"value": float(middle), "low": float(low), "high": float(high)}


def transfers(losses: Losses, largest: str, regime: str) -> list[dict[str, Any]]:
    """How well each smaller size orders the arms as the largest does."""
    arms = losses.ablation.all_arms()
    if len(arms) < 3:
        return []
    goal = np.array([losses.mean(arm, largest, regime) for arm in arms])
    return [
        asdict(transfer(size, np.array([losses.mean(arm, size, regime) for arm in arms]), goal))
        for size in losses.ablation.sizes
        if size != largest
    ]


def rate_findings(losses: Losses) -> dict[str, Any] | None:
    """Whether an arm's sign depends on the learning rate, at the smallest size."""
    ablation = losses.ablation
    smallest = next(iter(ablation.sizes))
    rates = sorted({1.0, *ablation.learning_rates})
    arms = [arm for arm in ablation.arms if all(losses.has(arm, smallest, "equal_tokens", r) for r in rates)]
    if len(rates) < 2 or not arms:
        return None
    base = np.array([losses.mean("baseline", smallest, "equal_tokens", -1, rate) for rate in rates])
    found = {}
    for arm in arms:
        ours = np.array([losses.mean(arm, smallest, "equal_tokens", -1, rate) for rate in rates])
        found[arm] = asdict(learning_rate_sensitivity(rates, base, ours))
    return {"size": smallest, "multipliers": rates, "arms": found}


def curves(losses: Losses, size: str, regime: str) -> dict[str, Any]:
    """Training loss along the way at the largest size: (tokens, each seed's loss) by arm."""
    found = {}
    for arm in losses.ablation.all_arms():
        seeds = [losses.curve(arm, size, regime, seed) for seed in losses.ablation.seeds]
        n = min(len(curve) for curve in seeds)
        found[arm] = {
            "tokens": [point[0] for point in seeds[0][:n]],
            "loss": [[point[1] for point in curve[:n]] for curve in seeds],
        }
    return found
