"""One request and its bounded answer: no more bytes, seconds or headers than allowed, compressed or not as sent."""

from __future__ import annotations

import asyncio
import datetime
from dataclasses import dataclass, field

import httpcore

from curate.sources.crawl.guard import GuardedBackend, Resolver


class TooLargeError(ValueError):
    """A body goes on beyond the limit."""


@dataclass
class Answer:
    """A response as it came. `headers` keep their order and spelling."""

    url: str
    status: int
    headers: list[tuple[str, str]]
    body: bytes
    date: str
    request_headers: list[tuple[str, str]] = field(default_factory=list)

    def header(self, name: str) -> str | None:
        """The first header of that name."""
        return next((value for key, value in self.headers if key.lower() == name.lower()), None)


class Fetcher:
    """Makes requests for one user agent, through the guard."""

    def __init__(self, resolver: Resolver, user_agent: str, *, timeout: float, connections: int) -> None:
        self.resolver, self.user_agent, self.timeout = resolver, user_agent, timeout
        self._pool = httpcore.AsyncConnectionPool(
            network_backend=GuardedBackend(resolver),
            max_connections=connections,
            max_keepalive_connections=connections,
            keepalive_expiry=10.0,
        )

    async def close(self) -> None:
        await self._pool.aclose()

    async def get(self, url: str, max_bytes: int) -> Answer:
        """One GET, redirects not followed. TooLargeError, RefusedAddressError, OSError, httpcore's errors, TimeoutError
        (the whole exchange may take ten times the timeout, so that a dripping server cannot hold it)."""
        return await asyncio.wait_for(self._get(url, max_bytes), self.timeout * 10)

    async def _get(self, url: str, max_bytes: int) -> Answer:
        parsed = httpcore.URL(url)
        host = parsed.host.decode("ascii")
        default = {b"http": 80, b"https": 443}.get(parsed.scheme)
        authority = host if parsed.port in (None, default) else f"{host}:{parsed.port}"
        sent = [("Host", authority), ("User-Agent", self.user_agent), ("Accept", "text/html,*/*;q=0.1"),
                ("Accept-Encoding", "identity")]  # fmt: skip
        limits = {"connect": self.timeout, "read": self.timeout, "write": self.timeout, "pool": self.timeout * 10}
        date = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        async with self._pool.stream("GET", url, headers=sent, extensions={"timeout": limits}) as response:
            headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in response.headers]
            length = next((value for name, value in headers if name.lower() == "content-length"), "")
            if length.isdigit() and int(length) > max_bytes:
                raise TooLargeError(f"{int(length):,} bytes announced, {max_bytes:,} allowed")
            body = bytearray()
            async for chunk in response.aiter_stream():
                body += chunk
                if len(body) > max_bytes:
                    raise TooLargeError(f"more than the {max_bytes:,} bytes allowed")
            # What is stored is the body without its transfer coding, as Common Crawl does.
            kept = [(name, value) for name, value in headers if name.lower() != "transfer-encoding"]
            return Answer(url, response.status, kept, bytes(body), date, sent)
