"""What a page of the mini-web is before it is HTML: its site, its blocks of content, and its truth."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

from examples.miniweb.world import Fact

KINDS = ("news", "blog", "reference", "forum", "shop", "listing", "documentation", "lecture", "recipe", "company",
         "doorway", "error")  # fmt: skip
WORD = re.compile(r"\w+")
SHINGLE = 5
"""Words in a shingle: the field's usual n for near-duplicates of web pages."""


@dataclass(frozen=True)
class Site:
    """A host. `shell` picks the template, `charset` the encoding of its pages, `declared` where it is declared."""

    host: str
    kind: str
    language: str
    title: str
    shell: int
    charset: str = "utf-8"
    declared: str = "both"
    """header, meta, both or none."""
    malformed: bool = False
    flavour: str = ""
    """Of a doorway: gambling, pills, adult or seo."""


@dataclass(frozen=True)
class Block:
    """A piece of main content. `tag`: h2, h3, p, ul, ol, pre, quote, table, tex, question (a planted
    one, shown as a paragraph). Lists and tables use `items`."""

    tag: str
    text: str = ""
    items: tuple[str, ...] = ()

    def gold(self) -> str:
        return "\n".join(self.items) if self.items else self.text


@dataclass
class Page:
    """A page and what is true of it."""

    site: Site
    path: str
    kind: str
    language: str
    title: str
    blocks: list[Block]
    quality: str | None
    """good, junk, or None where a judge could say either (a shop page, a list of links)."""
    status: int = 200
    facts: list[Fact] = field(default_factory=list)
    pii: list[tuple[str, str]] = field(default_factory=list)
    """(type, value as it stands in a block)."""
    questions: list[str] = field(default_factory=list)
    """Ids of the benchmark questions that stand in its text."""
    group: str | None = None
    duplicate_kind: str | None = None
    """original, exact, near, version, template or url_variant."""
    jaccard: float | None = None
    """Of its gold text's 5-word shingles with those of its group's original; 1 for the original."""
    original_path: str = ""
    """Of a URL variant: the path that its HTML names as canonical."""
    host: str = ""
    scheme: str = "https"

    @property
    def url(self) -> str:
        return f"{self.scheme}://{self.host or self.site.host}{self.path}"

    def gold(self) -> str:
        """The main content as text: title, then one line a block."""
        return "\n".join([self.title, *(block.gold() for block in self.blocks)])

    def copy(self, **changes: object) -> Page:
        """A copy whose lists can be changed without changing this page's."""
        fresh = {"blocks": list(self.blocks), "pii": list(self.pii), "facts": list(self.facts),
                 "questions": list(self.questions)}  # fmt: skip
        return replace(self, **{**fresh, **changes})  # type: ignore[arg-type]


def shingles(text: str) -> set[tuple[str, ...]]:
    """The set of 5-word shingles of the text, lower case, words as the regex \\w+ finds them."""
    words = WORD.findall(text.lower())
    return {tuple(words[i : i + SHINGLE]) for i in range(max(len(words) - SHINGLE + 1, 1))}


def jaccard(a: set[tuple[str, ...]], b: set[tuple[str, ...]]) -> float:
    """|a ∩ b| / |a ∪ b|."""
    return len(a & b) / len(a | b) if a or b else 1.0
