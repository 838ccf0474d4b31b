"""Carries a recipe out, phase by phase, from what is already committed.

Each phase takes the shards of the one before it. What a phase has committed is found again by its key, so a run
that was interrupted, or another recipe that begins the same way, goes on from there. At the end the run's folder
is published: links to the phases' files, the ledger of what was kept, the manifest.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, cast

import pyarrow as pa
import pyarrow.parquet as pq

from curate.engine.claim import Claim
from curate.engine.collection import FileCollection, document_schema
from curate.engine.columns import check_columns
from curate.engine.executor import Executor
from curate.engine.log import RunLog, versions
from curate.engine.phase import Phase, phases
from curate.engine.progress import Progress
from curate.engine.publish import publish
from curate.engine.setup import setting_up
from curate.engine.store import FileEntry, Store
from curate.engine.work import DocumentShard, MapTask, Removal, ShardReport, run_map_task
from curate.sources import Extent, Shard, chain, fingerprint, plan
from curate.sources import schema as input_schema
from curate.stage import GlobalContext, GlobalStage, MapStage, Resources, Stage


@dataclass(frozen=True)
class Job:
    """What the engine is asked to do: a recipe, as far as the engine needs to know it."""

    name: str
    inputs: Mapping[str, Any]
    stages: tuple[Stage, ...]
    output: str
    store: str
    """Folder of the phase store."""
    recipe_text: str
    """The resolved recipe, for the run's folder."""
    recipe_hash: str
    record_cpu_seconds: float
    memory_mb: int


@dataclass
class PhaseResult:
    """What a phase has committed, and how much of it was there before."""

    phase: Phase
    shards: int
    reused: int
    reports: list[ShardReport] = field(default_factory=list)
    outcome: dict[str, Any] = field(default_factory=dict)
    """Of a global phase: its `global.json`."""


@dataclass(frozen=True)
class RunResult:
    """The answer of a run."""

    output: str
    manifest: dict[str, Any]
    did_nothing: bool
    """Everything, the run's folder included, was there before."""


class UnhiddenStoreError(ValueError):
    """A recipe takes something out of documents, but would keep them unchanged in the run's folder."""


class StageError(RuntimeError):
    """A global stage cannot do its work on these documents; what was committed stays."""


def planned(job: Job) -> tuple[list[Shard], list[Phase]]:
    """The input's shards and the phases; nothing is read but listings."""
    schema = input_schema(job.inputs)
    check_columns(job.stages, schema)
    hiding = [stage.label for stage in job.stages if isinstance(stage, MapStage) and stage.scrubber() is not None]
    if hiding and f"{job.store.rstrip('/')}/".startswith(f"{job.output.rstrip('/')}/"):
        raise UnhiddenStoreError(
            f"store: {job.store} is in the run's folder {job.output}, which must not hold what {hiding[0]} takes out; "
            "name a folder outside it"
        )
    shards = plan(job.inputs)
    return shards, phases(job.stages, fingerprint(shards), {"record_cpu_seconds": job.record_cpu_seconds})


def run(job: Job, executor: Callable[[], Executor], progress: Progress) -> RunResult:
    """Carries the job out. `executor` is called only if there is work."""
    started = time.time()
    shards, steps = planned(job)
    claim = Claim(job.output, job.name)
    log = RunLog(job.output)
    log.say(
        "run", work=False, name=job.name, recipe_hash=job.recipe_hash, shards=len(shards), versions=versions(),
    )  # fmt: skip
    lazy = _LazyExecutor(executor, log)
    try:
        runner = _Runner(job, lazy, progress, log, shards, input_schema(job.inputs))
        results = [runner.carry_out(phase) for phase in steps]
        results += runner.settle(steps[-1])
        manifest, published = publish(job, lazy, results, runner.documents, shards, started)
    except BaseException as error:
        log.stopped(error)
        raise
    finally:
        lazy.close()
        claim.close()
    did_nothing = not published and all(result.reused == result.shards for result in results)
    if not did_nothing:
        counts = {name: manifest["counts"][name] for name in ("read", "kept", "dropped", "failed")}
        seconds = round(time.time() - started, 3)
        log.say("done", seconds=seconds, start_seconds=lazy.start_seconds, **counts)
    return RunResult(job.output, manifest, did_nothing)


