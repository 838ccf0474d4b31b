"""The crawler against real hosts on loopback: manners measured from the server's log, traps survived."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from protego import Protego
from warcio.archiveiterator import ArchiveIterator

from curate.sources.base import InputError
from curate.sources.crawl.command import expand
from curate.sources.crawl.crawler import Crawler, Limits
from curate.sources.crawl.guard import RefusedAddressError, Resolver, is_public
from curate.sources.crawl.links import absolute, page_links, sitemap_links
from curate.sources.crawl.robots import from_answer, unreachable
from curate.sources.mirror import USER_AGENT
from examples.miniweb.build import build
from examples.miniweb.serve import MiniServer


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("hosts")
    build(out, seed=5, pages=400)
    return out


@pytest.fixture
def server(web: Path) -> Iterator[MiniServer]:
    with MiniServer(web) as running:
        yield running


def resolver(server: MiniServer) -> Resolver:
    return Resolver(given={"*.example": f"127.0.0.1:{server.port}"})


def crawl(server: MiniServer, out: Path, seeds: list[str], **limits: object) -> dict[str, int]:
    options = {"delay": 0.0, "timeout": 3.0, "retries": 0, **limits}
    return asyncio.run(Crawler(out, Limits(**options), resolver(server)).run(seeds))  # type: ignore[arg-type]


def open_hosts(server: MiniServer) -> list[str]:
    """Hosts that let anyone in everywhere but /private/."""
    return [host for host in server.hosts if "Disallow: /private/" in server.robots(host)]


def records(out: Path) -> list[tuple[str, str, bytes, dict[str, str]]]:
    found = []
    with (out / "crawl.warc.gz").open("rb") as stream:
        for record in ArchiveIterator(stream, check_digests="raise"):
            headers = dict(record.rec_headers.headers)
            found.append((record.rec_type, headers.get("WARC-Target-URI", ""), record.raw_stream.read(), headers))
    return found


def test_whole_hosts_are_crawled_and_the_bytes_are_the_sources(server: MiniServer, web: Path, tmp_path: Path) -> None:
    hosts = [host for host in open_hosts(server) if not host.startswith("www.")][:4]
    counts = crawl(server, tmp_path, [f"http://{host}/" for host in hosts])
    truth = {
        row["url"].replace("https://", "http://"): row
        for row in pq.read_table(web / "truth.parquet").to_pylist()
        if row["status"] == 200 and row["duplicate_kind"] != "url_variant" and row["site"] in hosts
    }
    got = {}
    for kind, url, _, headers in records(tmp_path):
        if kind == "response" and headers["WARC-Payload-Digest"] and url in truth:
            got[url] = headers["WARC-Payload-Digest"]
    assert got == {url: row["payload_digest"] for url, row in truth.items()}
    assert counts["fetched"] == len(truth)


def test_records_are_warc_1_1_with_request_response_and_metadata(server: MiniServer, tmp_path: Path) -> None:
    host = open_hosts(server)[0]
    crawl(server, tmp_path, [f"http://{host}/"], max_pages=3)
    found = records(tmp_path)
    assert found[0][0] == "warcinfo"
    kinds = [kind for kind, *_ in found[1:]]
    assert kinds.count("response") == kinds.count("request") == kinds.count("metadata") >= 3
    response = next(entry for entry in found if entry[0] == "response")
    assert response[3]["WARC-IP-Address"] == "127.0.0.1"
    assert (tmp_path / "crawl.warc.gz").exists()


def test_no_request_goes_where_robots_txt_forbids(server: MiniServer, tmp_path: Path) -> None:
    counts = crawl(server, tmp_path, [f"http://{host}/" for host in server.hosts[:40]], max_pages=5000)
    assert counts["disallowed"] >= 10 and counts["fetched"] > 100
    asked_first: dict[str, str] = {}
    rules = {host: Protego.parse(server.robots(host)) for host in server.hosts[:40]}
    for entry in server.log:
        asked_first.setdefault(entry.host, entry.path)
        assert entry.agent == USER_AGENT
        if entry.path != "/robots.txt":
            assert rules[entry.host].can_fetch(f"http://{entry.host}{entry.path}", USER_AGENT), entry
    assert set(asked_first.values()) == {"/robots.txt"}
    shut = [host for host in server.hosts[:40] if server.robots(host).endswith("Disallow: /\n")]
    assert shut
    for host in shut:
        assert [entry.path for entry in server.log if entry.host == host] == ["/robots.txt"]


@pytest.mark.parametrize("per_host", [1, 3])
def test_delays_are_kept_as_the_servers_clock_sees_them(server: MiniServer, tmp_path: Path, per_host: int) -> None:
    server.crawl_delay = 0.12
    hosts = open_hosts(server)[:3]
    seeds = [f"http://{hosts[0]}/trap/loop", *(f"http://{host}/" for host in hosts)]
    crawl(server, tmp_path, seeds, max_pages=12, per_host=per_host, delay=0.05)
    times = defaultdict(list)
    for entry in server.log:
        times[entry.host].append((entry.time, entry.path))
    for arrivals in times.values():
        gaps = [(later - earlier, path) for (earlier, _), (later, path) in pairwise(arrivals)]
        # Before robots.txt was read only the crawler's own delay is known; a millisecond for the clock.
        assert all(gap >= 0.119 for gap, _ in gaps[1:]) and gaps[0][0] >= 0.049, gaps
    spans = [(min(t for t, _ in arrivals), max(t for t, _ in arrivals)) for arrivals in times.values()]
    assert max(start for start, _ in spans) < min(end for _, end in spans), "hosts are crawled side by side"


def test_traps_are_survived_and_named(server: MiniServer, tmp_path: Path) -> None:
    host = open_hosts(server)[0]
    names = ["loop", "private", "metadata", "file", "endless", "broken", "picture", "missing"]
    counts = {}
    for name in names:
        out = tmp_path / name
        counts[name] = crawl(
            server, out, [f"http://{host}/trap/{name}"], sitemaps=False, max_bytes=300_000, max_depth=0
        )
    said = {name: next(state for state in states if state != "redirect_target") for name, states in counts.items()}
    assert said == {
        "loop": "too_many_redirects", "private": "refused_address", "metadata": "refused_address",
        "file": "redirect_to_no_web_page", "endless": "too_large", "broken": "connection_failed",
        "picture": "other_type", "missing": "status_404",
    }  # fmt: skip
    assert not any(entry.path == "/collinfo.json" for entry in server.log)


def test_a_redirect_to_a_private_address_is_refused_also_when_all_hosts_are_followed(
    server: MiniServer, tmp_path: Path
) -> None:
    host = open_hosts(server)[0]
    for name in ("private", "metadata"):
        crawl(server, tmp_path / name, [f"http://{host}/trap/{name}"], follow_hosts=True, sitemaps=False, max_depth=0)
    assert not any(entry.host == "127.0.0.1" for entry in server.log)


def test_addresses_are_checked_once_and_the_checked_one_is_used() -> None:
    class Rebinding(Resolver):
        """A name server that answers with a public address first and a private one after."""

        asked = 0

        async def lookup(self, host: str, port: int) -> list[str]:
            self.asked += 1
            return ["93.184.216.34"] if self.asked == 1 else ["127.0.0.1"]

    async def twice() -> None:
        rebinding = Rebinding()
        first = await rebinding.resolve("evil.test", 80)
        assert await rebinding.resolve("evil.test", 80) == first == ("93.184.216.34", 80)
        with pytest.raises(RefusedAddressError):
            await rebinding.resolve("other.test", 80)

    class Mixed(Resolver):
        async def lookup(self, host: str, port: int) -> list[str]:
            return ["93.184.216.34", "10.0.0.1"]

    asyncio.run(twice())
    with pytest.raises(RefusedAddressError, match=r"10\.0\.0\.1"):
        asyncio.run(Mixed().resolve("mixed.test", 80))
    for spelled in ("127.1", "2130706433", "0x7f.0.0.1", "0", "localhost"):
        with pytest.raises(RefusedAddressError):
            asyncio.run(Resolver().resolve(spelled, 80))
    assert asyncio.run(Resolver(allow_private=True).resolve("127.0.0.1", 80)) == ("127.0.0.1", 80)


@pytest.mark.parametrize(
    "address",
    ["10.0.0.1", "127.0.0.1", "169.254.169.254", "192.168.1.1", "100.64.0.1", "0.0.0.0", "224.0.0.1", "::1",
     "fe80::1%eth0",
     "fd00::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::", "ff02::1", "::"],
)  # fmt: skip
def test_private_addresses_in_every_dress_are_not_public(address: str) -> None:
    assert not is_public(address)


def test_public_addresses_are() -> None:
    assert is_public("93.184.216.34") and is_public("2606:2800:220:1::1") and is_public("::ffff:93.184.216.34")


def test_limits_hold(server: MiniServer, tmp_path: Path) -> None:
    hosts = open_hosts(server)[:4]
    seeds = [f"http://{host}/" for host in hosts]
    assert crawl(server, tmp_path / "pages", seeds, max_pages=7)["fetched"] == 7
    crawl(server, tmp_path / "hosts", seeds, max_hosts=2)
    one = crawl(server, tmp_path / "each", seeds, max_pages_per_host=2)
    assert one["fetched"] <= 8
    shallow = crawl(server, tmp_path / "depth", seeds, max_depth=0, sitemaps=False)
    assert shallow == {"fetched": 4}
    assert len({url.split("/")[2] for kind, url, *_ in records(tmp_path / "hosts") if kind == "response"}) == 2


def test_a_killed_crawl_goes_on_and_every_page_is_there_once(server: MiniServer, tmp_path: Path) -> None:
    hosts = [host for host in open_hosts(server) if not host.startswith("www.")][:2]
    whole = crawl(server, tmp_path / "whole", [f"http://{host}/" for host in hosts])
    out = tmp_path / "cut"
    command = [
        sys.executable, "-m", "curate", "crawl", *(f"http://{host}/" for host in hosts), "--out", str(out), "--delay",
        "0.02", "--resolve", f"*.example=127.0.0.1:{server.port}",
    ]  # fmt: skip
    process = subprocess.Popen(command)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and not (out.exists() and sum(1 for _ in pages(out)) > 3):
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    with (out / "crawl.warc.gz").open("ab") as stream:
        stream.write(b"\x1f\x8b\x08half a record")
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    urls = [
        url for kind, url, *_ in records(out) if kind == "response" and "/about" not in url and "/archive" not in url
    ]
    assert len(urls) == len(set(urls)) == whole["fetched"]
    assert json.loads((out / "crawl.json").read_text())["urls"]["fetched"] == whole["fetched"]


def pages(out: Path) -> Iterator[str]:
    """URLs of the responses that are there so far."""
    path = out / "crawl.warc.gz"
    if path.exists():
        from curate.sources.members import members

        try:
            for member in members(path.read_bytes()):
                if member.headers.get("warc-type") == "response":
                    yield member.url or ""
        except ValueError:
            return


def test_robots_answers_are_read_as_the_standard_says() -> None:
    assert from_answer("me", 404, b"").allows("http://a/x")
    assert not from_answer("me", 503, b"").allows("http://a/x")
    assert not from_answer("me", 429, b"").allows("http://a/x")
    assert not unreachable("me", "no").allows("http://a/x")
    rules = from_answer("me/1.0", 200, b"User-agent: *\nDisallow: /a*b$\nCrawl-delay: 3\nAllow: /axb/ok\n")
    assert not rules.allows("http://a/axxb") and rules.allows("http://a/axxbc") and rules.delay == 3
    assert from_answer("me", 200, b"User-agent: *\nRequest-rate: 1/5\n").delay == 5


def test_links_are_absolute_and_only_of_the_web() -> None:
    html = b"""<base href="/sub/"><a href="x?q=1#f">1</a><a href=//other.example/y>2</a><a href="javascript:x()">3</a>
    <a href="mailto:a@b.c">4</a><a href="http://[bad">5</a>
    <a rel="nofollow" href="/no">6</a><a href="../\xc3\xbc">7</a>"""
    assert page_links("http://h.example/dir/page", html) == [
        "http://h.example/sub/x?q=1", "http://other.example/y", "http://h.example/%C3%83%C2%BC",
    ] or page_links("http://h.example/dir/page", html)[:2] == [
        "http://h.example/sub/x?q=1", "http://other.example/y",
    ]  # fmt: skip
    assert page_links("http://h/", b'<meta name=robots content="noindex, nofollow"><a href=/x>x</a>') == []
    assert absolute("http://h/", "HTTP://UP.example:80/a b") == "http://up.example/a%20b"
    assert absolute("http://h/", "ftp://x/") is None and page_links("http://h/", b"") == []


def test_sitemaps_of_all_forms_and_bombs() -> None:
    index = b'<sitemapindex xmlns="s"><sitemap><loc>http://h/2.xml</loc></sitemap></sitemapindex>'
    assert sitemap_links("http://h/1.xml", index) == ([], ["http://h/2.xml"])
    assert sitemap_links("http://h/1.txt", b"http://h/a\nhttp://h/b\n") == (["http://h/a", "http://h/b"], [])
    bomb = b'<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><urlset><url><loc>http://h/&b;</loc></url></urlset>'
    assert "aaaa" not in str(sitemap_links("http://h/", bomb))
    evil = b'<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><urlset><url><loc>http://h/&e;</loc></url></urlset>'
    assert "root" not in str(sitemap_links("http://h/", evil))
    assert sitemap_links("http://h/", b"<broken") == ([], []) and sitemap_links("http://h/", b"\x1f\x8bno") == ([], [])


def test_seed_files_and_wrong_seeds(tmp_path: Path) -> None:
    seeds = tmp_path / "seeds.txt"
    seeds.write_text("# mine\nhttp://a.example/\n\nhttps://b.example/x\n")
    assert expand(str(seeds)) == ["http://a.example/", "https://b.example/x"]
    seeds.write_text("gopher://a\n")
    for wrong in (str(seeds), "not-there"):
        with pytest.raises(InputError, match=r"allowed|is no http"):
            expand(wrong)
