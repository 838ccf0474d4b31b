"""What is to be fetched and what was: an SQLite file, so that a crawl goes on where it was stopped. A URL is known by
its canonical form; the first spelling met is the one that is asked for."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from curate.urls import canonical_url

TABLES = """
create table if not exists urls (
    place integer primary key, key text unique not null, url text not null, host text not null, depth integer not null,
    state text not null default 'queued');
create index if not exists waiting on urls (state, host, place);
create table if not exists facts (name text primary key, value text not null);
"""


@dataclass(frozen=True)
class Wanted:
    """A URL to fetch."""

    place: int
    url: str
    host: str
    depth: int


class Frontier:
    """The queue of a crawl. `state` is queued, or what became of the URL (`fetched`, `disallowed`, `status_404`…)."""

    def __init__(self, path: Path) -> None:
        self._base = sqlite3.connect(path)
        # A power cut may cost the last pages, which are then fetched again; a killed process costs none.
        self._base.executescript("pragma journal_mode=wal; pragma synchronous=normal;" + TABLES)
        self._base.execute("update urls set state = 'queued' where state = 'taken'")

    def close(self) -> None:
        self._base.commit()
        self._base.close()

    def add(self, url: str, depth: int) -> bool:
        """Whether the URL is new."""
        row = (canonical_url(url), url, urlsplit(url).netloc, depth)
        return (
            self._base.execute("insert or ignore into urls (key, url, host, depth) values (?,?,?,?)", row).rowcount > 0
        )

    def known(self, host: str) -> int:
        """How many URLs of a host are queued or done."""
        return int(self._base.execute("select count(*) from urls where host = ?", (host,)).fetchone()[0])

    def hosts(self) -> list[str]:
        """Hosts with something queued, in the order of their first URL."""
        rows = self._base.execute("select host from urls where state = 'queued' group by host order by min(place)")
        return [row[0] for row in rows]

    def take(self, host: str) -> Wanted | None:
        """The host's first queued URL, taken until it is settled or the crawl starts anew."""
        row = self._base.execute(
            "select place, url, host, depth from urls where state = 'queued' and host = ? order by place limit 1",
            (host,),
        ).fetchone()
        if row is None:
            return None
        wanted = Wanted(*row)
        self.settle(wanted, "taken")
        return wanted

    def settled(self, host: str) -> int:
        """How many URLs of a host are done with."""
        ask = "select count(*) from urls where host = ? and state not in ('queued', 'taken', 'redirect_target')"
        return int(self._base.execute(ask, (host,)).fetchone()[0])

    def settle(self, wanted: Wanted, state: str) -> None:
        self._base.execute("update urls set state = ? where place = ?", (state, wanted.place))

    def seen(self, url: str, state: str) -> bool:
        """Notes a URL that was met as the target of a redirect; False if it was settled before."""
        key = canonical_url(url)
        row = self._base.execute("select state from urls where key = ?", (key,)).fetchone()
        if row is not None and row[0] != "queued":
            return False
        if row is None:
            self.add(url, 0)
        self._base.execute("update urls set state = ? where key = ?", (state, key))
        return True

    def counts(self) -> dict[str, int]:
        """URLs by state."""
        return dict(self._base.execute("select state, count(*) from urls group by state order by state"))

    def fact(self, name: str) -> str | None:
        """Something remembered between starts."""
        row = self._base.execute("select value from facts where name = ?", (name,)).fetchone()
        return row[0] if row else None

    def remember(self, name: str, value: str) -> None:
        self._base.execute("insert or replace into facts values (?, ?)", (name, value))

    def commit(self) -> None:
        self._base.commit()
