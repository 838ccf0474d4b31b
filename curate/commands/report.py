"""`python -m curate report RUN`: writes a run's report.html anew."""

from __future__ import annotations

import argparse

from curate.commands.runs import open_run


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", help="a run's folder, a path or an fsspec URL")


def run(args: argparse.Namespace) -> int:
    from curate.report.page import write_report

    open_run(args.run)
    write_report(args.run)
    print(f"{args.run}/report.html")
    return 0
