"""`python -m curate explain RUN URL|ID`: the life of one document, stage by stage, from the run's own files."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import Any

import pyarrow.compute as pc
import yaml

from curate.commands import UsageError
from curate.commands.runs import open_run
from curate.engine.store import Store
from curate.engine.tables import read_batches


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", help="a run's folder, a path or an fsspec URL")
    parser.add_argument("document", help="a URL, or an id of 32 hex digits")
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(args: argparse.Namespace) -> int:
    store = open_run(args.run)
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
    for life in lives:
        _print(life, _labels(store))
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


def _labels(store: Store) -> list[str]:
    recipe = yaml.safe_load(store.read_bytes("recipe.yaml"))
    return [next(iter(stage.values())).get("label", next(iter(stage))) for stage in recipe["stages"]]


def _print(life: dict[str, Any], labels: list[str]) -> None:
    print(f"{life['id']}  {life['url']}")
    print(f"  read from {life['source']} at byte {life['offset']}")
    document = life["document"] or {}
    for label in labels:
        if label == life["stage"]:
            break
        if isinstance(document.get(label), dict):
            print(f"  {label}: passed; {_signals(document[label])}")
        elif label == "language" and document.get("language") is not None:
            print(f"  language: passed; {document['language']}, score {document['language_score']:.4g}")
    if life["verdict"] == "kept":
        print("  kept")
    elif life["verdict"] == "failed":
        print(f"  failed in {life['stage']}: {life['value']}")
    else:
        beside = f" (asked: {life['threshold']})" if life["threshold"] is not None else ""
        of = f", duplicate of {life['duplicate_of']}" if life["duplicate_of"] else ""
        print(f"  dropped by {life['stage']}: {life['rule']}, value {life['value']}{beside}{of}")
        if isinstance(document.get(life["stage"]), dict):
            print(f"    {_signals(document[life['stage']])}")
    if document.get("text"):
        text = document["text"]
        print(f"  text, {len(text)} characters: {text[:300]!r}{'…' if len(text) > 300 else ''}")


def _signals(signals: dict[str, Any]) -> str:
    short = {
        k: (f"{v:.4g}" if isinstance(v, float) else v)
        for k, v in signals.items()
        if v is not None and not isinstance(v, list | dict)
    }
    return ", ".join(f"{k}={v}" for k, v in short.items())
