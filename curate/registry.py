"""The registry of stages: what a recipe may name, and the class behind each name."""

from __future__ import annotations

import functools
import importlib
import importlib.metadata
from typing import cast

from curate.stage import Stage
from curate.stages import BUILT_IN

ENTRY_POINTS = "curate.stages"


@functools.cache
def registered() -> dict[str, str]:
    """Every stage by name, as "module:Class": the built-in ones and those of installed packages, which declare
    theirs in the entry-point group `curate.stages`; looked up once a process. A built-in name cannot be taken over."""
    found = {entry.name: entry.value for entry in importlib.metadata.entry_points(group=ENTRY_POINTS)}
    return found | BUILT_IN


def stage_class(name: str) -> type[Stage]:
    """The class of a stage. KeyError if no such stage is registered, ImportError if what it is declared as is not
    there: packages of others can be broken."""
    place = registered()[name]
    module, _, attribute = place.partition(":")
    try:
        return cast(type[Stage], getattr(importlib.import_module(module), attribute))
    except (ImportError, AttributeError) as error:
        raise ImportError(f"it is declared as {place}, and {error}") from error
