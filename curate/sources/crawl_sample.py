"""`python -m curate crawl-sample`: a sample of Common Crawl where the network has it, else the mini-web, and one line
that says which and why."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from curate.sources.base import InputError
from curate.sources.commoncrawl import BASE, Dump, Progress, download_sample, find_dump
from curate.sources.crawl_index import Query, Row, cdx, columnar, download_rows
from curate.sources.mirror import HttpMirror, Mirror, MirrorError, open_mirror

T = TypeVar("T")
REPOSITORY = Path(__file__).resolve().parents[2]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--out", type=Path, default=Path("data/crawl-sample"), help="folder (default data/crawl-sample)"
    )
    parser.add_argument("--dump", default="latest", help="latest, or an id such as CC-MAIN-2025-47")
    parser.add_argument("--megabytes", type=int, default=200, help="compressed, over all files (default 200)")
    parser.add_argument("--files", type=int, default=8, help="how many files of the dump it is spread over (default 8)")
    parser.add_argument("--seed", type=int, default=1, help="chooses the files, or the records of an index")
    parser.add_argument(
        "--mirror", default=None, help=f"base URL, s3://…, or folder with the same layout (default {BASE})"
    )
    parser.add_argument("--connections", type=int, default=4)
    parser.add_argument("--patience", type=float, default=6.0, help="seconds to wait for a first answer (default 6)")
    parser.add_argument("--offline", action="store_true", help="the mini-web, without asking the network")
    parser.add_argument("--pages", type=int, default=3400, help="of the mini-web, where it is that (default 3400)")
    index = parser.add_argument_group("records by an index instead of whole files")
    index.add_argument("--from-index", choices=("columnar", "cdx"))
    index.add_argument("--host", help="a host, or *.domain")
    index.add_argument("--language", help="ISO 639-1 or 639-3")
    index.add_argument("--mime", help="such as text/html")
    index.add_argument("--records", type=int, default=1000, help="at most so many (default 1000)")


def run(args: argparse.Namespace) -> int:
    """Answers 0 with a sample in `--out`. MirrorError (exit 1) if a named mirror fails, InputError (2) if the dump
    or a condition is unknown."""
    for name in ("megabytes", "files", "connections", "records", "pages"):
        if getattr(args, name) < 1:
            raise InputError(f"--{name} is {getattr(args, name)}; allowed: a whole number, at least 1")
    if not args.offline and (args.out / "miniweb.json").exists():
        # The two are never mixed in one folder, whose *.warc.gz a recipe reads.
        print(f"kept the mini-web that is in {args.out}: remove that folder to ask for Common Crawl's pages instead")
        return 0
    if args.offline:
        return mini_web(args.out, args.seed, args.pages, "as asked (--offline)")
    base = args.mirror or BASE
    mirror = open_mirror(base, timeout=args.patience) if base.startswith("http") else open_mirror(base)
    try:
        dump = within(args.patience, lambda: first_answer(mirror, args.dump))
    except (OSError, TimeoutError) as error:
        if args.mirror or args.from_index:
            raise MirrorError(f"{base}: {error}") from error
        return without_network(args, f"{base} does not answer ({shorten(error)})")
    mirror = open_mirror(base, on_wait=say_wait) if base.startswith("http") else mirror
    if args.from_index:
        return from_index(mirror, dump, args)
    manifest = download_sample(
        mirror, dump.id, args.out, megabytes=args.megabytes, files=args.files, seed=args.seed,
        connections=args.connections, progress=progress_bar(),
    )  # fmt: skip
    print(
        f"Common Crawl {dump.id} from {base}, which answered: {manifest['responses']:,} pages, "
        f"{manifest['bytes'] / 1e6:.0f} MB in {args.out}" + lost(manifest["failed"], args.out)
    )
    return 0


def from_index(mirror: Mirror, dump: Dump, args: argparse.Namespace) -> int:
    """Records that an index names."""
    query = Query(args.host, args.language, args.mime)
    if query == Query():
        raise InputError("--from-index wants at least one of --host, --language, --mime")
    failed: list[dict[str, Any]] = []
    source = (
        columnar(mirror, dump.id, query, failed) if args.from_index == "columnar" else cdx(mirror, dump, query, failed)
    )
    rows: list[Row] = []
    for row in source:
        rows.append(row)
        if len(rows) >= args.records:
            break
    if not rows:
        raise MirrorError(f"the index of {dump.id} has no record for {query}; its unreadable lines: {len(failed)}")
    manifest = download_rows(mirror, dump.id, rows, args.out, failed=failed, connections=args.connections,
                             progress=progress_bar())  # fmt: skip
    print(
        f"Common Crawl {dump.id} from {mirror.base}, by its {args.from_index} index: {manifest['records']:,} records "
        f"in {args.out}" + lost(len(failed), args.out)
    )
    return 0


def lost(count: int, out: Path) -> str:
    return f"; {count} could not be had, see {out}/manifest.json" if count else ""


# ---------------------------------------------------------------------------------------- without a network


def first_answer(mirror: Mirror, wanted: str) -> Dump:
    """The dump, asked for without patience: it is only to be known whether anyone answers."""
    if isinstance(mirror, HttpMirror):
        mirror.retries = 1
    return find_dump(mirror, wanted)


def within(seconds: float, call: Callable[[], T]) -> T:
    """The call's answer, or TimeoutError: a name server that is silent holds a plain call for long."""
    answer: list[T] = []
    trouble: list[Exception] = []

    def work() -> None:
        try:
            answer.append(call())
        except Exception as error:
            trouble.append(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(seconds)
    if trouble:
        raise trouble[0]
    if not answer:
        raise TimeoutError(f"no answer within {seconds:g} s")
    return answer[0]


def without_network(args: argparse.Namespace, why: str) -> int:
    """What is there already, else the mini-web."""
    out: Path = args.out
    manifest = out / "manifest.json"
    if manifest.exists() and any(out.glob("*.warc.gz")):
        before = json.loads(manifest.read_text("utf-8"))
        print(f"kept the sample of {before.get('dump')} that is in {out}: {why}")
        return 0
    return mini_web(out, args.seed, args.pages, f"because {why}")


def mini_web(out: Path, seed: int, pages: int, why: str) -> int:
    """Builds the mini-web, which is an example of the repository and no part of the package."""
    if not (REPOSITORY / "examples" / "miniweb").is_dir():
        raise MirrorError(
            f"no sample: {why}, and this installation has no examples/miniweb; run it from a checkout of the "
            "repository, or name a mirror or folder with Common Crawl's layout by --mirror"
        )
    command = [sys.executable, "-m", "examples.miniweb", "build", "--out", str(out.resolve()), "--seed", str(seed),
               "--pages", str(pages)]  # fmt: skip
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1].removeprefix("error: ")
        if done.returncode == 2:
            raise InputError(f"the mini-web was not built: {said}")
        raise MirrorError(f"the mini-web was not built: {said}")
    summary = json.loads(done.stdout)
    print(
        f"mini-web (invented pages with known truth), {why}: {summary['pages']:,} pages of {summary['sites']} sites, "
        f"{summary['warc_bytes'] / 1e6:.0f} MB in {out}"
    )
    return 0


