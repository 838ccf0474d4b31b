"""`python -m curate status`: what a run has done, from its manifest; while it has none, from its log."""

from __future__ import annotations

import argparse
import json
from typing import Any

from curate.commands import UsageError
from curate.commands.runs import MANIFEST, manifest_of, open_run
from curate.engine.log import NAME as LOG
from curate.engine.store import Store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", help="a run's folder, a path or an fsspec URL")
    parser.add_argument("--json", action="store_true", help="the manifest as JSON; the log's lines where there is none")


def run(args: argparse.Namespace) -> int:
    store = Store(args.run)
    if not store.exists(MANIFEST) and store.exists(LOG):
        events = [json.loads(line) for line in store.read_bytes(LOG).splitlines()]
        print(json.dumps({"state": "unfinished", "log": events}, indent=1) if args.json else unfinished(events))
        return 0
    manifest = manifest_of(open_run(args.run))
    print(json.dumps(manifest, indent=1) if args.json else finished(manifest, args.run))
    return 0


def unfinished(events: list[dict[str, Any]]) -> str:
    """What the log of a run without a manifest tells."""
    if not events:
        raise UsageError(f"{LOG} is empty: nothing has been done yet")
    attempts = [event for event in events if event["event"] == "run"]
    last = attempts[-1]
    since = events[events.index(last) :]
    lines = [f"{last['name']}: not finished; attempt {len(attempts)}, begun {last['time'][:19]} UTC"]
    for event in since:
        if event["event"] == "phase":
            lines.append(f"  {event['phase']}: done at {event['time'][11:19]}{_kept_of(event)}")
        elif event["event"] == "worker lost":
            lines.append(f"  a worker died on {event['task']}, attempt {event['attempt']}: {event['error']}")
    if since[-1]["event"] == "stopped":
        message = f": {since[-1]['message']}" if since[-1]["message"] else ""
        lines.append(f"stopped at {since[-1]['time'][11:19]} by {since[-1]['error']}{message}")
    else:
        lines.append("at work, or killed without a word")
    lines.append("the same command goes on from what is committed; `plan RECIPE` counts the shards")
    return "\n".join(lines)


def _kept_of(event: dict[str, Any]) -> str:
    return f", {event['read']:,} → {event['kept']:,}" if "read" in event else f", {event['dropped']:,} dropped"


def finished(manifest: dict[str, Any], run: str) -> str:
    """What a manifest tells."""
    if manifest["state"] != "done":
        return f"{manifest['name']}: {manifest['state']}\nthe same command goes on from what is committed"
    lines = [f"{manifest['name']}: done"]
    for phase in manifest["phases"]:
        if not phase["stages"]:  # carries out what the global stages before it decided, who say it themselves
            continue
        lines.append(f"  {phase['title']}{_of_phase(phase)}")
    counts = manifest["counts"]
    dropped = sum(counts["dropped"].values())
    lines.append(
        f"read {counts['read']:,} = {counts['kept']:,} kept + {dropped:,} dropped + {counts['failed']:,} failed; "
        f"{sum(counts['skipped'].values()):,} other records skipped"
    )
    width = max(map(len, counts["dropped"]), default=0)
    for label, rows in sorted(counts["dropped"].items(), key=lambda each: -each[1]):
        lines.append(f"  dropped by {label:{width}} {rows:>9,}")
    lines.append(f"report: {run.rstrip('/')}/report.html")
    return "\n".join(lines)


def _of_phase(phase: dict[str, Any]) -> str:
    if "read" in phase:
        return f": {phase['read']:,} → {phase['kept']:,}"
    return f": {phase['dropped']:,} to drop" if phase["dropped"] else ""
