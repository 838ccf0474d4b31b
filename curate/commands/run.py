"""`python -m curate run`: carries a recipe out."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from curate.engine.local_ray import LocalRay

if TYPE_CHECKING:  # all else is imported while Ray starts
    from curate.engine.executor import Executor
    from curate.engine.run import Job, RunResult
    from curate.recipe import Recipe

FAILURES_TOLD = 3
"""Kinds of failure that the end of a run names; the report has more."""


def add_recipe_arguments(parser: argparse.ArgumentParser) -> None:
    """What every command takes that reads a recipe."""
    parser.add_argument("recipe", help="a recipe file, such as pipelines/fineweb_like.yaml")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="change one key of the recipe")
    parser.add_argument("--output", metavar="DIR", help="the run's folder, a path or an fsspec URL")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_recipe_arguments(parser)
    parser.add_argument(
        "--workers", type=int, metavar="N", help="tasks at a time (default: one for each CPU of the machine or cluster)"
    )
    parser.add_argument("--address", metavar="ADDRESS", help="a Ray cluster: auto, HOST:PORT or ray://HOST:10001")
    parser.add_argument("--inline", action="store_true", help="no Ray: one shard after the other in this process")
    parser.add_argument("--quiet", action="store_true", help="no progress")
    parser.add_argument("--json", action="store_true", help="the counts as JSON on stdout")


def job_of(recipe: Recipe) -> Job:
    """A recipe as the engine takes it."""
    from curate.engine.run import Job

    return Job(
        name=recipe.header.name,
        inputs=recipe.header.input,
        stages=recipe.stages,
        output=recipe.header.output,
        store=recipe.store,
        recipe_text=recipe.to_yaml(),
        recipe_hash=recipe.hash(),
        record_cpu_seconds=recipe.header.limits.record_cpu_seconds,
        memory_mb=recipe.header.limits.memory_mb,
    )


def run(args: argparse.Namespace) -> int:
    if args.workers is not None and args.workers < 1:
        print(f"error: --workers {args.workers}: at least one worker is needed", file=sys.stderr)
        return 2
    local = None if args.inline or args.address else _started(args)
    try:
        return _carried_out(args, local)
    finally:
        if local is not None:
            local.end()


def _started(args: argparse.Namespace) -> LocalRay | None:
    """Ray, to be up when the recipe has been read; None where there may be nothing to do, so that it can wait."""
    if args.output and Path(args.output, "manifest.json").exists():
        return None
    return LocalRay(args.workers)


def _carried_out(args: argparse.Namespace, local: LocalRay | None) -> int:
    from curate.engine.executor import InlineExecutor, RayExecutor
    from curate.engine.progress import Progress
    from curate.engine.run import run as carry_out
    from curate.engine.store import Store
    from curate.recipe import load

    recipe = load(args.recipe, args.set, args.output)

    def executor() -> Executor:
        made = InlineExecutor() if args.inline else RayExecutor(args.workers, args.address, local)
        signal.signal(signal.SIGTERM, stop)  # Ray, as it starts, puts a handler of its own there, which ends at once
        return made

    def stop(signum: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)
    result = carry_out(job_of(recipe), executor, Progress(args.quiet))
    if not (result.did_nothing and Store(result.output).exists("report.html")):
        from curate.report.page import write_report

        write_report(result.output)
    _say(result, args.json)
    return _doubts(result)


def _doubts(result: RunResult) -> int:
    """What a user should not miss, on stderr; the exit status: 1 if nothing of the input could be read, or a stage
    could not do what it is for."""
    from curate.engine.store import Store
    from curate.stage import MISSED

    counts = result.manifest["counts"]
    failed, kept, dropped = counts["failed"], counts["kept"], sum(counts["dropped"].values())
    if failed:
        from curate.report.sections import failures

        for stage, error, count in failures(Store(result.output))[:FAILURES_TOLD]:
            print(f"failed, {count}: {stage}: {error}", file=sys.stderr)
        print(f"all {failed} of them: {result.output}/failed/", file=sys.stderr)
    if failed and not kept and not dropped:
        print(f"error: {result.output}: no document could be read", file=sys.stderr)
        return 1
    if dropped and not kept:
        reason, count = max(counts["reasons"].items(), key=lambda item: item[1])
        print(f"nothing was kept; most were dropped by {reason}: {count}", file=sys.stderr)
    elif not kept:
        print("nothing was kept: the input has no document", file=sys.stderr)
    missed = [phase for phase in result.manifest["phases"] if MISSED in phase.get("summary", {})]
    for phase in missed:
        print(f"error: {', '.join(phase['stages'])}: {phase['summary'][MISSED]}", file=sys.stderr)
    return int(bool(missed))


def _say(result: RunResult, as_json: bool) -> None:
    counts = result.manifest["counts"]
    if as_json:
        print(json.dumps({"output": result.output, "did_nothing": result.did_nothing, "counts": counts}))
        return
    if result.did_nothing:
        print(f"nothing to do: {result.output} is complete and up to date")
    dropped = sum(counts["dropped"].values())
    print(
        f"{result.output}: {counts['read']:,} documents read = {counts['kept']:,} kept + {dropped:,} dropped + "
        f"{counts['failed']:,} failed; {sum(counts['skipped'].values()):,} other records skipped"
    )
    print(f"report: {result.output}/report.html")
