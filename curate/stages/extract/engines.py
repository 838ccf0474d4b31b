"""The engines that turn a page into text: each is one function and one name.

In goes the decoded page, its URL and the options; out comes an `Extracted`. Engines keep no state from one page
to the next: trafilatura's own deduplication is never switched on, as it makes a page's text depend on its
neighbours.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from curate.stages.extract.metadata import Metadata, read_head, read_metadata


@dataclass(frozen=True)
class Options:
    """What every engine may be told; each uses what it understands."""

    format: Literal["text", "markdown"] = "text"
    favor: Literal["balanced", "precision", "recall", "fast"] = "balanced"
    comments: bool = True
    tables: bool = True


DATA, JSON_LD, MARKUP = "data", "json_ld", "markup"
"""DATA is what a page's scripts are to draw."""


@dataclass(frozen=True)
class Extracted:
    """A page's main text and what the page says about itself."""

    text: str
    metadata: Metadata = field(default_factory=Metadata)
    blocks: int = 0
    """How many blocks of text the engine chose, or the lines of its text."""
    code: Sequence[str] | None = None
    """The pieces of code in the text; None if the engine does not tell them."""
    origins: Sequence[str] | None = None
    """Where in the page the text stands: any of MARKUP, JSON_LD and DATA; None if the engine does not tell."""


Engine = Callable[[str, str | None, Options], Extracted]


def blocks(html: str, url: str | None, options: Options) -> Extracted:
    """The project's own: a learned choice among the page's blocks."""
    from curate.stages.extract.blocks import extract_blocks

    return extract_blocks(html, options)


def trafilatura(html: str, url: str | None, options: Options) -> Extracted:
    """trafilatura 2: rules over the tree, with readability and jusText behind them."""
    from trafilatura import extract

    text = extract(
        html,
        url=url,
        fast=options.favor == "fast",
        favor_precision=options.favor == "precision",
        favor_recall=options.favor == "recall",
        include_comments=options.comments,
        include_tables=options.tables,
        output_format="markdown" if options.format == "markdown" else "txt",
    )
    return _extracted(html, text)


def resiliparse(html: str, url: str | None, options: Options) -> Extracted:
    """Resiliparse's rules over tag names, classes and ids."""
    from resiliparse.extract.html2text import extract_plain_text

    text = extract_plain_text(
        html, main_content=True, alt_texts=False, comments=options.comments, preserve_formatting=True
    )
    return _extracted(html, text)


def datatrove(html: str, url: str | None, options: Options) -> Extracted:
    """datatrove's extractor as FineWeb used it (trafilatura, precision), without the deduplication that would
    remember earlier pages."""
    try:
        from datatrove.pipeline.extractors import Trafilatura
    except ImportError as error:
        raise RuntimeError(
            "extract: engine datatrove needs the package datatrove (pip install curate-pretraining-data[datatrove]); "
            "engine trafilatura with favor: precision gives the same text"
        ) from error
    return _extracted(html, Trafilatura(favour_precision=True, deduplicate=False).extract(html))


def _extracted(html: str, text: str | None) -> Extracted:
    text = (text or "").strip()
    return Extracted(
        text, read_metadata(read_head(html.encode("utf-8", "replace"))), blocks=text.count("\n") + 1 if text else 0
    )


ENGINES: dict[str, Engine] = {
    "blocks": blocks,
    "trafilatura": trafilatura,
    "resiliparse": resiliparse,
    "datatrove": datatrove,
}
"""What a recipe calls an engine → its function."""
