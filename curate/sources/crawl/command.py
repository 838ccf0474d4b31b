"""`python -m curate crawl SEEDS --out DIR`: seeds are URLs, or files with one URL a line."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import signal
import sys
from pathlib import Path

from curate.sources.base import InputError
from curate.sources.crawl.crawler import Crawler, Limits
from curate.sources.crawl.guard import Resolver


def add_arguments(parser: argparse.ArgumentParser) -> None:
    default = Limits()
    parser.add_argument("seeds", nargs="+", help="URLs, or files with one URL a line (# begins a comment)")
    parser.add_argument("--out", type=Path, required=True, help="folder for crawl.warc.gz and the frontier; resumable")
    parser.add_argument("--user-agent", default=default.user_agent, help="who asks: a name and where to complain")
    parser.add_argument(
        "--delay", type=float, default=default.delay, help="seconds between requests to a host (%(default)s)"
    )
    parser.add_argument(
        "--per-host", type=int, default=default.per_host, help="requests to a host at one time (%(default)s)"
    )
    parser.add_argument("--connections", type=int, default=default.connections, help="in all (%(default)s)")
    parser.add_argument("--max-pages", type=int, default=default.max_pages, help="in all (%(default)s)")
    parser.add_argument(
        "--max-pages-per-host", type=int, default=default.max_pages_per_host, help="of each host (%(default)s)"
    )
    parser.add_argument("--max-hosts", type=int, default=default.max_hosts, help="hosts in all (%(default)s)")
    parser.add_argument("--max-depth", type=int, default=default.max_depth, help="links from a seed (%(default)s)")
    parser.add_argument(
        "--max-bytes", type=int, default=default.max_bytes, help="of a page; larger ones are left out (%(default)s)"
    )
    parser.add_argument("--max-redirects", type=int, default=default.max_redirects, help="in a row (%(default)s)")
    parser.add_argument("--timeout", type=float, default=default.timeout, help="seconds of silence (%(default)s)")
    parser.add_argument("--follow-hosts", action="store_true", help="also follow links to hosts that no seed names")
    parser.add_argument("--no-sitemaps", action="store_true", help="follow links alone, and read no sitemap")
    parser.add_argument("--allow-private", action="store_true", help="also connect to private and local addresses")
    parser.add_argument(
        "--resolve", action="append", default=[], metavar="HOST=ADDRESS:PORT",
        help="where a host, or a pattern such as *.example, is; such hosts are trusted",
    )  # fmt: skip


def run(args: argparse.Namespace) -> int:
    """0 when the crawl is done or was stopped by the user; InputError (2) for seeds or options that make no sense."""
    limits = Limits(
        user_agent=args.user_agent, delay=args.delay, per_host=args.per_host, connections=args.connections,
        max_pages=args.max_pages, max_pages_per_host=args.max_pages_per_host, max_hosts=args.max_hosts,
        max_depth=args.max_depth, max_bytes=args.max_bytes, max_redirects=args.max_redirects, timeout=args.timeout,
        follow_hosts=args.follow_hosts, sitemaps=not args.no_sitemaps,
    )  # fmt: skip
    given = {}
    for text in args.resolve:
        host, _, target = text.partition("=")
        if not host or not target.rpartition(":")[2].isdigit() or not target.rpartition(":")[0]:
            raise InputError(f"--resolve {text!r}; allowed: HOST=ADDRESS:PORT, such as *.example=127.0.0.1:8000")
        given[host] = target
    seeds = [url for seed in args.seeds for url in expand(seed)]
    counts = asyncio.run(crawl(args.out, limits, Resolver(args.allow_private, given), seeds))
    (args.out / "crawl.json").write_text(json.dumps({"seeds": seeds, "urls": counts}, indent=2) + "\n", "utf-8")
    left = counts.get("queued", 0)
    print(
        f"{counts.get('fetched', 0):,} pages in {args.out}/crawl.warc.gz; "
        + ", ".join(f"{state} {count:,}" for state, count in counts.items() if state not in ("fetched", "queued"))
        + (f"; {left:,} URLs left: the same command goes on" if left else "")
    )
    return 0


def expand(seed: str) -> list[str]:
    """The URLs of a seed file, or the one URL."""
    if seed.startswith(("http://", "https://")):
        return [seed]
    path = Path(seed)
    if not path.is_file():
        raise InputError(f"seed {seed!r} is neither an http(s) URL nor a file; allowed: URLs, or files with one a line")
    lines = [line.strip() for line in path.read_text("utf-8").splitlines()]
    urls = [line for line in lines if line and not line.startswith("#")]
    wrong = [line for line in urls if not line.startswith(("http://", "https://"))]
    if wrong or not urls:
        raise InputError(f"{seed}: {wrong[0]!r} is no http(s) URL" if wrong else f"{seed}: names no URL")
    return urls


async def crawl(out: Path, limits: Limits, resolver: Resolver, seeds: list[str]) -> dict[str, int]:
    """Runs the crawl; the first Ctrl-C or SIGTERM ends it in order."""
    crawler = Crawler(out, limits, resolver)
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(name, crawler.stop)
    progress = asyncio.create_task(_report(crawler))
    try:
        return await crawler.run(seeds)
    finally:
        progress.cancel()


async def _report(crawler: Crawler) -> None:
    """A line every five seconds."""
    while True:
        await asyncio.sleep(5)
        print(f"{crawler.pages:,} pages, {len(crawler.hosts):,} hosts", file=sys.stderr)
