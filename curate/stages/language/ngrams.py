"""The default engine: py3langid's model (naive Bayes over byte n-grams, trained by its authors) walked by a compiled
kernel, with the columns of `language.npz` for languages that it does not know, and scores that are probabilities.

The walk gives py3langid's own answer at a tenth of its cost; the further columns rest on the same n-grams, so that
they cost nothing more. What was measured is in the card `classifiers/models/language.md`.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curate.kernels.automaton import class_scores
from curate.kernels.tables import Arrays, derived
from curate.stages.language.codes import UNDETERMINED
from curate.stages.quality.fasttext_model import MODELS, ModelError
from curate.stages.words import utf8_buffers

FILE = MODELS / "language.npz"
SCALE = 2048
"""Weights are kept as whole multiples of 1/2048: py3langid's half floats of 1 to 16 are such multiples exactly."""


@dataclass(frozen=True)
class Automaton:
    """py3langid's tables: `moves`, `states` and `weights` as `class_scores` wants them."""

    moves: NDArray[np.int32]
    states: NDArray[np.int32]
    weights: NDArray[np.int16]
    prior: NDArray[np.float32]
    labels: tuple[str, ...]
    sha256: str

    def scores(self, texts: pa.Array) -> tuple[NDArray[np.float32], NDArray[np.int64], NDArray[np.int64]]:
        """(log scores, texts × labels; different n-grams of each text; its bytes). Texts as `normalized` gives."""
        data, offsets = utf8_buffers(texts)
        size = np.diff(offsets)
        scores = np.empty((len(texts), self.weights.shape[1]), dtype=np.float32)
        found = np.zeros(len(texts), dtype=np.int64)
        counts = np.zeros(len(self.weights), dtype=np.int32)
        met = np.empty(int(size.max(initial=0)) + 1, dtype=np.int32)
        begin, end = offsets[:-1], offsets[1:]
        class_scores(
            data, begin, end, self.moves, self.states, self.weights, self.prior, counts, met, scores, found
        )  # fmt: skip
        scores /= SCALE
        return scores, found, size.astype(np.int64)

    def with_columns(self, weights: NDArray[np.int16], labels: Sequence[str]) -> Automaton:
        """The same with further labels, whose prior is the mean of the others."""
        prior = np.concatenate([self.prior, np.full(len(labels), self.prior.mean(), np.float32)])
        joined = np.ascontiguousarray(np.concatenate([self.weights, weights], axis=1))
        return Automaton(self.moves, self.states, joined, prior, (*self.labels, *labels), self.sha256)


@lru_cache(maxsize=1)
def py3langid_automaton() -> Automaton:
    """The tables of the installed py3langid, whose file takes a second to unpack."""
    from py3langid.langid import MODEL_FILE

    file = files("py3langid") / MODEL_FILE
    tables: dict[str, Any] = derived("language", hashlib.sha256(file.read_bytes()).hexdigest(), _tables)
    labels, digest = tuple(tables["labels"].tolist()), str(tables["sha256"])
    return Automaton(tables["moves"], tables["states"], tables["weights"], tables["prior"], labels, digest)


def _tables() -> Arrays:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    model = LanguageIdentifier.from_model_file(MODEL_FILE)
    moves = np.frombuffer(model.tk_nextmove, dtype=f"i{model.tk_nextmove.itemsize}").astype(np.int32)
    rows = np.asarray(model.tk_row, dtype=np.int64) << 8
    states = np.stack([rows, np.asarray(model.tk_output)], axis=1).astype(np.int32)
    weights = np.rint(np.asarray(model.nb_ptc, dtype=np.float32) * SCALE).astype(np.int16)
    prior = np.asarray(model.nb_pc, dtype=np.float32) * SCALE
    return {
        "moves": moves,
        "states": states,
        "weights": weights,
        "prior": prior,
        "labels": np.array(model.nb_classes),
        "sha256": np.array(hashlib.sha256(moves.tobytes() + states.tobytes()).hexdigest()),
    }


