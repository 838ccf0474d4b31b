"""`python -m curate status`: what a run's folder holds, from its manifest."""

from __future__ import annotations

import argparse
import json

from curate.commands.runs import open_run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", help="a run's folder")
    parser.add_argument("--json", action="store_true", help="the manifest as JSON")


def run(args: argparse.Namespace) -> int:
    store = open_run(args.run)
    manifest = store.read_json("manifest.json")
    if args.json:
        print(json.dumps(manifest, indent=1))
        return 0
    print(f"{manifest['name']}: {manifest['state']}")
    if manifest["state"] != "done":
        print("the same command goes on from what is committed")
        return 0
    for phase in manifest["phases"]:
        what = f"{phase['read']} → {phase['kept']}" if "read" in phase else f"decided on {phase['dropped']}"
        print(f"  {phase['title']}: {what}")
    counts = manifest["counts"]
    print(f"read {counts['read']}, kept {counts['kept']}, failed {counts['failed']}")
    for label, rows in sorted(counts["dropped"].items(), key=lambda each: -each[1]):
        print(f"  dropped by {label}: {rows}")
    return 0
