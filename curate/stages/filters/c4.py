"""C4's cleaning: lines that are no sentences go, then documents with too few sentences.

Raffel et al. 2020 (https://arxiv.org/abs/1910.10683, section 2.2), with the decisions and the text of datatrove
0.10; and mC4's rule for documents without long paragraphs (Xue et al. 2021, https://arxiv.org/abs/2010.11934).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curate.kernels.c4 import COUNTS, C4Lines, C4Rules, c4_lines
from curate.kernels.characters import character_classes
from curate.kernels.line_measures import long_lines
from curate.kernels.words import english_tables
from curate.stage import FilterParameters, MapStage, Rule, Shared, parameter, with_column
from curate.stages.lines import lines_of
from curate.stages.words import words_of

_PAPER = "C4, section 2.2"
_CODE = "C4's code, c4_utils.py"
_FORBIDDEN = pa.array([None, "lorem_ipsum", "curly_bracket"], type=pa.string())


class C4QualityParameters(FilterParameters):
    unit: Literal["line", "sentence"] = parameter(
        "line",
        "what is judged, and removed or kept as a whole; sentences that stay are joined by spaces",
        source=_PAPER,
    )
    terminal_punctuation: bool = parameter(
        True, "remove lines that do not end in . ? ! or a quote, or that end in three dots", source=_PAPER
    )
    min_words_per_line: int = parameter(3, "a shorter line is removed; 0: none is", unit="words", source=_PAPER, ge=0)
    max_word_characters: int = parameter(
        1000, "a line with a longer word is removed; 0: none is", unit="characters", source=_CODE, ge=0
    )
    remove_citations: bool = parameter(True, "take out [1], [edit] and [citation needed]", source=_CODE)
    remove_javascript_lines: bool = parameter(True, "remove lines that mention JavaScript", source=_PAPER)
    remove_policy_lines: bool = parameter(True, "remove lines about cookies, privacy or terms of use", source=_CODE)
    drop_lorem_ipsum: bool = parameter(True, "drop a document that says lorem ipsum", source=_PAPER)
    drop_curly_bracket: bool = parameter(True, "drop a document with a {", source=_PAPER)
    min_sentences: int = parameter(
        5, "sentences in the lines that stay", unit="sentences", source=_PAPER, role="decide", ge=0
    )


class C4Quality(MapStage):
    """Keeps the lines of a document that are sentences, and the documents that have enough of them."""

    name = "c4_quality"
    Parameters = C4QualityParameters
    changes_text = True

    def measure(self, batch: pa.RecordBatch, shared: Shared) -> pa.StructArray:
        counts = self._cleaned(batch, shared).counts
        count = dict(zip(COUNTS, np.ascontiguousarray(counts.T), strict=True))
        signals = {name: pa.array(values) for name, values in count.items() if name != "forbidden"}
        signals["forbidden"] = _FORBIDDEN.take(pa.array(count["forbidden"]))
        return pa.StructArray.from_arrays(list(signals.values()), list(signals))

    def rules(self) -> Sequence[Rule]:
        p = cast(C4QualityParameters, self.parameters)
        return (
            Rule("lorem_ipsum", "forbidden", "!=", "lorem_ipsum"),
            Rule("curly_bracket", "forbidden", "!=", "curly_bracket"),
            Rule("too_few_sentences", "sentences", ">=", p.min_sentences, "min_sentences"),
        )

    def edit(self, batch: pa.RecordBatch, shared: Shared) -> pa.RecordBatch:
        if cast(C4QualityParameters, self.parameters).mode == "annotate":
            return batch
        texts = self._cleaned(batch, shared).texts
        return with_column(batch, "text", texts.cast(batch.schema.field("text").type))

    def _cleaned(self, batch: pa.RecordBatch, shared: Shared) -> _Cleaned:
        """The lines that stay, found once for `measure` and `edit`."""
        return shared.get(f"c4:{self.label}", lambda: self._clean(batch, shared))

    def _clean(self, batch: pa.RecordBatch, shared: Shared) -> _Cleaned:
        w, lines = words_of(batch, shared), lines_of(batch, shared)
        p = cast(C4QualityParameters, self.parameters)
        rules = C4Rules(
            max_word_characters=p.max_word_characters,
            min_words_per_line=p.min_words_per_line,
            terminal_punctuation=p.terminal_punctuation,
            remove_citations=p.remove_citations,
            javascript=p.remove_javascript_lines,
            policy=p.remove_policy_lines,
            lorem_ipsum=p.drop_lorem_ipsum,
            curly_bracket=p.drop_curly_bracket,
            sentences=p.unit == "sentence",
        )
        left = c4_lines(
            w.data, w.text_start, w.text_stop, (w.first, w.last, w.start, w.length, w.flags),
            (lines.first, lines.last, lines.start, lines.stop, lines.visible_start, lines.visible_stop, lines.flags),
            rules, character_classes(), english_tables(),
        )  # fmt: skip
        return _Cleaned(left.counts, _texts(left))


@dataclass(frozen=True)
class _Cleaned:
    counts: NDArray[np.int64]
    """Columns of curate.kernels.c4.COUNTS."""
    texts: pa.Array

    def filter(self, mask: pa.Array) -> _Cleaned:
        return _Cleaned(self.counts[mask.to_numpy(zero_copy_only=False)], self.texts.filter(mask))


def _texts(lines: C4Lines) -> pa.Array:
    """What is left of each document, as one array without the bytes between documents."""
    parts = [lines.data[start:stop] for start, stop in zip(lines.start.tolist(), lines.stop.tolist(), strict=True)]
    data = np.concatenate(parts) if parts else lines.data[:0]
    offsets = np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(lines.stop - lines.start)])
    return pa.LargeStringArray.from_buffers(len(parts), pa.py_buffer(offsets), pa.py_buffer(data))


class C4ParagraphsParameters(FilterParameters):
    min_paragraphs: int = parameter(
        3, "lines of `min_paragraph_characters` or more", unit="lines", source="mC4, section 3.1", role="decide"
    )
    min_paragraph_characters: int = parameter(
        200, "a shorter line is no paragraph", unit="characters", source="mC4, section 3.1"
    )


class C4Paragraphs(MapStage):
    """Drops text without a few long lines."""

    name = "c4_paragraphs"
    Parameters = C4ParagraphsParameters

    def measure(self, batch: pa.RecordBatch, shared: Shared) -> pa.StructArray:
        lines = lines_of(batch, shared)
        least = cast(C4ParagraphsParameters, self.parameters).min_paragraph_characters
        counts = long_lines(lines.first, lines.last, lines.characters, least)
        return pa.StructArray.from_arrays([pa.array(counts)], ["paragraphs"])

    def rules(self) -> Sequence[Rule]:
        p = cast(C4ParagraphsParameters, self.parameters)
        return (Rule("too_few_paragraphs", "paragraphs", ">=", p.min_paragraphs, "min_paragraphs"),)
