"""The pages that Wikipedia links to: a dump of MediaWiki's table `externallinks` (SQL, gzip) in, a sample of cited URLs
that is balanced over sites out. Both forms of the table are read: with `el_to`, and since MediaWiki 1.41 with
`el_to_domain_index` and `el_to_path`.
"""

from __future__ import annotations

import gzip
import hashlib
import heapq
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO, cast

from classifiers.corpora import site
from curate.sources.store import open_stream
from curate.stages.quality.fasttext_model import ModelError
from curate.urls import canonical_url, url_host

ARCHIVES = (
    "archive.org archive.today archive.is archive.ph archive.md archive.fo archive.li archive.vn archive-it.org "
    "webcitation.org ghostarchive.org perma.cc freezepage.com wikiwix.com loc.gov/webarchives webarchive.org.uk "
    "nationalarchives.gov.uk/webarchive arquivo.pt megalodon.jp webrecorder.net"
).split()
"""Copies of pages: the crawl may have the page, not its copy. Hosts of the citation templates' archive-url."""
SOCIAL = (
    "facebook.com twitter.com x.com instagram.com youtube.com youtu.be tiktok.com linkedin.com pinterest.com "
    "reddit.com tumblr.com flickr.com vk.com t.me threads.net soundcloud.com spotify.com myspace.com weibo.com "
    "imdb.com goodreads.com amazon.com"
).split()
"""Everybody's pages, and shops: a link to one says nothing of the others."""
RESOLVERS = (
    "doi.org hdl.handle.net worldcat.org viaf.org isni.org id.loc.gov d-nb.info orcid.org wikidata.org geonames.org "
    "google.com bing.com toolforge.org wmflabs.org wmcloud.org wikipedia.org wikimedia.org wikimediafoundation.org "
    "mediawiki.org wiktionary.org wikisource.org openstreetmap.org doubleclick.net"
).split()
"""Identifiers, searches, maps and Wikimedia's own: templates link there by the million."""
DEAD = "geocities.com geocities.ws tripod.com angelfire.com webcitation.com google.com/reader freebase.com".split()
"""Hosts that are gone. Another host's dead page is not in the crawl with status 200: that is the test that counts."""
NO_PAGE = re.compile(r"\.(?:pdf|jpe?g|png|gif|svg|mp[34]|zip|gz|docx?|xlsx?|pptx?|xml|json|csv|rss)$", re.I)

_INSERT = re.compile(rb"INSERT INTO `externallinks`(?: \([^)]*\))? VALUES ")
_COLUMN = re.compile(rb"^\s*`(el_\w+)` ")
_VALUE = re.compile(rb"'((?:[^'\\]|\\.|'')*)'|(NULL)|(-?[\d.]+)", re.S)
_ESCAPED = re.compile(rb"\\(.)|''", re.S)
_ESCAPES = {b"0": b"\0", b"n": b"\n", b"r": b"\r", b"t": b"\t", b"Z": b"\x1a", b"b": b"\b"}


def links(path: str) -> Iterator[str]:
    """Every URL of the dump, in its order, one line of it in memory at a time. ModelError if it is no such dump."""
    columns: list[str] = []
    inserts = 0
    with cast("IO[bytes]", open_stream(path)) as raw, gzip.open(raw) as lines:
        try:
            for line in lines:
                found = _COLUMN.match(line)
                if found:
                    columns.append(found[1].decode())
                start = _INSERT.match(line)
                if start:
                    inserts += 1
                    yield from _urls(line, start.end(), _places(columns, path))
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            raise ModelError(f"{path}: not a whole gzip file: {error}; fetch the dump again") from error
    if not inserts:
        raise ModelError(
            f"{path}: no INSERT INTO `externallinks`; a dump such as enwiki-…-externallinks.sql.gz is needed"
        )


