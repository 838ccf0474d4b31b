"""A fastText classifier (Joulin et al. 2016) as files: the model, and a JSON beside it that says what it is, its hash,
its labels and how its score becomes a probability. Whoever trains such a model prepares texts by the same function
as whoever asks it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from curate.kernels.classifier_lines import BYTES_EACH, character_table, classifier_lines
from curate.stages.words import utf8_buffers

MODELS = Path(__file__).parents[3] / "classifiers" / "models"
"""Where the bundled models lie."""

LABEL = "__label__"
MAX_WORDS = 512
"""Words of a text that a model sees, from its beginning: the cost is bounded, and so is what length can say."""
MAX_CHARACTERS = 8_000

Texts: TypeAlias = Sequence[str] | pa.Array
"""Texts to be judged: strings, or a string array, which is faster (null: empty)."""
_LABEL_BYTES = np.frombuffer(LABEL.encode(), dtype=np.uint8)
_PUNCTUATION = re.compile(r"([^\w\s])")
_DIGITS = re.compile(r"\d")


class ModelError(ValueError):
    """A model cannot be used; the message names the file, what was found and what to do."""


def prepare(text: str, max_words: int = MAX_WORDS) -> str:
    """A text as models are trained and asked: lower case, punctuation apart, digits as 0, at most `max_words` words on
    one line. NUL and line ends, which fastText takes for ends of input, are spaces."""
    text = _DIGITS.sub("0", text[:MAX_CHARACTERS].lower().replace("\0", " ").replace(LABEL, " "))
    return " ".join(_PUNCTUATION.sub(r" \1 ", text).split()[:max_words])


def prepared_lines(texts: pa.Array, max_words: int = MAX_WORDS) -> list[bytes]:
    """`prepare` of each text of a string array (null: empty) and a line feed, as UTF-8, without a string of Python for
    each: a tenth of the time."""
    data, offsets = utf8_buffers(texts)
    data.flags.writeable = False  # one type for the kernel, wherever the array is from
    read = np.minimum(np.diff(offsets), 4 * MAX_CHARACTERS)
    begins = np.concatenate([[0], np.cumsum(BYTES_EACH * read + 1)])
    written, ends = np.empty(begins[-1], dtype=np.uint8), np.empty(len(texts), dtype=np.int64)
    odd = np.empty(len(texts), dtype=np.bool_)
    classifier_lines(
        data, offsets, character_table(), _LABEL_BYTES, MAX_CHARACTERS, max_words, written, begins[:-1], ends, odd
    )
    lines = [written[begin:end].tobytes() for begin, end in zip(begins[:-1].tolist(), ends.tolist(), strict=True)]
    for row in np.flatnonzero(odd).tolist():
        lines[row] = prepare(texts[row].as_py(), max_words).encode() + b"\n"
    return lines


URL_WORDS = 12
_URL_WORD = re.compile(r"[a-z]{3,20}")
_URL_DATE = re.compile(r"/(?:19|20)\d\d[/-]\d{1,2}\b")


def url_words(url: str | None) -> str:
    """What a URL says of its page, as words that no text has: of its host and path, whether it holds a date, how deep
    it lies. Each twice, since they are few beside a text's. Empty without a URL."""
    if not url:
        return ""
    host, _, path = url.lower().partition("://")[2].partition("/")
    found = _URL_WORD.findall(host.rpartition(".")[0].removeprefix("www.") + "/" + path)[:URL_WORDS]
    words = [f"url_{word}" for word in found]
    words.append(f"urldepth_{min(path.count('/'), 5)}")
    words += ["urldate"] if _URL_DATE.search("/" + path) else []
    return " ".join(words * 2) + " "


@dataclass(frozen=True)
class ModelCard:
    """The JSON beside a model: what a program must know of it (people read the Markdown card)."""

    name: str
    sha256: str
    labels: list[str]
    positive: str | None = None
    """Of two labels, the one whose probability is the score; None for a model of several classes."""
    max_words: int = MAX_WORDS
    platt: tuple[float, float] | None = None
    """(a, b): calibrated probability = 1 / (1 + exp(a·logit + b)) of the raw probability (Platt 1999)."""
    isotonic: list[tuple[float, float]] | None = None
    """Instead of that: knots (raw probability, calibrated one) of a rising curve, straight between them."""
    uses_url: bool = False
    """Whether the URL's words go before the text's."""
    threshold: float | None = None
    """A threshold on the calibrated score that the card recommends."""
    prevalence: float | None = None
    """The share of positives that `thresholds` assume."""
    thresholds: dict[str, dict[str, float]] = field(default_factory=dict)
    """`document` or `sentence` → precision, as written → the least calibrated score that reaches it."""
    max_drift: tuple[float, float] | None = None
    """How far the score of a text's first 100 words or more is from that of the whole, at most: in the mean over
    texts, and for nine texts in ten."""
    extra: dict[str, Any] = field(default_factory=dict)


