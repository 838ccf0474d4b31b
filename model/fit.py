"""`python -m model fit RUNS.csv`: a table of runs in; a scaling law with intervals, warnings and optima out.

Columns are found by name (N, D, loss; params, tokens, val_loss; …) or named by options; where there is a compute
column and no tokens, D = C/6N.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from model.intervals import (
    bootstrap,
    identifiability_warnings,
    leave_largest_out,
    percentile_interval,
    profile_interval,
)
from model.optimum import (
    CHINCHILLA_TOKENS_PER_PARAMETER,
    at_tokens_per_parameter,
    compute_optimal,
    inference_optimal,
    isoflop_exponent,
    isoflop_minima,
)
from model.repeats import fit_repeats, profile_r_star_tokens, repeat_objective
from model.scaling import HUBER_DELTA, Array, Chinchilla, Runs, fit_chinchilla

ALIASES = {
    "parameters": ("n", "parameters", "params", "n_params", "n_parameters", "model size", "model_size", "size"),
    "tokens": ("d", "tokens", "n_tokens", "training tokens", "training_tokens", "train_tokens"),
    "flops": ("c", "flops", "flop", "training flop", "training flops", "training_flop", "training_flops", "compute"),
    "loss": ("loss", "val_loss", "validation_loss", "valid_loss", "final_loss", "l", "bpb", "bits_per_byte"),
    "unique_tokens": ("unique_tokens", "unique tokens", "u", "d_unique", "unique"),
}
"""Column names that are understood without an option, in lower case."""


class InputError(Exception):
    """The table or an option cannot be used; the message says what is there and what is wanted."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "Fit L = E + A/N^α + B/D^β to a CSV of runs"
    parser.add_argument("runs", type=Path, help="CSV with a header: parameters, tokens (or compute), loss")
    for role in ALIASES:
        parser.add_argument(f"--{role.replace('_', '-')}", metavar="COLUMN", help=f"the column that holds {role}")
    parser.add_argument("--drop-highest", type=int, default=0, metavar="K", help="leave out the K highest losses")
    parser.add_argument("--group", metavar="COLUMN", help="resample by this column: checkpoints of one run")
    parser.add_argument("--bootstrap", type=int, default=400, metavar="B", help="resamples (0: none)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--delta", type=float, default=HUBER_DELTA, help="Huber threshold on log loss")
    parser.add_argument("--budget", type=float, action="append", metavar="FLOP", help="budget to find the optimum of")
    parser.add_argument("--served-tokens", type=float, metavar="T", help="tokens to be served: inference-aware optimum")
    parser.add_argument("--given-law", metavar="A,B,E,ALPHA,BETA", help="law of fresh tokens, to fit only the repeats")
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(args: argparse.Namespace) -> int:
    try:
        answer = fit_table(args)
    except (InputError, ValueError) as error:
        print(f"model fit: {error}", file=sys.stderr)
        return 2
    print(json.dumps(answer, indent=1, allow_nan=False) if args.json else as_text(answer))
    return 0


# ---------------------------------------------------------------------------------------- the table


def read_table(path: Path) -> tuple[list[str], list[list[str]]]:
    """Header and rows of a CSV."""
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = [row for row in csv.reader(file) if any(cell.strip() for cell in row)]
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    if len(rows) < 2:
        raise InputError(f"{path} holds no runs; a header line and one line a run are wanted")
    return rows[0], rows[1:]


def column_of(header: Sequence[str], role: str, given: str | None) -> int | None:
    """Where the column for a role stands; None if there is none. InputError if a named one is missing."""
    if given is not None:
        if given not in header:
            raise InputError(f"--{role.replace('_', '-')} {given}: no such column; the table has {', '.join(header)}")
        return list(header).index(given)
    lowered = [name.strip().lower() for name in header]
    return next((lowered.index(alias) for alias in ALIASES[role] if alias in lowered), None)


