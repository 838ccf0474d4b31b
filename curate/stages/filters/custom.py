"""A rule of the recipe's own: an expression over any columns that stages before it have measured.

    - custom: {rule: "gopher_quality.words >= 50 and quality.score > 0.3", label: long_and_good}

A document stays where the expression is true, or where a null signal leaves it open.
"""

from __future__ import annotations

from typing import cast

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import field_validator

from curate.expressions import Condition, parse, signal
from curate.stage import VERDICTS, FilterParameters, MapStage, Outcome, Shared, as_text, parameter


class CustomParameters(FilterParameters):
    rule: str = parameter(doc="the condition under which a document stays", role="decide")

    @field_validator("rule")
    @classmethod
    def _readable(cls, rule: str) -> str:
        parse(rule)
        return rule


class Custom(MapStage):
    """Drops documents that do not meet the recipe's own rule over earlier signals."""

    name = "custom"
    Parameters = CustomParameters

    def __init__(self, parameters: CustomParameters, label: str | None = None) -> None:
        super().__init__(parameters, label)
        self._rule = Condition(parameters.rule)
        self.reads = self._rule.columns  # type: ignore[misc]

    def reads_signals(self) -> tuple[str, ...]:
        return self._rule.signals

    def process(self, batch: pa.RecordBatch, shared: Shared) -> Outcome:
        """The ledger's value is what the rule's signals were."""
        p = cast(CustomParameters, self.parameters)
        stays = pc.fill_null(self._rule.answers(batch), True)
        if p.mode == "annotate":
            return Outcome(batch)
        names: list[str | None] = [None] * batch.num_rows
        found: list[str | None] = [None] * batch.num_rows
        wanted: list[str | None] = [None] * batch.num_rows
        columns = {name: signal(batch, name) for name in self._rule.names}
        for row in pc.indices_nonzero(pc.invert(stays)).to_pylist():
            values = (f"{name}={as_text(column[row].as_py())}" for name, column in columns.items())
            names[row], found[row], wanted[row] = "rule", " ".join(values), p.rule
        nothing = pa.nulls(batch.num_rows, pa.string())
        arrays = [*(pa.array(column, pa.string()) for column in (names, found, wanted)), nothing]
        return Outcome(batch, pa.RecordBatch.from_arrays(arrays, schema=VERDICTS))
