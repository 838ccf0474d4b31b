"""Whether each stage of a recipe will find what it reads: columns by what the stages before it write, signals by
letting the stage that measures them measure no document. Nothing of the input is read."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from curate.stage import MapStage, Shared, Stage


class MissingColumnError(ValueError):
    """A stage needs a column or a signal that nothing before it makes."""


def check_columns(stages: Sequence[Stage], schema: pa.Schema) -> None:
    """MissingColumnError if some stage would not find what it reads. `schema` is that of the input."""
    there = set(schema.names)
    before: dict[str, Stage] = {}
    for stage in stages:
        asked = stage.where.columns if stage.where is not None else ()
        missing = [name for name in (*stage.reads, *asked) if name not in there]
        if missing:
            raise MissingColumnError(
                f"stage {stage.label} reads the column {missing[0]!r}, which is not there at that point; "
                f"there are: {', '.join(sorted(there))}. Put the stage that makes it before {stage.label}"
            )
        _check_signals(stage, before, schema)
        there -= set(stage.removes())
        there |= {*stage.writes(), stage.label}
        before[stage.label] = stage


def _check_signals(stage: Stage, before: dict[str, Stage], schema: pa.Schema) -> None:
    fields: dict[str, list[str] | None] = {}
    asked = stage.where.signals if stage.where is not None else ()
    for name in (*stage.reads_signals(), *asked):
        column, _, field = name.partition(".")
        if column not in fields:
            measuring = before.get(column)
            fields[column] = _signals(measuring) if measuring is not None else _fields(schema, column)
        known = fields[column]
        if known is not None and field and field.split(".")[0] not in known:
            raise MissingColumnError(
                f"stage {stage.label} reads the signal {name!r}, which {column} does not have; "
                f"it has: {', '.join(known) or 'no fields'}"
            )


def _signals(stage: Stage) -> list[str] | None:
    """The fields that a stage measures; None where that cannot be told without documents."""
    if not isinstance(stage, MapStage):
        return None
    try:
        twin = type(stage)(stage.parameters, stage.label)  # what it loads stays out of the stage that goes to workers
        twin.open()
        nothing = pa.record_batch({name: pa.array([], pa.string()) for name in {"text", "language", *stage.reads}})
        measured = twin.process(nothing, Shared()).batch
    except Exception:
        return None  # it needs columns of a kind that only a run has
    return _fields(measured.schema, stage.label)


def _fields(schema: pa.Schema, column: str) -> list[str] | None:
    """The fields of a column; None where the schema does not have it."""
    if column not in schema.names:
        return None
    kind = schema.field(column).type
    return [kind.field(i).name for i in range(kind.num_fields)] if pa.types.is_struct(kind) else []
