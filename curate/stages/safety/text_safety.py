"""`nsfw` and `toxic`: obscene and hateful text, by word lists.

A text's lexical score is 1 − exp(−rate / scale): `rate` is the weight of its listed terms a thousand words, so that a
novel with a curse stays and a page of nothing else falls. Words with plain uses (medicine, news, LGBTQ+ life,
dialect) weigh a tenth.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal, cast

import pyarrow as pa

from curate.stage import FilterParameters, MapStage, Resources, Rule, Shared, parameter
from curate.stages.safety.terms import DATA, PLAIN_WEIGHT, Terms, plain_words, read_table

MIN_WORDS = 40
"""A shorter text is scored as if it had this many words: one word of three is no rate."""
_SENTENCE = re.compile(r"[^\n.!?。！？]*(?:[.!?。！？]+[\"'”’)]*|\n|$)\s*")

SIGNALS = pa.struct(
    [
        ("score", pa.float64()),
        ("terms", pa.int32()),
        ("distinct", pa.int32()),
        ("worst_sentence", pa.float64()),
        ("removed_sentences", pa.int32()),
    ]
)


class TextSafetyParameters(FilterParameters):
    level: Literal["document", "sentence"] = parameter(
        "document", "`document` drops a document above `max_score`; `sentence` removes its sentences above it instead"
    )
    max_score: float = parameter(
        0.5, "score above which a document (or a sentence) goes", role="decide", ge=0, le=1, source="docs/results.md"
    )
    min_distinct: int = parameter(
        2, "different terms that a document must have to be dropped by words alone", ge=1, source="docs/results.md"
    )


class TextSafety(MapStage):
    """Signals: `score`, `terms` and `distinct` (listed terms met), `worst_sentence` (its score)."""

    Parameters = TextSafetyParameters
    resources = Resources(memory_mb=512)
    changes_text = True
    scale: ClassVar[float]
    """The rate, in weight a thousand words, at which the score is 1 − 1/e."""

    @property
    def _asked(self) -> TextSafetyParameters:
        return cast(TextSafetyParameters, self.parameters)

    def writes(self) -> tuple[str, ...]:
        return (self.label,)

    def weights(self) -> Mapping[str, Mapping[str, float]]:
        """Terms and their weights, by language."""
        raise NotImplementedError

    def fingerprint(self) -> str:
        return hashlib.blake2b(repr(sorted(self.weights().items())).encode(), digest_size=16).hexdigest()

    def open(self) -> None:
        self._terms = {language: Terms(weights) for language, weights in self.weights().items()}

    def _lexical(self, text: str, language: str | None) -> tuple[float, int, int]:
        """Score, terms, different terms. A language without a list of its own is asked for English words."""
        terms = self._terms.get(language or "en", self._terms["en"])
        found, weight, n_words = terms.count(text)
        rate = 1000 * weight / max(n_words, MIN_WORDS)
        return 1 - math.exp(-rate / self.scale), found.total(), len(found)

    def measure(self, batch: pa.RecordBatch, shared: Shared) -> pa.StructArray:
        languages = _languages(batch)
        rows = [
            self._signals(text or "", language)
            for text, language in zip(batch.column("text").to_pylist(), languages, strict=True)
        ]
        return pa.array(rows, SIGNALS)

    def _signals(self, text: str, language: str | None) -> dict[str, Any]:
        score, terms, distinct = self._lexical(text, language)
        worst = 0.0
        removed = 0
        if terms:
            scores = [self._lexical(sentence, language)[0] for sentence in _SENTENCE.findall(text) if sentence]
            worst = max(scores, default=0.0)
            removed = sum(value > self._asked.max_score for value in scores)
        if distinct < self._asked.min_distinct and self._asked.level == "document":
            score = min(score, self._asked.max_score)
        return {
            "score": score,
            "terms": terms,
            "distinct": distinct,
            "worst_sentence": worst,
            "removed_sentences": removed if self._asked.level == "sentence" else 0,
        }

    def rules(self) -> Sequence[Rule]:
        if self._asked.level == "sentence":
            return ()
        return (Rule(f"{self.name}_score", "score", "<=", self._asked.max_score, "max_score"),)

    def edit(self, batch: pa.RecordBatch, shared: Shared) -> pa.RecordBatch:
        """At sentence level, the texts without the sentences above `max_score`."""
        if self._asked.level != "sentence" or self._asked.mode == "annotate":
            return batch
        signals = batch.column(self.label).field("removed_sentences").to_pylist()
        languages = _languages(batch)
        texts = batch.column("text").to_pylist()
        for row, removed in enumerate(signals):
            if removed:
                kept = [
                    sentence
                    for sentence in _SENTENCE.findall(texts[row])
                    if self._lexical(sentence, languages[row])[0] <= self._asked.max_score
                ]
                texts[row] = "".join(kept)
        index = batch.schema.get_field_index("text")
        return batch.set_column(index, "text", pa.array(texts, batch.column("text").type))


def _languages(batch: pa.RecordBatch) -> list[str | None]:
    """The documents' languages, null where no stage has found them."""
    index = batch.schema.get_field_index("language")
    return [None] * batch.num_rows if index < 0 else cast("list[str | None]", batch.column(index).to_pylist())


class Nsfw(TextSafety):
    """Obscene text, by the words of LDNOOBW in the document's language."""

    name = "nsfw"
    scale = 20.0

    def weights(self) -> Mapping[str, Mapping[str, float]]:
        plain = plain_words()
        slurs = {row[0] for row in read_table(DATA / "slurs_en.tsv")}
        lists: dict[str, dict[str, float]] = {}
        for language, term in read_table(DATA / "ldnoobw.tsv"):
            if term not in slurs or language != "en":
                lists.setdefault(language, {})[term] = PLAIN_WEIGHT if term in plain else 1.0
        return lists


class Toxic(TextSafety):
    """Slurs and insults by group, weighed by their severity. English alone."""

    name = "toxic"
    scale = 20.0

    def weights(self) -> Mapping[str, Mapping[str, float]]:
        plain = plain_words()
        weights = {
            term: PLAIN_WEIGHT if term in plain else float(severity) / 3
            for term, severity in read_table(DATA / "slurs_en.tsv")
        }
        return {"en": weights}
