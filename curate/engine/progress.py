"""Says on stderr how a run goes: a rich bar on a terminal, a plain line every few seconds elsewhere."""

from __future__ import annotations

import sys
import time
from typing import Any


class Progress:
    """One phase at a time."""

    def __init__(self, quiet: bool = False, seconds_between_lines: float = 5.0) -> None:
        self._quiet = quiet
        self._pause = seconds_between_lines
        self._terminal = sys.stderr.isatty() and not quiet
        self._bar: Any = None
        self._task: Any = None

    def begin(self, title: str, shards: int, reused: int, input_bytes: int) -> None:
        """A phase of so many shards, of which `reused` were committed before."""
        self._title, self._shards, self._reused, self._bytes = title, shards, reused, input_bytes
        self._done = reused
        self._read = self._kept = self._bytes_done = 0
        self._start = self._last = time.monotonic()
        if self._terminal and reused < shards:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            self._bar = Bar(
                TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
                TextColumn("{task.fields[rate]}"), TimeRemainingColumn(), console=Console(stderr=True),
            )  # fmt: skip
            self._bar.start()
            self._task = self._bar.add_task(title[:60], total=shards, completed=reused, rate="")

    def shard(self, read: int, kept: int, input_bytes: int) -> None:
        """A shard has been committed."""
        self._done += 1
        self._read += read
        self._kept += kept
        self._bytes_done += input_bytes
        if self._bar is not None:
            self._bar.update(self._task, completed=self._done, rate=self._rate())
        elif time.monotonic() - self._last >= self._pause:
            self._last = time.monotonic()
            self._say(f"{self._title}: {self._done}/{self._shards} shards, {self._rate()}, {self._left()}")

    def end(self) -> None:
        """The phase is complete."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
        if self._reused == self._shards:
            self._say(f"{self._title}: done before ({self._counted()})")
        elif self._read:
            self._say(f"{self._title}: {self._counted()}, {self._rate()}")
        else:
            self._say(f"{self._title}: {time.monotonic() - self._start:.1f} s")

    def _counted(self) -> str:
        return f"{self._shards} shard{'s' if self._shards != 1 else ''}"

    def _rate(self) -> str:
        seconds = max(time.monotonic() - self._start, 1e-3)
        kept = f"{100 * self._kept / self._read:.1f} % kept" if self._read else "nothing read"
        megabytes = f", {self._bytes_done / 1e6 / seconds:.2f} MB/s" if self._bytes_done else ""
        return f"{self._read / seconds:.0f} documents/s{megabytes}, {kept}"

    def _left(self) -> str:
        done_now = self._done - self._reused
        seconds = (time.monotonic() - self._start) / max(done_now, 1) * (self._shards - self._done)
        return f"{seconds:.0f} s left"

    def _say(self, line: str) -> None:
        if not self._quiet:
            print(line, file=sys.stderr, flush=True)
