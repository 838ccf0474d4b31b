"""`pii`: finds personal data and secrets, and replaces, removes or only notes them, or drops the document.

Spans are characters of the text that the document leaves with: under `annotate` and `drop` those of the original,
under `replace` those of the placeholders, under `redact` empty spans where something was. What was found is never
written anywhere else: the column holds types, places and scores alone.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from typing import Any, Literal, cast

import pyarrow as pa

from curate.stage import MapStage, Resources, Rule, Scrubber, Shared, StageParameters, parameter, with_column
from curate.stages.privacy import recognizers
from curate.stages.privacy.detector import TYPES, Detector, Span
from curate.stages.privacy.surrogates import Surrogates, placeholder

KEY_VARIABLE = "CURATE_PII_KEY"

SPANS = pa.list_(
    pa.struct([("type", pa.string()), ("start", pa.int32()), ("end", pa.int32()), ("score", pa.float32())])
)
SIGNALS = pa.struct([("spans", SPANS), ("count", pa.int32()), ("density", pa.float32())])
"""`density`: the fraction of the original text's characters that are in spans."""


class PiiParameters(StageParameters):
    mode: Literal["replace", "redact", "drop", "annotate"] = parameter(
        "replace",
        "`replace` each finding by a placeholder or a surrogate, `redact` it away, `drop` documents above "
        "`max_density`, or only `annotate`",
        role="edit",
    )
    types: tuple[str, ...] = parameter(
        TYPES, "what is looked for", source="presidio-analyzer's names; SECRET is a password, key or token"
    )
    min_score: float = parameter(
        0.4,
        "findings scored lower are ignored",
        source="presidio-analyzer: the score of a phone number, and the least score with a context word",
        ge=0,
        le=1,
    )
    countries: tuple[str, ...] = parameter(
        (), "countries whose national ids are looked for too: `us`, `uk`, `de`, `in`, … (presidio-analyzer's)"
    )
    phone_regions: tuple[str, ...] = parameter(
        recognizers.PhoneNumbers.REGIONS,
        "regions whose national phone numbers are looked for; international ones (+…) always are",
        unit="ISO 3166-1",
        source="presidio-analyzer PhoneRecognizer",
    )
    public_ips_only: bool = parameter(
        True, "leave addresses that are not globally routable", source="datatrove PIIFormatter"
    )
    ner_model: str | None = parameter(
        None, "an installed spaCy pipeline (name or folder) that finds persons and places; nothing is downloaded"
    )
    replacement: Literal["placeholder", "surrogate"] = parameter(
        "placeholder",
        f"`placeholder`: <TYPE>. `surrogate`: a fake of the same form, the same for the same value and ${KEY_VARIABLE}",
        role="edit",
    )
    columns: tuple[str, ...] = parameter(
        ("text", "title"), "columns that are replaced or redacted, where a document has them", role="edit"
    )
    max_density: float = parameter(
        0.1, "under `drop`, the fraction of characters in findings that a document may have", role="decide", ge=0, le=1
    )


