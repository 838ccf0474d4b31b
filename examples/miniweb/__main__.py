"""`python -m examples.miniweb build`: writes the mini-web."""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path

from examples.miniweb.build import build


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m examples.miniweb", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    make = commands.add_parser("build", help="write WARC files, their truth and held-out questions")
    make.add_argument("--out", type=Path, required=True, help="folder; an earlier mini-web in it is replaced")
    make.add_argument("--seed", type=int, default=1)
    make.add_argument("--pages", type=int, default=3400, help="about so many pages, at least 200 (default 3400)")
    options = parser.parse_args(arguments)
    started = time.monotonic()
    try:
        summary = build(options.out, options.seed, options.pages)
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 2
    print(json.dumps(summary, indent=2))
    print(f"mini-web in {options.out}, {time.monotonic() - started:.1f} s", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
