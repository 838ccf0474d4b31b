"""Which document of a cluster stays: the order given by `keep`, made total by the id.

`keep` is text such as "max quality.score, max text_length, min date". It becomes sort columns, ascending, so
that the keeper is the first of its cluster wherever and in whatever order its members were met.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

TEXT_LENGTH = "text_length"
"""Characters of `text`, unless the documents have a column of that name."""

_TERM = re.compile(r"^(max|min)\s+([A-Za-z_][\w.]*)$")


@dataclass(frozen=True)
class Term:
    """One signal by which documents are ranked."""

    direction: Literal["max", "min"]
    path: str
    """A column, or `column.field` of a struct column."""


def parse_keep(keep: str) -> tuple[Term, ...] | None:
    """The terms of a `keep` expression; None for `best`, whose terms depend on the columns that are there.

    Raises ValueError for what is no such expression.
    """
    if keep == "best":
        return None
    if keep == "longest":
        return (Term("max", TEXT_LENGTH),)
    if keep == "earliest":
        return (Term("min", "date"),)
    terms = []
    for piece in keep.split(","):
        found = _TERM.match(piece.strip())
        if found is None:
            raise ValueError(
                f"keep: {piece.strip()!r} is no ranking; allowed are best, longest, earliest, or terms such as "
                "'max quality.score, max text_length, min date'"
            )
        terms.append(Term("max" if found[1] == "max" else "min", found[2]))
    return tuple(terms)


def resolve_keep(keep: str, schema: pa.Schema) -> tuple[Term, ...]:
    """The terms for documents of this schema. `best` is the highest quality.score where the recipe measured one,
    then the longest text, then the earliest date. Raises ValueError if a column is missing."""
    terms = parse_keep(keep)
    if terms is None:
        best = (Term("max", "quality.score"), Term("max", TEXT_LENGTH), Term("min", "date"))
        return tuple(term for term in best if _has(schema, term.path))
    for term in terms:
        if not _has(schema, term.path):
            raise ValueError(f"keep: the documents have no {term.path!r}; their columns are {', '.join(schema.names)}")
    return terms


def _has(schema: pa.Schema, path: str) -> bool:
    name, _, field = path.partition(".")
    if name == TEXT_LENGTH and TEXT_LENGTH not in schema.names:
        name = "text"
    if name not in schema.names:
        return False
    kind = schema.field(name).type
    return not field or (pa.types.is_struct(kind) and kind.get_field_index(field) >= 0)


def keep_columns(terms: tuple[Term, ...], schema: pa.Schema) -> list[str]:
    """The document columns that the terms read."""
    names = []
    for term in terms:
        name = term.path.partition(".")[0]
        names.append("text" if name == TEXT_LENGTH and TEXT_LENGTH not in schema.names else name)
    return list(dict.fromkeys(names))


def rank_columns(batch: pa.RecordBatch, terms: tuple[Term, ...]) -> list[pa.Array]:
    """One array a term, whose ascending order is the order of preference; nulls come last."""
    out = []
    for term in terms:
        name, _, field = term.path.partition(".")
        if name == TEXT_LENGTH and TEXT_LENGTH not in batch.schema.names:
            values = pc.utf8_length(batch.column("text"))
        else:
            values = batch.column(name)
            if field:
                values = pc.struct_field(values, field)
        if pa.types.is_string(values.type) or pa.types.is_large_string(values.type):
            if term.direction == "max":
                raise ValueError(f"keep: {term.path} is text, which can be ranked by min alone")
            out.append(pc.fill_null(values.cast(pa.string()), "\U0010ffff"))
            continue
        if pa.types.is_temporal(values.type):
            values = values.cast(pa.int64())
        numbers = pc.fill_null(values.cast(pa.float64()), float("nan")).to_numpy(zero_copy_only=False)
        ranked = -numbers if term.direction == "max" else numbers
        out.append(pa.array(np.where(np.isnan(ranked), np.inf, ranked) + 0.0))
    return out
