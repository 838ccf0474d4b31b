"""Claims a run's folder on an object store, which has no locks: by a small file that says who is at work there.

The file is put on condition that there is none, where the store can do that (S3 and what follows it closely); then one
of two runs that begin together is refused. A store that does not heed the condition is asked again after a moment
whose file it holds. While a run works it renews the time in its file; a file that was not renewed for long was left by
a run that is dead, and is taken over.
"""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import uuid
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fsspec.spec import AbstractFileSystem

from curate.engine.store import Store

RENEWED_SECONDS = 30.0
DEAD_SECONDS = 300.0
"""Ten renewals that did not come. The clocks of two machines should not be further apart."""
SETTLED_SECONDS = 2.0
"""After that long, who wrote last is seen by all that wrote at once."""


class HeldError(Exception):
    """Somebody else is at work there; says who."""


class RemoteClaim:
    """Holds the folder until `close`."""

    def __init__(self, store: Store, name: str) -> None:
        """HeldError if another run holds it. OSError and what else the store raises if it cannot be written to."""
        self._store, self._name = store, name
        self._run = uuid.uuid4().hex
        before = self._holder()
        if before is not None and not _is_dead(before):
            raise HeldError(_described(before))
        if before is not None or not self._put_if_none():
            self._put()
            time.sleep(SETTLED_SECONDS)
            self._check()
        self._ended = threading.Event()
        self._renewing = threading.Thread(target=self._renew, name="claim", daemon=True)
        self._renewing.start()

    def close(self) -> None:
        """Gives the folder back, if it is still ours."""
        self._ended.set()
        self._renewing.join()
        with suppress(Exception):  # the work is done, and a file left behind is dead soon
            if self._is_ours():
                self._store.remove(self._name)

    def _renew(self) -> None:
        while not self._ended.wait(RENEWED_SECONDS):
            with suppress(Exception):  # the store may answer again the next time
                if not self._is_ours():
                    return
                self._put()

    def _put_if_none(self) -> bool:
        """Whether the store took the file on condition that there was none. False: it knows no such condition."""
        files = self._store.filesystem
        if "pipe_file" not in vars(files) and type(files).pipe_file is AbstractFileSystem.pipe_file:
            return False  # fsspec's own looks first and writes then
        try:
            self._put(mode="create")
        except OSError:
            if self._holder() is None:
                raise
            self._check()  # some stores say no with an error of their own, and some after they have said yes
            return True
        except TypeError:
            return False
        try:
            self._put(mode="create")  # a store that heeds the condition takes none but the first
        except OSError:
            return True
        return False

    def _put(self, **how: str) -> None:
        # Not through `Store.writing`, which cannot ask for the condition.
        self._store.filesystem.pipe_file(self._store.path(self._name), self._content(), **how)

    def _content(self) -> bytes:
        now = time.time()
        said = {"run": self._run, "machine": _machine(), "process": os.getpid(), "renewed": now,
                "time": datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds")}  # fmt: skip
        return json.dumps(said).encode()

    def _holder(self) -> dict[str, Any] | None:
        """What the file says; None where there is none."""
        try:
            said = json.loads(self._store.read_bytes(self._name))
        except FileNotFoundError:
            return None
        except ValueError:
            return {}
        return said if isinstance(said, dict) else {}

    def _is_ours(self) -> bool:
        return (self._holder() or {}).get("run") == self._run

    def _check(self) -> None:
        holder = self._holder()
        if holder is None or holder.get("run") != self._run:
            raise HeldError(_described(holder or {}))


def _machine() -> str:
    """This machine, or the container that a process is in: process numbers mean something there alone."""
    parts = [socket.gethostname()]
    with suppress(OSError):
        parts += [
            Path("/proc/sys/kernel/random/boot_id").read_text().strip(),
            str(Path("/proc/self/ns/pid").readlink()),
        ]
    return " ".join(parts)


def _is_dead(holder: dict[str, Any]) -> bool:
    """Whether the run that wrote the file is no more: its process is gone, or it was silent for too long."""
    if holder.get("machine") == _machine() and holder.get("process") != os.getpid():
        try:
            os.kill(int(holder["process"]), 0)
        except (ProcessLookupError, KeyError, TypeError, ValueError):
            return True
        except PermissionError:
            pass
    renewed = holder.get("renewed")
    return not isinstance(renewed, int | float) or time.time() - renewed > DEAD_SECONDS


def _described(holder: dict[str, Any]) -> str:
    machine = str(holder.get("machine", "an unknown machine")).partition(" ")[0]
    return f"process {holder.get('process')} on {machine}, last heard of at {holder.get('time')}"