def runs_from(path: Path, header: Sequence[str], rows: Sequence[Sequence[str]], named: dict[str, str | None]) -> Runs:
    """The runs in a table."""
    columns: dict[str, Array] = {}
    for role in ALIASES:
        index = column_of(header, role, named.get(role))
        if index is None:
            continue
        try:
            columns[role] = np.array([float(row[index]) for row in rows])
        except (ValueError, IndexError) as error:
            raise InputError(f"{path}: column {header[index]} ({role}) holds something not a number: {error}") from None
    if "tokens" not in columns and {"flops", "parameters"} <= columns.keys():
        columns["tokens"] = columns["flops"] / 6.0 / columns["parameters"]
    if "parameters" not in columns and {"flops", "tokens"} <= columns.keys():
        columns["parameters"] = columns["flops"] / 6.0 / columns["tokens"]
    missing = [role for role in ("parameters", "tokens", "loss") if role not in columns]
    if missing:
        raise InputError(
            f"{path} has no column for {' and '.join(missing)}; it has {', '.join(header)}. "
            f"Name it with --{missing[0]} COLUMN (tokens also follow from a --flops column)"
        )
    return Runs(columns["parameters"], columns["tokens"], columns["loss"], columns.get("unique_tokens"))


# ---------------------------------------------------------------------------------------- the answer


def fit_table(args: argparse.Namespace) -> dict[str, Any]:
    """Everything that `fit` says, as JSON."""
    header, rows = read_table(args.runs)
    runs = runs_from(args.runs, header, rows, {role: getattr(args, role) for role in ALIASES})
    groups = None
    if args.group is not None:
        if args.group not in header:
            raise InputError(f"--group {args.group}: no such column; the table has {', '.join(header)}")
        groups = np.array([row[header.index(args.group)] for row in rows])
    if not 0 <= args.drop_highest < len(runs):
        raise InputError(f"--drop-highest {args.drop_highest}: the table has {len(runs)} runs")
    keep = np.sort(np.argsort(runs.loss, kind="stable")[: len(runs) - args.drop_highest])
    runs, groups = runs.take(keep), None if groups is None else groups[keep]
    if args.given_law is not None:
        law = given_law(args.given_law)
        if runs.unique_tokens is None:
            raise InputError("--given-law fits the repeats, and there is no column of unique tokens")
        return {"n_runs": len(runs), **law.as_dict(), "objective": None, "repeats": repeats_answer(law, runs, args)}
    law = fit_chinchilla(runs, delta=args.delta)
    samples = bootstrap(runs, law, n=args.bootstrap, seed=args.seed, groups=groups, delta=args.delta)
    profiles = {name: profile_interval(runs, law, name, delta=args.delta) for name in ("alpha", "beta", "E")}
    fresh = runs.unique_tokens is None or not np.any(runs.tokens > 1.001 * runs.unique_tokens)
    answer: dict[str, Any] = {
        "n_runs": len(runs),
        "law": "L = E + A/N^alpha + B/D^beta",
        **law.as_dict(),
        "huber_delta": args.delta,
        "bootstrap": {"n": len(samples), **intervals_of(law, samples)} if samples else None,
        "profile": {name: interval.as_dict() for name, interval in profiles.items()},
        "warnings": identifiability_warnings(runs, law, profiles),
        "leave_largest_out": leave_largest_out(runs, delta=args.delta),
        "isoflop": isoflop_answer(runs),
        "optimum": [optimum_answer(law, samples, flops, args.served_tokens) for flops in args.budget or budgets(runs)],
    }
    if not fresh:
        answer["repeats"] = repeats_answer(law, runs, args)
    return answer


def given_law(text: str) -> Chinchilla:
    """The law that --given-law writes as five numbers."""
    try:
        A, B, E, alpha, beta = (float(part) for part in text.split(","))
        return Chinchilla.of(A, B, E, alpha, beta)
    except ValueError:
        raise InputError(f"--given-law {text}: five numbers A,B,E,ALPHA,BETA are wanted") from None


def intervals_of(law: Chinchilla, samples: Sequence[Chinchilla]) -> dict[str, Any]:
    """95 % bootstrap intervals of the constants and of the exponent of N_opt ∝ C^(β/(α+β))."""
    names = ("A", "B", "E", "alpha", "beta")
    found = {name: percentile_interval(getattr(law, name), [getattr(s, name) for s in samples]) for name in names}
    found["exponent_of_optimal_size"] = percentile_interval(
        law.beta / (law.alpha + law.beta), [s.beta / (s.alpha + s.beta) for s in samples]
    )
    return {name: interval.as_dict() for name, interval in found.items()}


def budgets(runs: Runs) -> list[float]:
    """Without --budget: the largest run's compute, and ten times as much."""
    largest = float(runs.flops.max())
    return [largest, 10 * largest]


