"""The stage `boilerplate`: what a host repeats on its pages is its template, and leaves the text.

Lines (case and white space folded) are counted once a page within each host, over the whole collection; those on
enough of a host's pages leave all of them. Code stays as it is. The counting is that of `deduplicate: {by: lines}`.
"""

from __future__ import annotations

from typing import ClassVar, Literal

from curate.stage import Collection, FilterParameters, GlobalContext, GlobalOutcome, GlobalStage, parameter
from curate.stages.dedup.lines import SharedPieces, edited_outcome, without_shared


class BoilerplateParameters(FilterParameters):
    """Parameters of `boilerplate`."""

    by: Literal["host"] = parameter("host", "whose pages are counted together: those of a host (`www.` aside)")
    min_pages: int = parameter(
        5, "a line goes only if at least so many of the host's pages have it", unit="pages", ge=2
    )
    min_share: float = parameter(
        0.4,
        "and only if at least this share of the host's pages in the collection have it",
        source="a choice of this project: two in five pages do not agree on a line by chance",
        gt=0,
        le=1,
    )
    min_characters: int = parameter(2, "shorter lines (white space folded) are let alone", unit="characters", ge=1)
    keep_code: bool = parameter(True, "lines of code stay, as far as the extractor or Markdown tells them")
    min_words: int = parameter(
        20, "documents that lost something and have fewer words left are dropped", unit="words", role="decide", ge=0
    )


class Boilerplate(GlobalStage):
    """A host's repeated lines leave its pages. It belongs after deduplication: copies of one page agree in every
    line."""

    name = "boilerplate"
    Parameters = BoilerplateParameters
    reads: ClassVar[tuple[str, ...]] = ("id", "text", "url")
    parameters: BoilerplateParameters

    def writes(self) -> tuple[str, ...]:
        return (self.label,)

    def run(self, documents: Collection, context: GlobalContext) -> GlobalOutcome:
        chosen = self.parameters
        wanted = SharedPieces(
            "lines", "host", chosen.min_pages, chosen.min_characters, chosen.min_share, spares_code=chosen.keep_code
        )
        edited = without_shared(documents, wanted, context, self.label)
        return edited_outcome(edited, self.label, "too_short_without_boilerplate", chosen.min_words, chosen.mode)
