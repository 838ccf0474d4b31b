"""`python -m curate report RUN`: writes a run's report.html anew."""

from __future__ import annotations

import argparse

from curate.commands.runs import finished_run, recipe_text


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", help="a run's folder, a path or an fsspec URL")


def run(args: argparse.Namespace) -> int:
    from curate.report.page import write_report

    store = finished_run(args.run)
    recipe_text(store)
    write_report(args.run)
    print(f"{args.run.rstrip('/')}/report.html")
    return 0
