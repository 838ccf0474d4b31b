"""What a stage is, and what it may see.

A recipe is a list of stages. A *map* stage sees one batch of documents at a time: it measures (signals, kept
as a struct column), decides (rules: thresholds over those signals) and edits (changes columns of the documents
that stay). A *global* stage sees the whole collection through `Collection`, whose every operation the engine
carries out shard by shard, in files, resumably. A stage knows no engine, no Ray and no file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol, TypeVar, cast

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from curate.expressions import Condition
from curate.rules import VERDICTS as VERDICTS
from curate.rules import Rule as Rule
from curate.rules import as_text as as_text
from curate.rules import decide as decide

T = TypeVar("T")

# ---------------------------------------------------------------------------------------- parameters

Role = Literal["measure", "decide", "edit"]


class StageParameters(BaseModel):
    """Base of every stage's parameters: frozen, strict about unknown keys, defaults validated."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    @classmethod
    def sets(cls) -> Sequence[type[StageParameters]]:
        """The sets of parameters that a recipe can give; more than one where a parameter (such as `by`) says
        which others there are."""
        return (cls,)

    @classmethod
    def chosen(cls, given: Mapping[str, Any]) -> type[StageParameters]:
        """The set that what was given belongs to."""
        return cls


class FilterParameters(StageParameters):
    """Parameters of a stage that has rules."""

    mode: Literal["filter", "annotate"] = Field(
        "filter", description="`annotate` measures and keeps every document; `filter` also decides"
    )


def parameter(
    default: Any = ...,
    doc: str = "",
    *,
    unit: str | None = None,
    source: str | None = None,
    role: Role = "measure",
    **constraints: Any,
) -> Any:
    """A stage's parameter: its default, what it means, its unit and where the default comes from.

    `role` says what a change of it redoes: "measure" the signals, "decide" only the rules (so that what-if
    can answer from stored signals), "edit" only the edit. `constraints` are pydantic's (ge, le, min_length…).
    """
    extra = {"unit": unit, "source": source, "role": role}
    return Field(default, description=doc, json_schema_extra=cast(Any, extra), **constraints)


# ---------------------------------------------------------------------------------------- map stages


class Filterable(Protocol):
    """Something computed over a batch that can follow it when rows leave."""

    def filter(self, mask: pa.Array) -> Filterable: ...


class Shared:
    """What stages over the same batch share about its text (words found once, for instance).

    The engine makes one for each batch, narrows it when rows are dropped, and clears it when a stage edits
    the text; so a value is always that of the text at hand.
    """

    def __init__(self) -> None:
        self._values: dict[str, Filterable] = {}

    def get(self, key: str, build: Callable[[], T]) -> T:
        """The value under `key`, built now if no stage before has."""
        if key not in self._values:
            self._values[key] = cast(Filterable, build())
        return cast(T, self._values[key])

    def filter(self, mask: pa.Array) -> None:
        self._values = {key: value.filter(mask) for key, value in self._values.items()}

    def narrowed(self, mask: pa.Array) -> Shared:
        """What is here for the rows of the mask; this one stays as it is."""
        part = Shared()
        part._values = {key: value.filter(mask) for key, value in self._values.items()}
        return part

    def clear(self) -> None:
        self._values.clear()


@dataclass(frozen=True)
class Outcome:
    """What a map stage made of a batch: the same rows in the same order, and what became of each."""

    batch: pa.RecordBatch
    verdicts: pa.RecordBatch | None = None
    """Schema VERDICTS, one row a document; None: all are kept."""
    failed: Mapping[int, str] = field(default_factory=dict)
    """Row → error, for rows that become dead letters."""


Scrubber = Callable[[pa.Array], pa.Array]
"""Strings (null where there is none) → the same without what a stage takes out of its documents."""


@dataclass(frozen=True)
class Resources:
    """What one task of a stage may use; the engine declares it to Ray."""

    cpu: float = 1.0
    memory_mb: int = 1024
    gpu: float = 0.0


