"""The engines of `language`: each takes an array of texts and gives for each a language and a score from 0 to 1."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from curate.stages.language.codes import THREE, TWO, UNDETERMINED
from curate.stages.language.ngrams import FILE, NgramIdentifier, language_card, probability

MAX_CHARACTERS = 4_000
"""Text beyond this changes the cost, hardly the decision. The engine `ngrams` has a bound of its own."""


class Identifier(Protocol):
    """An engine that is loaded."""

    def identify(self, texts: pa.Array) -> tuple[list[str], NDArray[np.float64]]:
        """The language (ISO 639-1 where there is a code, else 639-3; `und`) and the score of each text."""
        ...


class Py3langid:
    """The library itself; its score is its own normalised probability."""

    def __init__(self) -> None:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier

        self._model = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)

    def identify(self, texts: pa.Array) -> tuple[list[str], NDArray[np.float64]]:
        pairs = [self._model.classify(text) for text in _beginnings(texts)]
        return [str(language) for language, _ in pairs], np.array([float(score) for _, score in pairs])


class Resiliparse:
    """Profiles of hashed letters: twenty times as fast and much less often right; for a coarse look."""

    def __init__(self) -> None:
        from resiliparse.parse.lang import detect_fast

        self._detect = detect_fast
        self._calibration = language_card(FILE)["resiliparse"]

    def identify(self, texts: pa.Array) -> tuple[list[str], NDArray[np.float64]]:
        beginnings = _beginnings(texts)
        pairs = [self._detect(text) if text else ("unknown", 0) for text in beginnings]
        ranks = np.array([rank for _, rank in pairs], dtype=np.float64)
        scores = probability(resiliparse_evidence(ranks, beginnings), self._calibration)
        names = [UNDETERMINED if language == "unknown" else language for language, _ in pairs]
        return names, np.where(np.array(names, dtype=object) == UNDETERMINED, 0.0, scores)


def resiliparse_evidence(ranks: NDArray[np.float64], texts: list[str]) -> NDArray[np.float64]:
    """What its calibration goes by, texts × 3: 1, the distance from the profile, the logarithm of the characters."""
    length = np.log(np.maximum(np.array([len(text) for text in texts], dtype=np.float64), 1))
    return np.stack([np.ones(len(texts)), ranks / 1000, length], axis=1)


class FastText:
    """Any fastText language model, such as lid.176 or GlotLID; its score is the model's probability."""

    def __init__(self, path: Path) -> None:
        from curate.stages.quality.fasttext_model import LABEL, load

        self._model = load(path)
        self._prefix = LABEL

    def identify(self, texts: pa.Array) -> tuple[list[str], NDArray[np.float64]]:
        lines = [" ".join(text.replace("\0", " ").split()) + "\n" for text in _beginnings(texts)]
        if not lines:
            return [], np.zeros(0)
        labels, scores = self._model.f.multilinePredict(lines, 1, 0.0, "strict")
        names, sure = [UNDETERMINED] * len(lines), np.zeros(len(lines))
        for row, line in enumerate(lines):
            # Asked for nothing, fastText answers for the end of the line.
            if line != "\n" and labels[row]:
                names[row] = _two_letter(labels[row][0].removeprefix(self._prefix))
                sure[row] = min(float(scores[row][0]), 1.0)
        return names, sure


def _two_letter(label: str) -> str:
    base = label.partition("_")[0]
    return base if base in THREE else TWO.get(base, base)


def _beginnings(texts: pa.Array) -> list[str]:
    return list(pc.utf8_slice_codeunits(pc.fill_null(texts, ""), 0, MAX_CHARACTERS).to_pylist())


def load_engine(name: str, model: str | None) -> Identifier:
    """The engine of a recipe's words, loaded."""
    if name == "ngrams":
        return NgramIdentifier()
    if name == "py3langid":
        return Py3langid()
    if name == "resiliparse":
        return Resiliparse()
    return FastText(Path(str(model)))
