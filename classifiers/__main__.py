"""`python -m classifiers COMMAND NAME`: builds, trains, evaluates, calibrates or describes one bundled model.

Each model is a module of this package with a function for every command that it knows (`train`, `evaluate`, …)
and `add_arguments(parser)`.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence

MODULES = {"blocks": "classifiers.blocks"}
"""What the command line calls a model → its module."""
COMMANDS = ("build", "train", "evaluate", "calibrate", "card")


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 done, 1 failed, 2 a wrong command."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(prog="python -m classifiers", description=__doc__)
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("name", choices=sorted(MODULES))
    chosen, rest = parser.parse_known_args(given)
    module = importlib.import_module(MODULES[chosen.name])
    command = getattr(module, chosen.command, None)
    if command is None:
        known = [name for name in COMMANDS if hasattr(module, name)]
        parser.error(f"{chosen.name} has no command {chosen.command}; it has {', '.join(known)}")
    options = argparse.ArgumentParser(prog=f"python -m classifiers {chosen.command} {chosen.name}")
    module.add_arguments(options)
    try:
        return int(command(options.parse_args(rest)))
    except FileNotFoundError as error:
        print(f"{chosen.command} {chosen.name}: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