def find(model: str) -> Path:
    """The file of a bundled model's name, or the path itself. ModelError if there is none."""
    named = MODELS / f"{model}.ftz"
    if named.is_file():
        return named
    path = Path(model)
    if not path.is_file():
        bundled = sorted(file.stem for file in MODELS.glob("*.ftz"))
        raise ModelError(f"no model {model!r}; allowed: a fastText file (.bin, .ftz), or one of {', '.join(bundled)}")
    return path


class FastTextModel:
    """A loaded model. Its file's hash is checked against the JSON beside it, where there is one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        self.card = read_card(path)
        if self.card is not None and self.card.sha256 != self.sha256:
            raise ModelError(
                f"{path}: its hash is {self.sha256[:12]}…, but {path.stem}.json says {self.card.sha256[:12]}…; "
                "put the matching pair back, or train again"
            )
        self.uses_url = self.card is not None and self.card.uses_url
        self._model = load(path)
        self.labels: list[str] = [label.removeprefix(LABEL) for label in self._model.get_labels()]
        if self.card is not None and sorted(self.card.labels) != sorted(self.labels):
            raise ModelError(f"{path}: has the labels {self.labels}, but {path.stem}.json says {self.card.labels}")

    def probabilities(self, texts: Texts, urls: Sequence[str | None] | None = None) -> np.ndarray:
        """Shape (texts, labels), columns as `labels`: the model's own probabilities. `urls` are of no use to a model
        that does not read them."""
        words = MAX_WORDS if self.card is None else self.card.max_words
        lines = prepared_lines(texts if isinstance(texts, pa.Array) else pa.array(texts, pa.string()), words)
        if urls is not None and self.uses_url:
            lines = [url_words(url).encode() + line for url, line in zip(urls, lines, strict=True)]
        answer = np.zeros((len(lines), len(self.labels)))
        if not lines:
            return answer
        place = {LABEL + label: column for column, label in enumerate(self.labels)}
        # One call for all lines: the loop over them, and the loop over words, are fastText's own.
        names, values = self._model.f.multilinePredict(lines, len(self.labels), 0.0, "strict")
        for row, (each, labels) in enumerate(zip(values, names, strict=True)):
            for value, label in zip(each, labels, strict=True):
                answer[row, place[label]] = value
        # An empty text has no answer of its own (fastText would answer for the end of line): every label alike.
        silent = (answer.sum(axis=1) == 0) | np.array([line == b"\n" for line in lines])
        answer[silent] = 1 / len(self.labels)
        return np.clip(answer, 0.0, 1.0)

    @property
    def positive(self) -> str:
        """The label whose probability is the score. ModelError if the model is not one of yes and no."""
        if self.card is not None and self.card.positive is not None:
            return self.card.positive
        if len(self.labels) == 2:
            return sorted(self.labels)[-1]
        raise ModelError(f"{self.path}: has {len(self.labels)} labels and names none as positive; it has no score")

    def scores(self, texts: Texts) -> np.ndarray:
        """Shape (texts,): the calibrated probability of the positive label."""
        raw = self.probabilities(texts)[:, self.labels.index(self.positive)]
        if self.card is not None and self.card.isotonic:
            knots = np.array(self.card.isotonic)
            return np.asarray(np.interp(raw, knots[:, 0], knots[:, 1]))
        return calibrated(raw, self.card.platt if self.card is not None else None)

    def frequent_words(self, least: int) -> list[str]:
        """Words of the vocabulary that training met that often, most frequent first."""
        words, counts = self._model.get_words(include_freq=True)
        return [word for word, count in zip(words, counts, strict=True) if count >= least]


def calibrated(raw: np.ndarray, platt: tuple[float, float] | None) -> np.ndarray:
    """Probabilities after Platt's scaling of their logits."""
    if platt is None:
        return raw
    clipped = np.clip(raw, 1e-6, 1 - 1e-6)
    exponent = platt[0] * np.log(clipped / (1 - clipped)) + platt[1]
    return np.asarray(1 / (1 + np.exp(np.clip(exponent, -500, 500))))


def read_card(model: Path) -> ModelCard | None:
    """The description beside a model's file; None if it has none."""
    path = model.with_suffix(".json")
    if not path.is_file():
        return None
    try:
        value = json.loads(path.read_text())
        platt = value.get("platt")
        known = {name: value[name] for name in ModelCard.__dataclass_fields__ if name in value}
        return ModelCard(**known | {"platt": tuple(platt) if platt else None})
    except (json.JSONDecodeError, TypeError, KeyError) as error:
        raise ModelError(f"{path}: not a model's description: {error}") from error


def load(path: Path) -> Any:
    """The library's model of a file. ModelError if it is none, or has no classes."""
    import fasttext

    try:
        model = fasttext.load_model(str(path))
    except (ValueError, RuntimeError) as error:
        raise ModelError(f"{path}: not a fastText model: {error}") from error
    labels = model.get_labels()
    if not labels or not all(label.startswith(LABEL) for label in labels):
        raise ModelError(f"{path}: a fastText model without classes (word vectors?); a classifier is needed")
    return model
