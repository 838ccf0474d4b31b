"""Runs a chain in a child process, for a shard that has already killed one worker.

The child takes a batch record by record and says which record and stage it is at. When it dies (a segfault in a C
library) or spends more than its CPU time on one record (a pathological page), that record becomes a dead letter and
a fresh child goes on behind it. The limit is CPU time, so that the answer does not depend on how busy the machine
is; and since no stage's answer for a record depends on its neighbours, it is that of an unguarded chain.
"""

from __future__ import annotations

import math
import os
import pickle
import resource
import signal
import subprocess
import sys
from collections.abc import Sequence
from multiprocessing.connection import Connection
from typing import Any

import pyarrow as pa

from curate import compile_time
from curate.engine.chain import Chain, ChainResult, dead_letters
from curate.stage import MapStage


class GuardedChain:
    """A Chain with the same answers, which survives what the stages do to their process."""

    def __init__(self, stages: Sequence[MapStage], cpu_seconds: float) -> None:
        self.stages = stages
        self.cpu_seconds = cpu_seconds
        self._child: subprocess.Popen[bytes] | None = None
        self._pipe: Connection | None = None

    def run(self, batch: pa.RecordBatch) -> ChainResult:
        """As Chain.run, with dead letters for records that crash or exceed their CPU time."""
        if batch.num_rows == 0:
            return self._empty(batch)
        results: list[ChainResult] = []
        while len(results) < batch.num_rows:
            rest = batch.slice(len(results))
            death = self._advance(rest, results)
            if death is not None:
                row = batch.slice(len(results), 1)
                survivors = self._empty(row.slice(0, 0))
                survivors.failed.append(dead_letters(row, *death))
                results.append(survivors)
        return merged(results)

    def _empty(self, batch: pa.RecordBatch) -> ChainResult:
        """What the chain makes of no rows: their schema."""
        found: list[ChainResult] = []
        death = self._advance(batch, found)
        if death is not None:
            raise RuntimeError(f"stage {death[0]} {death[1][0]} without any record: it cannot work here at all")
        return found[0]

    def _advance(self, batch: pa.RecordBatch, results: list[ChainResult]) -> tuple[str, list[str]] | None:
        """Appends the result of each record until the batch ends, or the child dies: then (stage, [reason])."""
        pipe = self._connect()
        stage = "open"
        wanted = max(batch.num_rows, 1)
        received = 0
        try:
            pipe.send_bytes(pickle.dumps(batch))
            while received < wanted:
                message = pickle.loads(pipe.recv_bytes())
                if isinstance(message, BaseException):
                    raise message
                if isinstance(message, ChainResult):
                    results.append(message)
                    received += 1
                else:
                    stage = message
        except (EOFError, ConnectionError):
            assert self._child is not None
            code = self._child.wait()
            self.close()
            return stage, [self._reason(code)]
        return None

    def close(self) -> None:
        """Ends the child."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()
        if self._pipe is not None:
            self._pipe.close()
        self._child = self._pipe = None

    def _attempt(self, batch: pa.RecordBatch) -> ChainResult | tuple[str, str]:
        """The result, or (stage, reason) of the child's death."""
        pipe = self._connect()
        stage = "open"
        try:
            pipe.send_bytes(pickle.dumps(batch))
            while True:
                message = pickle.loads(pipe.recv_bytes())
                if isinstance(message, BaseException):
                    raise message
                if isinstance(message, ChainResult):
                    return message
                stage = message
        except (EOFError, ConnectionError):
            assert self._child is not None
            code = self._child.wait()
            self.close()
            return stage, self._reason(code)

    def _reason(self, code: int) -> str:
        if code in (-signal.SIGXCPU, -signal.SIGPROF):
            return f"exceeded {self.cpu_seconds:g} CPU seconds"
        if code < 0:
            return f"killed its process with {signal.Signals(-code).name}"
        return f"ended its process with status {code}"

    def _connect(self) -> Connection:
        if self._pipe is None:
            ours, theirs = os.pipe(), os.pipe()
            self._child = subprocess.Popen(
                [sys.executable, "-m", "curate.engine.guard", str(theirs[0]), str(ours[1])],
                pass_fds=(theirs[0], ours[1]),
                stdin=subprocess.DEVNULL,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
            )
            os.close(theirs[0])
            os.close(ours[1])
            self._pipe = _Duplex(ours[0], theirs[1])  # type: ignore[assignment]
            assert self._pipe is not None
            self._pipe.send_bytes(pickle.dumps((list(self.stages), self.cpu_seconds)))
        return self._pipe


class _Duplex:
    """Two one-way pipes as one connection."""

    def __init__(self, reading: int, writing: int) -> None:
        self._reading = Connection(reading, writable=False)
        self._writing = Connection(writing, readable=False)

    def send_bytes(self, data: bytes) -> None:
        self._writing.send_bytes(data)

    def recv_bytes(self) -> bytes:
        return self._reading.recv_bytes()

    def close(self) -> None:
        self._reading.close()
        self._writing.close()


def merged(results: Sequence[ChainResult]) -> ChainResult:
    """Results of consecutive pieces of a batch as one."""
    whole = ChainResult(pa.concat_batches([result.kept for result in results]))
    for result in results:
        whole.dropped += result.dropped
        whole.failed += result.failed
        for label, seconds in result.cpu_seconds.items():
            whole.cpu_seconds[label] = whole.cpu_seconds.get(label, 0.0) + seconds
    return whole


def limit_cpu(seconds: float) -> None:
    """Kills this process once it has spent `seconds` of CPU time from now on."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    soft = int(usage.ru_utime + usage.ru_stime + seconds + 1)
    resource.setrlimit(resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


def lift_cpu_limit() -> None:
    """Undoes limit_cpu."""
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (hard, hard))


class _Pause:
    """Leaves compiling out of the limit: what becomes of a record may not depend on whether it was the first."""

    def begin(self) -> None:
        self._soft, _ = resource.getrlimit(resource.RLIMIT_CPU)
        lift_cpu_limit()

    def end(self, seconds: float) -> None:
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        if self._soft != hard:
            soft = self._soft + math.ceil(seconds)
            resource.setrlimit(resource.RLIMIT_CPU, (soft if hard == resource.RLIM_INFINITY else min(soft, hard), hard))


_pause = _Pause()
compile_time.watch(_pause.begin, _pause.end)


def _serve(reading: int, writing: int) -> None:
    """The child: stages first, then a batch at a time, announcing each stage before it starts."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    pipe = _Duplex(reading, writing)

    def tell(message: Any) -> None:
        pipe.send_bytes(pickle.dumps(message))

    stages, cpu_seconds = pickle.loads(pipe.recv_bytes())
    chain = Chain(stages, announce=tell)
    while True:
        try:
            batch = pickle.loads(pipe.recv_bytes())
        except EOFError:
            return
        for row in range(max(batch.num_rows, 1)):
            limit_cpu(cpu_seconds)
            try:
                tell(chain.run(batch.slice(row, 1)))
            except Exception as error:
                tell(error)


if __name__ == "__main__":
    _serve(int(sys.argv[1]), int(sys.argv[2]))
