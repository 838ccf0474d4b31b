"""`log.jsonl` in a run's folder: what happened when, one JSON object a line, over all attempts of a run.

It holds names, counts and times, and nothing of a document: what a run hides is not told here either. A run that finds
everything done leaves no line.
"""

from __future__ import annotations

import importlib.metadata
import json
import platform
from datetime import UTC, datetime
from typing import Any

from curate.engine.store import Store

NAME = "log.jsonl"

PACKAGES = ("curate", "pyarrow", "numpy", "numba", "ray", "resiliparse", "trafilatura", "presidio-analyzer")
"""Whose versions the first line of an attempt names."""


class RunLog:
    """Collects lines and appends them to the file, from the first one that stands for work."""

    def __init__(self, output: str) -> None:
        self._store = Store(output)
        self._waiting: list[str] = []
        self._working = False

    def begin(self) -> None:
        """There is work: what waits is written now, so that a run is seen while it works on its first phase."""
        self._working = True
        self._flush()

    def say(self, event: str, *, work: bool = True, **fields: Any) -> None:
        """Adds a line. One that is not `work` waits for one that is."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._waiting.append(json.dumps({"time": now, "event": event, **fields}, ensure_ascii=False))
        self._working = self._working or work
        if self._working:
            self._flush()

    def lost(self, task: str, attempt: int, error: str) -> None:
        """A worker has died."""
        self.say("worker lost", task=task, attempt=attempt, error=error)

    def stopped(self, error: BaseException) -> None:
        """The run ends before its end. Only what this project says itself is repeated: another's message may quote a
        document."""
        ours = type(error).__module__.startswith("curate.")
        self.say("stopped", error=type(error).__name__, message=str(error) if ours else None)

    def _flush(self) -> None:
        # No filesystem but a local one can append: there the file is written anew. A run has few lines.
        before = self._store.read_bytes(NAME) if self._store.exists(NAME) else b""
        self._store.write_bytes(NAME, before + "".join(f"{line}\n" for line in self._waiting).encode())
        self._waiting.clear()


def versions() -> dict[str, str]:
    """Of Python and the packages that an answer depends on."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found