class Stage:
    """One step of a recipe. Subclass MapStage or GlobalStage, not this."""

    name: ClassVar[str]
    """What a recipe calls it."""
    Parameters: ClassVar[type[StageParameters]] = StageParameters
    distributions: ClassVar[tuple[str, ...]] = ()
    """Installed distributions whose version changes what the stage answers (part of the phase key)."""
    resources: ClassVar[Resources] = Resources()
    reads: ClassVar[tuple[str, ...]] = ("text",)
    """Columns that must be there; a recipe without them is refused before any work."""

    def __init__(self, parameters: StageParameters, label: str | None = None) -> None:
        self.parameters = parameters
        self.label = label or self.default_label(parameters.model_dump())
        """Tells two uses of a stage apart: names its column, its folder under dropped/, its ledger rows."""
        self.where: Condition | None = None
        """The documents that it is for, as a recipe's `where:` says; it leaves the others as they are, unmeasured."""

    @classmethod
    def default_label(cls, given: Mapping[str, Any]) -> str:
        """The label of a use that has none, from its parameters as they were given. Its name, unless the stage
        does different things by a parameter, which then tells them apart."""
        return cls.name

    def writes(self) -> tuple[str, ...]:
        """Columns that are there after the stage, beyond those before it."""
        return ()

    def reads_signals(self) -> tuple[str, ...]:
        """Signals of earlier stages that it reads, such as `gopher_quality.words`; a recipe in which they are not
        measured is refused before any work, as one that lacks a column is."""
        return ()

    def removes(self) -> tuple[str, ...]:
        """Columns that are gone after the stage."""
        return ()

    def parts(self) -> tuple[Stage, ...]:
        """The stages that carry this one out, in order; more than one where a stage measures a batch at a
        time and then decides over the collection."""
        return (self,)

    def fingerprint(self) -> str:
        """Whatever else the answer depends on, such as the hash of a model file or of a word list."""
        return ""

    def open(self) -> None:
        """Loads models and tables, once in each worker process, before the first batch."""


class MapStage(Stage):
    """Sees one batch at a time. Override `measure`, `rules`, `edit`, or `process` as a whole.

    The answer for a row may depend on that row alone: never on its neighbours, its place or the batch size.
    """

    changes_text: ClassVar[bool] = False
    checkpoint: ClassVar[bool] = False
    """Whether what comes after it should be committed, being costly to redo (extraction)."""

    def measure(self, batch: pa.RecordBatch, shared: Shared) -> pa.StructArray | None:
        """Signals: one struct a row, kept as the column `self.label`. None: this stage measures nothing."""
        return None

    def signals(self, batch: pa.RecordBatch) -> pa.StructArray | None:
        """The signals that documents carry once this stage has measured them: what-if decides again from these."""
        return batch.column(self.label) if self.label in batch.schema.names else None

    def rules(self) -> Sequence[Rule]:
        """The rules over those signals, in the order in which they are tried."""
        return ()

    def edit(self, batch: pa.RecordBatch, shared: Shared) -> pa.RecordBatch:
        """The batch with changed columns. The engine calls it with the documents that stay (the signal column
        is there); it must not add or remove rows."""
        return batch

    def process(self, batch: pa.RecordBatch, shared: Shared) -> Outcome:
        """Measure and decide. The engine filters, then calls `edit`."""
        signals = self.measure(batch, shared)
        if signals is None:
            return Outcome(batch)
        return Outcome(self.attach(batch, signals), self.verdicts(signals))

    def scrubber(self) -> Scrubber | None:
        """What must also be taken out of all else that goes into the run's folder: documents dropped before they
        reached this stage, titles, URLs, errors. None: this stage hides nothing. It is asked for at any time and
        called once the stage is open, with columns of any name."""
        return None

    def scrubbed(self) -> tuple[str, ...]:
        """Columns that need no scrubbing after this stage, since it has rewritten them itself."""
        return ()

    def attach(self, batch: pa.RecordBatch, signals: pa.StructArray) -> pa.RecordBatch:
        """The batch with its signals as the column `self.label`."""
        return with_column(batch, self.label, signals)

    def verdicts(self, signals: pa.StructArray) -> pa.RecordBatch | None:
        """What the rules say of the signals; None where there are no rules or the stage only annotates."""
        annotating = getattr(self.parameters, "mode", "filter") == "annotate"
        rules = () if annotating else self.rules()
        return decide(signals, rules) if rules else None


