"""Where the labelled test data lies: CURATE_TEST_DATA, or ../shared/data beside the checkout."""

from __future__ import annotations

import gzip
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any


def folder() -> Path:
    """The folder; exits with a word on what to do where there is none."""
    named = os.environ.get("CURATE_TEST_DATA")
    path = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "data"
    if not path.is_dir():
        sys.exit(f"no test data at {path}: name its folder in CURATE_TEST_DATA")
    return path


def rows(name: str) -> Iterator[dict[str, Any]]:
    """The rows of a `.jsonl.gz` file of it."""
    with gzip.open(folder() / f"{name}.jsonl.gz", "rt") as file:
        yield from map(json.loads, file)
