"""`language`: which language a document is in, how sure that is, and its script; for mixed pages also the share of each
language by paragraphs. It keeps the languages asked for.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import field_validator, model_validator

from curate.kernels.automaton import script_counts
from curate.stage import FilterParameters, MapStage, Rule, Shared, parameter, with_column
from curate.stages.language.codes import SCRIPTS, UNDETERMINED, code, known, main_scripts, script_table
from curate.stages.language.engines import MAX_CHARACTERS, load_engine
from curate.stages.language.ngrams import FILE
from curate.stages.quality.fasttext_model import ModelError
from curate.stages.words import utf8_buffers

SHARES = pa.list_(pa.struct([("language", pa.string()), ("share", pa.float64())]))
MIN_PARAGRAPH = 40
"""Characters from which on a paragraph is asked for its language; shorter ones are menus and names."""


class LanguageParameters(FilterParameters):
    """Parameters of `language`."""

    keep: list[str] = parameter(
        [],
        "languages to keep: ISO 639-1 (en) or 639-3 (eng), or all of them with a script (srp_Latn); none given: all",
        role="decide",
    )
    min_score: float = parameter(
        0.65, "least probability of the language", role="decide", source="FineWeb (datatrove fineweb.py)", ge=0, le=1
    )
    engine: Literal["ngrams", "py3langid", "resiliparse", "fasttext"] = parameter(
        "ngrams", "`ngrams`: py3langid's model, compiled and extended; `fasttext`: the file that `model` names"
    )
    model: str | None = parameter(None, "path of a fastText language model, such as lid.176.ftz; for engine: fasttext")
    paragraphs: bool = parameter(False, "also write `languages`: the share of each language by paragraphs")
    min_share: float = parameter(
        0.0, "least share of the text in paragraphs of its language; needs `paragraphs`", role="decide", ge=0, le=1
    )

    @field_validator("keep")
    @classmethod
    def _are_languages(cls, value: list[str]) -> list[str]:
        named = [known(each) for each in value]
        scripts = sum("_" in each for each in named)
        if scripts not in (0, len(named)):
            raise ValueError(f"{value}: either all languages are named with a script or none is")
        return named

    @model_validator(mode="after")
    def _belong_together(self) -> LanguageParameters:
        if (self.engine == "fasttext") != (self.model is not None):
            raise ValueError("engine: fasttext and model: PATH belong together; give both or neither")
        if self.min_share and not self.paragraphs:
            raise ValueError("min_share needs paragraphs: true")
        return self


class Language(MapStage):
    """Writes `language` (ISO 639-1 where it has a code, else 639-3), `language_score` and `language_code` (ISO 639-3
    and 15924: eng_Latn), with `paragraphs` also `languages`; keeps the languages asked for."""

    name = "language"
    Parameters = LanguageParameters
    distributions = ("py3langid", "resiliparse", "fasttext-numpy2-wheel")
    parameters: LanguageParameters

    def writes(self) -> tuple[str, ...]:
        columns = ("language", "language_score", "language_code")
        return (*columns, "languages") if self.parameters.paragraphs else columns

    def fingerprint(self) -> str:
        path = FILE if self.parameters.model is None else Path(self.parameters.model)
        if not path.is_file():
            raise ModelError(f"language: model: no file {path}; a fastText language model is needed")
        return hashlib.sha256(path.read_bytes()).hexdigest()

    def open(self) -> None:
        self._engine = load_engine(self.parameters.engine, self.parameters.model)
        self._script_table = script_table()

    def measure(self, batch: pa.RecordBatch, shared: Shared) -> pa.StructArray:
        texts = pc.fill_null(batch.column("text"), "")
        languages, scores = self._engine.identify(texts)
        codes = [code(name, script) for name, script in zip(languages, self._scripts(texts), strict=True)]
        columns = [pa.array(languages, pa.string()), pa.array(scores, pa.float64()), pa.array(codes, pa.string())]
        names = ["language", "score", "code"]
        if self.parameters.paragraphs:
            shares = self._shares(texts)
            own = [dict(each).get(name, 0.0) if each else None for each, name in zip(shares, languages, strict=True)]
            listed = [[{"language": name, "share": share} for name, share in each] for each in shares]
            columns += [pa.array(listed, SHARES), pa.array(own, pa.float64())]
            names += ["languages", "share"]
        return pa.StructArray.from_arrays(columns, names=names)

    def _scripts(self, texts: pa.Array) -> list[str | None]:
        data, offsets = utf8_buffers(pc.utf8_slice_codeunits(texts, 0, MAX_CHARACTERS))
        counts = np.zeros((len(texts), len(SCRIPTS)), dtype=np.int64)
        script_counts(data, offsets[:-1], offsets[1:], self._script_table, counts)
        return main_scripts(counts)

    def _shares(self, texts: pa.Array) -> list[list[tuple[str, float]]]:
        """Of each text, its languages by paragraphs (lines of enough characters), largest share first."""
        rows, lines = [], []
        for row, text in enumerate(texts.to_pylist()):
            for line in text.split("\n"):
                if len(line.strip()) >= MIN_PARAGRAPH:
                    rows.append(row)
                    lines.append(line)
        found, _ = self._engine.identify(pa.array(lines, pa.string()))
        sums: list[dict[str, int]] = [{} for _ in range(len(texts))]
        for row, line, language in zip(rows, lines, found, strict=True):
            if language != UNDETERMINED:
                sums[row][language] = sums[row].get(language, 0) + len(line)
        return [
            sorted(((name, n / sum(each.values())) for name, n in each.items()), key=lambda pair: (-pair[1], pair[0]))
            for each in sums
        ]

    def attach(self, batch: pa.RecordBatch, signals: pa.StructArray) -> pa.RecordBatch:
        for column, field in _COLUMNS.items():
            if signals.type.get_field_index(field) >= 0:
                batch = with_column(batch, column, signals.field(field))
        return batch

    def signals(self, batch: pa.RecordBatch) -> pa.StructArray | None:
        if "language_score" not in batch.schema.names:
            return None
        there = {column: field for column, field in _COLUMNS.items() if column in batch.schema.names}
        columns, names = [batch.column(column) for column in there], list(there.values())
        if self.parameters.paragraphs and "languages" in there:
            pairs = zip(batch.column("languages").to_pylist(), batch.column("language").to_pylist(), strict=True)
            own = [
                next((s["share"] for s in each if s["language"] == name), 0.0) if each else None for each, name in pairs
            ]
            columns, names = [*columns, pa.array(own, pa.float64())], [*names, "share"]
        return pa.StructArray.from_arrays(columns, names=names)

    def rules(self) -> list[Rule]:
        p = self.parameters
        with_scripts = any("_" in each for each in p.keep)
        field = "code" if with_scripts else "language"
        rules = [Rule("language", field, "in", tuple(p.keep), "keep")] if p.keep else []
        rules.append(Rule("language_score", "score", ">=", p.min_score, "min_score"))
        if p.min_share:
            rules.append(Rule("mixed_languages", "share", ">=", p.min_share, "min_share"))
        return rules


_COLUMNS = {"language": "language", "language_score": "score", "language_code": "code", "languages": "languages"}
"""Column of the documents → field of the signals."""
