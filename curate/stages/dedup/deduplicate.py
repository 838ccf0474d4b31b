"""The stage `deduplicate`: finds documents that repeat others, keeps the best of each, and says which was which.

The collection of documents goes in; verdicts, the columns `cluster` and `cluster_size`, and the audit files under
`duplicates/` come out. How duplicates are found is the parameter `by`; each way has its own module.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from curate.stage import Collection, GlobalContext, GlobalOutcome, GlobalStage, StageParameters
from curate.stages.dedup.exact import deduplicate_exact
from curate.stages.dedup.parameters import (
    DeduplicateParameters,
    TextParameters,
    UrlParameters,
)


class Deduplicate(GlobalStage):
    """One of several documents that are the same in the sense of `by` stays."""

    name: ClassVar[str] = "deduplicate"
    Parameters: ClassVar[type[StageParameters]] = DeduplicateParameters
    parameters: DeduplicateParameters

    def __init__(self, parameters: StageParameters, label: str | None = None) -> None:
        super().__init__(parameters, label)
        self.reads = ("id", "url") if isinstance(parameters, UrlParameters) else ("id", "text")  # type: ignore[misc]

    @classmethod
    def default_label(cls, given: Mapping[str, Any]) -> str:
        """A recipe deduplicates more than once: `deduplicate_url`, `deduplicate_minhash`."""
        return f"{cls.name}_{given.get('by', '')}".rstrip("_")

    def writes(self) -> tuple[str, ...]:
        return ("cluster", "cluster_size")

    def run(self, documents: Collection, context: GlobalContext) -> GlobalOutcome:
        parameters = self.parameters
        if isinstance(parameters, UrlParameters | TextParameters):
            return deduplicate_exact(documents, parameters, context, self.label)
        raise TypeError(f"deduplicate: parameters of {type(parameters).__name__} were not chosen by `by`")
