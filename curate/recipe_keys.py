"""What a recipe may say beside its stages, and of any stage beside its parameters."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

BESIDE = {
    "label": "tells a second use apart",
    "where": "a condition over what stages before it have measured: the documents that the stage is for",
}
"""What a recipe may say of any stage beside its parameters."""


class Limits(BaseModel):
    """Bounds on what one record or one task may use."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    record_cpu_seconds: float = Field(
        60.0, gt=0, description="CPU seconds that the fused stages may spend on one record before it is dead-lettered"
    )
    memory_mb: int = Field(2048, ge=64, description="memory that one task of a global stage plans for, in MiB")


class Header(BaseModel):
    """A recipe but for its stages."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(min_length=1, description="what reports call it")
    input: dict[str, Any] = Field(min_length=1, description="kind of source → path, glob or URL; further keys: options")
    output: str = Field(min_length=1, description="the run's folder: a path or an fsspec URL")
    store: str | None = Field(None, description="folder of committed phases; default: `.phases` beside the output")
    limits: Limits = Limits()
