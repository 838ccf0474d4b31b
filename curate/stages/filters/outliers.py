"""Outlier and dirty tokens: words that English does not have, and characters that text does not have.

`divergence` and `unknown_word_fraction` compare a document's words with a reference unigram distribution
(reference.npz, see reference.py); both are null where the `language` column says that the document is not English.
The other signals are shares of a document's visible characters.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curate.kernels.characters import character_classes
from curate.kernels.outliers import CHARACTER_COUNTS, dirty_characters, reference_table, word_divergence
from curate.stage import FilterParameters, MapStage, Rule, Shared, parameter
from curate.stages.filters.gopher import ratio
from curate.stages.words import words_of

REFERENCE = Path(__file__).with_name("reference.npz")
_SOURCE = "docs/results.md, outlier tokens: about the 99th percentile of prose, documentation and forums"


def _limit(default: float, doc: str, unit: str = "fraction") -> float:
    return cast(float, parameter(default, doc, unit=unit, source=_SOURCE, role="decide", ge=0))


class TokenOutliersParameters(FilterParameters):
    max_unknown_word_fraction: float = _limit(0.6, "words with a letter that the reference lacks")
    max_divergence: float = _limit(10.0, "Kullback-Leibler divergence of the words from the reference", "nats")
    max_replacement_fraction: float = _limit(0.005, "U+FFFD, which stands for bytes that could not be decoded")
    max_mojibake_fraction: float = _limit(0.01, "UTF-8 that was read as Latin-1 or Windows-1252")
    max_control_fraction: float = _limit(0.005, "control and private-use characters")
    max_encoded_fraction: float = _limit(0.2, "runs that look like base64 or a hash")
    max_code_fraction: float = _limit(0.15, "brackets, operators and other marks of code, CSS and JSON")


class TokenOutliers(MapStage):
    """Drops text of unknown words, broken encoding, encoded data or code debris."""

    name = "token_outliers"
    Parameters = TokenOutliersParameters

    def open(self) -> None:
        _reference()

    def fingerprint(self) -> str:
        return hashlib.sha256(REFERENCE.read_bytes()).hexdigest()

    def measure(self, batch: pa.RecordBatch, shared: Shared) -> pa.StructArray:
        w = words_of(batch, shared)
        words, unknown, divergence = word_divergence(w.first, w.last, w.hashes, w.flags, *_reference())
        foreign = _foreign(batch) | (words == 0)
        dirty = dict(
            zip(
                CHARACTER_COUNTS,
                dirty_characters(w.data, w.text_start, w.text_stop, character_classes()).T,
                strict=True,
            )
        )
        signals = {
            "unknown_word_fraction": pc.if_else(pa.array(foreign), None, ratio(unknown, words)),
            "divergence": pa.array(divergence, mask=foreign),
            **{f"{name}_fraction": ratio(dirty[name], dirty["characters"]) for name in CHARACTER_COUNTS[1:]},
        }
        return pa.StructArray.from_arrays(list(signals.values()), list(signals))

    def rules(self) -> Sequence[Rule]:
        names = (*(f"{name}_fraction" for name in (*CHARACTER_COUNTS[1:], "unknown_word")), "divergence")
        return [
            Rule(name.removesuffix("_fraction"), name, "<=", getattr(self.parameters, f"max_{name}"), f"max_{name}")
            for name in names
        ]


def _foreign(batch: pa.RecordBatch) -> NDArray[np.bool_]:
    """Rows whose `language` says that they are not English; none where nothing says so."""
    if "language" not in batch.schema.names or not pa.types.is_string(batch.schema.field("language").type):
        return np.zeros(batch.num_rows, dtype=bool)
    other = pc.fill_null(pc.not_equal(batch.column("language"), "en"), False)
    return np.asarray(other.to_numpy(zero_copy_only=False), dtype=bool)


@functools.cache
def _reference() -> tuple[NDArray[np.uint64], NDArray[np.float32]]:
    with np.load(REFERENCE) as stored:
        return reference_table(stored["hashes"], stored["log_probability"].astype(np.float32))
