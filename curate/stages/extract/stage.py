"""The stage `extract`: web pages in, their main text out.

Reads `html`, writes `text`, `title` and the struct column `extract` (what the page says about itself, and how
much was found), and removes `html` unless the recipe keeps it. `http` stays, since opt-out rules read it.
"""

from __future__ import annotations

from typing import Literal, cast

import pyarrow as pa

from curate.stage import FilterParameters, MapStage, Outcome, Resources, Rule, Shared, decide, parameter, with_column
from curate.stages import code_lines
from curate.stages.extract.engines import ENGINES, Extracted, Options
from curate.stages.extract.formulas import formula_characters

SIGNALS = pa.struct(
    [
        ("engine", pa.string()),
        ("n_characters", pa.int64()),
        ("n_blocks", pa.int64()),
        ("n_code_characters", pa.int64()),
        ("n_formula_characters", pa.int64()),
        (code_lines.FIELD, pa.list_(pa.uint32())),
        ("text_from", pa.list_(pa.string())),
        ("author", pa.string()),
        ("date", pa.string()),
        ("site", pa.string()),
        ("html_lang", pa.string()),
        ("license", pa.string()),
        ("robots", pa.list_(pa.string())),
        ("description", pa.string()),
    ]
)
"""The stage's column: null in fields of which the page says nothing."""


class ExtractParameters(FilterParameters):
    """Parameters of `extract`."""

    engine: Literal["blocks", "trafilatura", "resiliparse", "datatrove"] = parameter(
        "blocks",
        "which extractor",
        source="blocks: the highest word-F1 and the lowest cost of the four (docs/results.md)",
    )
    format: Literal["text", "markdown"] = parameter("text", "plain text, or Markdown with headings, lists and tables")
    favor: Literal["balanced", "precision", "recall", "fast"] = parameter(
        "balanced",
        "trafilatura: less but surer text, more text, or no fallback extractors",
        source="FineWeb favours precision; it loses forums, listings and products",
    )
    comments: bool = parameter(True, "keep readers' comments", source="trafilatura's default")
    tables: bool = parameter(True, "trafilatura: keep tables", source="trafilatura's default")
    keep_html: bool = parameter(False, "keep the column `html` (ten times the size of the text)")
    min_characters: int = parameter(
        1, "fewest characters of text that a page keeps", unit="characters", role="decide", ge=0
    )


class Extract(MapStage):
    """A page's main text, title and metadata, by the engine that the recipe names. `text_from` tells where in the page
    the text stands: in `markup`, in `json_ld` (a description that the page does not show), in `data` (an article that
    only scripts draw)."""

    name = "extract"
    Parameters = ExtractParameters
    reads = ("html",)
    changes_text = True
    checkpoint = True
    distributions = ("trafilatura", "resiliparse")
    resources = Resources(memory_mb=2048)

    def writes(self) -> tuple[str, ...]:
        return ("text", "title", self.label)

    def removes(self) -> tuple[str, ...]:
        return () if cast(ExtractParameters, self.parameters).keep_html else ("html",)

    def fingerprint(self) -> str:
        if cast(ExtractParameters, self.parameters).engine != "blocks":
            return ""
        from curate.stages.extract.blocks import model_fingerprint

        return model_fingerprint()

    def rules(self) -> list[Rule]:
        wanted = cast(ExtractParameters, self.parameters).min_characters
        return [Rule("empty_text", "n_characters", ">=", wanted, "min_characters")]

    def process(self, batch: pa.RecordBatch, shared: Shared) -> Outcome:
        parameters = cast(ExtractParameters, self.parameters)
        options = Options(parameters.format, parameters.favor, parameters.comments, parameters.tables)
        engine = ENGINES[parameters.engine]
        pages = batch.column("html").to_pylist()
        urls = batch.column("url").to_pylist() if "url" in batch.schema.names else [None] * len(pages)
        found: list[Extracted | None] = []
        failed: dict[int, str] = {}
        for row, (page, url) in enumerate(zip(pages, urls, strict=True)):
            try:
                found.append(engine(page or "", url, options))
            except (Exception, RecursionError) as error:
                failed[row] = f"{type(error).__name__}: {error}"
                found.append(None)
        texts = pa.array([page.text if page else None for page in found], type=pa.string())
        titles = pa.array([page.metadata.title if page else None for page in found], type=pa.string())
        signals = pa.array([self._signals(page) for page in found], type=SIGNALS)
        batch = with_column(with_column(with_column(batch, "text", texts), "title", titles), self.label, signals)
        if not parameters.keep_html:
            batch = batch.drop_columns(["html"])
        return Outcome(batch, decide(signals, self.rules()) if parameters.mode == "filter" else None, failed)

    def _signals(self, page: Extracted | None) -> dict[str, object] | None:
        if page is None:
            return None
        said = page.metadata
        return {
            "engine": cast(ExtractParameters, self.parameters).engine,
            "n_characters": len(page.text),
            "n_blocks": page.blocks,
            "n_code_characters": None if page.code is None else sum(map(len, page.code)),
            "n_formula_characters": formula_characters(page.text),
            code_lines.FIELD: None if page.code is None else code_lines.line_numbers(page.code),
            "text_from": None if page.origins is None else list(page.origins),
            "author": said.author,
            "date": said.date,
            "site": said.site,
            "html_lang": said.html_lang,
            "license": said.license,
            "robots": list(said.robots),
            "description": said.description,
        }
