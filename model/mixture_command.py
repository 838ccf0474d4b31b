"""`python -m model mixture`: proxy runs in, the best mixture out, as the file that `mix` reads."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from model.mixture import MixtureRuns, runs_of, search
from model.scaling import Array


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "Fit mixture laws to proxy runs and find the mixture that minimises a target"
    parser.add_argument("runs", type=Path, help="JSON of proxy runs, or a CSV of domain shares (with --losses)")
    parser.add_argument("--losses", type=Path, metavar="CSV", help="CSV of losses, one line a run, in the same order")
    parser.add_argument("--target", action="append", metavar="NAME[=WEIGHT]", help="evaluation domain to minimise")
    parser.add_argument("--cap", action="append", metavar="DOMAIN=SHARE", help="largest share of a domain")
    parser.add_argument("--bootstrap", type=int, default=50, metavar="B")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, metavar="JSON", help="write the result here; default: print it")


def run(args: argparse.Namespace) -> int:
    try:
        runs = read(args.runs, args.losses)
        target = pairs(args.target, default=1.0)
        result = search(runs, target=target, caps=pairs(args.cap), n_bootstrap=args.bootstrap, seed=args.seed)
    except OSError as error:
        print(f"model mixture: cannot read {error.filename}: {error.strerror}", file=sys.stderr)
        return 2
    except (ValueError, KeyError) as error:
        print(f"model mixture: {error}", file=sys.stderr)
        return 2
    text = json.dumps(result, indent=1)
    if args.output is None:
        print(text)
    else:
        args.output.write_text(text, encoding="utf-8")
        for name, weight in sorted(result["weights"].items(), key=lambda item: -item[1]):
            low, high = result["weights_interval"][name]
            print(f"{name:40s} {weight:.4f}  [{low:.4f}, {high:.4f}]")
    return 0


def read(path: Path, losses: Path | None) -> MixtureRuns:
    """Runs from a result file, or from two CSVs whose first column is an index."""
    if losses is None:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return runs_of(content)
    domains, shares = table(path)
    targets, values = table(losses)
    return MixtureRuns(tuple(domains), shares / shares.sum(axis=1, keepdims=True), tuple(targets), values)


def table(path: Path) -> tuple[list[str], Array]:
    with path.open(newline="", encoding="utf-8-sig") as file:
        header, *rows = list(csv.reader(file))
    return header[1:], np.array([[float(cell) for cell in row[1:]] for row in rows if row])


def pairs(items: list[str] | None, default: float | None = None) -> dict[str, float] | None:
    """NAME=NUMBER options as a dictionary."""
    if not items:
        return None
    found = {}
    for item in items:
        name, sign, number = item.rpartition("=")
        if not sign and default is None:
            raise ValueError(f"{item!r}: NAME=NUMBER is wanted")
        found[name if sign else item] = float(number) if sign else float(default or 1.0)
    return found
