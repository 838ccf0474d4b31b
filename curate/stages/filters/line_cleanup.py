"""Takes out lines that belong to a page's furniture: cookie notices, share buttons, "read more", copyright.

A line goes only if it is short and is such a phrase from end to end, so that a sentence about cookies stays.
Measured precision: docs/results.md.
"""

from __future__ import annotations

import re
from typing import cast

import numpy as np
import pyarrow as pa

from curate.stage import MapStage, Shared, StageParameters, parameter, with_column

_SITES = (
    r"(?:facebook|twitter|linkedin|pinterest|reddit|whatsapp|telegram|e-?mail|tumblr|instagram|youtube|print|messenger)"
)
_LEGAL = (
    r"(?:privacy policy|terms (?:of (?:use|service)|and conditions|& conditions)|contact(?: us)?|about(?: us)?|sitemap)"
)
PHRASES: dict[str, tuple[str, ...]] = {
    "cookies": (
        r"(?:this|our) (?:web)?site uses cookies.*",
        r"we use cookies.*",
        r"(?:accept|reject|manage|allow)(?: all)? cookies",
        r"by (?:continuing|using) .{0,60}cookies?.*",
        r"cookie (?:settings|preferences|policy|notice)",
    ),
    "share": (
        r"(?:share|tweet|pin|follow us|like|print)(?: (?:this|it|us|via|on|to|with|article|post|page|story|friends?))*"
        rf"(?: {_SITES})*:?",
        r"click to (?:share|email|print).{0,50}",
        rf"(?:(?:share (?:on|via) |follow (?:us )?on )?{_SITES}[ ,|·/]*)+",
    ),
    "more": (
        r"(?:continue reading|read (?:more|full article|the rest|next)|learn more|(?:see|view) (?:more|all)|load more"
        r"|show (?:more|less)|more info(?:rmation)?|click here(?: for more| to .{1,40})?)(?: .{0,40})?[.…»›→>:]*",
        r"(?:go )?back to (?:top|home|search|previous page)",
    ),
    "copyright": (
        r"(?:copyright\b|©|\(c\) ?(?=\d{4})).{0,120}",
        r".{0,60}© ?\d{4}.{0,60}",
        r"(?:.{0,80}\b)?all rights reserved\.?",
    ),
    "account": (
        r"(?:log ?in|sign (?:in|up)|register|subscribe|my account|forgot (?:your )?password\??|create (?:an )?account)"
        r"(?: (?:now|here|today|free|or|to|with|for|and|our|the|newsletter|log ?in|sign (?:in|up)|register|comment|post"
        r"|reply|continue))*[.!>»]*",
    ),
    "comments": (
        r"\d+ comments?",
        r"no comments(?: yet)?",
        r"leave a (?:comment|reply)",
        r"(?:post a|add a|add) comment",
        r"comments? (?:are )?(?:closed|off|\(\d+\))",
        r"(?:be the )?first to comment.?",
        r"reply|report abuse",
        r"your email address will not be published\..*",
    ),
    "navigation": (
        r"skip to (?:main )?(?:content|navigation)",
        r"(?:main )?menu|home|search|toggle navigation|advertisement|sponsored(?: content)?",
        r"next(?: post| page| article| »)?|(?:« ?)?prev(?:ious)?(?: post| page| article)?",
        rf"{_LEGAL}(?: ?[|·•/>-] ?(?:{_LEGAL}|home))*",
        r"tags?:|categories:?|related (?:posts|articles|stories|topics):?|you may also like:?",
        r"javascript (?:is|must be) .{0,80}|please enable javascript.{0,80}",
    ),
}
"""Kinds of lines: patterns for the whole line, without case."""


class LineCleanupParameters(StageParameters):
    kinds: tuple[str, ...] = parameter(tuple(PHRASES), "kinds of lines to take out", role="edit")
    max_characters: int = parameter(160, "a longer line stays", unit="characters", role="edit")


class LineCleanup(MapStage):
    """Removes boilerplate lines; counts them as a signal; keeps every document."""

    name = "line_cleanup"
    Parameters = LineCleanupParameters
    changes_text = True

    def __init__(self, parameters: LineCleanupParameters, label: str | None = None) -> None:
        super().__init__(parameters, label)
        self._line = pattern(parameters)

    def measure(self, batch: pa.RecordBatch, shared: Shared) -> pa.StructArray:
        texts = batch.column("text").to_pylist()
        removed = [sum(1 for line in (text or "").split("\n") if self.is_boilerplate(line)) for text in texts]
        return pa.StructArray.from_arrays([pa.array(np.array(removed, dtype=np.int64))], ["removed_lines"])

    def edit(self, batch: pa.RecordBatch, shared: Shared) -> pa.RecordBatch:
        removed = batch.column(self.label).field("removed_lines").to_pylist()
        texts = [
            self.clean(text) if count and text else text
            for text, count in zip(batch.column("text").to_pylist(), removed, strict=True)
        ]
        return with_column(batch, "text", pa.array(texts, batch.schema.field("text").type))

    def is_boilerplate(self, line: str) -> bool:
        """Whether the whole line is such a phrase."""
        limit = cast(LineCleanupParameters, self.parameters).max_characters
        bare = line.strip(" \t\u00a0|·•*-–—[]()")
        return 0 < len(bare) <= limit and self._line.fullmatch(bare) is not None

    def clean(self, text: str) -> str:
        return "\n".join(line for line in text.split("\n") if not self.is_boilerplate(line)).strip()


def pattern(parameters: LineCleanupParameters) -> re.Pattern[str]:
    """One pattern of the wanted kinds. ValueError names a kind that there is not."""
    unknown = [kind for kind in parameters.kinds if kind not in PHRASES]
    if unknown:
        raise ValueError(f"line_cleanup has no kind {unknown[0]!r}; allowed: {', '.join(PHRASES)}")
    phrases = [f"(?:{phrase})" for kind in parameters.kinds for phrase in PHRASES[kind]]
    return re.compile("|".join(phrases) or r"(?!)", re.IGNORECASE)