def with_column(batch: pa.RecordBatch, name: str, values: pa.Array) -> pa.RecordBatch:
    """The batch with the column added, or replaced where it stands."""
    index = batch.schema.get_field_index(name)
    if index < 0:
        return batch.append_column(name, values)
    return batch.set_column(index, name, values)


# ---------------------------------------------------------------------------------------- global stages

Batches = Iterator[pa.RecordBatch]
ShardFunction = Callable[..., Batches]
"""`function(batches, shard, *batches of the zipped collections) -> batches`. It must be picklable (a module
level function, or functools.partial of one), pure, and must not hold a whole shard where it can stream."""


class Collection(Protocol):
    """Shards of Arrow rows, in files. Every operation is carried out by the engine as tasks, one a shard, whose
    outputs are committed and never redone; `name` tells the operations of one stage apart and must be unique
    in it. What comes out does not depend on the number of workers or their order."""

    @property
    def n_shards(self) -> int: ...

    @property
    def n_rows(self) -> int: ...

    @property
    def n_bytes(self) -> int:
        """Size of the files, compressed."""
        ...

    @property
    def schema(self) -> pa.Schema: ...

    def map(
        self,
        name: str,
        function: ShardFunction,
        *,
        columns: Sequence[str] | None = None,
        zipped: Sequence[Collection] = (),
        memory_mb: int = 1024,
    ) -> Collection:
        """One output shard for each input shard. `zipped` collections have as many shards; shard i of each is
        handed to the function as a further iterator. A function that yields nothing must still be told its
        schema by yielding an empty batch."""
        ...

    def exchange(
        self,
        name: str,
        function: ShardFunction,
        *,
        by: str,
        partitions: int,
        sort: Sequence[str] = (),
        columns: Sequence[str] | None = None,
        zipped: Sequence[Collection] = (),
        memory_mb: int = 1024,
    ) -> Collection:
        """Like `map`, then rows go to the shard `row[by]` (an integer column, 0 ≤ value < partitions), sorted
        there by `sort` (ascending; ties in input order), or left in input order without `sort`."""
        ...

    def batches(self, columns: Sequence[str] | None = None) -> Batches:
        """All rows, in shard order, read here in the driver: for small collections and for samples."""
        ...


@dataclass(frozen=True)
class GlobalContext:
    """What a global stage may know of the run."""

    memory_mb: int
    """Memory that one task may use; size partitions by it."""
    workers: int
    """For information; an answer must not depend on it."""
    recipe_hash: str


@dataclass(frozen=True)
class Files:
    """A collection that becomes files in the run's folder."""

    folder: str
    """Below the run's folder, such as `duplicates`."""
    collection: Collection
    names: Sequence[str] | None = None
    """A file name for each shard (may contain folders); default `NNNNN.parquet`. Empty shards write no file."""


MISSED = "missed"
"""Key of an outcome's summary: what the stage is for and could not do, in words; the run ends with status 1."""


@dataclass(frozen=True)
class GlobalOutcome:
    """What a global stage decided.

    `verdicts`: None, or a collection with as many shards as the documents, whose rows have `row` (int64, as the
    `row` column that the documents carry), the columns of VERDICTS, sorted by row; documents not named stay.
    `columns`: a collection likewise sharded and sorted, with `row` and columns to join to the documents: new ones,
    or ones that replace those of their name (every row that stays must be there).
    """

    verdicts: Collection | None = None
    columns: Collection | None = None
    files: Sequence[Files] = ()
    artifacts: Mapping[str, bytes] = field(default_factory=dict)
    """Small files for the run's folder, such as `mix.json`."""
    summary: Mapping[str, Any] = field(default_factory=dict)
    """JSON for the manifest and the report; MISSED may be in it."""


class GlobalStage(Stage):
    """Sees the collection."""

    def run(self, documents: Collection, context: GlobalContext) -> GlobalOutcome:
        """`documents` has the columns of the documents and `row` (int64): the document's place in its shard, by
        which verdicts name it. Rows that an earlier stage dropped are not there."""
        raise NotImplementedError
