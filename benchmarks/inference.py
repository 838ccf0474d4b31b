"""How often the intervals hold the truth: simulated scaling-law data for the fitter, simulated arms for the statistics.

    python -m benchmarks.inference [--simulations 200] [--only arms | --only fits --resamples 0] [--json FILE]

Each line is a share of simulations with its 95 % binomial interval; coverage should be 95 %, false alarms 5 %.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import binomtest

from model.intervals import bootstrap, percentile_interval, profile_interval
from model.scaling import Chinchilla, Runs, fit_chinchilla
from model.statistics import PairedLosses, paired_effect, power_of

TRUTH = Chinchilla.of(A=480.0, B=2100.0, E=1.8, alpha=0.35, beta=0.37)
NOISE = 0.005
"""Standard deviation of log loss; Chinchilla's figure scatters by about as much around its law."""


def simulated_fit(number: int, resamples: int, grid: int) -> dict[str, bool]:
    """Method and parameter → whether the interval of simulation `number` holds the truth."""
    N, D = (g.ravel() for g in np.meshgrid(np.geomspace(5e7, 1.5e10, grid), np.geomspace(1e9, 5e11, grid)))
    rng = np.random.default_rng(number)
    runs = Runs(N, D, TRUTH.loss(N, D) * np.exp(rng.normal(0, NOISE, len(N))))
    law = fit_chinchilla(runs, near=TRUTH)
    samples = bootstrap(runs, law, n=resamples, seed=number) if resamples else []
    hits = {}
    for name in ("alpha", "beta", "E"):
        spans = {"profile": profile_interval(runs, law, name)}
        if samples:
            spans["bootstrap"] = percentile_interval(getattr(law, name), [getattr(s, name) for s in samples])
        hits |= {f"{method} {name}": span.low <= getattr(TRUTH, name) <= span.high for method, span in spans.items()}
    return hits


def coverage(simulations: int, resamples: int, grid: int) -> dict[str, Any]:
    """Share of simulations whose interval holds the true alpha, beta and E, by either method; a process a core."""
    with ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn")) as pool:
        one = partial(simulated_fit, resamples=resamples, grid=grid)
        found = list(pool.map(one, range(simulations), chunksize=4))
    return {name: share(sum(hits[name] for hits in found), simulations) for name in sorted(found[0])}


def share(count: int, n: int) -> dict[str, float]:
    low, high = binomtest(count, n).proportion_ci(method="wilson")
    return {"share": count / n, "low": float(low), "high": float(high)}


def simulated_arm(rng: np.random.Generator, effect: float, seeds: int, seed_sd: float, site_sd: float) -> PairedLosses:
    """An arm and its baseline on 60 sites of 3 documents; sites react to the arm each in their own way."""
    site = np.repeat(np.arange(60), 3)
    size = np.full(len(site), 1000.0)
    baseline = 2.0 + rng.normal(0, 0.3, len(site)) + np.zeros((seeds, 1))
    arm = baseline + effect + rng.normal(0, site_sd, 60)[site] + rng.normal(0, seed_sd, (seeds, 1))
    return PairedLosses(arm * size, baseline * size, size, site)


def decisions(simulations: int) -> list[dict[str, Any]]:
    """False alarms and power over numbers of seeds and sources of variance."""
    rows = []
    for seeds in (3, 5, 8):
        for seed_sd, site_sd in ((0.01, 0.005), (0.01, 0.03), (0.002, 0.05)):
            rng = np.random.default_rng(seeds)
            true_se = float(np.sqrt(seed_sd**2 / seeds + site_sd**2 / 60))
            null = [
                paired_effect(simulated_arm(rng, 0.0, seeds, seed_sd, site_sd), resamples=200)
                for _ in range(simulations)
            ]
            effect = 3 * true_se
            found = [
                paired_effect(simulated_arm(rng, effect, seeds, seed_sd, site_sd), resamples=200)
                for _ in range(simulations)
            ]
            rows.append(
                {
                    "seeds": seeds,
                    "seed_sd": seed_sd,
                    "site_sd": site_sd,
                    "false_alarms": share(sum(e.p < 0.05 for e in null), simulations),
                    "power": share(sum(e.p < 0.05 for e in found), simulations),
                    "predicted_power": power_of(effect, true_se, float(np.median([e.df for e in found]))),
                    "coverage": share(sum(e.low <= effect <= e.high for e in found), simulations),
                }
            )
    return rows


def text(value: dict[str, float]) -> str:
    return f"{value['share']:.1%} [{value['low']:.1%}, {value['high']:.1%}]"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--simulations", type=int, default=200)
    parser.add_argument("--resamples", type=int, default=200)
    parser.add_argument("--grid", type=int, default=12, help="sizes, and token counts, of simulated runs")
    parser.add_argument("--only", choices=["arms", "fits"], help="one part (a fit's bootstrap is what takes the time)")
    parser.add_argument("--json", type=Path, metavar="FILE")
    args = parser.parse_args()
    arms = decisions(args.simulations) if args.only != "fits" else []
    for row in arms:
        print(
            f"{row['seeds']} seeds, sd {row['seed_sd']}/{row['site_sd']}: false alarms {text(row['false_alarms'])}, "
            f"power {text(row['power'])} (predicted {row['predicted_power']:.1%}), coverage {text(row['coverage'])}",
            flush=True,
        )
    fits = coverage(args.simulations, args.resamples, args.grid) if args.only != "arms" else {}
    for name, value in fits.items():
        print(f"{args.grid**2} runs, {name}: covered {text(value)}")
    if args.json:
        args.json.parent.mkdir(parents=True, exist_ok=True)
        args.json.write_text(json.dumps({"arms": arms, "fits": fits}, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
