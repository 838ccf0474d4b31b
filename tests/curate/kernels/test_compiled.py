"""The cache of compiled kernels."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

KERNELS = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (0, resource.RLIM_INFINITY))
from curate.kernels.compiled import kernel

@kernel
def one_more(x):
    return x + 1

@kernel
def one_less(x):
    return x - 1

print(one_more(1), one_less(1), flush=True)
"""


def test_kernels_that_cannot_be_kept_still_run_and_are_told_of_once(tmp_path: Path) -> None:
    """A file-size limit stands for the full disk: the write itself fails."""
    script = tmp_path / "kernels.py"
    script.write_text(KERNELS)
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path / "cache"), "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, str(script)], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["2", "0"]
    assert done.stderr.count("compiled kernels cannot be kept in") == 1
    assert "set NUMBA_CACHE_DIR to another folder" in done.stderr
