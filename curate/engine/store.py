"""Where phases and runs keep their files: a folder on a disk or at any fsspec URL, written atomically.

A file is either whole or absent: on a disk it is written under a temporary name, synced and renamed; an object
store shows an object only once its upload has ended. Each written file is hashed on the way.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, cast

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq


@dataclass(frozen=True)
class FileEntry:
    """A committed file, as manifests list it."""

    path: str
    """Relative to the folder that lists it."""
    rows: int
    bytes: int
    sha256: str


class HashingFile(io.RawIOBase):
    """A write-only stream that counts and hashes what passes."""

    def __init__(self, inner: BinaryIO) -> None:
        self.inner = inner
        self.digest = hashlib.sha256()
        self.count = 0

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        view = memoryview(data)
        self.digest.update(view)
        self.inner.write(view)
        self.count += view.nbytes
        return view.nbytes

    def tell(self) -> int:
        return self.count


class Store:
    """A folder at a path or fsspec URL. All names are relative to it, with `/`."""

    def __init__(self, root: str) -> None:
        self.root = root.rstrip("/")
        self.filesystem, self._base = fsspec.core.url_to_fs(self.root)
        self.local = "file" in _protocols(self.filesystem)
        self._base = str(self._base).rstrip("/")

    def __reduce__(self) -> tuple[type[Store], tuple[str]]:
        return Store, (self.root,)

    def below(self, name: str) -> Store:
        """The folder `name` below this one."""
        return Store(f"{self.root}/{name}")

    def path(self, name: str) -> str:
        """The path as this store's filesystem knows it."""
        return f"{self._base}/{name}" if name else self._base

    @contextmanager
    def writing(self, name: str) -> Iterator[HashingFile]:
        """A stream whose content appears under `name` when the block ends without an exception."""
        target = self.path(name)
        if self.local:
            Path(target).parent.mkdir(parents=True, exist_ok=True)
            temporary = f"{target}.{uuid.uuid4().hex}.tmp"
            try:
                with Path(temporary).open("wb") as file:
                    yield HashingFile(cast(BinaryIO, file))
                    file.flush()
                    os.fsync(file.fileno())
                Path(temporary).replace(target)
            except BaseException:
                with suppress(FileNotFoundError):
                    Path(temporary).unlink()
                raise
            return
        file = self.filesystem.open(target, "wb")
        try:
            yield HashingFile(cast(BinaryIO, file))
        except BaseException:
            discard = getattr(file, "discard", None)
            if discard is not None:
                with suppress(Exception):
                    discard()
            raise
        file.close()

    def write_bytes(self, name: str, data: bytes) -> FileEntry:
        with self.writing(name) as file:
            file.write(data)
        return FileEntry(name, 0, file.count, file.digest.hexdigest())

    def write_json(self, name: str, value: Any) -> FileEntry:
        return self.write_bytes(name, (json.dumps(value, indent=1, ensure_ascii=False, default=_plain) + "\n").encode())

    def write_table(self, name: str, table: pa.Table) -> FileEntry:
        """One Parquet file, zstd."""
        with self.writing(name) as file:
            pq.write_table(table, pa.PythonFile(file, mode="w"), compression="zstd")
        return FileEntry(name, table.num_rows, file.count, file.digest.hexdigest())

    def read_bytes(self, name: str) -> bytes:
        if self.local:
            return Path(self.path(name)).read_bytes()
        return cast(bytes, self.filesystem.cat_file(self.path(name)))

    def read_json(self, name: str) -> Any:
        return json.loads(self.read_bytes(name))

    def open(self, name: str) -> Any:
        """A file for reading that seeks: memory-mapped on a disk, ranged elsewhere."""
        if self.local:
            return pa.memory_map(self.path(name))
        return pa.PythonFile(self.filesystem.open(self.path(name), "rb", cache_type="readahead"), mode="r")

    def exists(self, name: str) -> bool:
        if self.local:
            return Path(self.path(name)).exists()
        return bool(self.filesystem.exists(self.path(name)))

    def names(self, folder: str) -> list[str]:
        """Names of the files directly in `folder`, sorted; empty where there is no such folder."""
        if self.local:
            where = Path(self.path(folder))
            return sorted(p.name for p in where.iterdir() if p.is_file()) if where.is_dir() else []
        try:
            found = self.filesystem.ls(self.path(folder), detail=True, refresh=True)
        except FileNotFoundError:
            return []
        return sorted(str(f["name"]).rsplit("/", 1)[-1] for f in found if f["type"] == "file")

    def folders(self, folder: str) -> list[str]:
        """Names of the folders directly in `folder`, sorted."""
        if self.local:
            where = Path(self.path(folder))
            return sorted(p.name for p in where.iterdir() if p.is_dir()) if where.is_dir() else []
        try:
            found = self.filesystem.ls(self.path(folder), detail=True, refresh=True)
        except FileNotFoundError:
            return []
        return sorted(str(f["name"]).rstrip("/").rsplit("/", 1)[-1] for f in found if f["type"] == "directory")

    def remove(self, name: str) -> None:
        """Removes a file or a whole folder; nothing happens where there is none."""
        target = self.path(name)
        if self.local:
            with suppress(FileNotFoundError):
                shutil.rmtree(target) if Path(target).is_dir() else Path(target).unlink()
        elif self.filesystem.exists(target):
            self.filesystem.rm(target, recursive=True)

    def take(self, other: Store, source: str, name: str) -> None:
        """Makes `source` of another store appear here as `name`: a hard link on one disk, else a copy."""
        if self.local and other.local:
            target = Path(self.path(name))
            target.parent.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):
                target.unlink()
            try:
                os.link(other.path(source), target)
            except OSError:
                shutil.copyfile(other.path(source), target)
        elif type(self.filesystem) is type(other.filesystem) and not self.local:
            self.filesystem.copy(other.path(source), self.path(name))
        else:
            with other.filesystem.open(other.path(source), "rb") as file, self.writing(name) as target_file:
                while block := file.read(1 << 22):
                    target_file.write(block)


def _protocols(filesystem: Any) -> tuple[str, ...]:
    protocol = filesystem.protocol
    return (protocol,) if isinstance(protocol, str) else tuple(protocol)


def _plain(value: Any) -> Any:
    if isinstance(value, FileEntry):
        return asdict(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
