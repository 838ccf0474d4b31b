"""Thresholds for each language, decided over signals that earlier stages measured.

English thresholds misjudge other languages: words are longer, stop words are others. So FineWeb2 (Penedo et al.
2025, https://arxiv.org/abs/2506.20920) takes each language's thresholds from the distribution of a reference corpus.
`python -m curate calibrate` makes such a table; the measuring stages stand before this one, in `mode: annotate`.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute as pc

from curate.expressions import signal
from curate.stage import VERDICTS, FilterParameters, MapStage, Outcome, Shared, as_text, parameter

Limits = dict[str, dict[str, list[float | None]]]
"""Language → signal, such as gopher_quality.mean_word_length → the least and the most, null for no limit."""


class LanguageThresholdsParameters(FilterParameters):
    table: str = parameter(doc="JSON file that `python -m curate calibrate` wrote")
    unknown_language: str = parameter(
        "keep", "`keep` or `drop` documents of a language that the table lacks", pattern="^(keep|drop)$"
    )


class LanguageThresholds(MapStage):
    """Drops documents whose signals lie outside what is usual in their language."""

    name = "language_thresholds"
    Parameters = LanguageThresholdsParameters
    reads: tuple[str, ...] = ("language",)  # type: ignore[misc]

    def __init__(self, parameters: LanguageThresholdsParameters, label: str | None = None) -> None:
        super().__init__(parameters, label)
        self._limits = read_table(Path(parameters.table))
        columns = {name.split(".")[0] for limits in self._limits.values() for name in limits}
        self.reads = ("language", *sorted(columns))

    def reads_signals(self) -> tuple[str, ...]:
        return tuple(sorted({name for limits in self._limits.values() for name in limits}))

    def fingerprint(self) -> str:
        return hashlib.sha256(json.dumps(self._limits, sort_keys=True).encode()).hexdigest()

    def process(self, batch: pa.RecordBatch, shared: Shared) -> Outcome:
        """The rule is the signal that lies outside, the first in the table's order."""
        p = cast(LanguageThresholdsParameters, self.parameters)
        if p.mode == "annotate":
            return Outcome(batch)
        languages = batch.column("language").to_pylist()
        names: list[str | None] = [None] * batch.num_rows
        found: list[str | None] = [None] * batch.num_rows
        wanted: list[str | None] = [None] * batch.num_rows
        for language in sorted({language for language in languages if language in self._limits}):
            rows = pc.equal(batch.column("language"), language)
            for name, (least, most) in self._limits[language].items():
                values = signal(batch, name)
                for limit, outside in ((least, pc.less), (most, pc.greater)):
                    if limit is None:
                        continue
                    failing = pc.fill_null(pc.and_(rows, outside(values, limit)), False)
                    for row in pc.indices_nonzero(failing).to_pylist():
                        if names[row] is None:
                            names[row], found[row], wanted[row] = name, as_text(values[row].as_py()), as_text(limit)
        if p.unknown_language == "drop":
            for row, language in enumerate(languages):
                if language not in self._limits:
                    names[row], found[row] = "unknown_language", language
        arrays = [
            *(pa.array(column, pa.string()) for column in (names, found, wanted)),
            pa.nulls(len(names), pa.string()),
        ]
        return Outcome(batch, pa.RecordBatch.from_arrays(arrays, schema=VERDICTS))


def read_table(path: Path) -> Limits:
    """The table in a file. ValueError names what is wrong with it."""
    try:
        table: Any = json.loads(path.read_text(encoding="utf-8"))
        limits = table["limits"]
        for language, signals in limits.items():
            for name, bounds in signals.items():
                if len(bounds) != 2 or "." not in name:
                    raise ValueError(f"{language}: {name}: {bounds}")
    except FileNotFoundError as error:
        raise ValueError(f"{path}: no such table; make one: python -m curate calibrate RUN --out {path}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{path}: no table of thresholds ({error}); it should be "
            '{"limits": {"de": {"gopher_quality.mean_word_length": [4.1, 8.2]}}}'
        ) from error
    return cast(Limits, limits)
