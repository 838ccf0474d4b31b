"""FineWeb's own filter: lists, navigation and other text of short or repeated lines.

Penedo et al. 2024 (https://arxiv.org/abs/2406.17557), with the thresholds and decisions of datatrove 0.10. The
paper gives .1 for the duplicate-line rule; the code that made FineWeb has .01, which is the default here.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import pyarrow as pa

from curate.kernels.line_measures import FINEWEB, fineweb_counts
from curate.stage import FilterParameters, MapStage, Rule, Shared, parameter
from curate.stages.filters.gopher import ratio
from curate.stages.lines import lines_of
from curate.stages.words import words_of

_SOURCE = "datatrove 0.10, FineWebQualityFilter"


class FineWebQualityParameters(FilterParameters):
    min_punctuated_line_fraction: float = parameter(
        0.12, "lines that end in a full stop or its like, of those not blank", unit="fraction", source=_SOURCE,
        role="decide",
    )  # fmt: skip
    max_short_line_fraction: float = parameter(
        0.67, "lines of up to `short_line_characters`", unit="fraction", source=_SOURCE, role="decide"
    )
    short_line_characters: int = parameter(30, "a longer line is not short", unit="characters", source=_SOURCE)
    max_duplicate_line_character_fraction: float = parameter(
        0.01, "characters in lines that occurred before", unit="fraction", source=_SOURCE, role="decide"
    )
    max_newlines_per_word: float = parameter(0.3, "newlines a word", source=_SOURCE, role="decide")


class FineWebQuality(MapStage):
    """Drops text that is a list rather than sentences."""

    name = "fineweb_quality"
    Parameters = FineWebQualityParameters

    def measure(self, batch: pa.RecordBatch, shared: Shared) -> pa.StructArray:
        w, lines = words_of(batch, shared), lines_of(batch, shared)
        short = cast(FineWebQualityParameters, self.parameters).short_line_characters
        counts = fineweb_counts(
            lines.first, lines.last, lines.visible_start, lines.visible_stop, lines.characters, lines.hashes,
            lines.flags, short,
        )  # fmt: skip
        count = dict(zip(FINEWEB, counts.T, strict=True))
        signals = {
            "lines": pa.array(count["lines"]),
            "punctuated_line_fraction": ratio(count["punctuated_lines"], count["lines"]),
            "short_line_fraction": ratio(count["short_lines"], count["lines"]),
            "duplicate_line_character_fraction": ratio(count["repeated_characters"], count["characters"]),
            "newlines_per_word": ratio(count["newlines"], w.counts),
        }
        return pa.StructArray.from_arrays(list(signals.values()), list(signals))

    def rules(self) -> Sequence[Rule]:
        p = cast(FineWebQualityParameters, self.parameters)
        return (
            Rule("empty", "lines", ">", 0),
            Rule(
                "too_few_punctuated_lines",
                "punctuated_line_fraction",
                ">=",
                p.min_punctuated_line_fraction,
                "min_punctuated_line_fraction",
            ),
            Rule("short_lines", "short_line_fraction", "<=", p.max_short_line_fraction, "max_short_line_fraction"),
            Rule(
                "duplicate_lines",
                "duplicate_line_character_fraction",
                "<=",
                p.max_duplicate_line_character_fraction,
                "max_duplicate_line_character_fraction",
            ),
            Rule("list", "newlines_per_word", "<=", p.max_newlines_per_word, "max_newlines_per_word"),
        )
