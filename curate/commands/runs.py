"""The folder of a run, as the commands that read one are given it."""

from __future__ import annotations

from curate.commands import UsageError
from curate.engine.store import Store


def open_run(run: str) -> Store:
    """The folder of a run that has begun to be published. UsageError if there is none."""
    store = Store(run)
    if not store.exists("manifest.json"):
        raise UsageError(f"{run}: no run here (there is no manifest.json); allowed: the output folder of a run")
    return store
