"""A mirror of Common Crawl, or any server or folder with its layout, as "these bytes of that path".

Over HTTP every answer is checked against what was asked: the range, its length, and the total size, which must not
change. What a server in trouble does (429, 503, SlowDown, a cut connection, a stall) is met by waiting, as it asks
or longer each time, and by going on from the last byte received. What cannot be mended is a MirrorError.
"""

from __future__ import annotations

import email.utils
import random
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

from curate.sources.store import open_bytes

USER_AGENT = "curate/0.1 (+https://github.com/curate-pretraining-data)"
RETRIES = 8
"""Attempts without any progress before giving up: with the waits below, some four minutes."""
FIRST_WAIT, LONGEST_WAIT = 0.5, 60.0
"""Seconds; doubled each time, with jitter, so that many clients do not return together."""
LONGEST_RETRY_AFTER = 600.0
RETRY_STATUSES = frozenset({408, 429, 500, 502, 503, 504})


class MirrorError(OSError):
    """A mirror does not answer, or not with what was asked."""


class Mirror(Protocol):
    """Where the bytes are. Paths are relative to the mirror's root, as `crawl-data/…`."""

    base: str

    def size(self, path: str) -> int:
        """Bytes of the file. MirrorError or FileNotFoundError."""
        ...

    def read(self, path: str, start: int, length: int) -> bytes:
        """Exactly the bytes from `start`, fewer only where the file ends."""
        ...

    def fetch(self, path: str) -> bytes:
        """A whole (small) file."""
        ...

    def url(self, path: str) -> str:
        """The path as something that `curate.sources.store.open_bytes` opens."""
        ...


def open_mirror(base: str, **options: Any) -> Mirror:
    """The mirror behind a base URL (http, https, or any that fsspec knows, such as s3://commoncrawl) or a folder."""
    if base.startswith(("http://", "https://")):
        return HttpMirror(base, **options)
    return StoreMirror(base)


class StoreMirror:
    """A folder, or an object store that fsspec knows."""

    def __init__(self, base: str) -> None:
        self.base = base.rstrip("/")

    def url(self, path: str) -> str:
        return f"{self.base}/{path}"

    def size(self, path: str) -> int:
        file = open_bytes(self.url(path))
        try:
            return file.size
        finally:
            file.close()

    def read(self, path: str, start: int, length: int) -> bytes:
        file = open_bytes(self.url(path))
        try:
            return file.read_at(start, length)
        finally:
            file.close()

    def fetch(self, path: str) -> bytes:
        return self.read(path, 0, self.size(path))


