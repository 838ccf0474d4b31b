"""`datatrove: {step: GopherQualityFilter, …}`: any filter or formatter of datatrove as a stage of a recipe.

Documents go through the step one by one, as in datatrove; its reason becomes the rule in our ledger, and a text
that it edits becomes the document's text. Keys beside `step` are the step's own constructor arguments.
"""

from __future__ import annotations

import importlib
import inspect
from typing import Any

import pyarrow as pa
from pydantic import ConfigDict, model_validator

from curate.stage import VERDICTS, FilterParameters, MapStage, Outcome, Shared, parameter, with_column

MODULES = ("datatrove.pipeline.filters", "datatrove.pipeline.formatters")
NOT_BY_ROW = ("SamplerFilter",)
"""Steps whose answer for a document depends on those before it; refused, since ours must not."""


class DatatroveParameters(FilterParameters):
    """Parameters of `datatrove`: the step, and whatever its constructor takes."""

    model_config = ConfigDict(extra="allow")

    step: str = parameter(..., "class of datatrove.pipeline.filters or .formatters, or module:Class")

    @model_validator(mode="after")
    def _arguments_exist(self) -> DatatroveParameters:
        kind = step_class(self.step)
        allowed = [
            name for name in inspect.signature(kind.__init__).parameters if name not in ("self", "exclusion_writer")
        ]
        for name in self.arguments():
            if name not in allowed:
                raise ValueError(f"{self.step} takes no argument {name!r}; allowed: {', '.join(allowed)}")
        return self

    def arguments(self) -> dict[str, Any]:
        """What the step's constructor is given."""
        return dict(self.model_extra or {})


def step_class(name: str) -> type[Any]:
    """The class of a step. ValueError if there is none, or datatrove is not installed."""
    if name in NOT_BY_ROW:
        raise ValueError(f"{name} decides by what it saw before; use a sampling stage instead")
    modules = (name.partition(":")[0],) if ":" in name else MODULES
    for module in modules:
        try:
            found = getattr(importlib.import_module(module), name.rpartition(":")[2], None)
        except ModuleNotFoundError as error:
            raise ValueError(
                f"datatrove is not installed ({error}); install curate with the extra `datatrove`"
            ) from error
        if inspect.isclass(found):
            return found
    known = sorted(n for m in MODULES for n, c in vars(importlib.import_module(m)).items() if inspect.isclass(c))
    raise ValueError(f"datatrove has no step {name!r}; there are: {', '.join(known)}")


class DatatroveStep(MapStage):
    """Runs a filter or formatter of datatrove; its drop reasons become rules."""

    name = "datatrove"
    Parameters = DatatroveParameters
    distributions = ("datatrove", "spacy")
    changes_text = True
    parameters: DatatroveParameters

    @classmethod
    def default_label(cls, given: Any) -> str:
        return f"datatrove_{str(given.get('step', '')).rpartition(':')[2]}"

    def open(self) -> None:
        self._step = step_class(self.parameters.step)(**self.parameters.arguments())
        self._formats = hasattr(self._step, "format")

    def process(self, batch: pa.RecordBatch, shared: Shared) -> Outcome:
        from datatrove.data import Document

        texts: list[str] = []
        reasons: list[str | None] = []
        failed: dict[int, str] = {}
        carried = [
            name for name in ("url", "date", "language", "language_score", "title") if name in batch.schema.names
        ]
        for row, values in enumerate(batch.select(["id", "text", *carried]).to_pylist()):
            text = values.pop("text") or ""
            document = Document(text=text, id=values.pop("id"), metadata=values)
            try:
                reasons.append(self._reason(document))
            except Exception as error:
                failed[row] = f"{type(error).__name__}: {error}"
                reasons.append(None)
            texts.append(document.text)
        if self.parameters.mode == "annotate":
            reasons = [None] * len(reasons)
        nothing = pa.nulls(batch.num_rows, pa.string())
        verdicts = pa.RecordBatch.from_arrays(
            [pa.array(reasons, pa.string()), nothing, nothing, nothing], schema=VERDICTS
        )
        return Outcome(with_column(batch, "text", pa.array(texts, pa.string())), verdicts, failed)

    def _reason(self, document: Any) -> str | None:
        """Why the step drops the document, which it may edit; None if it stays."""
        if self._formats:
            document.text = self._step.format(document.text)
            return None
        answer = self._step.filter(document)
        if isinstance(answer, tuple):
            return None if answer[0] else str(answer[1])
        return None if answer else "filtered"