def optimum_answer(
    law: Chinchilla, samples: Sequence[Chinchilla], flops: float, served_tokens: float | None
) -> dict[str, Any]:
    """The best N and D for a budget, beside Chinchilla's rule, and for a served model."""
    best = compute_optimal(law, flops)
    answer: dict[str, Any] = {"flops": flops, "compute_optimal": best.as_dict()}
    if samples:
        found = [compute_optimal(sample, flops) for sample in samples if min(sample.alpha, sample.beta) > 0]
        answer["interval"] = {
            name: percentile_interval(getattr(best, name), [getattr(f, name) for f in found]).as_dict()
            for name in ("parameters", "tokens", "loss")
        }
    rule = at_tokens_per_parameter(law, flops, CHINCHILLA_TOKENS_PER_PARAMETER)
    answer["at_20_tokens_per_parameter"] = rule.as_dict()
    if served_tokens is not None:
        answer["served_tokens"] = served_tokens
        answer["inference_aware"] = inference_optimal(law, best.loss, served_tokens).as_dict()
    return answer


def isoflop_answer(runs: Runs) -> dict[str, Any] | None:
    minima = isoflop_minima(runs)
    if not minima:
        return None
    return {"minima": [vars(minimum) for minimum in minima], "exponent_of_optimal_size": isoflop_exponent(minima)}


def repeats_answer(law: Chinchilla, runs: Runs, args: argparse.Namespace) -> dict[str, Any]:
    """The two R* and how flat the objective is around them."""
    fitted = fit_repeats(law, runs, delta=args.delta)
    profile = profile_r_star_tokens(law, runs, np.geomspace(4, 512, 15), delta=args.delta)
    flat = [r for r, _, objective in profile if objective <= 1.0035 * fitted.objective]
    published = repeat_objective(law, runs, 5.309743, 15.387756, delta=args.delta)
    return {
        "r_star_parameters": fitted.r_star_parameters,
        "r_star_tokens": fitted.r_star_tokens,
        "objective": fitted.objective,
        "objective_at_published_r_star": published,
        "profile": [{"r_star_tokens": r, "r_star_parameters": n, "objective": o} for r, n, o in profile],
        "r_star_tokens_within_0.35_percent": [min(flat), max(flat)] if flat else None,
    }


def as_text(answer: dict[str, Any]) -> str:
    """The answer for a reader."""
    lines = [f"{answer['n_runs']} runs"]
    lines.append("L = {E:.4f} + {A:.4g}/N^{alpha:.4f} + {B:.4g}/D^{beta:.4f}".format(**answer))
    if answer["objective"] is not None:
        lines.append(f"summed Huber objective {answer['objective']:.9f}")
    for kind in ("bootstrap", "profile"):
        for name, interval in (answer.get(kind) or {}).items():
            if isinstance(interval, dict):
                lines.append(f"  {kind} 95 %  {name:26s} {interval_text(interval)}")
    if answer.get("leave_largest_out"):
        lines.append(
            "without the {held_out} largest runs: predicted to {mean_absolute_relative_error:.2%} "
            "(bias {mean_relative_error:+.2%})".format(**answer["leave_largest_out"])
        )
    for optimum in answer.get("optimum", []):
        for kind in ("compute_optimal", "at_20_tokens_per_parameter", "inference_aware"):
            if kind in optimum:
                lines.append(
                    f"C = {optimum['flops']:.3g}, {kind}: "
                    + "N = {parameters:.3g}, D = {tokens:.3g} ({tokens_per_parameter:.3g} a parameter), "
                    "loss {loss:.4f}".format(**optimum[kind])
                )
    if "repeats" in answer:
        repeats = answer["repeats"]
        lines.append("repeats: R*_N = {r_star_parameters:.3g}, R*_D = {r_star_tokens:.3g}, ".format(**repeats))
        lines[-1] += f"objective {repeats['objective']:.9f}"
        if repeats["r_star_tokens_within_0.35_percent"]:
            low, high = repeats["r_star_tokens_within_0.35_percent"]
            lines.append(f"  within 0.35 % of the minimum: R*_D from {low:.3g} to {high:.3g}")
    lines += [f"warning: {warning}" for warning in answer.get("warnings", [])]
    return "\n".join(lines)


def interval_text(interval: dict[str, float | None]) -> str:
    return "[" + ", ".join("open" if interval[k] is None else f"{interval[k]:.5g}" for k in ("low", "high")) + "]"
