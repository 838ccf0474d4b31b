"""Keeps what a stage takes out of its documents out of the rest of a run's folder.

A stage that replaces personal data sees only the documents that reach it: not those that were dropped or failed
before it, not their URLs or errors. Files that go into the run's folder pass through such a stage's scrubber first,
every string in them; a file in which nothing is found is linked as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from curate.documents import IDENTITY
from curate.engine.store import FileEntry, Store
from curate.engine.tables import TableWriter, read_batches
from curate.stage import MapStage, Resources, Scrubber, Stage

LEFT_ALONE = frozenset(IDENTITY.names) - {"url"} | {"duplicate_of", "verdict_duplicate_of", "keeper", "cluster"}
"""Columns of ids, lineage and dates: a document must stay traceable to its record."""
MEASURED = {"value": "threshold", "verdict_value": "verdict_threshold"}
"""A value beside a numeric threshold is a measurement of the stage's own, not a piece of the page."""
BATCH_ROWS = 256

_NUMBER = r"^-?[0-9.]+(e[+-]?[0-9]+)?$"
_HIDING = r"%[0-9A-Fa-f]{2}|\\[nrt]"
_HIDDEN = re.compile(_HIDING)
_WORD = re.compile(r"\S+")
_ESCAPE = re.compile(r"\\[nrt]")
MAX_DECODINGS = 3
"""A URL within a URL within a URL is encoded three times."""


@dataclass(frozen=True)
class Use:
    """A scrubbing stage, and the columns in which a file's documents have passed it already."""

    stage: MapStage
    clean: frozenset[str] = frozenset()


def uses(stages: Sequence[Stage], label: str | None = None) -> tuple[Use, ...]:
    """The scrubbing stages of a run whose stages, in order, are these, for documents that left it at the stage
    `label`, or at its end. A column that a later stage writes anew is not clean."""
    labels = [stage.label for stage in stages]
    end = len(stages) if label is None else labels.index(label) if label in labels else 0
    found: list[Use] = []
    for at, stage in enumerate(stages):
        if isinstance(stage, MapStage) and stage.scrubber() is not None:
            anew = {name for later in stages[at + 1 : end] for name in later.writes()}
            found.append(Use(stage, frozenset(stage.scrubbed()) - anew if at < end else frozenset()))
    return tuple(found)


def resources(scrubbing: Sequence[Use]) -> Resources:
    """What a task that scrubs may use."""
    return Resources(memory_mb=max((use.stage.resources.memory_mb for use in scrubbing), default=1024))


@dataclass(frozen=True)
class ScrubTask:
    """Brings one file of the phase store into the run's folder, scrubbed."""

    store: str
    entry: FileEntry
    target: str
    name: str
    uses: tuple[Use, ...]
    run: str
    """Key of the run's last phase: a worker opens the stages once for each."""
    index: int

    @property
    def record(self) -> str:
        return f"{self.run}/scrub/{self.index:05d}.json"

    def with_care(self) -> ScrubTask:
        return self


def run_scrub_task(task: ScrubTask) -> FileEntry:
    """Carries one task out; the file as it lies in the run's folder."""
    store, target = Store(task.store), Store(task.target)
    with store.open(task.entry.path) as source:
        schema = pq.read_schema(source)
    scrubbing = [use for use in opened(task.run, task.uses) if any(_concerns(use, field) for field in schema)]
    writer = TableWriter(target, task.name)
    clean = 0
    """Rows before the first in which something was found; with none the file is not written, but linked."""
    try:
        for batch in read_batches(store, task.entry.path, batch_rows=BATCH_ROWS) if scrubbing else ():
            scrubbed = scrub(batch, scrubbing)
            if writer.schema is None:
                if scrubbed is batch:
                    clean += batch.num_rows
                    continue
                for before in _head(store, task.entry.path, clean):
                    writer.add(before)
            writer.add(scrubbed)
        entry = writer.close(keep_empty=True)
    except BaseException:
        writer.abandon()
        raise
    if entry is None:
        target.take(store, task.entry.path, task.name)
        return FileEntry(task.name, task.entry.rows, task.entry.bytes, task.entry.sha256)
    return entry


def _head(store: Store, name: str, rows: int) -> Iterator[pa.RecordBatch]:
    """The first rows of a file."""
    for batch in read_batches(store, name, batch_rows=BATCH_ROWS) if rows else ():
        yield batch.slice(0, rows)
        rows -= batch.num_rows
        if rows <= 0:
            return


