"""Sets stages up, and says which one fails: a recipe may name a file or a model that is not what it needs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from curate.stage import Stage


class SetupError(ValueError):
    """A stage cannot begin as the recipe has it; nothing has been done with any document."""


@contextmanager
def setting_up(stage: Stage) -> Iterator[None]:
    """SetupError, naming the stage, for what its fingerprint or its `open` finds wrong in the block."""
    try:
        yield
    except (ValueError, OSError, ImportError) as error:
        raise SetupError(f"stage {stage.label}: {error}") from error
