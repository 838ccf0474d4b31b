"""Bytes by place: a local file or any fsspec URL as a thing that answers "these n bytes from there", and a window
that moves forward over it. A range of an object in S3 costs the requests for that range, never a download."""

from __future__ import annotations

import io
import os
from typing import Any, Protocol

LOCAL_CHUNK = 1 << 20
REMOTE_CHUNK = 8 << 20
"""Bytes a request: at 10 ms a request and 100 MB/s, 8 MiB keeps the waiting near a tenth."""


class ByteFile(Protocol):
    """A file that is read by place."""

    size: int
    chunk: int

    def read_at(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset`; fewer only at the end of the file."""
        ...

    def close(self) -> None: ...


class LocalFile:
    """A file of this machine."""

    chunk = LOCAL_CHUNK

    def __init__(self, path: str) -> None:
        self._descriptor = os.open(path, os.O_RDONLY)
        self.size = os.fstat(self._descriptor).st_size

    def read_at(self, offset: int, length: int) -> bytes:
        """One read is the rule; a file system may answer with less before the end."""
        data = os.pread(self._descriptor, length, offset)
        while 0 < len(data) < length:
            more = os.pread(self._descriptor, length - len(data), offset + len(data))
            if not more:
                break
            data += more
        return data

    def close(self) -> None:
        os.close(self._descriptor)


class RemoteFile:
    """An object behind a URL, read by ranges."""

    chunk = REMOTE_CHUNK

    def __init__(self, url: str) -> None:
        import fsspec

        self._system, self._path = fsspec.url_to_fs(url)
        self.size = int(self._system.info(self._path)["size"])

    def read_at(self, offset: int, length: int) -> bytes:
        """A range request."""
        end = min(offset + length, self.size)
        if end <= offset:
            return b""
        return bytes(self._system.cat_file(self._path, start=offset, end=end))

    def close(self) -> None:
        """The file system keeps its own connections."""


class MemoryFile:
    """Bytes at hand, such as a decompressed archive."""

    chunk = LOCAL_CHUNK

    def __init__(self, data: bytes | bytearray) -> None:
        self._data = data
        self.size = len(data)

    def read_at(self, offset: int, length: int) -> bytes:
        return bytes(self._data[offset : offset + length])

    def close(self) -> None:
        """Nothing to give back."""


def open_bytes(path: str) -> ByteFile:
    """The file behind a path or URL. OSError (FileNotFoundError, PermissionError…) as the system says it."""
    if path.startswith(("http://", "https://")):
        from curate.sources.mirror import HttpMirror, MirrorFile

        return MirrorFile(HttpMirror(path.rpartition("/")[0]), path)
    return RemoteFile(path) if "://" in path else LocalFile(path)


def open_stream(path: str) -> io.BufferedIOBase | Any:
    """The file as a plain forward stream of its stored bytes."""
    if "://" not in path:
        return open(path, "rb")  # noqa: PTH123 — one spelling for paths and URLs; the caller closes
    import fsspec

    return fsspec.open(path, "rb").open()


class Window:
    """A buffer that moves forward over a file."""

    def __init__(self, file: ByteFile) -> None:
        self.file = file
        self.size = file.size
        self._base = 0
        self._data = b""

    def view(self, offset: int, length: int) -> memoryview:
        """`length` bytes from `offset`, fewer only at the end of the file. Going backward a little is cheap."""
        at = offset - self._base
        if at < 0 or at + length > len(self._data):
            if offset >= self.size:
                return memoryview(b"")
            if at < 0 or self._base + len(self._data) < self.size or at > len(self._data):
                # What is still needed of the old buffer is kept, so that no byte is asked for twice.
                kept = self._data[at:] if 0 <= at <= len(self._data) else b""
                wanted = max(length - len(kept), self.file.chunk)
                self._data = kept + self.file.read_at(offset + len(kept), wanted)
                self._base, at = offset, 0
        return memoryview(self._data)[at : at + length]
