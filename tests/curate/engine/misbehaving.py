"""Stages that crash, hang, raise or dawdle on purpose, for the engine's tests."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pyarrow as pa

from curate.stage import MapStage, Outcome, Shared, StageParameters


class PoisonParameters(StageParameters):
    """URLs that end in one of these do the thing."""

    crash: str = "/page/13"
    hang: str = "/page/57"
    throw: str = "/page/19"


class Poison(MapStage):
    """Segfaults on one page, spins on another, raises on a third."""

    name = "poison"
    Parameters = PoisonParameters
    reads = ("url",)
    parameters: PoisonParameters

    def process(self, batch: pa.RecordBatch, shared: Shared) -> Outcome:
        for url in batch.column("url").to_pylist():
            if url.endswith(self.parameters.crash):
                os.kill(os.getpid(), signal.SIGSEGV)
            while url.endswith(self.parameters.hang):
                pass
            if url.endswith(self.parameters.throw):
                raise ValueError(f"cannot bear {url}")
        return Outcome(batch)


class SlowParameters(StageParameters):
    """Where each worker leaves its process id."""

    pids: str
    seconds: float = 0.02


class Slow(MapStage):
    """Takes its time for each page, and says which process it runs in."""

    name = "slow"
    Parameters = SlowParameters
    reads = ("url",)
    parameters: SlowParameters

    def process(self, batch: pa.RecordBatch, shared: Shared) -> Outcome:
        (Path(self.parameters.pids) / str(os.getpid())).touch()
        time.sleep(self.parameters.seconds * batch.num_rows)
        return Outcome(batch)
