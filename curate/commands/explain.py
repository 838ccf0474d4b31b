"""`python -m curate explain RUN URL|ID`: the life of one document, stage by stage, from the run's own files."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow.compute as pc
import yaml

from curate.commands import UsageError
from curate.commands.runs import OtherVersionError, finished_run, recipe_text, stored_recipe
from curate.engine.store import Store
from curate.engine.tables import read_batches

SHOWN_CHARACTERS = 80
"""Of a value; the text itself is shown apart, longer."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", help="a run's folder, a path or an fsspec URL")
    parser.add_argument("document", help="a URL, or an id of 32 hex digits")
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(args: argparse.Namespace) -> int:
    store = finished_run(args.run)
    lives = find(store, args.document)
    if not lives:
        skipped = list(_matching(store, "skipped", "url", args.document))
        for row in skipped:
            print(f"{row['url']}: skipped, no document ({row['reason']}), {row['source']} at byte {row['offset']}")
        if not skipped:
            raise UsageError(f"{args.document}: not in the ledger of {args.run}, neither as URL nor as id")
        return 0
    if args.json:
        print(json.dumps(lives, indent=1, default=str))
        return 0
    written = _written(store)
    for life in lives:
        _print(life, written)
    return 0


def find(store: Store, wanted: str) -> list[dict[str, Any]]:
    """Ledger rows with that id or URL, each with the document's row where it is kept (`document`)."""
    rows = list(_matching(store, "ledger", "id", wanted)) or list(_matching(store, "ledger", "url", wanted))
    for row in rows:
        folder = {"kept": "documents", "dropped": f"dropped/{row['stage']}", "failed": "failed"}[row["verdict"]]
        row["document"] = next(_matching(store, folder, "id", row["id"]), None)
    return rows


def _matching(store: Store, folder: str, column: str, value: str) -> Iterator[dict[str, Any]]:
    for name in store.names(folder):
        for batch in read_batches(store, f"{folder}/{name}", batch_rows=8192):
            hits = batch.filter(pc.fill_null(pc.equal(batch.column(column), value), False))
            yield from hits.to_pylist()


Written = list[tuple[str, tuple[str, ...]]]
"""The label of each stage, and the columns that it writes, in the recipe's order."""


def _written(store: Store) -> Written:
    try:
        stages = stored_recipe(store).stages
    except OtherVersionError as error:
        print(f"stages are shown by their signals alone: {error}", file=sys.stderr)
        recipe = yaml.safe_load(recipe_text(store))
        return [(next(iter(stage.values())).get("label", next(iter(stage))), ()) for stage in recipe["stages"]]
    return [(stage.label, tuple(name for name in stage.writes() if name != "text")) for stage in stages]


def _print(life: dict[str, Any], written: Written) -> None:
    print(f"{life['id']}  {life['url']}")
    at = f" at byte {life['offset']}" if life["offset"] is not None else ""
    print(f"  read from {life['source']}{at}")
    document = life["document"] or {}
    labels = [label for label, _ in written]
    passed = written[: labels.index(life["stage"])] if life["stage"] in labels else written
    for place, (label, columns) in enumerate(passed):
        # A column that several stages write is as the last of them left it.
        later = {name for _, names in passed[place + 1 :] for name in names}
        _say_measured(f"  {label}: passed; ", document, label, [name for name in columns if name not in later])
    if life["verdict"] == "kept":
        print("  kept")
    elif life["verdict"] == "failed":
        print(f"  failed in {life['stage']}: {life['value']}")
    else:
        beside = f" (asked: {life['threshold']})" if life["threshold"] is not None else ""
        of = f", duplicate of {life['duplicate_of']}" if life["duplicate_of"] else ""
        print(f"  dropped by {life['stage']}: {life['rule']}, value {life['value']}{beside}{of}")
        _say_measured("    ", document, life["stage"], dict(written).get(life["stage"], ()))
    if document.get("text"):
        text = document["text"]
        print(f"  text, {len(text)} characters: {text[:300]!r}{'…' if len(text) > 300 else ''}")


def _say_measured(begin: str, document: dict[str, Any], label: str, columns: Sequence[str]) -> None:
    """What a stage has left in its column of signals and in plain ones; nothing where it left nothing."""
    signals = document.get(label)
    found = {name: document.get(name) for name in columns} | (signals if isinstance(signals, dict) else {})
    short = [f"{name}={_short(value)}" for name, value in found.items()
             if value is not None and not isinstance(value, list | dict)]  # fmt: skip
    if short:
        print(begin + ", ".join(short))


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    text = str(value)
    return text if len(text) <= SHOWN_CHARACTERS else f"{text[:SHOWN_CHARACTERS]}…"
