"""Rules: thresholds over signals, whose answer is keep or drop, and the verdicts that they give."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import pyarrow as pa
import pyarrow.compute as pc

VERDICTS = pa.schema(
    [
        ("rule", pa.string()),  # null: kept
        ("value", pa.string()),
        ("threshold", pa.string()),
        ("duplicate_of", pa.string()),
    ]
)
"""One row for each row of a batch: the rule that dropped it (null where it was kept), the value that the rule
met, the threshold it asked for, and the id of the document that it duplicates."""


@dataclass(frozen=True)
class Rule:
    """Keep a document if `signal keep threshold`; a null signal never drops."""

    name: str
    """What the ledger says, such as `too_few_words`."""
    signal: str
    """A field of the stage's struct column."""
    keep: Literal[">=", "<=", ">", "<", "==", "!=", "in"]
    threshold: float | int | str | bool | Sequence[str]
    parameter: str | None = None
    """The stage's parameter that sets the threshold, for `what-if`."""

    def passes(self, values: pa.Array) -> pa.Array:
        """A boolean array, true where the document stays."""
        if self.keep == "in":
            allowed = pa.array(list(cast(Sequence[str], self.threshold)), type=values.type)
            ok = pc.or_(pc.is_in(values, value_set=allowed), pc.is_null(values))
        else:
            ok = _COMPARE[self.keep](values, self.threshold)
        return pc.fill_null(ok, True)


_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    ">=": pc.greater_equal,
    "<=": pc.less_equal,
    ">": pc.greater,
    "<": pc.less,
    "==": pc.equal,
    "!=": pc.not_equal,
}


def decide(signals: pa.StructArray, rules: Sequence[Rule]) -> pa.RecordBatch:
    """Verdicts of a batch: for each row the first rule, in order, that it fails.

    `signals` has one row a document; the answer has the schema VERDICTS and as many rows.
    """
    n = len(signals)
    names: list[str | None] = [None] * n
    found: list[str | None] = [None] * n
    wanted: list[str | None] = [None] * n
    open_rows = pa.array([True] * n, type=pa.bool_())
    for rule in rules:
        values = signals.field(rule.signal)
        failing = pc.and_(open_rows, pc.invert(rule.passes(values)))
        if not pc.any(failing).as_py():
            continue
        threshold = as_text(rule.threshold)
        for row in pc.indices_nonzero(failing).to_pylist():
            names[row], found[row], wanted[row] = rule.name, as_text(values[row].as_py()), threshold
        open_rows = pc.and_(open_rows, pc.invert(failing))
    columns = [pa.array(column, type=pa.string()) for column in (names, found, wanted, [None] * n)]
    return pa.RecordBatch.from_arrays(columns, schema=VERDICTS)


def as_text(value: Any) -> str | None:
    """A value or threshold as the ledger writes it: shortest exact number, or words joined by commas."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:.9g}"
    if isinstance(value, Sequence):
        return ",".join(str(item) for item in value)
    return str(value)
