"""The lines of a batch, for any stage: found once for each version of the text, shared by all that count them.

    lines = lines_of(batch, shared)
    lines.hashes[lines.first[d] : lines.last[d]]    the hashes of the lines of document d, in order

A line is what stands between newlines; what else a stage takes for a line it finds inside those that have the flag
BREAKS. Positions are bytes in `lines.data`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curate.kernels.characters import character_classes
from curate.kernels.lines import find_lines
from curate.stage import Shared
from curate.stages.words import utf8_buffers


@dataclass(frozen=True)
class Lines:
    """Lines of a batch. Arrays of the first group have a value a document, those of the second a value a line (see
    curate.kernels.lines.LineArrays)."""

    data: NDArray[np.uint8]
    text_stop: NDArray[np.int64]
    """Byte position of the document's end in `data`."""
    first: NDArray[np.int64]
    """Index of the document's first line."""
    last: NDArray[np.int64]
    """Index past its last line."""

    start: NDArray[np.int64]
    stop: NDArray[np.int64]
    visible_start: NDArray[np.int64]
    visible_stop: NDArray[np.int64]
    characters: NDArray[np.int32]
    hashes: NDArray[np.uint64]
    flags: NDArray[np.uint8]

    def filter(self, mask: pa.Array) -> Lines:
        """The lines of the documents where the mask is true; no array of lines is copied."""
        keep = np.asarray(mask.to_numpy(zero_copy_only=False), dtype=bool)
        return replace(self, text_stop=self.text_stop[keep], first=self.first[keep], last=self.last[keep])


def lines_of(batch: pa.RecordBatch, shared: Shared, column: str = "text") -> Lines:
    """The lines of the column, found now if no stage before has. A null text has one, which is empty."""
    return shared.get(f"lines:{column}", lambda: _find(batch.column(column)))


def _find(texts: pa.Array) -> Lines:
    data, offsets = utf8_buffers(texts)
    found = find_lines(data, offsets, character_classes())
    return Lines(
        data, offsets[1:], found.first[:-1], found.first[1:],
        found.start, found.stop, found.visible_start, found.visible_stop, found.characters, found.hashes, found.flags,
    )  # fmt: skip
