"""`python -m model COMMAND`: finds the module of a command and hands it the arguments."""

from __future__ import annotations

import argparse
import importlib
import sys
from typing import Any

COMMANDS = {
    "ablate": ("model.ablate", "run the arms of an ablation, train, evaluate, report"),
    "evaluate": ("model.commands:evaluate", "bits per byte, tasks, memorisation of a trained model"),
    "export": ("model.commands:export", "write a trained model as transformers reads it (Qwen3ForCausalLM)"),
    "fit": ("model.fit", "fit a scaling law to a CSV of runs"),
    "mixture": ("model.mixture_command", "fit a mixture law to proxy runs"),
    "report": ("model.report", "write the report of an ablation anew"),
    "sample": ("model.commands:sample", "continue a text"),
    "train": ("model.commands:train", "train a model on token shards"),
}
"""Command → its module (or `module:object`), which has `add_arguments(parser)` and `run(args) -> int`, and its line of
help. Only the module that is asked for is imported: some of them bring torch."""


def _find(name: str) -> Any:
    module, _, attribute = COMMANDS[name][0].partition(":")
    found = importlib.import_module(module)
    return getattr(found, attribute) if attribute else found


def main(argv: list[str] | None = None) -> int:
    args = parsed(sys.argv[1:] if argv is None else argv)
    return int(_find(args.command).run(args))


def parsed(argv: list[str]) -> argparse.Namespace:
    """The arguments, read by the command that they begin with."""
    parser = argparse.ArgumentParser(prog="python -m model", description="Train small models; judge data by them")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, (_, line) in COMMANDS.items():
        command = commands.add_parser(name, help=line, description=f"{line[0].upper()}{line[1:]}.")
        if argv[:1] == [name]:
            _find(name).add_arguments(command)
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
