"""The parts of a run's report, as plain data for the template."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.engine.store import Store
from curate.engine.tables import read_batches

EXAMPLES = 3
EXCERPT = 240
MAX_ROWS = 20_000
"""Distributions are drawn from the first rows of each folder, at most so many."""


def labels(recipe: dict[str, Any]) -> list[str]:
    """Labels of a resolved recipe's stages, in order."""
    return [dict(next(iter(stage.values())) or {}).get("label", next(iter(stage))) for stage in recipe["stages"]]


def funnel(manifest: dict[str, Any], recipe: dict[str, Any]) -> list[dict[str, Any]]:
    """Documents left after each stage."""
    counts = manifest["counts"]
    rows = [{"label": "read", "left": counts["read"], "dropped": 0, "share": 1.0}]
    left = counts["read"]
    dropped = dict(counts["dropped"])
    ordered = labels(recipe)
    ordered += [label for label in dropped if label not in ordered]
    for label in ordered:
        gone = dropped.get(label, 0)
        left -= gone
        rows.append({"label": label, "left": left, "dropped": gone, "share": left / max(counts["read"], 1)})
    if counts["failed"]:
        left -= counts["failed"]
        rows.append(
            {"label": "failed", "left": left, "dropped": counts["failed"], "share": left / max(counts["read"], 1)}
        )
    return rows


def reasons(store: Store, manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """Each rule with its count and a few of the documents that it dropped."""
    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    wanted = ("url", "text", "verdict_rule", "verdict_value", "verdict_threshold", "verdict_duplicate_of")
    for label in store.folders("dropped"):
        for batch in first_rows(store, f"dropped/{label}", wanted, MAX_ROWS):
            for rule in pc.unique(batch.column("verdict_rule")).to_pylist():
                examples = found.setdefault((label, rule), [])
                if len(examples) < EXAMPLES:
                    hits = batch.filter(pc.equal(batch.column("verdict_rule"), rule)).slice(0, EXAMPLES - len(examples))
                    examples += [_example(row) for row in hits.to_pylist()]
    rows = []
    for name, count in sorted(manifest["counts"]["reasons"].items(), key=lambda item: -item[1]):
        label, _, rule = name.partition("/")
        rows.append({"stage": label, "rule": rule, "count": count, "examples": found.get((label, rule), [])})
    return rows


def _example(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "url": row.get("url"),
        "value": row["verdict_value"],
        "threshold": row["verdict_threshold"],
        "duplicate_of": row.get("verdict_duplicate_of"),
        "text": excerpt(row.get("text")),
    }


def excerpt(text: str | None) -> str:
    """The beginning of a text, on one line."""
    line = " ".join((text or "").split())
    return line[:EXCERPT] + ("…" if len(line) > EXCERPT else "")


def failures(store: Store) -> list[tuple[str, str, int]]:
    """(stage, error, count), most frequent first."""
    counts: Counter[tuple[str, str]] = Counter()
    for batch in first_rows(store, "failed", ("stage", "error"), MAX_ROWS):
        counts.update(zip(batch.column("stage").to_pylist(), batch.column("error").to_pylist(), strict=True))
    return [(stage, error, count) for (stage, error), count in counts.most_common(20)]


def samples(store: Store, n: int = 8) -> list[dict[str, str]]:
    """Kept documents whose ids are lowest: a sample that does not depend on their order."""
    best: list[tuple[str, str, str]] = []
    for batch in first_rows(store, "documents", ("id", "url", "text"), MAX_ROWS):
        columns = [batch.column(name).to_pylist() if name in batch.schema.names else [""] * batch.num_rows
                   for name in ("id", "url", "text")]  # fmt: skip
        best = sorted([*best, *zip(*columns, strict=True)])[:n]
    return [{"url": url, "text": excerpt(text)} for _, url, text in best]


def cost(manifest: dict[str, Any]) -> dict[str, Any]:
    """CPU seconds by stage, what the engine itself took, and throughput."""
    seconds = dict(manifest["counts"]["cpu_seconds"])
    total = seconds.pop("total", 0.0)
    read = max(manifest["counts"]["read"], 1)
    rows = [{"label": k, "seconds": v, "ms": 1e3 * v / read} for k, v in sorted(seconds.items(), key=lambda i: -i[1])]
    engine = max(total - sum(seconds.values()), 0.0)
    return {
        "rows": rows,
        "engine": engine,
        "total": total,
        "documents_per_cpu_second": manifest["counts"]["read"] / total if total else 0.0,
        "wall": manifest.get("wall_seconds", 0.0),
    }


def values(store: Store, column: str, n: int = 15) -> list[tuple[str, int]]:
    """The most frequent values of a text column of the kept documents."""
    counts: Counter[str] = Counter()
    for batch in first_rows(store, "documents", (column,), MAX_ROWS):
        if column in batch.schema.names and pa.types.is_string(batch.schema.field(column).type):
            counts.update(value for value in batch.column(column).to_pylist() if value is not None)
    return counts.most_common(n)


def distributions(store: Store, recipe: dict[str, Any]) -> list[dict[str, Any]]:
    """A histogram for each numeric signal over the documents that reached its stage, with where it dropped any."""
    wanted = set(labels(recipe))
    found: dict[tuple[str, str], list[np.ndarray]] = {}
    for folder in ["documents", *(f"dropped/{label}" for label in store.folders("dropped"))]:
        for batch in first_rows(store, folder, sorted(wanted), MAX_ROWS):
            for label in wanted.intersection(batch.schema.names):
                column = batch.column(label)
                if not pa.types.is_struct(column.type):
                    continue
                for each in column.type:
                    if pa.types.is_floating(each.type) or pa.types.is_integer(each.type):
                        numbers = pc.drop_null(pc.struct_field(column, each.name)).to_numpy(zero_copy_only=False)
                        found.setdefault((label, each.name), []).append(numbers.astype(float))
    return [_histogram(label, name, np.concatenate(parts)) for (label, name), parts in sorted(found.items())]


def _histogram(label: str, name: str, numbers: np.ndarray) -> dict[str, Any]:
    numbers = numbers[np.isfinite(numbers)]
    if not len(numbers):
        return {"label": label, "name": name, "n": 0, "bars": [], "low": 0.0, "high": 0.0, "median": 0.0}
    low, high = np.percentile(numbers, [0.5, 99.5])
    if high <= low:
        high = low + 1.0
    counts, _ = np.histogram(np.clip(numbers, low, high), bins=30, range=(low, high))
    tallest = max(int(counts.max()), 1)
    return {
        "label": label,
        "name": name,
        "n": len(numbers),
        "bars": [int(c) / tallest for c in counts],
        "low": float(low),
        "high": float(high),
        "median": float(np.median(numbers)),
    }


def first_rows(store: Store, folder: str, columns: Sequence[str] | None, most: int) -> Iterator[pa.RecordBatch]:
    """The first `most` rows of a folder's files, in their order."""
    left = most
    for name in store.names(folder):
        if left <= 0:
            return
        for batch in read_batches(store, f"{folder}/{name}", columns, batch_rows=4096):
            yield batch.slice(0, left)
            left -= batch.num_rows
            if left <= 0:
                return
