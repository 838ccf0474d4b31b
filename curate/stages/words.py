"""The words of a batch, for any stage: found once for each version of the text, shared by all that count them.

    words = words_of(batch, shared)
    words.hashes[words.first[d] : words.last[d]]    the 64-bit hashes of the words of document d, in order

A run of Chinese, Japanese, Thai, Lao, Khmer or Burmese is split into its words by curate.stages.unspaced.
Positions are bytes in `words.data`, the UTF-8 of the column's rows that the batch was made of.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curate.kernels.characters import character_classes
from curate.kernels.words import UNSPACED, WordArrays, english_tables, find_words
from curate.stage import Shared
from curate.stages.unspaced import split_unspaced


@dataclass(frozen=True)
class Words:
    """Words of a batch. Arrays of the first group have a value a document, those of the second a value a word."""

    data: NDArray[np.uint8]
    text_start: NDArray[np.int64]
    """Byte position of the document's text in `data`."""
    text_stop: NDArray[np.int64]
    first: NDArray[np.int64]
    """Index of the document's first word."""
    last: NDArray[np.int64]
    """Index past its last word."""

    start: NDArray[np.int64]
    """Byte position of the word in `data`."""
    length: NDArray[np.int32]
    """Bytes."""
    characters: NDArray[np.int32]
    hashes: NDArray[np.uint64]
    """curate.kernels.hashing.hash_bytes of the word's bytes."""
    flags: NDArray[np.uint8]
    """Bits of curate.kernels.words: NON_SYMBOL, HAS_LETTER, ENDS_SENTENCE, IS_PUNCTUATION, AFTER_GAP."""

    def __len__(self) -> int:
        """Documents."""
        return len(self.first)

    @property
    def counts(self) -> NDArray[np.int64]:
        """Words of each document."""
        return self.last - self.first

    def filter(self, mask: pa.Array) -> Words:
        """The words of the documents where the mask is true; no array of words is copied."""
        keep = np.asarray(mask.to_numpy(zero_copy_only=False), dtype=bool)
        return replace(
            self,
            text_start=self.text_start[keep],
            text_stop=self.text_stop[keep],
            first=self.first[keep],
            last=self.last[keep],
        )


def words_of(batch: pa.RecordBatch, shared: Shared, column: str = "text") -> Words:
    """The words of the column, found now if no stage before has. A null text has none."""
    return shared.get(f"words:{column}", lambda: _find(batch.column(column)))


def _find(texts: pa.Array) -> Words:
    data, offsets = utf8_buffers(texts)
    first, start, length, characters, hashes, flags = find_words(data, offsets, character_classes(), english_tables())
    found = WordArrays(first, start, length, characters, hashes, flags)
    if np.any(flags & UNSPACED):
        found = split_unspaced(data, found)
    first, start, length, characters, hashes, flags = found
    return Words(data, offsets[:-1], offsets[1:], first[:-1], first[1:], start, length, characters, hashes, flags)


def utf8_buffers(texts: pa.Array) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The bytes of a string array and the n + 1 offsets of its rows in them, without a copy of the bytes
    (so they are read-only, which is also part of the type that the kernels are compiled for).

    A null row is empty. TypeError if the array is no string array.
    """
    if not (pa.types.is_string(texts.type) or pa.types.is_large_string(texts.type)):
        raise TypeError(f"a text column must be string or large_string; found {texts.type}")
    if texts.null_count:
        texts = pc.fill_null(texts, "")
    width = np.dtype(np.int32 if pa.types.is_string(texts.type) else np.int64)
    if len(texts) == 0:
        return np.frombuffer(b"", dtype=np.uint8), np.zeros(1, dtype=np.int64)
    _, offsets, data = texts.buffers()
    positions = np.frombuffer(offsets, dtype=width, count=len(texts) + 1, offset=texts.offset * width.itemsize)
    content = np.frombuffer(b"" if data is None else data, dtype=np.uint8)
    content.flags.writeable = False  # whatever made the array, or each kernel would be compiled twice
    return content, positions.astype(np.int64)
