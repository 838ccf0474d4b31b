"""Ray on this machine: up with no more than one program needs, closed to strangers, and gone with its program."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from argparse import Namespace
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.kills import descendants
from curate.commands.run import _started
from curate.engine.local_ray import ClusterError, LocalRay

PROGRAM = """
import sys
from curate.engine.executor import RayExecutor
executor = RayExecutor(workers=1)
print(executor._local.address(), flush=True)
sys.stdin.read()
executor.close()
"""

STRANGER = """
import sys
from ray._raylet import GcsClient
print(GcsClient(address=sys.argv[1]).internal_kv_keys(b"", None, timeout=5))
"""


@pytest.fixture(scope="module")
def program() -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A program with a Ray of its own, and that one's address."""
    process = subprocess.Popen([sys.executable, "-c", PROGRAM], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdout is not None
    yield process, process.stdout.readline().decode().strip()
    process.communicate()


def alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def asked(address: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """A program that asks Ray for what it keeps."""
    everything = os.environ | environment
    return subprocess.run(
        [sys.executable, "-c", STRANGER, address], env=everything, capture_output=True, timeout=60, check=False
    )


def test_only_who_has_its_token_is_let_in(tmp_path: Path, program: tuple[subprocess.Popen[bytes], str]) -> None:
    _, address = program
    assert asked(address, RAY_AUTH_MODE="token").returncode == 0
    stranger = asked(address, RAY_AUTH_MODE="disabled", HOME=str(tmp_path))
    assert stranger.returncode != 0 and b"uthenticat" in stranger.stderr


def test_it_starts_without_dashboard_autoscaler_and_log_monitor_and_ends_when_its_program_is_killed(
    program: tuple[subprocess.Popen[bytes], str],
) -> None:
    process, _ = program
    started = dict(descendants(process.pid))
    commands = " ".join(started.values())
    assert "raylet/raylet" in commands and "gcs_server" in commands
    for left_out in ("dashboard/dashboard.py", "monitor.py", "log_monitor.py"):
        assert left_out not in commands
    process.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 20
    while any(map(alive, started)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [command for pid, command in started.items() if alive(pid)] == []


def test_a_ray_that_does_not_start_says_what_it_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "ray" / "__init__.py"
    broken.parent.mkdir()
    broken.write_text("raise ImportError('this Ray is broken')\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    local = LocalRay(1)
    with pytest.raises(ClusterError, match=r"Ray does not start on this machine .*: ImportError: this Ray is broken$"):
        local.address()
    local.end()


def test_ray_waits_until_it_is_needed_where_the_run_s_folder_is_complete(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text("{}")
    assert _started(Namespace(output=str(tmp_path), workers=1)) is None
