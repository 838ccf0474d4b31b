"""A classifier beside a word list: which model a filter asks, and from which score on it believes it.

A bundled model's description says, for documents and for sentences, what score gives what precision at a stated share
of bad texts; a filter asks for a precision. Of any other fastText file the score itself must be given.
"""

from __future__ import annotations

import hashlib
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from curate.stage import FilterParameters, Rule, parameter
from curate.stages.quality.fasttext_model import FastTextModel, Texts, find, read_card

NONE = "none"
Level = Literal["document", "sentence"]
LEVELS: tuple[Level, ...] = ("document", "sentence")


def model_parameter(name: str) -> Any:
    """The parameter `model` of a filter whose bundled model is `name`."""
    return parameter(
        name,
        f"a fastText classifier: the bundled `{name}` or the path of any with two labels; `{NONE}`: word lists alone",
        source=f"classifiers/models/{name}.md",
    )


def precision_parameter(default: float) -> Any:
    """The parameter `precision`."""
    return parameter(
        default,
        "of the model's findings, the share that should be right; the model's description says which score gives it, "
        "and for which share of bad texts",
        role="decide",
        source="docs/results.md",
        gt=0,
        lt=1,
    )


class JudgeParameters(FilterParameters):
    """What filters with a model have in common; each adds `model` with a default of its own."""

    model: str
    precision: float = precision_parameter(0.8)
    max_model_score: float | None = parameter(
        None, "score of the model above which a text goes, instead of `precision`", role="decide", ge=0, le=1
    )


class Judge:
    """The model of a filter, or none. Thresholds are known before the model is loaded. ModelError (a ValueError)
    says what a model lacks."""

    def __init__(self, parameters: JudgeParameters, stage: str) -> None:
        self._stage = stage
        self._model: FastTextModel | None = None
        self._path = None if parameters.model == NONE else find(parameters.model)
        self._asked = parameters
        self._limits = {level: self._limit(level) for level in LEVELS} if self.there else {}

    @property
    def there(self) -> bool:
        """Whether there is a model to ask."""
        return self._path is not None

    def limit(self, level: Level) -> float:
        """The score up to which a text of the level stays."""
        return self._limits[level]

    def _limit(self, level: Level) -> float:
        assert self._path is not None
        if self._asked.max_model_score is not None:
            return self._asked.max_model_score
        card = read_card(self._path)
        known = {} if card is None else card.thresholds.get(level, {})
        wanted = f"{self._asked.precision:g}"
        if not known:
            raise ValueError(
                f"{self._stage}: {self._path} has no description that says which score gives which precision; "
                "give max_model_score"
            )
        if wanted not in known:
            raise ValueError(
                f"{self._stage}: precision: {wanted} is not in the description of {self._path.name}; allowed: "
                f"{', '.join(sorted(known))}; or give max_model_score"
            )
        # Its score is the least that falls; a rule keeps what is at its threshold.
        return float(np.nextafter(known[wanted], 0.0))

    def rules(self) -> tuple[Rule, ...]:
        if not self.there:
            return ()
        named = "precision" if self._asked.max_model_score is None else "max_model_score"
        return (Rule(f"{self._stage}_model", "model", "<=", self.limit("document"), named),)

    def fingerprint(self) -> str:
        return "" if self._path is None else hashlib.sha256(self._path.read_bytes()).hexdigest()

    def open(self) -> None:
        if self._path is not None:
            self._model = FastTextModel(self._path)

    def scores(self, texts: Texts) -> list[float | None]:
        """The model's score of each text; None without a model, and for a text without a word."""
        if self._model is None:
            return [None] * len(texts)
        column = texts if isinstance(texts, pa.Array) else pa.array(texts, pa.string())
        blank = pc.equal(pc.utf8_trim_whitespace(pc.fill_null(column, "")), "").to_pylist()
        return [None if empty else score for empty, score in zip(blank, self._model.scores(column), strict=True)]
