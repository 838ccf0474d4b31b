"""`language_prescreen`: before extraction, drops the pages that are surely in another language.

Extraction is the dearest stage of a crawl's chain, and where one language is wanted half of a crawl is in others. The
guess reads what is visible of the raw page, menus included, and drops only on a high score; what is in doubt goes on
to `language`, which decides on the extracted text.
"""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import field_validator

from curate.kernels.visible import UNSEEN, visible_text
from curate.stage import FilterParameters, MapStage, Rule, Shared, parameter
from curate.stages.language.codes import UNDETERMINED, known
from curate.stages.language.engines import load_engine
from curate.stages.language.ngrams import FILE
from curate.stages.words import utf8_buffers

VISIBLE_BYTES = 4096
"""Looked at of a page: more changes the cost, hardly the guess."""

MIN_BYTES = 200
"""Pages with less to see are not judged: names and menus are in no language."""


class LanguagePrescreenParameters(FilterParameters):
    """Parameters of `language_prescreen`."""

    keep: list[str] = parameter(..., "the languages that `language` keeps: ISO 639-1 (en) or 639-3 (eng)", min_length=1)
    sure: float = parameter(
        0.95, "score of another language from which on a page goes", role="decide",
        source="two files of the test crawl: 1 of 469 wanted pages lost, 371 of 466 others spared (docs/results.md)",
        gt=0, le=1,
    )  # fmt: skip

    @field_validator("keep")
    @classmethod
    def _are_languages(cls, value: list[str]) -> list[str]:
        return [known(each) for each in value]


class LanguagePrescreen(MapStage):
    """Drops pages that are surely in a language not asked for, before they are extracted."""

    name = "language_prescreen"
    Parameters = LanguagePrescreenParameters
    reads = ("html",)
    distributions = ("py3langid",)
    parameters: LanguagePrescreenParameters

    def fingerprint(self) -> str:
        return hashlib.sha256(FILE.read_bytes()).hexdigest()

    def open(self) -> None:
        self._engine = load_engine("ngrams", None)
        self._wanted = {known(each.partition("_")[0]) for each in self.parameters.keep}

    def measure(self, batch: pa.RecordBatch, shared: Shared) -> pa.StructArray:
        texts, lengths = visible(pc.fill_null(batch.column("html"), ""))
        languages, scores = self._engine.identify(texts)
        other = [
            float(score) if length >= MIN_BYTES and name != UNDETERMINED and name not in self._wanted else 0.0
            for name, score, length in zip(languages, scores, lengths, strict=True)
        ]
        return pa.StructArray.from_arrays(
            [pa.array(languages, pa.string()), pa.array(other, pa.float64())], names=["language", "other_score"]
        )

    def rules(self) -> list[Rule]:
        return [Rule("other_language", "other_score", "<", self.parameters.sure, "sure")]


def visible(pages: pa.Array) -> tuple[pa.Array, list[int]]:
    """(visible beginning of each HTML page, its bytes)."""
    data, offsets = utf8_buffers(pages)
    written = np.empty((len(pages), VISIBLE_BYTES), dtype=np.uint8)
    lengths = np.zeros(len(pages), dtype=np.int64)
    visible_text(data, offsets[:-1], offsets[1:], UNSEEN, written, lengths)
    texts = [row[:n].tobytes().decode("utf-8", "replace") for row, n in zip(written, lengths, strict=True)]
    return pa.array(texts, pa.string()), lengths.tolist()
