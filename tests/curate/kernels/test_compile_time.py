"""What compiling a kernel takes is counted, and is no stage's cost."""

from __future__ import annotations

import signal
import subprocess
import sys

import numpy as np
import pyarrow as pa
from numba import njit

import curate.kernels.compiled  # noqa: F401  (counts)
from curate import compile_time
from curate.engine.chain import COMPILE, Chain
from curate.stage import MapStage, Outcome, Shared, StageParameters


class Compiling(MapStage):
    """A stage whose kernels, of which one calls the other, are in no cache."""

    name = "compiling"

    def process(self, batch: pa.RecordBatch, shared: Shared) -> Outcome:
        @njit
        def inner(values):  # type: ignore[no-untyped-def]
            total = 0
            for value in values:
                total += value
            return total

        @njit
        def outer(values):  # type: ignore[no-untyped-def]
            return inner(values) + 1

        assert outer(np.arange(4)) == 7
        return Outcome(batch)


def test_a_stage_is_not_charged_for_what_compiling_its_kernels_takes() -> None:
    before = compile_time.seconds()
    result = Chain([Compiling(StageParameters())]).run(pa.record_batch({"id": ["a"], "text": ["x"]}))
    assert set(result.cpu_seconds) == {"compiling", COMPILE}
    assert result.cpu_seconds[COMPILE] == compile_time.seconds() - before
    assert 0 <= result.cpu_seconds["compiling"] < result.cpu_seconds[COMPILE]


LIMITED = """
import time
from curate import compile_time
from curate.engine.guard import limit_cpu

def burn(seconds):
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass

limit_cpu(0)
compile_time.begin()
compile_time.begin()
burn(1.6)
compile_time.end()
compile_time.end()
print("compiled", flush=True)
burn(20)
"""


def test_a_record_s_limit_leaves_out_what_compiling_takes_and_holds_again_behind_it() -> None:
    done = subprocess.run([sys.executable, "-c", LIMITED], capture_output=True, text=True, check=False)
    assert done.stdout == "compiled\n"
    assert done.returncode == -signal.SIGXCPU
