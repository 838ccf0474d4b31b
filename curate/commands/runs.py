"""The folder of a run, as the commands that read one are given it: on a disk, or at any fsspec URL."""

from __future__ import annotations

from collections.abc import Sequence

from curate.commands import UsageError
from curate.engine.store import Store
from curate.recipe import Recipe, load_resolved


def open_run(run: str) -> Store:
    """The folder of a run that has begun to be published. UsageError if there is none."""
    store = Store(run)
    if not store.exists("manifest.json"):
        raise UsageError(f"{run}: no run here (there is no manifest.json); allowed: the output folder of a run")
    return store


def finished_run(run: str) -> Store:
    """The folder of a run whose files are all there. UsageError if there is none: half of a run would be read as
    the whole."""
    store = open_run(run)
    state = store.read_json("manifest.json").get("state")
    if state != "done":
        raise UsageError(
            f"{run}: the run is not finished (its manifest says {state!r}); run its recipe again, which goes on from "
            "what is committed"
        )
    return store


def stored_recipe(store: Store, settings: Sequence[str] = ()) -> Recipe:
    """The recipe that a run was carried out by, with `--set key=value` applied."""
    return load_resolved(store.read_bytes("recipe.yaml").decode(), f"{store.root}/recipe.yaml", settings)
