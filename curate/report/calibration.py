"""Where each rule's threshold lies in the distribution of its signal, and the documents nearest to it on both
sides. From the run's folder alone."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curate.engine.store import Store
from curate.recipe import Recipe
from curate.report.sections import first_rows
from curate.stage import MapStage, Rule

MAX_RULES = 40
"""The rules that fail most documents are shown, at most so many, so that the page stays small."""
NEAR = 3
"""Documents on each side of a threshold."""
BARS = 40


@dataclass
class _Measured:
    label: str
    rule: Rule
    values: list[NDArray[np.float64]] = field(default_factory=list)
    failing: int = 0
    near: dict[bool, list[tuple[float, str, float]]] = field(default_factory=lambda: {True: [], False: []})
    """Passes → distance from the threshold, URL, value; the nearest first."""

    def add(self, values: pa.Array, urls: pa.Array) -> None:
        known = pc.is_valid(values)
        values, urls = values.filter(known), urls.filter(known)
        passes = self.rule.passes(values).to_numpy(zero_copy_only=False).astype(bool)
        numbers = pc.cast(values, pa.float64()).to_numpy(zero_copy_only=False)
        self.values.append(numbers)
        self.failing += int(np.sum(~passes))
        distance = np.abs(numbers - float(self.rule.threshold))  # type: ignore[arg-type]
        for side in (True, False):
            rows = np.flatnonzero((passes == side) & np.isfinite(distance))
            rows = rows[np.argsort(distance[rows], kind="stable")[:NEAR]]
            found = [(float(distance[row]), urls[int(row)].as_py() or "no URL", float(numbers[row])) for row in rows]
            self.near[side] = heapq.nsmallest(NEAR, [*self.near[side], *found])


def calibration(store: Store, recipe: Recipe, most_rows: int) -> list[dict[str, Any]]:
    """For each rule with a number for a threshold: bars, the threshold's place among them, and near-misses.

    At most `most_rows` rows of each folder are read.
    """
    stages = [part for stage in recipe.stages for part in stage.parts() if isinstance(part, MapStage)]
    found = {
        (stage.label, rule.name): _Measured(stage.label, rule)
        for stage in stages
        for rule in stage.rules()
        if isinstance(rule.threshold, int | float) and not isinstance(rule.threshold, bool)
    }
    # Once each: the stage `language` has a column of its own name.
    columns = list(dict.fromkeys(["url", "language", "language_score", *(stage.label for stage in stages)]))
    for batch in _batches(store, columns, most_rows):
        urls = batch.column("url") if "url" in batch.schema.names else pa.nulls(batch.num_rows, pa.string())
        for stage in stages:
            signals = stage.signals(batch)
            if signals is None or not pa.types.is_struct(signals.type):
                continue
            names = [each.name for each in signals.type]
            for rule in stage.rules():
                measured = found.get((stage.label, rule.name))
                if measured is not None and rule.signal in names:
                    measured.add(pc.struct_field(signals, rule.signal), urls)
    shown = [each for each in found.values() if sum(map(len, each.values))]
    chosen = {id(each) for each in sorted(shown, key=lambda each: -each.failing)[:MAX_RULES]}
    return [_row(each) for each in shown if id(each) in chosen]  # in the recipe's order


def _batches(store: Store, columns: list[str], most_rows: int) -> Iterator[pa.RecordBatch]:
    for folder in ["documents", *(f"dropped/{label}" for label in store.folders("dropped"))]:
        yield from first_rows(store, folder, columns, most_rows)


def _row(each: _Measured) -> dict[str, Any]:
    numbers = np.concatenate(each.values)
    numbers = numbers[np.isfinite(numbers)]
    threshold = float(each.rule.threshold)  # type: ignore[arg-type]
    low, high = np.percentile(numbers, [0.5, 99.5]) if len(numbers) else (threshold, threshold)
    low, high = min(float(low), threshold), max(float(high), threshold)
    if high <= low:
        high = low + 1.0
    counts, _ = np.histogram(np.clip(numbers, low, high), bins=BARS, range=(low, high))
    tallest = max(int(counts.max()), 1)
    return {
        "label": each.label,
        "rule": each.rule.name,
        "condition": f"{each.rule.signal} {each.rule.keep} {threshold:.6g}",
        "parameter": each.rule.parameter,
        "n": len(numbers),
        "failing": each.failing,
        "path": "".join(
            f"M{at} 10V{10 - 10 * (count / tallest) ** 0.5:.1f}h.9V10"
            for at, count in enumerate(counts.tolist())
            if count
        ),
        "place": BARS * (threshold - low) / (high - low),
        "low": low,
        "high": high,
        "stays": [{"url": url, "value": value} for _, url, value in each.near[True]],
        "fails": [{"url": url, "value": value} for _, url, value in each.near[False]],
    }
