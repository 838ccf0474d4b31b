"""`python -m classifiers COMMAND NAME`: builds, trains, evaluates, calibrates or describes one bundled model.

A fastText model is a spec (`classifiers/specs/NAME.yaml`, or a file of yours), which `classifiers.toolkit` knows what
to do with. The extractor's model is a module of its own, with a function for every command that it knows.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from curate.cli import answered
from curate.nearest import nearest

MODULES = {"blocks": "classifiers.blocks", "language": "classifiers.language"}
"""Models that are no fastText classifiers → their module."""
SPECS = sorted(file.stem for file in (Path(__file__).parent / "specs").glob("*.yaml") if file.stem != "domain_sites")
"""Models of a spec; beside the specs lies the table of sites that `domain` is labelled by."""
COMMANDS = ("build", "train", "evaluate", "calibrate", "tune", "card")


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 done, 1 failed, 2 a wrong command, or a file of the user's is wrong."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    # Behind command and name, --help asks for the options of these.
    parser = argparse.ArgumentParser(
        prog="python -m classifiers", description=__doc__, add_help=not given[2:],
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    parser.add_argument("command", choices=COMMANDS)
    names = sorted([*MODULES, *SPECS])
    parser.add_argument(
        "name", metavar="NAME", help=f"{', '.join(names)}, or the file of a spec of yours: my_model.yaml"
    )
    chosen, rest = parser.parse_known_args(given)
    own = chosen.name.endswith((".yaml", ".yml"))
    if chosen.name not in names and not own:
        near = nearest(chosen.name, names)
        parser.error(f"no model {chosen.name!r}{near}; there are: {', '.join(names)}, or a file my_model.yaml")
    try:
        return _carried_out(parser, chosen.command, chosen.name, rest)
    except Exception as error:
        status = answered(error)
        if status is None:
            raise
        return status


def _carried_out(parser: argparse.ArgumentParser, command: str, name: str, rest: Sequence[str]) -> int:
    if name not in MODULES:
        from classifiers import toolkit

        options = argparse.ArgumentParser(prog=f"python -m classifiers {command} {name}")
        toolkit.add_arguments(options)
        return toolkit.run_command(command, name, options.parse_args(rest))
    module = importlib.import_module(MODULES[name])
    carry_out = getattr(module, command, None)
    if carry_out is None:
        known = [each for each in COMMANDS if hasattr(module, each)]
        parser.error(f"{name} has no command {command}; it has {', '.join(known)}")
    options = argparse.ArgumentParser(prog=f"python -m classifiers {command} {name}")
    module.add_arguments(options)
    return int(carry_out(options.parse_args(rest)))


if __name__ == "__main__":
    sys.exit(main())