class _LazyExecutor:
    """Starts the executor at the first task."""

    on_lost: Callable[[str, int, str], None] | None = None

    def __init__(self, make: Callable[[], Executor], log: RunLog) -> None:
        self._make = make
        self._made: Executor | None = None
        self._log = log
        self.start_seconds = 0.0
        """What waiting for it to start took: for Ray some seconds, however many pages there are."""

    @property
    def workers(self) -> int:
        return self._get().workers

    def _get(self) -> Executor:
        if self._made is None:
            self._log.begin()
            began = time.monotonic()
            self._made = self._make()
            self.start_seconds = round(time.monotonic() - began, 3)
            self._made.on_lost = self._log.lost
        return self._made

    def run(self, tasks: Any, work: Any, resources: Resources) -> Iterator[Any]:
        todo = list(tasks)
        if todo:
            yield from self._get().run(todo, work, resources)

    def close(self) -> None:
        if self._made is not None:
            self._made.close()


class _Runner:
    """The state between phases: the documents, as shards of the last phase."""

    def __init__(
        self, job: Job, executor: _LazyExecutor, progress: Progress, log: RunLog, shards: list[Shard],
        schema: pa.Schema,
    ) -> None:  # fmt: skip
        self.job, self.executor, self.progress, self.log = job, executor, progress, log
        self.store = Store(job.store)
        self.sources = shards
        self.documents: list[DocumentShard] = []
        self.waiting = 0
        """Documents that global stages have dropped since the last map phase, and that are still in its files."""
        self.schema = schema

    def carry_out(self, phase: Phase) -> PhaseResult:
        return self._told(phase, self._global if phase.is_global else self._map)

    def _told(self, phase: Phase, carry_out: Callable[[Phase], PhaseResult]) -> PhaseResult:
        """Carries a phase out and leaves its line in the log."""
        began = time.monotonic()
        result = carry_out(phase)
        named = {"phase": phase.title, "key": phase.key, "shards": result.shards, "reused": result.reused}
        counts = {"read": sum(r.read for r in result.reports), "kept": sum(r.kept for r in result.reports)}
        if phase.is_global:
            counts = {"dropped": result.outcome["dropped"]}
        work = result.reused < result.shards
        self.log.say("phase", work=work, **named, seconds=round(time.monotonic() - began, 3), **counts)
        return result

    def settle(self, last: Phase) -> list[PhaseResult]:
        """Carries out what global stages at the end of a recipe have decided, as a phase without stages."""
        if not any(shard.removals for shard in self.documents):
            return []
        identity = json.dumps([last.key, "apply"])
        key = hashlib.blake2b(identity.encode(), digest_size=16).hexdigest()
        return [self._told(Phase(key, (), last.key), self._map)]

    # -- map phases

    def _map(self, phase: Phase) -> PhaseResult:
        sources: Sequence[Shard | DocumentShard] = self.sources if phase.upstream is None else self.documents
        tasks = [
            MapTask(self.job.store, phase, index, source, self.schema, self.job.record_cpu_seconds)
            for index, source in enumerate(sources)
        ]
        done = set(self.store.names(f"{phase.key}/done"))
        reports = {
            task.index: ShardReport.from_json(self.store.read_json(task.record))
            for task in tasks
            if f"{task.index:05d}.json" in done
        }
        reused = len(reports)
        self.progress.begin(phase.title, len(tasks), reused, self._input_bytes(sources))
        self._do(phase, [task for task in tasks if task.index not in reports], reports)
        if phase.upstream is None:
            reused = min(reused, len(tasks) - self._mend(phase, tasks, reports))
        ordered = [reports[task.index] for task in tasks]
        self.documents = [
            DocumentShard(
                report.files["documents"].path if "documents" in report.files else None, report.arrow_schema()
            )
            for report in ordered
        ]
        self.waiting = 0
        self.schema = ordered[0].arrow_schema()
        self.progress.end()
        return PhaseResult(phase, len(tasks), reused, ordered)

    def _do(self, phase: Phase, tasks: Sequence[MapTask], reports: dict[int, ShardReport]) -> None:
        for report in self.executor.run(tasks, run_map_task, _resources(phase.stages)):
            reports[report.index] = report
            self.progress.shard(report.read, report.kept, report.input_bytes)

    def _mend(self, phase: Phase, tasks: list[MapTask], reports: dict[int, ShardReport]) -> int:
        """Reads ranges again that began inside a record; how many there were."""
        mended = 0
        while True:
            extents = [
                (cast(Shard, task.source), Extent(*extent) if (extent := reports[task.index].extent) else None)
                for task in tasks
            ]
            wrong = chain(extents)
            if not wrong:
                return mended
            again = []
            for place, shard in wrong:
                tasks[place] = replace(tasks[place], source=shard)
                self.store.remove(tasks[place].record)
                again.append(tasks[place])
            mended += len(again)
            self._do(phase, again, reports)

    def _input_bytes(self, sources: Sequence[Shard | DocumentShard]) -> int:
        return sum(
            s.end - s.start if s.kind in ("warc", "arc", "wet") else s.size for s in sources if isinstance(s, Shard)
        )

    # -- global phases

    def _global(self, phase: Phase) -> PhaseResult:
        stage = cast(GlobalStage, phase.stages[0])
        record = f"{phase.key}/global.json"
        self.progress.begin(phase.title, 1, 0, 0)
        reused = self.store.exists(record)
        if reused:
            outcome = self.store.read_json(record)
        else:
            outcome = self._decide(phase, stage)
            self.store.write_json(record, outcome)
        for index, shard in enumerate(self.documents):
            verdicts, columns = outcome["verdicts"], outcome["columns"]
            removal = Removal(
                stage.label,
                verdicts[index] if verdicts else None,
                columns[index] if columns else None,
            )
            if removal.verdicts or removal.columns:
                self.documents[index] = replace(shard, removals=(*shard.removals, removal))
        self.waiting += outcome["dropped"]
        self.progress.end()
        return PhaseResult(phase, 1, int(reused), outcome=outcome)

    def _decide(self, phase: Phase, stage: GlobalStage) -> dict[str, Any]:
        with setting_up(stage):
            stage.open()
        folder = f"{phase.key}/operations"
        rows, size = self._document_counts()
        documents = FileCollection(
            self.executor, self.store, folder, "documents", self.documents,
            document_schema(self.store, self.documents[0]), rows, size,
        )  # fmt: skip
        context = GlobalContext(self.job.memory_mb, 1, self.job.recipe_hash)
        try:
            outcome = stage.run(documents, context)
        except ValueError as error:
            if type(error) is not ValueError:
                raise
            raise StageError(f"stage {stage.label}: {error}") from error
        verdicts = cast(FileCollection | None, outcome.verdicts)
        columns = cast(FileCollection | None, outcome.columns)
        artifacts = {
            name: asdict(self.store.write_bytes(f"{phase.key}/artifacts/{name}", data))
            for name, data in sorted(outcome.artifacts.items())
        }
        return {
            "verdicts": [entry.path if entry else None for entry in verdicts.entries] if verdicts else None,
            "columns": [entry.path if entry else None for entry in columns.entries] if columns else None,
            "dropped": verdicts.n_rows if verdicts else 0,
            "files": [entry for files in outcome.files for entry in _published(stage.label, files)],
            "artifacts": artifacts,
            "summary": dict(outcome.summary),
        }

    def _document_counts(self) -> tuple[int, int]:
        """Documents that no earlier global stage has dropped, and the bytes of all."""
        rows = size = 0
        for shard in self.documents:
            if shard.file is not None:
                with self.store.open(shard.file) as source:
                    metadata = pq.read_metadata(source)
                rows += metadata.num_rows
                size += sum(metadata.row_group(i).total_byte_size for i in range(metadata.num_row_groups))
        return rows - self.waiting, size


def _published(label: str, files: Any) -> list[dict[str, Any]]:
    """(name below the run's folder, file in the phase store) for each shard that has rows."""
    entries: Sequence[FileEntry | None] = cast(FileCollection, files.collection).entries
    names = files.names or [f"{label}-{index:05d}.parquet" for index in range(len(entries))]
    return [
        {"name": f"{files.folder}/{name}", "entry": asdict(entry)}
        for name, entry in zip(names, entries, strict=True)
        if entry is not None
    ]


def _resources(stages: Sequence[Stage]) -> Resources:
    each = [stage.resources for stage in stages] or [Resources()]
    return Resources(max(r.cpu for r in each), max(r.memory_mb for r in each), max(r.gpu for r in each))
