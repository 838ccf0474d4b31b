"""One task of a map phase: a shard in, its committed files out.

The shard's documents go through the phase's chain; what is kept, dropped and failed is written to one file each,
and last of all the shard's record, by which it counts as done. A task that runs twice writes the same bytes twice.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from curate.documents import IDENTITY
from curate.engine.chain import FAILED, Chain, ChainResult, dead_letters, with_verdicts
from curate.engine.guard import GuardedChain, lift_cpu_limit, limit_cpu
from curate.engine.lean import without_pandas
from curate.engine.ledger import SKIPPED, ledger_rows
from curate.engine.phase import Phase
from curate.engine.store import FileEntry, Store
from curate.engine.tables import TableWriter, empty_batch, read_batches
from curate.sources import Documents, Extent, Failure, Shard, Skipped, read

without_pandas()

READ = "read"
"""The label of the source in ledgers and dead letters."""


@dataclass(frozen=True)
class Removal:
    """What a global stage decided about one shard of documents, still to be carried out."""

    stage: str
    verdicts: str | None
    """File in the phase store with `row` and the columns of VERDICTS, sorted by row."""
    columns: str | None
    """File in the phase store with `row` and columns to join."""


@dataclass(frozen=True)
class DocumentShard:
    """A shard of the documents that an earlier phase kept, and what global stages have said of it since."""

    file: str | None
    """Parquet file in the phase store; None where nothing was kept."""
    schema: pa.Schema
    removals: tuple[Removal, ...] = ()


COMMITS_AT_A_TIME = 8


@dataclass(frozen=True)
class MapTask:
    """All that a worker needs to do one shard of a map phase."""

    store: str
    phase: Phase
    index: int
    source: Shard | DocumentShard
    schema: pa.Schema
    """Of the documents that come in."""
    cpu_seconds: float
    careful: bool = False
    """Run the stages in a guarded child, since the shard has killed a worker before."""

    @property
    def record(self) -> str:
        """The file by which the shard counts as done."""
        return f"{self.phase.key}/done/{self.index:05d}.json"

    def with_care(self) -> MapTask:
        return replace(self, careful=True)


@dataclass
class ShardReport:
    """The record of a finished shard."""

    index: int
    read: int = 0
    kept: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    """Rows by stage label."""
    reasons: Counter[str] = field(default_factory=Counter)
    """Rows by `label/rule`."""
    failed: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    """Records that are no documents, by reason."""
    cpu_seconds: dict[str, float] = field(default_factory=dict)
    """By stage label, `open` (once a process and phase), `read`, `write` and `total`."""
    input_bytes: int = 0
    files: dict[str, FileEntry] = field(default_factory=dict)
    """By kind: `documents`, `ledger`, `failed`, `skipped`, `dropped/LABEL`."""
    extent: tuple[int, int] | None = None
    schema: str = ""
    """Of the kept documents, Arrow IPC in hex."""

    def spend(self, label: str, seconds: float) -> None:
        """Adds CPU seconds."""
        self.cpu_seconds[label] = self.cpu_seconds.get(label, 0.0) + seconds

    def to_json(self) -> dict[str, Any]:
        # Not `asdict`, which rebuilds a Counter from pairs and so counts the pairs.
        value = {each.name: getattr(self, each.name) for each in fields(self)}
        return value | {"files": {kind: asdict(entry) for kind, entry in sorted(self.files.items())}}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> ShardReport:
        value = dict(value)
        for name in ("dropped", "reasons", "skipped"):
            value[name] = Counter(value[name])
        value["files"] = {kind: FileEntry(**entry) for kind, entry in value["files"].items()}
        value["extent"] = tuple(value["extent"]) if value["extent"] else None
        return cls(**value)

    def arrow_schema(self) -> pa.Schema:
        return pa.ipc.read_schema(pa.py_buffer(bytes.fromhex(self.schema)))


def run_map_task(task: MapTask) -> ShardReport:
    """Carries one shard out and commits it."""
    started = time.process_time()
    store = Store(task.store)
    report = ShardReport(task.index)
    writers = _Writers(store, task, report)
    stages = task.phase.map_stages
    chain: Chain | GuardedChain
    chain = GuardedChain(stages, task.cpu_seconds) if task.careful else _opened(task.phase)
    report.spend("open", time.process_time() - started)
    try:
        _through(task, chain, writers, report, store)
        writers.close()
    except BaseException:
        writers.abandon()
        raise
    finally:
        if isinstance(chain, GuardedChain):
            chain.close()
    total = report.kept + sum(report.dropped.values()) + report.failed
    if report.read != total:
        raise AssertionError(
            f"shard {task.index} of {task.phase.title}: read {report.read} records but accounted for {total}; "
            "nothing was committed"
        )
    report.cpu_seconds["total"] = time.process_time() - started
    store.write_json(task.record, report.to_json())
    return report


_CHAINS: dict[str, Chain] = {}


def _opened(phase: Phase) -> Chain:
    """The phase's chain in this process, opened once."""
    if phase.key not in _CHAINS:
        _CHAINS.clear()
        _CHAINS[phase.key] = Chain(phase.map_stages)
    return _CHAINS[phase.key]


