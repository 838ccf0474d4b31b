"""The crawl: one worker a host takes its URLs in order, waits its turn, asks, writes, and finds more.

Every request to a host, for robots.txt, sitemaps, pages and redirects alike, takes a turn of that host, so none comes
sooner than its delay after the one before. What is written to the WARC is committed to the frontier after it.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httpcore

from curate.sources.crawl import links, robots
from curate.sources.crawl.fetch import Answer, Fetcher, TooLargeError
from curate.sources.crawl.frontier import Frontier, Wanted
from curate.sources.crawl.guard import RefusedAddressError, Resolver
from curate.sources.crawl.output import Output
from curate.sources.http import BodyError, Response, decode_body
from curate.sources.mirror import USER_AGENT, retry_after

NETWORK = (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, TimeoutError)
REDIRECTS = (301, 302, 303, 307, 308)


@dataclass(frozen=True)
class Limits:
    """What the crawl may do."""

    user_agent: str = USER_AGENT
    delay: float = 1.0
    """Seconds between two requests to a host, at least; its Crawl-delay where that is longer."""
    max_crawl_delay: float = 30.0
    """A host that asks for longer waits is left out."""
    per_host: int = 1
    """Requests to a host at one time."""
    connections: int = 32
    max_pages: int = 1000
    max_pages_per_host: int = 500
    max_hosts: int = 1000
    max_depth: int = 5
    """Links from a seed; pages of sitemaps count as depth 1."""
    max_bytes: int = 5_000_000
    max_redirects: int = 5
    timeout: float = 20.0
    retries: int = 2
    content_types: tuple[str, ...] = ("text/html", "application/xhtml+xml")
    follow_hosts: bool = False
    """Whether links to hosts that no seed names are followed."""
    sitemaps: bool = True


@dataclass
class Host:
    """A host's turn: whose it is and when the next may be."""

    turns: asyncio.Semaphore
    delay: float
    next_at: float = 0.0
    rules: robots.Rules | None = None
    asking: asyncio.Lock = field(default_factory=asyncio.Lock)
    pages: int = 0


