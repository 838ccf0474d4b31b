"""`spam`: doorway and keyword-stuffed pages, by how often they say the same commercial thing, and by a classifier.

Four measures, each a fraction: words of commercial spam, the most frequent content word, repeated word pairs, and
links. `words` is their weighted sum through a logistic; the weights were set by hand and measured on labelled sets.
A page goes by that or by the model.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, cast

import pyarrow as pa

from curate.stage import MapStage, Rule, Shared, parameter
from curate.stages.safety.judge import Judge, JudgeParameters, model_parameter, precision_parameter
from curate.stages.safety.terms import DATA, Terms, read_table, words_of_text

MAX_CHARACTERS = 50_000
"""Of a text looked at: spam says what it is early."""
MIN_WORDS = 30
_LINK = re.compile(
    r"https?://|www\.|\]\(|\b[a-z0-9-]{3,40}\.(?:com|net|org|xyz|info|online|site|top|club|shop)\b", re.I
)

SIGNALS = pa.struct(
    [
        ("score", pa.float64()),
        ("words", pa.float64()),
        ("model", pa.float64()),
        ("commercial", pa.float64()),
        ("commercial_distinct", pa.int32()),
        ("top_word", pa.float64()),
        ("repeated_pairs", pa.float64()),
        ("links", pa.float64()),
    ]
)
BIAS, COMMERCIAL, DISTINCT, TOP_WORD, PAIRS, LINKS = -6.0, 40.0, 0.25, 15.0, 2.0, 10.0
"""Weights of the logistic, in the order of the signals. Set by hand."""


class SpamParameters(JudgeParameters):
    model: str = model_parameter("spam")
    precision: float = precision_parameter(0.9)
    max_score: float = parameter(
        0.5, "score of the words above which a page is spam", role="decide", ge=0, le=1, source="docs/results.md"
    )


class Spam(MapStage):
    """Drops doorway and keyword-stuffing pages.

    Signals: `score` (the model's, or the words' without one), `words` and what it is made of, as fractions of the
    page's words, and `model`."""

    name = "spam"
    Parameters = SpamParameters
    distributions = ("fasttext-numpy2-wheel",)

    def __init__(self, parameters: SpamParameters, label: str | None = None) -> None:
        super().__init__(parameters, label)
        self._judge = Judge(parameters, self.name)

    def writes(self) -> tuple[str, ...]:
        return (self.label,)

    def fingerprint(self) -> str:
        words = hashlib.blake2b((DATA / "spam_words.txt").read_bytes(), digest_size=16).hexdigest()
        return words + self._judge.fingerprint()

    def open(self) -> None:
        self._terms = Terms({row[0]: 1.0 for row in read_table(DATA / "spam_words.txt")})
        self._judge.open()

    def measure(self, batch: pa.RecordBatch, shared: Shared) -> pa.StructArray:
        texts = [(text or "")[:MAX_CHARACTERS] for text in batch.column("text").to_pylist()]
        answers = self._judge.scores(texts)
        return pa.array([self._signals(text, answer) for text, answer in zip(texts, answers, strict=True)], SIGNALS)

    def _signals(self, text: str, answer: float | None) -> dict[str, Any]:
        found, weight, _ = self._terms.count(text)
        words = words_of_text(text)
        n = max(len(words), MIN_WORDS)
        content = Counter(word for word in words if len(word) > 3)
        pairs = Counter(pairwise(words))
        top = content.most_common(1)[0][1] if content else 0
        repeated = sum(count for count in pairs.values() if count > 2)
        commercial, top_word, repeated_pairs = weight / n, top / n, repeated / n
        links = len(_LINK.findall(text)) / n
        logit = (
            BIAS
            + COMMERCIAL * min(commercial, 0.2)
            + DISTINCT * min(len(found), 12)
            + TOP_WORD * min(top_word, 0.2) * (commercial > 0)
            + PAIRS * min(repeated_pairs, 1.0) * (commercial > 0)
            + LINKS * min(links, 0.1) * (commercial > 0)
        )
        by_words = 1 / (1 + math.exp(-logit))
        return {
            "score": by_words if answer is None else answer,
            "words": by_words,
            "model": answer,
            "commercial": commercial,
            "commercial_distinct": len(found),
            "top_word": top_word,
            "repeated_pairs": repeated_pairs,
            "links": links,
        }

    def rules(self) -> Sequence[Rule]:
        limit = cast(SpamParameters, self.parameters).max_score
        return (Rule("spam_words", "words", "<=", limit, "max_score"), *self._judge.rules())