def _places(columns: list[str], path: str) -> tuple[int, tuple[int, ...]]:
    """(columns of a row, those that make the URL)."""
    for wanted in (("el_to_domain_index", "el_to_path"), ("el_to",)):
        if all(name in columns for name in wanted):
            return len(columns), tuple(columns.index(name) for name in wanted)
    raise ModelError(
        f"{path}: its table has the columns {columns}; allowed: el_to, or el_to_domain_index and el_to_path"
    )


def _urls(line: bytes, start: int, places: tuple[int, tuple[int, ...]]) -> Iterator[str]:
    width, wanted = places
    row: list[bytes] = []
    for found in _VALUE.finditer(line, start):
        value = found[1]
        row.append(b"" if value is None else value)
        if len(row) == width:
            parts = [_unescaped(row[place]).decode("utf-8", "replace") for place in wanted]
            yield parts[0] if len(parts) == 1 else from_index(*parts)
            row = []


def _unescaped(value: bytes) -> bytes:
    if b"\\" not in value and b"''" not in value:
        return value
    return _ESCAPED.sub(lambda found: b"'" if found[1] is None else _ESCAPES.get(found[1], found[1]), value)


def from_index(domain_index: str, path: str) -> str:
    """`https://com.example.www.` and `/a` → `https://www.example.com/a`; a port stays behind the host."""
    scheme, separator, rest = domain_index.partition("://")
    host, _, port = rest.partition(":")
    named = ".".join(reversed(host.rstrip(".").split(".")))
    return f"{scheme}{separator}{named}{':' + port if port else ''}{path}"


def refused(url: str) -> str | None:
    """Why a URL cannot be a positive, or None."""
    host = url_host(url)
    if not host or "." not in host or not url.startswith(("http://", "https://", "//")):
        return "no web address"
    for reason, hosts in (("archive", ARCHIVES), ("social", SOCIAL), ("resolver", RESOLVERS), ("dead", DEAD)):
        for each in hosts:
            name, _, path = each.partition("/")
            below = host == name or host.endswith("." + name)
            if below and (not path or f"{host}/{path}" in url):
                return reason
    if NO_PAGE.search(url.partition("?")[0].partition("#")[0]):
        return "no page"
    return None


@dataclass(frozen=True)
class Cited:
    """A balanced sample of what Wikipedia cites."""

    by_site: dict[str, list[str]]
    """Site → URLs as the dump has them."""
    counts: dict[str, int]
    """links; used; and each reason of `refused`."""


def balanced(urls: Iterable[str], sites: int, per_site: int, seed: int) -> Cited:
    """At most `per_site` pages of each of at most `sites` sites, chosen by hash: the same whatever the order of the
    links, how often a page is linked and how many pages its site has. Memory is bounded by sites · per_site."""
    counts: Counter[str] = Counter()
    chosen: dict[str, list[tuple[int, str, str]]] = {}
    order: list[tuple[int, str]] = []
    worst: int | None = None
    for url in urls:
        counts["links"] += 1
        reason = refused(url)
        if reason is not None:
            counts[reason] += 1
            continue
        home = site(url)
        rank = _hash(seed, home)
        if home not in chosen:
            if worst is not None and len(order) >= sites and rank >= worst:
                continue
            chosen[home] = []
            heapq.heappush(order, (-rank, home))
            if len(order) > sites:
                chosen.pop(heapq.heappop(order)[1], None)
            worst = -order[0][0]
            if home not in chosen:
                continue
        canonical = canonical_url(url)
        kept = chosen[home]
        entry = (_hash(seed, canonical), canonical, url)
        if all(other[1] != canonical for other in kept):
            kept.append(entry)
            kept.sort()
            del kept[per_site:]
    by_site = {home: [url for _, _, url in chosen[home]] for home in sorted(chosen)}
    counts["used"] = sum(map(len, by_site.values()))
    return Cited(by_site, dict(counts))


def _hash(seed: int, text: str) -> int:
    return int.from_bytes(hashlib.blake2b(f"{seed}:{text}".encode("utf-8", "replace"), digest_size=8).digest(), "big")
