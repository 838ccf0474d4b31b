"""`python -m curate report RUN`: writes a run's report.html anew."""

from __future__ import annotations

import argparse

from curate.commands import UsageError
from curate.engine.store import Store


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", help="a run's folder")


def run(args: argparse.Namespace) -> int:
    from curate.report.page import write_report

    if not Store(args.run).exists("manifest.json"):
        raise UsageError(f"{args.run}: no run here (there is no manifest.json); allowed: the output folder of a run")
    write_report(args.run)
    print(f"{args.run}/report.html")
    return 0
