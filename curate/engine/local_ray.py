"""Ray on this machine, in a process of its own that starts while this one still reads its recipe.

Starting Ray is mostly waiting for its processes, some seconds however few pages there are. It ends with this process,
also when that is killed: its standard input is a pipe from here.
"""

from __future__ import annotations

import atexit
import logging
import os
import re
import subprocess
import sys
import tempfile
from contextlib import suppress

OBJECT_STORE_BYTES = 128 << 20
"""Data travels in files; Ray's store holds only task descriptions and reports."""

END_SECONDS = 10.0
"""How long Ray's processes may take to end before they are killed."""

LINES_TOLD = 5
_ERROR = re.compile(r"[\w.]*(?:Error|Exception)\b")


class ClusterError(ConnectionError):
    """A Ray cluster does not start, does not answer, or does not let this process in."""


class LocalRay:
    """Starts at once; `address` waits until it answers."""

    def __init__(self, workers: int | None = None) -> None:
        """`workers`: its CPUs; None takes all of this machine."""
        quiet()
        self.workers = workers or os.cpu_count() or 1
        # A worker must find the same packages as this process, also those found by the current directory.
        path = os.pathsep.join(dict.fromkeys(p or str(os.getcwd()) for p in sys.path))  # noqa: PTH109
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as the process
        self._process = subprocess.Popen(
            [sys.executable, "-m", "curate.engine.ray_head", str(self.workers)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors,
            env=os.environ | {"PYTHONPATH": path},
            start_new_session=True,
        )  # fmt: skip
        self._address: str | None = None
        atexit.register(self._gone)

    def address(self) -> str:
        """HOST:PORT of the cluster. ClusterError if it does not start."""
        if self._address is None:
            assert self._process.stdout is not None
            line = self._process.stdout.readline()
            if not line:
                self._errors.seek(0)
                said = _error_in(self._errors.read().decode(errors="replace"))
                raise ClusterError(
                    "Ray does not start on this machine (`python -m curate doctor` tries it by itself; --inline does "
                    f"without): {said}"
                )
            self._address = line.decode().strip()
        return self._address

    def end(self) -> None:
        """Ends Ray's processes, without waiting for them."""
        if self._address is None:
            self._process.kill()  # still starting: its processes end with it
        assert self._process.stdin is not None
        with suppress(OSError):
            self._process.stdin.close()

    def _gone(self) -> None:
        self.end()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()


def _error_in(text: str) -> str:
    """What a traceback ends with: the error and what it says."""
    lines = [line for line in text.splitlines() if line.strip()]
    begin = max((i for i, line in enumerate(lines) if _ERROR.match(line)), default=0)
    return " ".join(line.strip() for line in lines[begin:][:LINES_TOLD])


def quiet() -> None:
    """Keeps Ray from calling home, and its workers to a thread each."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_DEDUP_LOGS", "0")
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS", "TOKENIZERS_PARALLELISM"):
        os.environ.setdefault(name, "false" if name.startswith("TOK") else "1")


def let_in(*, create: bool) -> None:
    """Makes this process use the token that a Ray of this machine asks for, as `ray.init` does for a Ray that it
    starts itself: nobody else may hand it tasks. Versions of Ray that know no token need none."""
    try:
        from ray._private.authentication import authentication_token_setup as tokens
    except ImportError:
        return
    logging.getLogger("ray").setLevel(logging.ERROR)  # it warns that there is a token
    tokens.enable_token_auth_by_default()
    tokens.ensure_token_if_auth_enabled(create_token_if_missing=create)