def _through(task: MapTask, chain: Chain | GuardedChain, writers: _Writers, report: ShardReport, store: Store) -> None:
    batches = _from_source(task.source, writers, report) if isinstance(task.source, Shard) else None
    if batches is None:
        assert isinstance(task.source, DocumentShard)
        batches = _from_documents(task.source, store, writers, report)
    fed = False
    for batch in _timed(batches, report):
        fed = True
        _feed(task, chain, writers, report, batch)
    if not fed:
        _feed(task, chain, writers, report, empty_batch(task.schema))


def _feed(
    task: MapTask, chain: Chain | GuardedChain, writers: _Writers, report: ShardReport, batch: pa.RecordBatch
) -> None:
    if task.careful:
        result = chain.run(batch)
    else:
        limit_cpu(task.cpu_seconds)
        try:
            result = chain.run(batch)
        finally:
            lift_cpu_limit()
    for label, seconds in result.cpu_seconds.items():
        report.spend(label, seconds)
    start = time.thread_time()
    writers.add(result)
    report.spend("write", time.thread_time() - start)


def _timed(batches: Iterator[pa.RecordBatch], report: ShardReport) -> Iterator[pa.RecordBatch]:
    while True:
        start = time.thread_time()
        batch = next(batches, None)
        report.spend(READ, time.thread_time() - start)
        if batch is None:
            return
        yield batch


def _from_source(shard: Shard, writers: _Writers, report: ShardReport) -> Iterator[pa.RecordBatch]:
    report.input_bytes = shard.end - shard.start if shard.kind in ("warc", "arc", "wet") else shard.size
    for event in read(shard):
        if isinstance(event, Documents):
            report.read += event.batch.num_rows
            yield event.batch
        elif isinstance(event, Skipped):
            writers.skip(event)
        elif isinstance(event, Failure):
            report.read += 1
            writers.fail(_failure(event))
        elif isinstance(event, Extent):
            report.extent = (event.first_offset, event.next_offset)


def _failure(event: Failure) -> pa.RecordBatch:
    row: dict[str, Any] = {"id": event.id or "", "url": event.url, "date": None, "source": event.source}
    row |= {"offset": event.offset, "length": event.length}
    identity = pa.RecordBatch.from_pylist([row], schema=IDENTITY)
    return dead_letters(identity, READ, [event.error])


def _from_documents(
    shard: DocumentShard, store: Store, writers: _Writers, report: ShardReport
) -> Iterator[pa.RecordBatch]:
    """The documents that are still there; those that a global stage has dropped go to the writers on the way."""
    if shard.file is None:
        return
    report.input_bytes = 0
    for batch in numbered(read_batches(store, shard.file, batch_rows=256)):
        report.read += batch.num_rows
        for removal in shard.removals:
            batch, dropped = apply_removal(store, removal, batch)
            if dropped is not None and dropped.num_rows:
                writers.drop(removal.stage, dropped.drop_columns(["row"]))
        yield batch.drop_columns(["row"])