def shorten(error: Exception) -> str:
    """The end of the message: what the last answer was."""
    text = str(error).rpartition("the last answer: ")[2] or type(error).__name__
    return text[:160]


# ---------------------------------------------------------------------------------------- progress


def say_wait(reason: str, seconds: float) -> None:
    """Waits of a second and more are worth a line."""
    if seconds >= 1:
        print(f"waiting {seconds:.0f} s: {reason}", file=sys.stderr)


def progress_bar() -> Progress:
    """Bars on a terminal, otherwise a line for each tenth of a file."""
    lock = threading.Lock()
    if sys.stderr.isatty():
        from rich.console import Console
        from rich.progress import (
            BarColumn,
            DownloadColumn,
            TaskID,
            TextColumn,
            TimeRemainingColumn,
            TransferSpeedColumn,
        )
        from rich.progress import Progress as Bars

        bars = Bars(TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn(),
                    TimeRemainingColumn(), console=Console(stderr=True))  # fmt: skip
        bars.start()
        tasks: dict[str, TaskID] = {}

        def draw(name: str, done: int, wanted: int) -> None:
            with lock:
                if name not in tasks:
                    tasks[name] = bars.add_task(name[-24:], total=wanted)
                bars.update(tasks[name], completed=done)
                if all(task.finished for task in bars.tasks):
                    bars.refresh()

        return draw
    said: dict[str, int] = {}

    def line(name: str, done: int, wanted: int) -> None:
        tenth = 10 * done // max(wanted, 1)
        with lock:
            if said.get(name, -1) < tenth:
                said[name] = tenth
                print(f"{name}: {done:,} of {wanted:,}", file=sys.stderr)

    return line
