"""The commands of `python -m curate`, nothing else."""

from __future__ import annotations

import sys


def main(arguments: list[str] | None = None) -> int:
    """Runs one command; returns its exit status."""
    raise SystemExit(2)


if __name__ == "__main__":
    sys.exit(main())
