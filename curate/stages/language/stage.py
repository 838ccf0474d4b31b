"""Language: a fast guess on the raw page before extraction, and the decision on the extracted text.

The guess (Resiliparse, 0.04 ms) drops only what is surely in another language, so that an extraction at a hundred
times its cost is not spent on it. The decision (py3langid's naive Bayes over byte n-grams) gives the language and
its probability as columns and drops what is not asked for.
"""

from __future__ import annotations

import pyarrow as pa

from curate.stage import FilterParameters, MapStage, Rule, Shared, parameter, with_column

MAX_CHARACTERS = 4_000
"""Text beyond this changes the cost, hardly the decision."""


class LanguageParameters(FilterParameters):
    """Parameters of `language`."""

    keep: list[str] = parameter([], "languages to keep, ISO 639-1; none given: all", role="decide")
    min_score: float = parameter(
        0.65, "least probability of the language", role="decide", source="FineWeb (datatrove fineweb.py)", ge=0, le=1
    )


class Language(MapStage):
    """Writes the columns `language` and `language_score`; keeps the languages asked for."""

    name = "language"
    Parameters = LanguageParameters
    distributions = ("py3langid",)
    parameters: LanguageParameters

    def writes(self) -> tuple[str, ...]:
        return ("language", "language_score")

    def open(self) -> None:
        from py3langid.langid import MODEL_FILE, LanguageIdentifier

        self._identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)

    def measure(self, batch: pa.RecordBatch, shared: Shared) -> pa.StructArray:
        languages: list[str] = []
        scores: list[float] = []
        for text in batch.column("text").to_pylist():
            language, score = self._identifier.classify((text or "")[:MAX_CHARACTERS])
            languages.append(str(language))
            scores.append(float(score))
        return pa.StructArray.from_arrays(
            [pa.array(languages, pa.string()), pa.array(scores, pa.float64())], names=["language", "score"]
        )

    def attach(self, batch: pa.RecordBatch, signals: pa.StructArray) -> pa.RecordBatch:
        batch = with_column(batch, "language", signals.field("language"))
        return with_column(batch, "language_score", signals.field("score"))

    def signals(self, batch: pa.RecordBatch) -> pa.StructArray | None:
        if "language_score" not in batch.schema.names:
            return None
        columns = [batch.column("language"), batch.column("language_score")]
        return pa.StructArray.from_arrays(columns, names=["language", "score"])

    def rules(self) -> list[Rule]:
        p = self.parameters
        rules = [Rule("language", "language", "in", tuple(p.keep), "keep")] if p.keep else []
        return [*rules, Rule("language_score", "score", ">=", p.min_score, "min_score")]