def normalized(texts: pa.Array, max_characters: int) -> pa.Array:
    """The beginning of each text as py3langid takes it: small letters if there are only capitals, composed (NFC)."""
    cut = pc.utf8_slice_codeunits(pc.fill_null(texts, ""), 0, max_characters)
    capitals = pc.utf8_is_upper(cut)
    if pc.any(capitals).as_py():
        cut = pc.if_else(capitals, pc.utf8_lower(cut), cut)
    foreign = pc.invert(pc.string_is_ascii(cut))
    if pc.any(foreign).as_py():
        composed = pc.utf8_normalize(cut.filter(foreign), form="NFC")
        cut = pc.replace_with_mask(cut, foreign, composed)
    return cut


class NgramIdentifier:
    """Languages of texts, with calibrated scores. Loaded from language.npz and the JSON beside it."""

    def __init__(self, path: Path = FILE) -> None:
        card = language_card(path)
        base = py3langid_automaton()
        if card["automaton"] != base.sha256:
            raise ModelError(
                f"{path}: made for the n-grams of py3langid {card['py3langid']}, another version is installed; "
                f"install py3langid=={card['py3langid']}, or use engine: py3langid"
            )
        with np.load(path) as stored:
            weights = np.tile(stored["default"], (len(base.weights), 1))
            weights[stored["gram"], stored["column"]] = stored["weight"]
        self.max_characters = int(card["max_characters"])
        self._automaton = base.with_columns(weights, card["labels"])
        self._calibration = tuple(card["calibration"])
        self.labels, self._place = np.unique(np.array(self._automaton.labels), return_inverse=True)

    def identify(self, texts: pa.Array) -> tuple[list[str], NDArray[np.float64]]:
        """(language, probability that it is right) of each text; `und`, 0 where a text has no known n-gram."""
        if len(texts) == 0:
            return [], np.zeros(0)
        by_column, found, size = self._automaton.scores(normalized(texts, self.max_characters))
        by_label = merged(by_column, self._place, len(self.labels))
        best = by_label.argmax(axis=1)
        features = evidence(by_label, found, size)
        scores = np.where(found > 0, probability(features, self._calibration), 0.0)
        names = self.labels[best].tolist()
        return [name if n else UNDETERMINED for name, n in zip(names, found.tolist(), strict=True)], scores


def merged(by_column: NDArray[np.float32], place: NDArray[np.int64], labels: int) -> NDArray[np.float32]:
    """Scores by label, of columns of which some have the same label (a language in two scripts): the better counts."""
    answer = np.full((len(by_column), labels), -np.inf, dtype=np.float32)
    for column, label in enumerate(place.tolist()):
        np.maximum(answer[:, label], by_column[:, column], out=answer[:, label])
    return answer


def evidence(by_label: NDArray[np.float32], found: NDArray[np.int64], size: NDArray[np.int64]) -> NDArray[np.float64]:
    """What a score's calibration goes by, texts × 4: 1, the margin between the best two labels over √bytes (as
    py3langid's own temperature), the logarithm of the bytes, and the share of bytes that end a known n-gram."""
    two = np.partition(by_label, -2, axis=1)[:, -2:].astype(np.float64)
    length = np.maximum(size, 1).astype(np.float64)
    margin = (two[:, 1] - two[:, 0]) / np.sqrt(length)
    return np.stack([np.ones(len(length)), np.log1p(margin), np.log(length), found / length], axis=1)


def probability(features: NDArray[np.float64], weights: Sequence[float]) -> NDArray[np.float64]:
    """The logistic function of their weighted sum. Summed column by column: a matrix product's last digit depends on
    how many rows it has, and a document's answer must not depend on its neighbours."""
    total = np.zeros(len(features))
    for column, weight in enumerate(weights):
        total += features[:, column] * weight
    return np.asarray(1 / (1 + np.exp(-np.clip(total, -30, 30))))


def language_card(path: Path) -> dict[str, Any]:
    """The JSON beside the file, whose hash it must name. ModelError if it does not."""
    beside = path.with_suffix(".json")
    card: dict[str, Any] = json.loads(beside.read_text())
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if card["sha256"] != found:
        raise ModelError(f"{path}: its hash is {found[:12]}…, but {beside.name} says {card['sha256'][:12]}…")
    if not all(math.isfinite(value) for value in card["calibration"]):
        raise ModelError(f"{beside}: calibration: {card['calibration']}; finite numbers are needed")
    return card
