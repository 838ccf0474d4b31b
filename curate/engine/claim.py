"""Claims a run's folder before any work: it can be written, it is this recipe's or new, and nobody else is at it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from curate.engine.claim_remote import DEAD_SECONDS, HeldError, RemoteClaim
from curate.engine.store import Store
from curate.storage import reaching

FOLDERS = ("documents", "dropped", "failed", "skipped", "ledger", "duplicates", "index", "tokens")
"""Folders that a run replaces as a whole."""
LOCK = ".lock"


class OutputError(ValueError):
    """The output cannot be a run's folder, or is another's, and would be overwritten."""


class Claim:
    """Holds a run's folder until `close`. On a disk no second process gets it meanwhile, and the system gives it back
    should this one be killed; on an object store a file stands for the lock (`curate.engine.claim_remote`)."""

    def __init__(self, output: str, name: str) -> None:
        """OutputError if the folder is not for this run."""
        with reaching(f"output: {output}"):
            target = _store(output)
            _check(target, output, name)
            self._remote = None if target.local else _claimed(target, output)
        self._path = Path(target.path(LOCK)) if target.local else None
        self._file = _locked(self._path, output) if self._path else None

    def close(self) -> None:
        """Gives the folder back."""
        if self._remote is not None:
            self._remote.close()
            self._remote = None
        if self._file is not None and self._path is not None:
            self._path.unlink(missing_ok=True)
            self._file.close()
            self._file = None


def _store(output: str) -> Store:
    try:
        return Store(output)
    except (ImportError, ValueError) as error:  # no such protocol, or the package that knows it is not installed
        raise OutputError(f"output: {output}: {error}; allowed: a path, or a URL that fsspec knows") from error


def _check(target: Store, output: str, name: str) -> None:
    if target.exists("manifest.json"):
        try:
            before = target.read_json("manifest.json")["name"]
        except (ValueError, TypeError, KeyError):
            raise OutputError(
                f"output: {output} holds a manifest.json that is not of a run, and is left alone; name another folder, "
                "or remove what is there"
            ) from None
        if before != name:
            raise OutputError(
                f"output: {output} holds the run of another recipe, {before!r}, and this one's name is {name!r}; give "
                "another folder (--output DIR), or remove that one first"
            )
        return
    there = sorted(set(target.folders("")) & set(FOLDERS))
    if there:
        raise OutputError(
            f"output: {output} holds {there[0]}/ but no manifest.json, so it is no run's folder and is left alone; "
            "name another folder, or remove what is there"
        )


def _claimed(target: Store, output: str) -> RemoteClaim:
    """A bucket that is not there, or is not ours, is met here, before the work."""
    try:
        return RemoteClaim(target, LOCK)
    except HeldError as error:
        raise OutputError(
            f"output: {output} is being written by another run ({error}); wait for it, or give another folder. Of a "
            f"run that was killed the folder is free after {DEAD_SECONDS / 60:.0f} minutes, or when "
            f"{target.root}/{LOCK} is removed"
        ) from None


def _locked(path: Path, output: str) -> Any:
    import fcntl

    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("a")
        except OSError as error:
            raise OutputError(f"output: {output} cannot be a folder that is written to: {error}") from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            raise OutputError(
                f"output: {output} is being written by another run at this moment; wait for it, or give another folder"
            ) from None
        except OSError:  # a filesystem without locks
            return file
        # Between opening and locking, its holder may have removed the file: then the lock is on nothing.
        if path.exists() and os.fstat(file.fileno()).st_ino == path.stat().st_ino:
            return file
        file.close()
