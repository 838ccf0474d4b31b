"""A run's folder, made from what its phases have committed: links (or copies, between filesystems), the ledger of
the documents kept, and the manifest, in which every record read is accounted for. Where a stage takes something out
of its documents, no file gets there without having been searched for it."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from curate.engine.claim import FOLDERS
from curate.engine.executor import Executor
from curate.engine.ledger import ledger_rows
from curate.engine.scrub import ScrubTask, Use, opened, resources, run_scrub_task, scrub, uses
from curate.engine.store import FileEntry, Store
from curate.engine.tables import TableWriter, read_batches
from curate.engine.work import DocumentShard, ShardReport
from curate.sources import Shard

if TYPE_CHECKING:
    from curate.engine.run import Job, PhaseResult


@dataclass(frozen=True)
class LedgerTask:
    """Writes the ledger's rows for the documents that a shard has kept."""

    store: str
    documents: str
    target: str
    index: int
    uses: tuple[Use, ...]
    run: str

    @property
    def record(self) -> str:
        return f"{self.run}/ledger/{self.index:05d}.json"

    def with_care(self) -> LedgerTask:
        return self


def run_ledger_task(task: LedgerTask) -> tuple[int, FileEntry]:
    """Carries one task out."""
    target = Store(task.target)
    scrubbing = opened(task.run, task.uses)
    writer = TableWriter(target, f"ledger/kept-{task.index:05d}.parquet")
    for batch in read_batches(Store(task.store), task.documents, ["id", "url", "source", "offset"], batch_rows=65536):
        writer.add(scrub(ledger_rows(batch, "kept", None), scrubbing))
    entry = writer.close(keep_empty=True)
    assert entry is not None
    return task.index, entry


def publish(
    job: Job,
    executor: Executor,
    results: Sequence[PhaseResult],
    documents: Sequence[DocumentShard],
    shards: Sequence[Shard],
    started: float,
) -> tuple[dict[str, Any], bool]:
    """(the manifest, whether anything was published): a folder that holds this very run already stays as it is."""
    target, store = Store(job.output), Store(job.store)
    keys = [result.phase.key for result in results]
    if target.exists("manifest.json"):
        before = target.read_json("manifest.json")
        same = before.get("state") == "done" and before.get("recipe_hash") == job.recipe_hash
        if same and [phase["key"] for phase in before["phases"]] == keys:
            return before, False
        for entry in before.get("files", []):
            target.remove(entry["path"])
    target.write_json("manifest.json", {"state": "publishing", "name": job.name, "recipe_hash": job.recipe_hash})
    for name in (*FOLDERS, "report.html"):
        target.remove(name)
    target.write_bytes("recipe.yaml", job.recipe_text.encode())
    files: list[dict[str, Any]] = []
    stages = [stage for result in results for stage in result.phase.stages]
    scrubbing: list[ScrubTask] = []

    def take(name: str, entry: FileEntry, searched: tuple[Use, ...]) -> None:
        if searched and name.endswith(".parquet"):
            scrubbing.append(ScrubTask(job.store, entry, job.output, name, searched, keys[-1], len(scrubbing)))
        else:
            target.take(store, entry.path, name)
            files.append(asdict(entry) | {"path": name})

    for number, result in enumerate(results):
        for report in result.reports:
            for kind, entry in report.files.items():
                if kind == "documents":
                    continue
                prefix = f"{number:02d}-" if kind in ("ledger", "failed", "skipped") else ""
                label = kind.removeprefix("dropped/") if kind.startswith("dropped/") else ""
                take(f"{kind}/{prefix}{report.index:05d}.parquet", entry, uses(stages, label))
        for published in result.outcome.get("files", []):
            take(published["name"], FileEntry(**published["entry"]), uses(stages, result.phase.stages[0].label))
        for name, entry in result.outcome.get("artifacts", {}).items():
            take(name, FileEntry(**entry), ())
    final = next(result for result in reversed(results) if result.reports)
    at_end = uses(stages)
    for report in final.reports:
        if "documents" in report.files:
            take(f"documents/{report.index:05d}.parquet", report.files["documents"], at_end)
    tasks = [
        LedgerTask(job.store, shard.file, job.output, index, at_end, keys[-1])
        for index, shard in enumerate(documents)
        if shard.file is not None
    ]
    needed = resources(at_end)
    files += [asdict(entry) for entry in executor.run(scrubbing, run_scrub_task, needed)]
    files += [asdict(entry) for _, entry in executor.run(tasks, run_ledger_task, needed)]
    manifest = _manifest(job, results, shards, files)
    manifest["wall_seconds"] = round(time.time() - started, 3)
    target.write_json("manifest.json", manifest)
    return manifest, True


def _manifest(
    job: Job, results: Sequence[PhaseResult], shards: Sequence[Shard], files: list[dict[str, Any]]
) -> dict[str, Any]:
    totals = _totals(results)
    if totals["read"] != totals["kept"] + sum(totals["dropped"].values()) + totals["failed"]:
        raise AssertionError(f"run {job.name}: read, kept, dropped and failed do not add up: {totals}")
    return {
        "name": job.name,
        "state": "done",
        "recipe_hash": job.recipe_hash,
        "store": job.store,
        "input": {"shards": len(shards), "files": len({s.path for s in shards}), "bytes": _input_bytes(shards)},
        "counts": totals,
        "phases": [_phase(result) for result in results],
        "files": sorted(files, key=lambda entry: str(entry["path"])),
    }


def _input_bytes(shards: Sequence[Shard]) -> int:
    return sum({s.path: s.size for s in shards}.values())


def _totals(results: Sequence[PhaseResult]) -> dict[str, Any]:
    first = results[0].reports
    last = next(result for result in reversed(results) if result.reports).reports
    reports = [report for result in results for report in result.reports]
    return {
        "read": sum(r.read for r in first),
        "kept": sum(r.kept for r in last),
        "dropped": _sum(reports, "dropped"),
        "reasons": _sum(reports, "reasons"),
        "failed": sum(r.failed for r in reports),
        "skipped": _sum(reports, "skipped"),
        "cpu_seconds": {k: round(v, 3) for k, v in _sum(reports, "cpu_seconds").items()},
    }


def _sum(reports: Sequence[ShardReport], name: str) -> dict[str, Any]:
    total: Counter[str] = Counter()
    for report in reports:
        total.update(getattr(report, name))
    return dict(total)


def _phase(result: PhaseResult) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "key": result.phase.key,
        "title": result.phase.title,
        "stages": [stage.label for stage in result.phase.stages],
        "shards": result.shards,
    }
    if result.phase.is_global:
        return entry | {"dropped": result.outcome["dropped"], "summary": result.outcome["summary"]}
    reports = result.reports
    return entry | {
        "read": sum(r.read for r in reports),
        "kept": sum(r.kept for r in reports),
        "dropped": _sum(reports, "dropped"),
        "failed": sum(r.failed for r in reports),
        "input_bytes": sum(r.input_bytes for r in reports),
        "cpu_seconds": {k: round(v, 3) for k, v in _sum(reports, "cpu_seconds").items()},
    }
