"""`python -m curate calibrate RUN --out thresholds.json`: thresholds for each language from a reference corpus.

RUN is a run over text that is known to be good, with the measuring stages in `mode: annotate` and a `language`
stage. Each signal's limits are the values that leave `--tail` of the reference's documents outside, on the side or
sides that the stage's own rules guard. The table is for the stage `language_thresholds`.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.commands import UsageError
from curate.commands.runs import finished_run, stored_recipe
from curate.engine.store import Store
from curate.engine.tables import read_batches
from curate.stage import MapStage, Rule


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", help="the folder of a run over reference text")
    parser.add_argument("--out", type=Path, required=True, help="the table to write")
    parser.add_argument("--tail", type=float, default=0.01, help="share of the reference outside a limit (0.01)")
    parser.add_argument("--min-documents", type=int, default=100, help="a language with fewer is left out (100)")


def run(args: argparse.Namespace) -> int:
    store = finished_run(args.run)
    if not 0 < args.tail < 0.5:
        raise UsageError(f"--tail {args.tail}: must be above 0 and below 0.5")
    rules = guarded(stored_recipe(store).stages)
    values = _values(store, rules)
    limits, counts = limits_of(values, rules, args.tail, args.min_documents)
    if not limits:
        most = f"the most frequent has {max(counts.values())}" if counts else "none has a document"
        raise UsageError(
            f"{args.run}: no language has {args.min_documents} documents ({most}), so there is nothing to calibrate "
            "by; take a larger reference, or a smaller --min-documents"
        )
    table = {"tail": args.tail, "documents": counts, "limits": limits}
    args.out.write_text(json.dumps(table, indent=1, sort_keys=True) + "\n", encoding="utf-8")
    few = sorted(set(values) - set(limits))
    print(f"{args.out}: {len(limits)} languages, {len(rules)} signals each")
    if few:
        print(f"left out, with fewer than {args.min_documents} documents: {', '.join(few)}")
    return 0


def guarded(stages: Any) -> dict[str, set[str]]:
    """Signal → the sides on which rules guard it: `least`, `most`."""
    sides: dict[str, set[str]] = defaultdict(set)
    for stage in stages:
        # What a stage keeps in plain columns (`language`) is no signal that language_thresholds could read.
        measures = isinstance(stage, MapStage) and stage.label not in stage.writes()
        rules: list[Rule] = list(stage.rules()) if measures else []
        for rule in rules:
            if rule.parameter and rule.keep in (">=", ">", "<=", "<"):
                sides[f"{stage.label}.{rule.signal}"].add("least" if rule.keep.startswith(">") else "most")
    if not sides:
        raise UsageError("the run's recipe has no stage with thresholds, such as gopher_quality: {mode: annotate}")
    return dict(sides)


def _values(store: Store, rules: dict[str, set[str]]) -> dict[str, dict[str, list[Any]]]:
    """Language → signal → the values, in arrays."""
    columns = sorted({name.split(".")[0] for name in rules})
    found: dict[str, dict[str, list[Any]]] = defaultdict(lambda: defaultdict(list))
    for name in store.names("documents"):
        for batch in read_batches(store, f"documents/{name}", ["language", *columns], batch_rows=8192):
            if "language" not in batch.schema.names:
                raise UsageError("the run's documents have no `language`; add the stage `language` before the others")
            for language in pc.unique(batch.column("language")).drop_null().to_pylist():
                rows = batch.filter(pc.equal(batch.column("language"), language))
                for signal in rules:
                    column, field = signal.split(".", 1)
                    numbers = pc.struct_field(rows.column(column), field).drop_null()
                    found[language][signal].append(np.asarray(numbers.cast(pa.float64())))
    return found


def limits_of(
    values: dict[str, dict[str, list[Any]]], rules: dict[str, set[str]], tail: float, min_documents: int
) -> tuple[dict[str, dict[str, list[float | None]]], dict[str, int]]:
    """The table's limits, and the documents that each language had."""
    limits: dict[str, dict[str, list[float | None]]] = {}
    counts: dict[str, int] = {}
    for language, signals in values.items():
        joined = {signal: np.concatenate(parts) for signal, parts in signals.items()}
        counts[language] = max(map(len, joined.values()))
        if counts[language] < min_documents:
            continue
        limits[language] = {
            signal: [
                round(float(np.quantile(numbers, tail)), 6) if "least" in rules[signal] else None,
                round(float(np.quantile(numbers, 1 - tail)), 6) if "most" in rules[signal] else None,
            ]
            for signal, numbers in joined.items()
            if len(numbers)
        }
    return limits, counts