class Pii(MapStage):
    """Finds personal data and secrets, and replaces, redacts or counts them.

    Signals: `spans` (type, start, end, score), `count`, `density`."""

    name = "pii"
    Parameters = PiiParameters
    distributions = ("presidio-analyzer", "phonenumbers", "tldextract")
    resources = Resources(memory_mb=1024)
    changes_text = True

    @property
    def _asked(self) -> PiiParameters:
        return cast(PiiParameters, self.parameters)

    def writes(self) -> tuple[str, ...]:
        return (self.label,)

    def fingerprint(self) -> str:
        """Of the key, when there is one: its hash, from which it cannot be had back if it is long enough."""
        if self._asked.replacement != "surrogate":
            return ""
        return hashlib.blake2b(self._key(), digest_size=16, person=b"curate-pii").hexdigest()

    @staticmethod
    def _key() -> bytes:
        key = os.environ.get(KEY_VARIABLE, "")
        if len(key) < 16:
            raise ValueError(
                f"replacement: surrogate needs a key of at least 16 characters in ${KEY_VARIABLE}; found {len(key)}"
            )
        return key.encode()

    def open(self) -> None:
        asked = self._asked
        unknown = sorted(set(asked.types) - set(TYPES))
        if unknown:
            raise ValueError(f"types: {', '.join(unknown)} not known; allowed: {', '.join(TYPES)}")
        self._detector = Detector(
            asked.types,
            min_score=asked.min_score,
            countries=asked.countries,
            phone_regions=asked.phone_regions,
            public_ips_only=asked.public_ips_only,
            ner_model=asked.ner_model,
        )
        fake: Callable[[str, str], str] = lambda type_, value: placeholder(type_)  # noqa: E731
        self._stand_in = Surrogates(self._key()) if asked.replacement == "surrogate" else fake

    def measure(self, batch: pa.RecordBatch, shared: Shared) -> pa.StructArray:
        texts = batch.column("text")
        lengths = pa.compute.utf8_length(texts).to_pylist()
        return _signals(self._detector.find(texts), lengths)

    def rules(self) -> Sequence[Rule]:
        if self._asked.mode != "drop":
            return ()
        return (Rule("personal_data", "density", "<=", self._asked.max_density, "max_density"),)

    def edit(self, batch: pa.RecordBatch, shared: Shared) -> pa.RecordBatch:
        """The batch with findings replaced in every column that is asked for; `spans` point at what now stands
        in the text."""
        if self._asked.mode not in ("replace", "redact"):
            return batch
        for column in self._asked.columns:
            if column == "text" or batch.schema.get_field_index(column) < 0:
                continue
            found = self._detector.find(batch.column(column))
            batch = with_column(batch, column, self._rewritten(batch.column(column), found)[0])
        if "text" not in self._asked.columns:
            return batch
        signals = batch.column(self.label)
        texts, moved = self._rewritten(batch.column("text"), _spans(signals.field("spans")))
        fields = [_span_array(moved), signals.field("count"), signals.field("density")]
        batch = with_column(batch, "text", texts)
        return with_column(batch, self.label, pa.StructArray.from_arrays(fields, fields=list(SIGNALS)))

    def scrubber(self) -> Scrubber | None:
        """Under `replace` and `redact` nothing that the stage finds stays anywhere in a run's folder."""
        if self._asked.mode not in ("replace", "redact"):
            return None
        return lambda values: self._rewritten(values, self._detector.find(values))[0]

    def scrubbed(self) -> tuple[str, ...]:
        return self._asked.columns if self._asked.mode in ("replace", "redact") else ()

    def _rewritten(self, texts: pa.Array, found: list[list[Span]]) -> tuple[pa.Array, list[list[Span]]]:
        """The texts with the spans replaced or removed, and the spans where they are then."""
        if not any(found):
            return texts, found
        values = texts.to_pylist()
        moved: list[list[Span]] = []
        for row, spans in enumerate(found):
            if spans:
                values[row], places = self._rewrite(values[row], spans)
                moved.append(places)
            else:
                moved.append([])
        return pa.array(values, texts.type), moved

    def _rewrite(self, text: str, spans: list[Span]) -> tuple[str, list[Span]]:
        pieces: list[str] = []
        places: list[Span] = []
        copied, length = 0, 0
        for span in spans:
            before = text[copied : span.start]
            new = "" if self._asked.mode == "redact" else self._stand_in(span.type, text[span.start : span.end])
            pieces += (before, new)
            start = length + len(before)
            places.append(Span(span.type, start, start + len(new), span.score))
            length = start + len(new)
            copied = span.end
        pieces.append(text[copied:])
        return "".join(pieces), places


def _signals(found: list[list[Span]], lengths: list[int | None]) -> pa.StructArray:
    count = pa.array([len(spans) for spans in found], pa.int32())
    density = [
        sum(span.end - span.start for span in spans) / length if length else 0.0
        for spans, length in zip(found, lengths, strict=True)
    ]
    return pa.StructArray.from_arrays(
        [_span_array(found), count, pa.array(density, pa.float32())], fields=list(SIGNALS)
    )


def _span_array(found: list[list[Span]]) -> pa.Array:
    """Built from columns: a batch has thousands of rows and few spans."""
    flat = [span for spans in found for span in spans]
    offsets = [0]
    for spans in found:
        offsets.append(offsets[-1] + len(spans))
    columns = [
        pa.array([span.type for span in flat], pa.string()),
        pa.array([span.start for span in flat], pa.int32()),
        pa.array([span.end for span in flat], pa.int32()),
        pa.array([span.score for span in flat], pa.float32()),
    ]
    structs = pa.StructArray.from_arrays(columns, fields=list(SPANS.value_type))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), structs)


def _spans(column: pa.Array) -> list[list[Span]]:
    rows: list[list[dict[str, Any]] | None] = column.to_pylist()
    return [[Span(s["type"], s["start"], s["end"], s["score"]) for s in row or ()] for row in rows]
