"""`python -m examples.miniweb build|serve|score`: writes the mini-web, serves it, scores a run over it."""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from examples.miniweb.build import build
from examples.miniweb.score import score


def run_build(options: argparse.Namespace) -> None:
    started = time.monotonic()
    print(json.dumps(build(options.out, options.seed, options.pages), indent=2))
    print(f"mini-web in {options.out}, {time.monotonic() - started:.1f} s", file=sys.stderr)


def run_serve(options: argparse.Namespace) -> None:
    from examples.miniweb.serve import MiniServer

    if not (options.folder / "truth.parquet").exists():
        raise FileNotFoundError(f"{options.folder} holds no mini-web: write one there with `build --out`")
    server = MiniServer(options.folder, options.port, options.crawl_delay)
    print(f"mirror: http://127.0.0.1:{options.port}   hosts: {len(server.hosts)}, such as {server.hosts[0]}")
    flags = f"--out DIR --resolve '*.example=127.0.0.1:{options.port}'"
    print(f"crawl one: python -m curate crawl http://{server.hosts[0]}/ {flags}")
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        print("stopped", file=sys.stderr)


def run_score(options: argparse.Namespace) -> None:
    answer = score(options.run, options.truth)
    print(json.dumps(answer, indent=2, ensure_ascii=False) if options.json else answer["markdown"])


def main(arguments: list[str] | None = None) -> int:
    """Exit status 0, or 2 with the reason in one line."""
    parser = argparse.ArgumentParser(prog="python -m examples.miniweb", description=__doc__)
    commands = parser.add_subparsers(required=True)

    def command(name: str, does: str, run: Callable[[argparse.Namespace], None]) -> argparse.ArgumentParser:
        made = commands.add_parser(name, help=does, description=does)
        made.set_defaults(act=run)
        return made

    make = command("build", "write WARC files, their truth and held-out questions", run_build)
    make.add_argument("--out", type=Path, required=True, help="folder; an earlier mini-web in it is replaced")
    make.add_argument("--seed", type=int, default=1)
    make.add_argument("--pages", type=int, default=3400, help="about so many, at least 200 (default 3400)")
    serve = command("serve", "its hosts and a mirror on loopback, until interrupted", run_serve)
    serve.add_argument("folder", type=Path, help="what build wrote")
    serve.add_argument("--port", type=int, default=8080)
    serve.add_argument("--crawl-delay", type=float, default=0.0, help="that every robots.txt asks for, in seconds")
    judge = command("score", "what a run over it made of it, against the truth", run_score)
    judge.add_argument("run", type=Path, help="the run's folder; gets truth_score.json")
    judge.add_argument("--truth", type=Path, help="truth.parquet, where it is not beside the WARC files")
    judge.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    try:
        options.act(options)
    except (OSError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