class HttpMirror:
    """A server that answers range requests (RFC 9110, section 14)."""

    def __init__(
        self,
        base: str,
        *,
        retries: int = RETRIES,
        timeout: float = 30.0,
        first_wait: float = FIRST_WAIT,
        user_agent: str = USER_AGENT,
        sleep: Callable[[float], None] = time.sleep,
        on_wait: Callable[[str, float], None] | None = None,
    ) -> None:
        """`on_wait(reason, seconds)` hears of every wait; `timeout` bounds a connection and each silence in it."""
        import httpx

        self.base = base.rstrip("/")
        self.retries, self.first_wait = retries, first_wait
        self._sleep, self._on_wait = sleep, on_wait or (lambda reason, seconds: None)
        self._sizes: dict[str, int] = {}
        # identity: a .gz that a server labels as encoded must arrive as it is stored.
        self._client = httpx.Client(
            timeout=timeout,
            follow_redirects=True,
            headers={"User-Agent": user_agent, "Accept-Encoding": "identity"},
        )

    def close(self) -> None:
        self._client.close()

    def url(self, path: str) -> str:
        return path if path.startswith(("http://", "https://")) else f"{self.base}/{path.lstrip('/')}"

    def size(self, path: str) -> int:
        if path not in self._sizes:
            self.read(path, 0, 1)
        if path not in self._sizes:
            raise MirrorError(f"{self.url(path)}: the server does not say how large the file is")
        return self._sizes[path]

    def read(self, path: str, start: int, length: int) -> bytes:
        if length <= 0:
            return b""
        return self._persist(path, start, start + length)

    def fetch(self, path: str) -> bytes:
        return self._persist(path, 0, None)

    def _persist(self, path: str, start: int, end: int | None) -> bytes:
        """The range, over as many requests as it takes; attempts are counted since the last new byte."""
        import httpx

        got = bytearray()
        failures = 0
        while True:
            before = len(got)
            reason: str
            wait: float | None = None
            try:
                status, retry_after = self._request(path, start, end, got)
                if status is None:
                    return bytes(got)
                reason, wait = f"status {status}", retry_after
            except httpx.TransportError as error:
                reason = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
            failures = 1 if len(got) > before else failures + 1
            if failures >= self.retries:
                raise MirrorError(
                    f"{self.url(path)}: gave up after {failures} attempts without progress "
                    f"({len(got):,} bytes of the range from {start:,} came); the last answer: {reason}"
                )
            if wait is None:
                wait = min(LONGEST_WAIT, self.first_wait * 2 ** (failures - 1)) * random.uniform(0.75, 1.25)
            self._on_wait(f"{self.url(path)}: {reason}", wait)
            self._sleep(wait)

    def _request(self, path: str, start: int, end: int | None, got: bytearray) -> tuple[int | None, float | None]:
        """One request for what is missing. Appends what comes; answers (None, None) when all is there, else the
        status to retry after and the wait that the server asks for."""
        at = start + len(got)
        ranged = end is not None or at > 0
        headers = {"Range": f"bytes={at}-{end - 1 if end is not None else ''}"} if ranged else {}
        url = self.url(path)
        with self._client.stream("GET", url, headers=headers) as answer:
            if answer.status_code in RETRY_STATUSES:
                return answer.status_code, retry_after(answer.headers.get("Retry-After"))
            if answer.status_code == 404:
                raise FileNotFoundError(f"{url}: the mirror has no such file (status 404)")
            if answer.status_code == 416:
                total = _total(answer.headers.get("Content-Range", ""))
                if total is not None and at >= total:
                    self._note_size(path, total)
                    return None, None
                raise MirrorError(f"{url}: refuses bytes {at:,} on (status 416) of a file of {total} bytes")
            expected: int | None
            if answer.status_code == 206:
                first, last, total = content_range(answer.headers.get("Content-Range", ""), url)
                if first != at or (end is not None and last >= end):
                    raise MirrorError(f"{url}: asked for bytes {at}-{end}, was given {first}-{last}")
                if total is not None:
                    self._note_size(path, total)
                expected = last - first + 1
            elif answer.status_code == 200:
                if at > 0:
                    raise MirrorError(f"{url}: answers a request for a range with the whole file: it has no ranges")
                length = answer.headers.get("Content-Length")
                if length is not None:
                    self._note_size(path, int(length))
                whole = int(length) if length is not None else None
                wanted = [each for each in (end, whole) if each is not None]
                expected = min(wanted) if wanted else None
            else:
                raise MirrorError(f"{url}: answered with status {answer.status_code}")
            taken = 0
            # As they come, not gathered: what came before a cut counts.
            for chunk in answer.iter_raw():
                piece = chunk if expected is None else chunk[: expected - taken]
                got += piece
                taken += len(piece)
                if expected is not None and taken >= expected:
                    break
        if expected is not None and taken < expected:
            # h11 notices a body shorter than its Content-Length; a server that closes between chunks is met here.
            return 206, None
        total = self._sizes.get(path)
        if end is None and total is not None and start + len(got) < total:
            return 206, None
        return (None, None) if end is None or start + len(got) >= min(end, total or end) else (206, None)

    def _note_size(self, path: str, total: int) -> None:
        known = self._sizes.setdefault(path, total)
        if known != total:
            raise MirrorError(
                f"{self.url(path)}: said to have {known:,} bytes, now {total:,}: the mirror contradicts itself"
            )


def retry_after(value: str | None) -> float | None:
    """Seconds that a Retry-After header asks for (a number or a date), at most ten minutes; None where it is absent
    or makes no sense."""
    if not value:
        return None
    seconds: float | None = None
    with suppress(ValueError):
        seconds = float(value)
    if seconds is None:
        with suppress(TypeError, ValueError):
            seconds = email.utils.parsedate_to_datetime(value).timestamp() - time.time()
    return None if seconds is None or seconds != seconds else min(max(seconds, 0.0), LONGEST_RETRY_AFTER)


def content_range(value: str, url: str) -> tuple[int, int, int | None]:
    """First byte, last byte and total of a Content-Range header."""
    unit, _, rest = value.partition(" ")
    span = rest.partition("/")[0]
    first, _, last = span.partition("-")
    if unit != "bytes" or not first.isdigit() or not last.isdigit():
        raise MirrorError(f"{url}: a partial answer without a readable Content-Range ({value!r})")
    return int(first), int(last), _total(value)


def _total(value: str) -> int | None:
    total = value.rpartition("/")[2]
    return int(total) if total.isdigit() else None


class MirrorFile:
    """A file of a mirror, read by place: what the readers of archives and pyarrow ask for."""

    chunk = 8 << 20

    def __init__(self, mirror: Mirror, path: str) -> None:
        self._mirror, self._path = mirror, path
        self.size = mirror.size(path)

    def read_at(self, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset`; fewer only at the end of the file."""
        return self._mirror.read(self._path, offset, min(length, self.size - offset))

    def close(self) -> None:
        """The mirror keeps its own connections."""
