"""`python -m classifiers COMMAND NAME`: builds, trains, evaluates, calibrates or describes one bundled model.

A fastText model is a spec (`classifiers/specs/NAME.yaml`, or a file of yours), which `classifiers.toolkit` knows what
to do with. The extractor's model is a module of its own, with a function for every command that it knows.
"""

from __future__ import annotations

import argparse
import difflib
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

MODULES = {"blocks": "classifiers.blocks", "language": "classifiers.language"}
"""Models that are no fastText classifiers → their module."""
SPECS = sorted(file.stem for file in (Path(__file__).parent / "specs").glob("*.yaml"))
COMMANDS = ("build", "train", "evaluate", "calibrate", "tune", "card")


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit status: 0 done, 1 failed, 2 a wrong command."""
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
        close = difflib.get_close_matches(chosen.name, names, n=1)
        nearest = f"; did you mean {close[0]!r}?" if close else ""
        parser.error(f"no model {chosen.name!r}{nearest}; there are: {', '.join(names)}, or a file my_model.yaml")
    if own or chosen.name in SPECS:
        return _fasttext(chosen.command, chosen.name, rest)
    module = importlib.import_module(MODULES[chosen.name])
    command = getattr(module, chosen.command, None)
    if command is None:
        known = [name for name in COMMANDS if hasattr(module, name)]
        parser.error(f"{chosen.name} has no command {chosen.command}; it has {', '.join(known)}")
    options = argparse.ArgumentParser(prog=f"python -m classifiers {chosen.command} {chosen.name}")
    module.add_arguments(options)
    from curate.stages.quality.fasttext_model import ModelError

    try:
        return int(command(options.parse_args(rest)))
    except (FileNotFoundError, ModelError) as error:
        print(f"{chosen.command} {chosen.name}: {error}", file=sys.stderr)
        return 1


def _fasttext(command: str, name: str, rest: Sequence[str]) -> int:
    from classifiers import toolkit
    from curate.sources.base import InputError

    options = argparse.ArgumentParser(prog=f"python -m classifiers {command} {name}")
    toolkit.add_arguments(options)
    try:
        return toolkit.run_command(command, name, options.parse_args(rest))
    except (OSError, InputError, toolkit.ModelError) as error:
        print(f"{command} {name}: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
