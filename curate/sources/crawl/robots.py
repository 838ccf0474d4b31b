"""robots.txt by RFC 9309, read by protego: what may be asked for, how slowly, and where the sitemaps are."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from protego import Protego

MAX_ROBOTS_BYTES = 512_000
"""RFC 9309 asks for at least 500 KiB."""
MAX_REDIRECTS = 5
"""RFC 9309, 2.3.1.2: at least five."""


@dataclass(frozen=True)
class Rules:
    """What a host's robots.txt says to one user agent."""

    agent: str
    parsed: Protego | None
    """None: everything is refused, as the file could not be had (server error or no connection)."""
    note: str = ""

    def allows(self, url: str) -> bool:
        return self.parsed is not None and bool(self.parsed.can_fetch(url, self.agent))

    @property
    def delay(self) -> float:
        """Seconds of Crawl-delay, or by Request-rate; 0 without."""
        if self.parsed is None:
            return 0.0
        rate = self.parsed.request_rate(self.agent)
        by_rate = rate.seconds / rate.requests if rate is not None and rate.requests else 0.0
        return max(float(self.parsed.crawl_delay(self.agent) or 0.0), by_rate)

    @property
    def sitemaps(self) -> list[str]:
        return list(self.parsed.sitemaps) if self.parsed is not None else []


def from_answer(agent: str, status: int, body: bytes) -> Rules:
    """The rules that an answer to `/robots.txt` gives: a 4xx allows all, a 5xx refuses all (RFC 9309, 2.3.1)."""
    if 200 <= status < 300:
        return Rules(agent, Protego.parse(body[:MAX_ROBOTS_BYTES].decode("utf-8", "replace")))
    if 400 <= status < 500 and status != 429:
        return Rules(agent, Protego.parse(""), f"robots.txt: status {status}, all is allowed")
    return Rules(agent, None, f"robots.txt: status {status}, nothing is allowed")


def unreachable(agent: str, why: str) -> Rules:
    """No answer: nothing is allowed."""
    return Rules(agent, None, f"robots.txt: {why}")


def robots_url(url: str) -> str:
    """Where the robots.txt for a URL is."""
    split = urlsplit(url)
    return urljoin(f"{split.scheme}://{split.netloc}/", "/robots.txt")
