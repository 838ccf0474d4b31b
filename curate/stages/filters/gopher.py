"""Gopher's two filters: too much repetition, and text that does not look like prose.

Rae et al. 2021 (https://arxiv.org/abs/2112.11446), table A1 and section A.1.1, with the decisions of datatrove
0.10: words are curate.stages.words', fractions are of characters, `words` leaves out those that are punctuation
alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curate.kernels.characters import character_classes
from curate.kernels.hashing import hash_bytes
from curate.kernels.line_measures import GOPHER, count_gopher_lines, gopher_counts
from curate.kernels.repetition import MEASURES, repetition
from curate.stage import FilterParameters, MapStage, Rule, Shared, parameter
from curate.stages.lines import lines_of
from curate.stages.words import words_of

_TABLE = "Gopher, table A1"


def _fraction(default: float, doc: str, source: str) -> float:
    return cast(float, parameter(default, doc, unit="fraction", source=source, role="decide", ge=0, le=1))


class GopherRepetitionParameters(FilterParameters):
    max_duplicate_paragraph_fraction: float = _fraction(0.30, "paragraphs that occurred before", _TABLE)
    max_duplicate_paragraph_character_fraction: float = _fraction(0.20, "characters in such paragraphs", _TABLE)
    max_duplicate_line_fraction: float = _fraction(0.30, "lines that occurred before", _TABLE)
    max_duplicate_line_character_fraction: float = _fraction(0.20, "characters in such lines", _TABLE)
    max_top_2_gram_character_fraction: float = _fraction(0.20, "characters in the most frequent 2-gram", _TABLE)
    max_top_3_gram_character_fraction: float = _fraction(0.18, "characters in the most frequent 3-gram", _TABLE)
    max_top_4_gram_character_fraction: float = _fraction(0.16, "characters in the most frequent 4-gram", _TABLE)
    max_duplicate_5_gram_character_fraction: float = _fraction(0.15, "characters in repeated 5-grams", _TABLE)
    max_duplicate_6_gram_character_fraction: float = _fraction(0.14, "characters in repeated 6-grams", _TABLE)
    max_duplicate_7_gram_character_fraction: float = _fraction(0.13, "characters in repeated 7-grams", _TABLE)
    max_duplicate_8_gram_character_fraction: float = _fraction(0.12, "characters in repeated 8-grams", _TABLE)
    max_duplicate_9_gram_character_fraction: float = _fraction(0.11, "characters in repeated 9-grams", _TABLE)
    max_duplicate_10_gram_character_fraction: float = _fraction(0.10, "characters in repeated 10-grams", _TABLE)


class GopherRepetition(MapStage):
    """Drops text that repeats its paragraphs, lines or n-grams."""

    name = "gopher_repetition"
    Parameters = GopherRepetitionParameters

    def measure(self, batch: pa.RecordBatch, shared: Shared) -> pa.StructArray:
        w, lines = words_of(batch, shared), lines_of(batch, shared)
        characters, measures = repetition(
            w.data, w.first, w.last, w.characters, w.hashes,
            lines.first, lines.last, lines.start, lines.stop, lines.visible_start, lines.visible_stop,
            lines.characters, lines.hashes,
        )  # fmt: skip
        columns = [pa.array(characters), *(pa.array(np.ascontiguousarray(column)) for column in measures.T)]
        return pa.StructArray.from_arrays(columns, ["characters", *MEASURES])

    def rules(self) -> Sequence[Rule]:
        limits = [
            Rule(measure, measure, "<=", getattr(self.parameters, f"max_{measure}"), f"max_{measure}")
            for measure in MEASURES
        ]
        return [Rule("empty", "characters", ">", 0), *limits]


_QUALITY = "Gopher, section A.1.1"


class GopherQualityParameters(FilterParameters):
    min_words: int = parameter(50, "words that are more than punctuation", unit="words", source=_QUALITY, role="decide")
    max_words: int = parameter(100_000, "the same, at most", unit="words", source=_QUALITY, role="decide")
    min_mean_word_length: float = parameter(
        3.0, "mean length of those words", unit="characters", source=_QUALITY, role="decide"
    )
    max_mean_word_length: float = parameter(
        10.0, "the same, at most", unit="characters", source=_QUALITY, role="decide"
    )
    max_hashes_per_word: float = parameter(0.1, "`#` characters a word", source=_QUALITY, role="decide")
    max_ellipses_per_word: float = parameter(0.1, "ellipses (`...` or `…`) a word", source=_QUALITY, role="decide")
    max_bullet_line_fraction: float = _fraction(0.9, "lines that begin with `•` or `-`", _QUALITY)
    max_ellipsis_line_fraction: float = _fraction(0.3, "lines that end with an ellipsis", _QUALITY)
    min_alphabetic_word_fraction: float = _fraction(0.8, "words with a letter, of `alphabetic_of`", _QUALITY)
    alphabetic_of: Literal["tokens", "words"] = parameter(
        "tokens",
        "what that is a fraction of: all tokens, each punctuation mark among them, as datatrove counts (and FineWeb "
        "did), or words that are more than punctuation, as in the paper, where a mark belongs to its word",
    )
    min_stop_words: int = parameter(2, "different stop words", unit="words", source=_QUALITY, role="decide", ge=0)
    stop_words: tuple[str, ...] = parameter(
        ("the", "be", "to", "of", "and", "that", "have", "with"), "the stop words, as they are written", source=_QUALITY
    )


class GopherQuality(MapStage):
    """Drops text whose words, symbols or lines are not those of prose."""

    name = "gopher_quality"
    Parameters = GopherQualityParameters

    def measure(self, batch: pa.RecordBatch, shared: Shared) -> pa.StructArray:
        w, lines = words_of(batch, shared), lines_of(batch, shared)
        parameters = cast(GopherQualityParameters, self.parameters)
        stop_words = np.array(sorted({hash_bytes(word.encode()) for word in parameters.stop_words}), dtype=np.uint64)
        counts = gopher_counts(w.first, w.last, w.characters, w.hashes, w.flags, stop_words)
        count_gopher_lines(
            lines.data, lines.text_stop, lines.first, lines.last, lines.start, lines.stop,
            lines.visible_start, lines.visible_stop, lines.flags, character_classes(), counts,
        )  # fmt: skip
        count = dict(zip(GOPHER, counts.T, strict=True))
        signals = {
            "words": pa.array(count["words"]),
            "mean_word_length": ratio(count["word_characters"], count["words"]),
            "hashes_per_word": ratio(count["hashes"], count["all_words"]),
            "ellipses_per_word": ratio(count["ellipses"], count["all_words"]),
            "bullet_line_fraction": ratio(count["bullet_lines"], count["lines"]),
            "ellipsis_line_fraction": ratio(count["ellipsis_lines"], count["lines"]),
            "alphabetic_word_fraction": ratio(
                count["alphabetic_words"], count["words" if parameters.alphabetic_of == "words" else "all_words"]
            ),
            "stop_words": pa.array(count["stop_words"]),
        }
        return pa.StructArray.from_arrays(list(signals.values()), list(signals))

    def rules(self) -> Sequence[Rule]:
        p = cast(GopherQualityParameters, self.parameters)
        return (
            Rule("too_few_words", "words", ">=", p.min_words, "min_words"),
            Rule("too_many_words", "words", "<=", p.max_words, "max_words"),
            Rule("short_words", "mean_word_length", ">=", p.min_mean_word_length, "min_mean_word_length"),
            Rule("long_words", "mean_word_length", "<=", p.max_mean_word_length, "max_mean_word_length"),
            Rule("too_many_hashes", "hashes_per_word", "<=", p.max_hashes_per_word, "max_hashes_per_word"),
            Rule("too_many_ellipses", "ellipses_per_word", "<=", p.max_ellipses_per_word, "max_ellipses_per_word"),
            Rule(
                "too_many_bullets", "bullet_line_fraction", "<=", p.max_bullet_line_fraction, "max_bullet_line_fraction"
            ),
            Rule(
                "too_many_ellipsis_lines",
                "ellipsis_line_fraction",
                "<=",
                p.max_ellipsis_line_fraction,
                "max_ellipsis_line_fraction",
            ),
            Rule(
                "too_few_alphabetic_words",
                "alphabetic_word_fraction",
                ">=",
                p.min_alphabetic_word_fraction,
                "min_alphabetic_word_fraction",
            ),
            Rule("too_few_stop_words", "stop_words", ">=", p.min_stop_words, "min_stop_words"),
        )


def ratio(numerator: NDArray[np.int64], denominator: NDArray[np.int64]) -> pa.Array:
    """float64, null where the denominator is 0: then there is nothing to judge."""
    nothing = denominator == 0
    return pa.array(numerator / np.where(nothing, 1, denominator), mask=nothing)
