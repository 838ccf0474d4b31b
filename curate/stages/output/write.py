"""`write`: the documents as they are at this point of a recipe, as Parquet files in a folder of the run.

The run's folder always holds the documents that are kept at the end, under `documents/`. This stage is for a copy
earlier on, or with fewer columns, and changes nothing.
"""

from __future__ import annotations

from functools import partial

from pydantic import field_validator

from curate.stage import (
    Batches,
    Collection,
    Files,
    GlobalContext,
    GlobalOutcome,
    GlobalStage,
    StageParameters,
    parameter,
)

RESERVED = ("documents", "dropped", "failed", "skipped", "ledger", "duplicates", "tokens")


class WriteParameters(StageParameters):
    """Parameters of `write`."""

    folder: str = parameter("written", "folder below the run's, other than those that every run has")
    columns: list[str] | None = parameter(None, "columns to write; none given: all")

    @field_validator("folder")
    @classmethod
    def _own_folder(cls, folder: str) -> str:
        parts = folder.split("/")
        if not folder or parts[0] in RESERVED or ".." in parts or folder.startswith("/"):
            raise ValueError(f"takes a folder below the run's that is none of {', '.join(RESERVED)}")
        return folder


class Write(GlobalStage):
    """Writes the documents as they are now to Parquet files in a folder of the run."""

    name = "write"
    Parameters = WriteParameters
    reads: tuple[str, ...] = ("id",)  # type: ignore[misc]
    parameters: WriteParameters

    def __init__(self, parameters: WriteParameters, label: str | None = None) -> None:
        super().__init__(parameters, label)
        self.reads = ("id", *(parameters.columns or ()))

    def run(self, documents: Collection, context: GlobalContext) -> GlobalOutcome:
        columns = self.parameters.columns or [name for name in documents.schema.names if name != "row"]
        copy = documents.map("copy", partial(_select, columns=tuple(columns)), columns=columns)
        return GlobalOutcome(files=[Files(self.parameters.folder, copy)], summary={"documents": copy.n_rows})


def _select(batches: Batches, shard: int, columns: tuple[str, ...]) -> Batches:
    for batch in batches:
        yield batch.select(list(columns))
