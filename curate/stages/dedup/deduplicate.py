"""The stage `deduplicate`: finds documents that repeat others, keeps the best of each, and says which was which.

The collection of documents goes in; verdicts, the columns `cluster` and `cluster_size`, and the audit files under
`duplicates/` come out. How duplicates are found is the parameter `by`; each way has its own module.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from curate.stage import Collection, GlobalContext, GlobalOutcome, GlobalStage, StageParameters
from curate.stages.dedup.earlier import earlier_digest
from curate.stages.dedup.exact import deduplicate_exact
from curate.stages.dedup.lines import deduplicate_lines
from curate.stages.dedup.minhash import deduplicate_minhash
from curate.stages.dedup.parameters import (
    DeduplicateParameters,
    DocumentParameters,
    LinesParameters,
    MinhashParameters,
    ParagraphsParameters,
    SubstringParameters,
    TextParameters,
    UrlParameters,
)
from curate.stages.dedup.substring import deduplicate_substring


class Deduplicate(GlobalStage):
    """One of several documents that are the same in the sense of `by` stays."""

    name: ClassVar[str] = "deduplicate"
    Parameters: ClassVar[type[StageParameters]] = DeduplicateParameters
    parameters: DeduplicateParameters

    def __init__(self, parameters: StageParameters, label: str | None = None) -> None:
        super().__init__(parameters, label)
        reads = ("id", "url") if isinstance(parameters, UrlParameters) else ("id", "text")
        by_host = isinstance(parameters, LinesParameters | ParagraphsParameters) and parameters.within == "host"
        self.reads = (*reads, "url") if by_host else reads  # type: ignore[misc]

    @classmethod
    def default_label(cls, given: Mapping[str, Any]) -> str:
        """A recipe deduplicates more than once: `deduplicate_url`, `deduplicate_minhash`."""
        return f"{cls.name}_{given.get('by', '')}".rstrip("_")

    def writes(self) -> tuple[str, ...]:
        return ("cluster", "cluster_size") if isinstance(self.parameters, DocumentParameters) else (self.label,)

    def fingerprint(self) -> str:
        given = self.parameters
        if isinstance(given, DocumentParameters) and given.against:
            return earlier_digest(given.against, given.settings())
        return ""

    def run(self, documents: Collection, context: GlobalContext) -> GlobalOutcome:
        parameters = self.parameters
        if isinstance(parameters, UrlParameters | TextParameters):
            return deduplicate_exact(documents, parameters, context, self.label)
        if isinstance(parameters, MinhashParameters):
            return deduplicate_minhash(documents, parameters, context, self.label)
        if isinstance(parameters, LinesParameters | ParagraphsParameters):
            return deduplicate_lines(documents, parameters, context, self.label)
        if isinstance(parameters, SubstringParameters):
            return deduplicate_substring(documents, parameters, context, self.label)
        raise TypeError(f"deduplicate: parameters of {type(parameters).__name__} were not chosen by `by`")
