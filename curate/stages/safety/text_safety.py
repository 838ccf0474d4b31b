"""`nsfw` and `toxic`: obscene and hateful text, by word lists and a classifier each.

A text goes by either. The words' score is 1 − exp(−rate / scale): `rate` is the weight of its listed terms a thousand
words, so that a novel with a curse stays and a page of nothing else falls. Words with plain uses (medicine, news,
LGBTQ+ life, dialect) weigh a tenth.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, ClassVar, Literal, cast

import pyarrow as pa

from curate.stage import MapStage, Resources, Rule, Shared, parameter, with_column
from curate.stages.safety.judge import Judge, JudgeParameters, model_parameter
from curate.stages.safety.terms import DATA, PLAIN_WEIGHT, Terms, plain_words, read_table, sentences_of

MIN_WORDS = 40
"""A shorter text is scored as if it had this many words: one word of three is no rate."""

SIGNALS = pa.struct(
    [
        ("score", pa.float64()),
        ("words", pa.float64()),
        ("model", pa.float64()),
        ("terms", pa.int32()),
        ("distinct", pa.int32()),
        ("worst_sentence", pa.float64()),
        ("removed_sentences", pa.int32()),
    ]
)


class TextSafetyParameters(JudgeParameters):
    level: Literal["document", "sentence"] = parameter(
        "document", "`document` drops a document above a limit; `sentence` removes its sentences above one instead"
    )
    max_score: float = parameter(
        0.5,
        "score of the word lists above which a document (or a sentence) goes",
        role="decide",
        ge=0,
        le=1,
        source="docs/results.md",
    )
    min_distinct: int = parameter(
        2, "different terms that a document must have to be dropped by words alone", ge=1, source="docs/results.md"
    )


class TextSafety(MapStage):
    """Signals: `score` (the model's, or the word lists' without one), `words`, `model`, `terms` and `distinct` (listed
    terms met), `worst_sentence` (by words, at sentence level by the model), `removed_sentences`."""

    resources = Resources(memory_mb=512)
    distributions = ("fasttext-numpy2-wheel",)
    changes_text = True
    scale: ClassVar[float]
    """The rate, in weight a thousand words, at which the words' score is 1 − 1/e."""

    def __init__(self, parameters: TextSafetyParameters, label: str | None = None) -> None:
        super().__init__(parameters, label)
        self._judge = Judge(parameters, self.name)

    @property
    def _asked(self) -> TextSafetyParameters:
        return cast(TextSafetyParameters, self.parameters)

    def writes(self) -> tuple[str, ...]:
        return (self.label,)

    def weights(self) -> Mapping[str, Mapping[str, float]]:
        """Terms and their weights, by language."""
        raise NotImplementedError

    def fingerprint(self) -> str:
        words = hashlib.blake2b(repr(sorted(self.weights().items())).encode(), digest_size=16).hexdigest()
        return words + self._judge.fingerprint()

    def open(self) -> None:
        self._terms = {language: Terms(weights) for language, weights in self.weights().items()}
        self._judge.open()

    def _lexical(self, text: str, language: str | None) -> tuple[float, int, int]:
        """Score, terms, different terms. A variety without a list of its own (`de-AT`) has its language's; a language
        without one is asked for English words."""
        asked = language or "en"
        terms = self._terms.get(asked) or self._terms.get(asked.partition("-")[0], self._terms["en"])
        found, weight, n_words = terms.count(text)
        rate = 1000 * weight / max(n_words, MIN_WORDS)
        return 1 - math.exp(-rate / self.scale), found.total(), len(found)

    def measure(self, batch: pa.RecordBatch, shared: Shared) -> pa.StructArray:
        texts = [text or "" for text in batch.column("text").to_pylist()]
        answers = self._judge.scores(batch.column("text"))
        judged = self._judged(batch, shared).rows if self._asked.level == "sentence" else [None] * len(texts)
        rows = [
            self._signals(text, language, answer, sentences)
            for text, language, answer, sentences in zip(texts, _languages(batch), answers, judged, strict=True)
        ]
        return pa.array(rows, SIGNALS)

    def _signals(
        self, text: str, language: str | None, answer: float | None, sentences: _Sentences | None
    ) -> dict[str, Any]:
        words, terms, distinct = self._lexical(text, language)
        worst = 0.0
        if sentences is not None:
            worst = sentences.worst
        elif terms:
            worst = max((self._lexical(sentence, language)[0] for sentence in sentences_of(text)), default=0.0)
        if distinct < self._asked.min_distinct and self._asked.level == "document":
            words = min(words, self._asked.max_score)
        return {
            "score": words if answer is None else answer,
            "words": words,
            "model": answer,
            "terms": terms,
            "distinct": distinct,
            "worst_sentence": worst,
            "removed_sentences": 0 if sentences is None else sentences.removed,
        }

    def _judged(self, batch: pa.RecordBatch, shared: Shared) -> _Batch:
        """What the sentences of each text come to: found once, for the signals and for the edit."""
        return shared.get(f"sentences:{self.label}", lambda: _Batch(self._judge_sentences(batch)))

    def _judge_sentences(self, batch: pa.RecordBatch) -> list[_Sentences]:
        by_text = [sentences_of(text or "") for text in batch.column("text").to_pylist()]
        answers = iter(self._judge.scores(list(chain.from_iterable(by_text))))
        limit = self._judge.limit("sentence") if self._judge.there else 1.0
        rows = []
        for sentences, language in zip(by_text, _languages(batch), strict=True):
            worst, left = 0.0, []
            for sentence in sentences:
                words, answer = self._lexical(sentence, language)[0], next(answers)
                worst = max(worst, words if answer is None else answer)
                if words <= self._asked.max_score and (answer is None or answer <= limit):
                    left.append(sentence)
            removed = len(sentences) - len(left)
            rows.append(_Sentences(worst, removed, "".join(left) if removed else None))
        return rows

    def rules(self) -> Sequence[Rule]:
        if self._asked.level == "sentence":
            return ()
        words = Rule(f"{self.name}_words", "words", "<=", self._asked.max_score, "max_score")
        return (words, *self._judge.rules())

    def edit(self, batch: pa.RecordBatch, shared: Shared) -> pa.RecordBatch:
        """At sentence level, the texts without the sentences above a limit."""
        if self._asked.level != "sentence" or self._asked.mode == "annotate":
            return batch
        left = [each.left for each in self._judged(batch, shared).rows]
        column = batch.column("text")
        texts = [text if kept is None else kept for text, kept in zip(column.to_pylist(), left, strict=True)]
        return with_column(batch, "text", pa.array(texts, column.type))