def numbered(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Batches with their place in the shard as the column `row`."""
    at = 0
    for batch in batches:
        yield batch.append_column("row", pa.array(range(at, at + batch.num_rows), pa.int64()))
        at += batch.num_rows


def apply_removal(
    store: Store, removal: Removal, batch: pa.RecordBatch
) -> tuple[pa.RecordBatch, pa.RecordBatch | None]:
    """(rows that stay, with joined columns; rows dropped, with the columns of VERDICTS)."""
    dropped = None
    if removal.verdicts is not None:
        table = _side(store, removal.verdicts)
        where = pc.index_in(batch.column("row"), value_set=table.column("row"))
        gone = pc.is_valid(where)
        if pc.any(gone).as_py():
            verdicts = table.take(where.filter(gone)).drop_columns(["row"]).combine_chunks()
            dropped = with_verdicts(batch.filter(gone), verdicts.to_batches()[0])
            batch = batch.filter(pc.invert(gone))
    if removal.columns is not None:
        table = _side(store, removal.columns)
        where = pc.index_in(batch.column("row"), value_set=table.column("row"))
        if where.null_count:
            raise AssertionError(f"stage {removal.stage} gave no columns for {where.null_count} documents that it kept")
        for name in table.column_names:
            if name != "row":
                values = table.column(name).take(where).combine_chunks()
                values = values.chunk(0) if isinstance(values, pa.ChunkedArray) else values
                at = batch.schema.get_field_index(name)
                batch = batch.append_column(name, values) if at < 0 else batch.set_column(at, name, values)
    return batch, dropped


_SIDES: dict[str, pa.Table] = {}


def _side(store: Store, name: str) -> pa.Table:
    """A small file that belongs to the shard at hand, kept in memory while the shard lasts."""
    key = store.path(name)
    if key not in _SIDES:
        if len(_SIDES) > 16:
            _SIDES.clear()
        _SIDES[key] = pa.Table.from_batches(list(read_batches(store, name)))
    return _SIDES[key]


class _Writers:
    """The files of one shard: documents, one file a stage for what it dropped, dead letters, ledger, skipped."""

    def __init__(self, store: Store, task: MapTask, report: ShardReport) -> None:
        self.store, self.task, self.report = store, task, report
        self._open: dict[str, TableWriter] = {}

    def _writer(self, kind: str) -> TableWriter:
        if kind not in self._open:
            name = f"{self.task.phase.key}/{kind}/{self.task.index:05d}.parquet"
            self._open[kind] = TableWriter(self.store, name)
        return self._open[kind]

    def add(self, result: ChainResult) -> None:
        self.report.kept += result.kept.num_rows
        self._writer("documents").add(result.kept)
        for label, rows in result.dropped:
            self.drop(label, rows)
        for rows in result.failed:
            self.fail(rows)

    def drop(self, label: str, rows: pa.RecordBatch) -> None:
        """Rows with the columns of VERDICTS, prefixed `verdict_`."""
        self.report.dropped[label] += rows.num_rows
        for rule, count in Counter(rows.column("verdict_rule").to_pylist()).items():
            self.report.reasons[f"{label}/{rule}"] += count
        self._writer("ledger").add(ledger_rows(rows, "dropped", label))
        # A page that never was extracted can be read again from its place in the input.
        if "html" in rows.schema.names and "text" not in rows.schema.names:
            rows = rows.drop_columns(["html"])
        self._writer(f"dropped/{label}").add(rows)

    def fail(self, rows: pa.RecordBatch) -> None:
        """Rows of the schema FAILED."""
        self.report.failed += rows.num_rows
        self._writer("failed").add(rows.cast(FAILED))
        self._writer("ledger").add(ledger_rows(rows, "failed", None))

    def skip(self, event: Skipped) -> None:
        self.report.skipped.update(row.reason for row in event.rows)
        self._writer("skipped").add(pa.RecordBatch.from_pylist([row._asdict() for row in event.rows], schema=SKIPPED))

    def close(self) -> None:
        start = time.process_time()  # the files are compressed and written by threads of their own
        documents = self._writer("documents")
        assert documents.schema is not None
        self.report.schema = documents.schema.serialize().to_pybytes().hex()
        for writer in self._open.values():
            writer.finish()
        # The rest of a commit is waiting for the disk, a few milliseconds a file: side by side they wait once.
        with ThreadPoolExecutor(COMMITS_AT_A_TIME) as pool:
            entries = list(pool.map(TableWriter.commit, self._open.values()))
        for kind, entry in zip(self._open, entries, strict=True):
            if entry is not None:
                self.report.files[kind] = entry
        self.report.spend("write", time.process_time() - start)

    def abandon(self) -> None:
        for writer in self._open.values():
            writer.abandon()