_OPENED: dict[tuple[str, str], MapStage] = {}


def opened(run: str, scrubbing: Sequence[Use]) -> tuple[Use, ...]:
    """The uses with their stages opened, once in this process for each run."""
    if any(key[0] != run for key in _OPENED):
        _OPENED.clear()
    ready = []
    for use in scrubbing:
        key = (run, use.stage.label)
        if key not in _OPENED:
            use.stage.open()
            _OPENED[key] = use.stage
        ready.append(Use(_OPENED[key], use.clean))
    return tuple(ready)


def scrub(batch: pa.RecordBatch, scrubbing: Sequence[Use]) -> pa.RecordBatch:
    """The batch with all strings scrubbed by the opened stages, but for columns that are left alone or clean; the
    batch itself if nothing is found."""
    for use in scrubbing:
        scrubber = use.stage.scrubber()
        assert scrubber is not None
        for at, field in enumerate(batch.schema):
            if _concerns(use, field):
                before = batch.column(at)
                values = _scrubbed(before, scrubber)
                threshold = MEASURED.get(field.name)
                if threshold is not None and threshold in batch.schema.names:
                    measured = pc.match_substring_regex(batch.column(threshold), _NUMBER)
                    values = pc.if_else(pc.fill_null(measured, False), before, values)
                if not values.equals(before):
                    batch = batch.set_column(at, field, values)
    return batch


def _concerns(use: Use, field: pa.Field) -> bool:
    return field.name not in LEFT_ALONE and field.name not in use.clean and _has_strings(field.type)


def _has_strings(kind: pa.DataType) -> bool:
    if pa.types.is_struct(kind):
        return any(_has_strings(kind.field(i).type) for i in range(kind.num_fields))
    if pa.types.is_list(kind) or pa.types.is_dictionary(kind):
        return _has_strings(kind.value_type)
    return bool(pa.types.is_string(kind) or pa.types.is_large_string(kind))


def _scrubbed(values: pa.Array, scrubber: Scrubber) -> pa.Array:
    """The array with its strings scrubbed, however deep in structs and lists they are."""
    kind = values.type
    if not _has_strings(kind):
        return values
    if pa.types.is_struct(kind):
        members = [_scrubbed(values.field(i), scrubber) for i in range(kind.num_fields)]
        return pa.StructArray.from_arrays(members, fields=list(kind), mask=pc.is_null(values))
    if pa.types.is_list(kind):
        # Lengths summed anew: a slice's own offsets do not begin at 0.
        ends = pc.cumulative_sum(pc.fill_null(pc.list_value_length(values), 0))
        offsets = pa.concat_arrays([pa.array([0], pa.int32()), ends.cast(pa.int32())])
        flat = _scrubbed(pc.list_flatten(values), scrubber)
        return pa.ListArray.from_arrays(offsets, flat, type=kind, mask=pc.is_null(values))
    if pa.types.is_dictionary(kind):
        return pa.DictionaryArray.from_arrays(values.indices, _scrubbed(values.dictionary, scrubber))
    return scrubber(_bared(values, scrubber)).cast(kind)


def _bared(values: pa.Array, scrubber: Scrubber) -> pa.Array:
    """The strings, with words decoded in which percent signs or escapes hide something from the scrubber, such as
    `?to=jane%40example.org`, or a line end before a key in an error that quotes a text."""
    rows = pc.indices_nonzero(pc.fill_null(pc.match_substring_regex(values, _HIDING), False)).to_pylist()
    if not rows:
        return values
    texts = values.to_pylist()
    tokens = sorted({token for row in rows for token in _WORD.findall(texts[row]) if _HIDDEN.search(token)})
    decoded = pa.array([_decoded(token) for token in tokens], pa.string())
    changed = pc.not_equal(scrubber(decoded), decoded).to_pylist()
    bare = {token: plain for token, plain, hit in zip(tokens, decoded.to_pylist(), changed, strict=True) if hit}
    for row in rows:
        texts[row] = _WORD.sub(lambda found: bare.get(found[0], found[0]), texts[row])
    return pa.array(texts, values.type)


def _decoded(token: str) -> str:
    for _ in range(MAX_DECODINGS):
        token, before = unquote(token), token
        if token == before:
            break
    return _ESCAPE.sub(" ", token)