@dataclass(frozen=True)
class _Sentences:
    """Of one text: the score of its worst sentence (the model's, else the words'), how many are to go, and what is
    left of it then; None if none goes."""

    worst: float
    removed: int
    left: str | None


@dataclass(frozen=True)
class _Batch:
    """Of the texts of a batch, following it when rows leave."""

    rows: list[_Sentences]

    def filter(self, mask: pa.Array) -> _Batch:
        return _Batch([row for row, stays in zip(self.rows, mask.to_pylist(), strict=True) if stays])


def _languages(batch: pa.RecordBatch) -> list[str | None]:
    """The documents' languages, null where no stage has found them."""
    index = batch.schema.get_field_index("language")
    return [None] * batch.num_rows if index < 0 else cast("list[str | None]", batch.column(index).to_pylist())


class NsfwParameters(TextSafetyParameters):
    """Parameters of `nsfw`."""

    model: str = model_parameter("nsfw")


class Nsfw(TextSafety):
    """Sexual and profane text, by a model and by the words of LDNOOBW in the document's language."""

    name = "nsfw"
    Parameters = NsfwParameters
    scale = 20.0

    def weights(self) -> Mapping[str, Mapping[str, float]]:
        plain = plain_words()
        slurs = {row[0] for row in read_table(DATA / "slurs_en.tsv")}
        lists: dict[str, dict[str, float]] = {}
        for language, term in read_table(DATA / "ldnoobw.tsv"):
            if term not in slurs or language != "en":
                lists.setdefault(language, {})[term] = PLAIN_WEIGHT if term in plain else 1.0
        for language in [name for name in lists if "-" in name]:
            lists[language] |= lists[language.partition("-")[0]]
        return lists


class ToxicParameters(TextSafetyParameters):
    """Parameters of `toxic`."""

    model: str = model_parameter("toxic")


class Toxic(TextSafety):
    """Hateful and offensive text, by a model and by slurs and insults weighed by their severity. English alone."""

    name = "toxic"
    Parameters = ToxicParameters
    scale = 20.0

    def weights(self) -> Mapping[str, Mapping[str, float]]:
        plain = plain_words()
        weights = {
            term: PLAIN_WEIGHT if term in plain else float(severity) / 3
            for term, severity in read_table(DATA / "slurs_en.tsv")
        }
        return {"en": weights}
