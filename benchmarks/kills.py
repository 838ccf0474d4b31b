"""Kills a run's worker, driver or Ray with SIGKILL at chosen moments and checks that it ends with the same bytes.

    python -m benchmarks.kills --moments 10 --input 'data/crawl-sample/*.warc.gz'

A moment is a number of committed shards, not a time, so that it means the same on a slow machine. A killed worker
must not even be noticed; after the driver or Ray is killed, the same command goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

RECIPE = """
name: kills
input: {{warc: "{input}", shard_bytes: {shard_bytes}}}
stages:
  - extract: {{engine: resiliparse}}
  - language: {{keep: [en], min_score: 0.5}}
  - deduplicate: {{by: url}}
  - deduplicate: {{by: text}}
output: {output}
"""
TARGETS = ("worker", "driver", "ray")


class Victim:
    """A run in a process of its own, into a fresh folder."""

    def __init__(self, folder: Path, pattern: str, shard_bytes: int, workers: int = 2) -> None:
        """`workers` 0: without Ray."""
        folder.mkdir(parents=True)
        self.output = folder / "run"
        self.workers = workers
        self._recipe = folder / "recipe.yaml"
        self._recipe.write_text(RECIPE.format(input=pattern, shard_bytes=shard_bytes, output=self.output))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> subprocess.Popen[bytes]:
        how = ["--workers", str(self.workers)] if self.workers else ["--inline"]
        command = [sys.executable, "-m", "curate", "run", str(self._recipe), "--quiet", *how]
        self._process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        return self._process

    def committed(self) -> int:
        """Tasks that have left their record so far."""
        return sum(1 for _ in self.output.parent.glob(".phases/*/**/done/*.json"))

    def kill(self, target: str) -> bool:
        """SIGKILL; whether there was something to kill."""
        assert self._process is not None
        if target == "driver":
            self._process.kill()
            return True
        wanted = "ray::run_" if target == "worker" else "raylet/raylet"
        for pid, command in descendants(self._process.pid):
            if wanted in command:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue
                return True
        return False

    def finish(self, target: str, attempts: int = 3) -> int:
        """Waits for the end; after the driver or Ray has been killed, runs the command again. Answers how often."""
        for attempt in range(attempts):
            process = self._process if attempt == 0 else self.start()
            assert process is not None
            _, errors = process.communicate()
            if process.returncode == 0:
                return attempt
            if target == "ray":
                said = errors.decode()
                assert "Ray has died on this machine" in said or "Ray does not start" in said, said[-2000:]
            if target == "worker":
                raise AssertionError(f"a killed worker ended the run: {errors.decode()[-2000:]}")
        raise AssertionError(f"not done after {attempts} attempts: {errors.decode()[-2000:]}")

    def hashes(self) -> dict[str, str]:
        """Name → hash of all data files."""
        manifest = json.loads((self.output / "manifest.json").read_text())
        return {entry["path"]: entry["sha256"] for entry in manifest["files"]}


def descendants(root: int) -> Iterator[tuple[int, str]]:
    """(process id, command line) of all processes below one."""
    children: dict[int, list[int]] = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except (OSError, ValueError):
            continue
        children.setdefault(parent, []).append(int(folder.name))
    todo = list(children.get(root, []))
    while todo:
        pid = todo.pop()
        todo += children.get(pid, [])
        try:
            yield pid, (Path("/proc") / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue


def kill_once(folder: Path, pattern: str, shard_bytes: int, target: str, moment: int) -> tuple[dict[str, str], int]:
    """Starts a run, kills the target once `moment` tasks are committed, lets it finish. (hashes, runs repeated)."""
    victim = Victim(folder, pattern, shard_bytes)
    process = victim.start()
    while victim.committed() < moment and process.poll() is None:
        time.sleep(0.005)
    deadline = time.monotonic() + 30
    while process.poll() is None and not victim.kill(target) and time.monotonic() < deadline:
        time.sleep(0.01)
    repeated = victim.finish(target)
    return victim.hashes(), repeated


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", default="data/crawl-sample/*.warc.gz")
    parser.add_argument("--moments", type=int, default=10, help="for each target")
    parser.add_argument("--shard-bytes", type=int, default=4_000_000)
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    source = random.Random(args.seed)
    with tempfile.TemporaryDirectory() as scratch:
        calm = Victim(Path(scratch) / "calm", args.input, args.shard_bytes)
        calm.start()
        calm.finish("worker", attempts=1)
        wanted, tasks = calm.hashes(), calm.committed()
        same = 0
        for number in range(args.moments * len(TARGETS)):
            target, moment = TARGETS[number % len(TARGETS)], source.randrange(tasks)
            folder = Path(scratch) / str(number)
            found, repeated = kill_once(folder, args.input, args.shard_bytes, target, moment)
            same += found == wanted
            verdict = "same bytes" if found == wanted else "DIFFERENT"
            print(
                f"{target:<7} killed after {moment:>3} of {tasks} tasks: {verdict}, run again {repeated} times",
                flush=True,
            )
        total = args.moments * len(TARGETS)
        print(json.dumps({"kills": total, "same_bytes": same, "tasks": tasks}))
    return 0 if same == total else 1


if __name__ == "__main__":
    sys.exit(main())
