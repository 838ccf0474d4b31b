"""The folder of a run, as the commands that read one are given it: on a disk, or at any fsspec URL."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from curate.commands import UsageError
from curate.engine.log import NAME as LOG
from curate.engine.store import Store
from curate.recipe import Recipe, RecipeError, load_resolved

MANIFEST = "manifest.json"
COUNTS = ("read", "kept", "dropped", "reasons", "failed", "skipped", "cpu_seconds")
AGAIN = "run its recipe again, which goes on from what is committed"


class OtherVersionError(UsageError):
    """The run was made by a version of this project, or with packages, that are not installed here."""


def open_run(run: str) -> Store:
    """The folder of a run that has begun to be published. UsageError if there is none."""
    store = Store(run)
    if store.local and Path(run).is_file():
        raise UsageError(f"{run}: is a file; allowed: the output folder of a run")
    if not store.exists(MANIFEST):
        if store.exists(LOG):
            raise UsageError(f"{run}: the run is not finished (python -m curate status {run}); {AGAIN}")
        raise UsageError(f"{run}: no run here (there is no {MANIFEST}); allowed: the output folder of a run")
    return store


def manifest_of(store: Store) -> dict[str, Any]:
    """The manifest of a run. UsageError if the file is something else, or lacks what this version asks it for."""
    try:
        manifest = store.read_json(MANIFEST)
    except ValueError as error:
        raise UsageError(f"{store.root}/{MANIFEST}: no JSON ({error}), so this is no run, or a damaged one") from error
    if not isinstance(manifest, dict) or not {"name", "state"} <= manifest.keys():
        raise UsageError(f"{store.root}/{MANIFEST}: is not the manifest of a run; allowed: the output folder of a run")
    if manifest["state"] == "done":
        missing = [key for key in ("counts", "phases", "files") if key not in manifest]
        missing += [f"counts.{key}" for key in COUNTS if key not in manifest.get("counts", COUNTS)]
        if missing:
            raise OtherVersionError(
                f"{store.root}/{MANIFEST}: lacks {missing[0]!r}, so the run was made by another version; run its "
                "recipe again"
            )
    return manifest


def finished_run(run: str) -> Store:
    """The folder of a run whose files are all there. UsageError if there is none: half of a run would be read as
    the whole."""
    store = open_run(run)
    state = manifest_of(store)["state"]
    if state != "done":
        raise UsageError(f"{run}: the run is not finished (its manifest says {state!r}); {AGAIN}")
    return store


def recipe_text(store: Store) -> str:
    """What a run's recipe.yaml says. UsageError if there is none."""
    if not store.exists("recipe.yaml"):
        raise UsageError(f"{store.root}/recipe.yaml: is not there, so this is no run, or a damaged one")
    return store.read_bytes("recipe.yaml").decode()


def stored_recipe(store: Store, settings: Sequence[str] = ()) -> Recipe:
    """The recipe that a run was carried out by, with `--set key=value` applied. OtherVersionError if what is stored
    cannot be read here, RecipeError if a setting is wrong."""
    name, text = f"{store.root}/recipe.yaml", recipe_text(store)
    try:
        recipe = load_resolved(text, name)
    except RecipeError as error:
        raise OtherVersionError(
            f"{name}: the run's own recipe cannot be read here, so it was made by another version, or with stages or "
            f"files that are not here; run its recipe again. {error}"
        ) from error
    return load_resolved(text, name, settings) if settings else recipe
