"""`python -m curate what-if RUN --set gopher_quality.min_words=30`: what another threshold would have done, from
the signals that the run has stored; with `--sweep`, for a range of thresholds."""

from __future__ import annotations

import argparse
import json
from typing import Any

import numpy as np

from curate.commands import UsageError
from curate.commands.runs import finished_run, stored_recipe
from curate.engine.store import Store
from curate.report.whatif import BYTES_PER_TOKEN, KEPT, Answer, WhatIfError, ask


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", help="a run's folder, a path or an fsspec URL")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="KEY=VALUE",
        help="a threshold, such as gopher_quality.min_words=30; again for more",
    )
    parser.add_argument("--sweep", metavar="KEY=START:STOP:STEP", help="one threshold over a range, ends included")
    parser.add_argument(
        "--examples",
        type=int,
        default=5,
        metavar="N",
        help="documents to show that change sides, of each change (default 5)",
    )
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(args: argparse.Namespace) -> int:
    store = finished_run(args.run)
    if not args.set and not args.sweep:
        raise UsageError("what-if needs a threshold: --set gopher_quality.min_words=30, or --sweep KEY=START:STOP:STEP")
    try:
        if args.sweep:
            return _sweep(store, args)
        answer = ask(store, stored_recipe(store), stored_recipe(store, args.set))
    except WhatIfError as error:
        raise UsageError(str(error)) from error
    if args.json:
        print(json.dumps(as_json(answer), indent=1))
    else:
        _print(answer, args.examples)
    return 0


def as_json(answer: Answer) -> dict[str, Any]:
    """For machines: every fate with its counts, every document that changes sides."""
    return {
        "changed": answer.changed,
        "exact_until": answer.boundary,
        "before": {"documents": dict(answer.before), "bytes": dict(answer.bytes_before)},
        "after": {"documents": dict(answer.after), "bytes": dict(answer.bytes_after)},
        "moved": answer.moved,
    }


def _print(answer: Answer, examples: int) -> None:
    end = answer.boundary or KEPT
    print(f"{'documents':46} {'before':>9} {'after':>9} {'change':>8}")
    fates = sorted({*answer.before, *answer.after} - {end})
    for fate in [*fates, end]:
        was, now = answer.before[fate], answer.after[fate]
        name = fate if fate != end or end == KEPT else f"reach {end}"
        print(f"{name:46} {was:9,} {now:9,} {now - was:+8,}")
    was, now = (round(sizes[end] / BYTES_PER_TOKEN) for sizes in (answer.bytes_before, answer.bytes_after))
    print(f"{f'tokens there, at {BYTES_PER_TOKEN} bytes each':46} {was:9,} {now:9,} {now - was:+8,}")
    if answer.boundary:
        print(f"\nExact up to {answer.boundary}, which decides over the whole collection.")
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in answer.moved:
        groups.setdefault((row["before"], row["after"]), []).append(row)
    for (old, new), rows in sorted(groups.items(), key=lambda item: -len(item[1])):
        print(f"\n{old} → {new}: {len(rows):,}")
        for row in rows[:examples]:
            print(f"  {row['id']} {row['url']} (value {row['value']})\n    {(row['text'] or '')[:110]!r}")


def _sweep(store: Store, args: argparse.Namespace) -> int:
    key, values = sweep_values(args.sweep)
    before, curve, boundary = stored_recipe(store), [], None
    for value in values:
        answer = ask(store, before, stored_recipe(store, [*args.set, f"{key}={value}"]))
        boundary = boundary or answer.boundary
        end = answer.boundary or KEPT
        curve.append({"value": value, "documents": answer.after[end], "bytes": answer.bytes_after[end]})
    if args.json:
        print(json.dumps({"key": key, "exact_until": boundary, "curve": curve}, indent=1))
        return 0
    most = max((point["documents"] for point in curve), default=0) or 1
    what = f"that reach {boundary}, which decides over the whole collection" if boundary else "that are kept"
    print(f"documents {what}, and their tokens at {BYTES_PER_TOKEN} bytes each:")
    print(f"{key:>34} {'documents':>10} {'tokens':>12}")
    for point in curve:
        bar = "█" * round(40 * point["documents"] / most)
        print(f"{point['value']:>34} {point['documents']:>10,} {round(point['bytes'] / BYTES_PER_TOKEN):>12,} {bar}")
    return 0


def sweep_values(text: str) -> tuple[str, list[float | int]]:
    """`key=10:200:10` as the key and its values, both ends included. UsageError if it is not of that form."""
    key, _, span = text.partition("=")
    try:
        start, stop, step = (json.loads(part) for part in span.split(":"))
        count = int(np.floor((stop - start) / step + 1e-9)) + 1
        if not 1 <= count <= 1000:
            raise ValueError
    except (ValueError, ZeroDivisionError, TypeError) as error:
        raise UsageError(
            f"--sweep {text}: the form is KEY=START:STOP:STEP, such as gopher_quality.min_words=10:200:10"
        ) from error
    whole = all(isinstance(number, int) for number in (start, step))
    return key, [start + i * step if whole else round(start + i * step, 12) for i in range(count)]