class Crawler:
    """Crawls into a folder. `stop()` ends it after the requests in flight."""

    def __init__(self, out: Path, limits: Limits, resolver: Resolver) -> None:
        out.mkdir(parents=True, exist_ok=True)
        self.limits, self.resolver = limits, resolver
        self.frontier = Frontier(out / "frontier.sqlite")
        self.output = Output(out, limits.user_agent, int(self.frontier.fact("warc_bytes") or 0))
        self.fetcher = Fetcher(resolver, limits.user_agent, timeout=limits.timeout, connections=limits.connections)
        self.hosts: dict[str, Host] = {}
        self.pages = int(self.frontier.fact("pages") or 0)
        self.notes: Counter[str] = Counter()
        self._workers: dict[tuple[str, int], asyncio.Task[None]] = {}
        self._slots = asyncio.Semaphore(limits.connections)
        self._stopping = False
        self._allowed_hosts: set[str] = set()

    def stop(self) -> None:
        self._stopping = True

    async def run(self, seeds: list[str]) -> dict[str, int]:
        """Crawls until nothing is left, a limit is met or `stop` is called; URLs by what became of them."""
        for seed in seeds:
            url = links.absolute(seed, seed)
            if url is None:
                raise ValueError(f"seed {seed!r} is no http or https URL")
            self._allowed_hosts.add(urlsplit(url).netloc)
            self.frontier.add(url, 0)
        for host in self.frontier.hosts():
            self._employ(host)
        try:
            while self._workers:
                done, _ = await asyncio.wait(self._workers.values(), return_when=asyncio.FIRST_COMPLETED)
                for worker in [worker for worker, task in self._workers.items() if task in done]:
                    self._workers.pop(worker).result()
                    if self._open(worker[0]) and worker[0] in self.frontier.hosts():
                        self._employ(worker[0])  # a link to it was found as it was leaving
        finally:
            for task in self._workers.values():
                task.cancel()
            await self.fetcher.close()
            self._commit()
            self.output.close()
            counts = self.frontier.counts()
            self.frontier.close()
        return counts

    # ------------------------------------------------------------------------------------ hosts

    def _employ(self, host: str) -> None:
        if host not in self.hosts and len(self.hosts) >= self.limits.max_hosts:
            return
        self._host(host)
        for number in range(self.limits.per_host):
            if (host, number) not in self._workers:
                self._workers[host, number] = asyncio.create_task(self._work(host))

    def _host(self, name: str) -> Host:
        if name not in self.hosts:
            turns = asyncio.Semaphore(self.limits.per_host)
            self.hosts[name] = Host(turns, self.limits.delay, pages=self.frontier.settled(name))
        return self.hosts[name]

    def _open(self, name: str) -> bool:
        """Whether more may be asked of the host."""
        within = self._host(name).pages < self.limits.max_pages_per_host
        return within and not self._stopping and self.pages < self.limits.max_pages

    async def _work(self, name: str) -> None:
        host = self._host(name)
        while self._open(name):
            wanted = self.frontier.take(name)
            if wanted is None:
                return
            host.pages += 1
            state, found = await self._page(wanted)
            self.frontier.settle(wanted, state)
            if wanted.depth < self.limits.max_depth:
                for link in found:
                    self._offer(link, wanted.depth + 1)
            self._commit()

    def _offer(self, url: str, depth: int) -> None:
        host = urlsplit(url).netloc
        if (self.limits.follow_hosts or host in self._allowed_hosts) and self.frontier.add(url, depth):
            self._employ(host)

    def _commit(self) -> None:
        """The frontier after the WARC: a crash in between costs a page fetched again, never one lost."""
        self.frontier.remember("warc_bytes", str(self.output.flush()))
        self.frontier.remember("pages", str(self.pages))
        self.frontier.commit()

    async def _ask(self, url: str, max_bytes: int) -> Answer:
        """One request in the host's turn. A 429 or 503 moves the host's next turn as its Retry-After says."""
        host = self._host(urlsplit(url).netloc)
        async with host.turns:
            # Each takes the next free moment of the host and moves it on, also where several may be under way.
            while (wait := host.next_at - time.monotonic()) > 0:
                await asyncio.sleep(wait)
            host.next_at = time.monotonic() + host.delay
            try:
                async with self._slots:
                    answer = await self.fetcher.get(url, max_bytes)
            finally:
                host.next_at = max(host.next_at, time.monotonic() + host.delay)
            if answer.status in (429, 503):
                asked = retry_after(answer.header("Retry-After"))
                host.next_at = time.monotonic() + max(host.delay, 5.0 if asked is None else asked)
            return answer

    async def _rules(self, url: str) -> robots.Rules:
        """The rules for the URL's host, asked for once; also sets its delay and, at first, reads its sitemaps."""
        host = self._host(urlsplit(url).netloc)
        async with host.asking:
            if host.rules is None:
                host.rules = await self._fetch_rules(robots.robots_url(url))
                host.delay = max(self.limits.delay, min(host.rules.delay, self.limits.max_crawl_delay))
                host.next_at = max(host.next_at, time.monotonic() + host.delay)
                if host.rules.delay > self.limits.max_crawl_delay:
                    self.notes["host_too_slow"] += 1
                    host.rules = robots.unreachable(self.limits.user_agent, f"Crawl-delay {host.rules.delay:g} s")
                if self.limits.sitemaps and host.rules.parsed is not None:
                    await self._sitemaps(url, host.rules)
        return host.rules

    async def _fetch_rules(self, url: str) -> robots.Rules:
        agent = self.limits.user_agent
        for _ in range(robots.MAX_REDIRECTS + 1):
            try:
                answer = await self._ask(url, robots.MAX_ROBOTS_BYTES)
            except TooLargeError:
                return robots.unreachable(agent, "robots.txt is too large")
            except (OSError, *NETWORK) as error:
                return robots.unreachable(agent, type(error).__name__)
            target = answer.header("Location") if answer.status in REDIRECTS else None
            following = links.absolute(url, target) if target else None
            if following is None:
                return robots.from_answer(agent, answer.status, answer.body)
            url = following
        return robots.from_answer(agent, 404, b"")

    async def _sitemaps(self, url: str, rules: robots.Rules) -> None:
        """Pages of the host's own sitemaps, an index followed one level down; ten files at most."""
        host = urlsplit(url).netloc
        queue = [(link, 0) for link in rules.sitemaps] or [(links.absolute(url, "/sitemap.xml") or "", 0)]
        read = 0
        while queue and read < 10 and not self._stopping:
            link, level = queue.pop(0)
            place = links.absolute(url, link)
            if place is None or urlsplit(place).netloc != host or not rules.allows(place):
                continue
            read += 1
            try:
                answer = await self._ask(place, links.MAX_SITEMAP_BYTES)
            except (OSError, ValueError, *NETWORK):
                self.notes["sitemap_failed"] += 1
                continue
            if answer.status != 200:
                continue
            pages, maps = links.sitemap_links(place, answer.body)
            queue += [(each, 1) for each in maps if level == 0]
            room = self.limits.max_pages_per_host - self.frontier.known(host)
            for page in [page for page in pages if urlsplit(page).netloc == host][: max(room, 0)]:
                self.frontier.add(page, 1)

    # ------------------------------------------------------------------------------------ pages

    async def _page(self, wanted: Wanted) -> tuple[str, list[str]]:
        """What became of a URL, and the links of its page."""
        url = wanted.url
        for hop in range(self.limits.max_redirects + 1):
            rules = await self._rules(url)
            if not rules.allows(url):
                return "disallowed" if rules.parsed is not None else "robots_unavailable", []
            answer, trouble = await self._try(url)
            if answer is None:
                return trouble, []
            target = answer.header("Location") if answer.status in REDIRECTS else None
            if target is None:
                return self._keep(answer)
            self.output.write(answer, self._address(url), {"hop": str(hop)})
            following = links.absolute(url, target)
            if following is None:
                return "redirect_to_no_web_page", []
            if not self.limits.follow_hosts and urlsplit(following).netloc not in self._allowed_hosts:
                try:
                    # Said apart, so that an attempt to lead the crawler to a private address shows.
                    split = urlsplit(following)
                    await self.resolver.resolve(split.hostname or "", split.port or 80)
                except RefusedAddressError:
                    return "refused_address", []
                except OSError:
                    pass
                return "redirect_off_site", []
            if not self.frontier.seen(following, "redirect_target"):
                return "redirect_to_known", []
            url = following
        return "too_many_redirects", []

    async def _try(self, url: str) -> tuple[Answer | None, str]:
        """The answer, after retries of what may pass; or what the trouble is."""
        trouble = ""
        for attempt in range(self.limits.retries + 1):
            try:
                answer = await self._ask(url, self.limits.max_bytes)
            except TooLargeError:
                return None, "too_large"
            except RefusedAddressError:
                return None, "refused_address"
            except (httpcore.UnsupportedProtocol, httpcore.LocalProtocolError, ValueError):
                return None, "bad_url"
            except (TimeoutError, httpcore.TimeoutException):
                trouble = "timeout"
            except (OSError, httpcore.NetworkError, httpcore.ProtocolError):
                trouble = "connection_failed"
            else:
                if answer.status not in (429, 500, 502, 503, 504) or attempt == self.limits.retries:
                    return answer, ""
                trouble = f"status_{answer.status}"
        return None, trouble

    def _keep(self, answer: Answer) -> tuple[str, list[str]]:
        """Writes a page, if it is one, and reads its links."""
        if answer.status != 200:
            return f"status_{answer.status}", []
        kind = (answer.header("Content-Type") or "").partition(";")[0].strip().lower()
        if kind not in self.limits.content_types:
            return "other_type", []
        if self.pages >= self.limits.max_pages:
            return "over_limit", []
        self.pages += 1
        self.output.write(answer, self._address(answer.url), {})
        fields = {name.lower().encode("latin-1"): value.encode("latin-1") for name, value in answer.headers}
        try:
            html = decode_body(Response(answer.status, fields, answer.body), 4 * self.limits.max_bytes)
        except BodyError:
            return "fetched", []
        return "fetched", links.page_links(answer.url, html)

    def _address(self, url: str) -> str | None:
        return self.resolver.addresses.get(urlsplit(url).hostname or "")
