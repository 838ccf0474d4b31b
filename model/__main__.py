"""`python -m model COMMAND`: finds the module of a command and hands it the arguments."""

from __future__ import annotations

import argparse
import importlib
import sys

COMMANDS = {
    "ablate": ("model.ablate", "run the arms of an ablation, train, evaluate, report"),
    "fit": ("model.fit", "fit a scaling law to a CSV of runs"),
    "mixture": ("model.mixture_command", "fit a mixture law to proxy runs"),
}
"""Command → its module, which has `add_arguments(parser)` and `run(args) -> int`, and its line of help. Only the
module that is asked for is imported: some of them bring torch."""


def main(argv: list[str] | None = None) -> int:
    argv = sys.argv[1:] if argv is None else argv
    parser = argparse.ArgumentParser(prog="python -m model", description="Train small models; judge data by them")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (module, line) in COMMANDS.items():
        command = commands.add_parser(name, help=line)
        if argv[:1] == [name]:
            importlib.import_module(module).add_arguments(command)
    args = parser.parse_args(argv)
    return int(importlib.import_module(COMMANDS[args.command][0]).run(args))


if __name__ == "__main__":
    sys.exit(main())
