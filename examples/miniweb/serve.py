"""The mini-web over HTTP on loopback: its hosts with robots.txt, sitemaps, redirects and traps, and a mirror with
Common Crawl's layout, ranges and CDX API. One port serves all; the Host header tells them apart.

Requests to 127.0.0.1 or localhost get the mirror. Faults can be injected; every request is logged with its time.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

import pyarrow.parquet as pq

Headers = list[tuple[str, str]]
MIRROR_HOSTS = ("127.0.0.1", "localhost", "")
FAULTS = ("429", "503", "slowdown", "cut", "stall", "no_range", "wrong_range", "lie_size", "corrupt", "garbage")


@dataclass
class Fault:
    """What goes wrong with the next `count` mirror requests whose path holds `path`."""

    kind: str
    path: str = ""
    count: int = 1


@dataclass
class Entry:
    """A request as the server saw it."""

    time: float
    """Seconds, monotonic, at its arrival."""
    host: str
    path: str
    status: int
    range: str = ""
    agent: str = ""


@dataclass
class Answer:
    status: int
    headers: Headers
    body: bytes
    cut_at: int | None = None
    """Bytes of the body after which the connection is closed."""
    delay: float = 0.0
    """Seconds before the body's second half."""
    endless: bool = False


class MiniServer:
    """Serves a folder that `build` wrote. `with MiniServer(folder) as server:` runs it in a thread."""

    def __init__(self, folder: Path, port: int = 0, crawl_delay: float = 0.0) -> None:
        self.folder, self.port, self.crawl_delay = folder, port, crawl_delay
        self.faults: list[Fault] = []
        self.log: list[Entry] = []
        self.stall = 5.0
        """Seconds that a stalling fault keeps silent."""
        self._pages: dict[tuple[str, str], tuple[str, int, int]] = {}
        self._paths: dict[str, list[str]] = {}
        for row in pq.read_table(folder / "truth.parquet").to_pylist():
            split = urlsplit(row["url"])
            path = split.path + (f"?{split.query}" if split.query else "")
            self._pages[split.netloc, path] = (row["file"], row["offset"], row["length"])
            if row["status"] == 200 and row["duplicate_kind"] != "url_variant":
                self._paths.setdefault(split.netloc, []).append(path)
        self.hosts = sorted(self._paths)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._ready = threading.Event()

    # ------------------------------------------------------------------------------------ running

    def __enter__(self) -> MiniServer:
        self._thread.start()
        self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._connection, "127.0.0.1", self.port))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        try:
            self._loop.run_forever()
        finally:
            server.close()
            left = asyncio.all_tasks(self._loop)
            for task in left:
                task.cancel()
            self._loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
            self._loop.close()

    def serve_forever(self) -> None:
        """In this thread, until interrupted."""
        self._run()

    @property
    def mirror(self) -> str:
        """Base URL of the mirror."""
        return f"http://127.0.0.1:{self.port}"

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if not await self._exchange(head.decode("latin-1"), writer):
                    break
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.LimitOverrunError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _exchange(self, head: str, writer: asyncio.StreamWriter) -> bool:
        """Answers one request; False where the connection is to be closed."""
        arrived = time.monotonic()
        line, *rest = head.split("\r\n")
        method, target, _ = line.split(" ", 2)
        fields = {name.lower(): value.strip() for name, _, value in (item.partition(":") for item in rest) if name}
        host = fields.get("host", "").rsplit(":", 1)[0].lower()
        place = fields.get("host", "").lower()
        if host in MIRROR_HOSTS:
            answer = self._faulty(target, fields.get("range", ""))
        else:
            answer = self._site(host, place, target)
        self.log.append(
            Entry(arrived, host, target, answer.status, fields.get("range", ""), fields.get("user-agent", ""))
        )
        headers = [*answer.headers, ("Server", "miniweb")]
        if answer.endless:
            headers.append(("Transfer-Encoding", "chunked"))
        elif not any(name == "Content-Length" for name, _ in headers):
            headers.append(("Content-Length", str(len(answer.body))))
        text = f"HTTP/1.1 {answer.status} X\r\n" + "".join(f"{name}: {value}\r\n" for name, value in headers) + "\r\n"
        writer.write(text.encode("latin-1"))
        if method == "HEAD":
            return True
        if answer.endless:
            for _ in range(4000):
                writer.write(b"2000\r\n" + b"<p>more and more</p>".ljust(0x2000) + b"\r\n")
                await writer.drain()
            return False
        body = answer.body if answer.cut_at is None else answer.body[: answer.cut_at]
        if answer.delay:
            writer.write(body[: len(body) // 2])
            await writer.drain()
            await asyncio.sleep(answer.delay)
            body = body[len(body) // 2 :]
        writer.write(body)
        await writer.drain()
        return answer.cut_at is None

    # ------------------------------------------------------------------------------------ sites

    def _site(self, host: str, place: str, target: str) -> Answer:
        html = [("Content-Type", "text/html")]
        if host not in self._paths:
            return Answer(421, html, b"no such host here")
        if target == "/robots.txt":
            return Answer(200, [("Content-Type", "text/plain")], self.robots(host, place).encode())
        if target == "/sitemap.xml":
            urls = "".join(f"<url><loc>http://{place}{_xml(path)}</loc></url>" for path in self._paths[host])
            text = f'<?xml version="1.0"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{urls}</urlset>'
            return Answer(200, [("Content-Type", "application/xml")], text.encode())
        if target in ("/archive", "/about"):
            return Answer(301 if target == "/about" else 302, [("Location", "/"), *html], b"")
        if target.startswith("/trap/"):
            return self._trap(host, target.removeprefix("/trap/"))
        stored = self._pages.get((host, target))
        if stored is None:
            return Answer(404, html, b"<html><title>Not found</title><p>There is no such page.</p></html>")
        return self._stored(*stored)

    def _stored(self, file: str, offset: int, length: int) -> Answer:
        """The response that the archive holds, given again."""
        with (self.folder / file).open("rb") as stream:
            stream.seek(offset)
            record = gzip.decompress(stream.read(length))
        block = record.split(b"\r\n\r\n", 1)[1]
        head, body = block[:-4].split(b"\r\n\r\n", 1)
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = [tuple(line.split(": ", 1)) for line in lines if not line.startswith("Server")]
        return Answer(int(first.split(" ")[1]), headers, body)  # type: ignore[arg-type]

    def _trap(self, host: str, name: str) -> Answer:
        """What a crawler must survive: loops, lies, leaks to private places, endless and broken bodies."""
        html = [("Content-Type", "text/html")]
        if name.startswith("loop"):
            return Answer(302, [("Location", f"/trap/{name}x"), *html], b"")
        if name == "private":
            return Answer(302, [("Location", f"http://127.0.0.1:{self.port}/collinfo.json"), *html], b"")
        if name == "metadata":
            return Answer(302, [("Location", "http://169.254.169.254/latest/meta-data/"), *html], b"")
        if name == "file":
            return Answer(302, [("Location", "file:///etc/passwd"), *html], b"")
        if name == "endless":
            return Answer(200, html, b"", endless=True)
        if name == "broken":
            return Answer(200, [*html, ("Content-Length", "5000")], b"<p>" + b"cut " * 500, cut_at=700)
        if name == "slow":
            return Answer(200, html, b"<html><p>slow</p></html>", delay=0.5)
        if name == "picture":
            return Answer(200, [("Content-Type", "image/png")], b"\x89PNG\r\n\x1a\n")
        return Answer(404, html, b"")

    def robots(self, host: str, place: str = "") -> str:
        """Rules of a host: every seventh refuses all, every third a few paths, with wildcards."""
        number = hashlib.sha1(host.encode()).digest()[0]
        delay = f"Crawl-delay: {self.crawl_delay}\n" if self.crawl_delay else ""
        sitemap = f"Sitemap: http://{place or host}/sitemap.xml\n"
        if number % 7 == 0:
            return "User-agent: *\nDisallow: /\n"
        if number % 3 == 0:
            return (
                f"User-agent: *\n{delay}Disallow: /p/\nDisallow: /*?*\nDisallow: /*-1$\nDisallow: /*3.html$\n{sitemap}"
            )
        return f"User-agent: other\nDisallow: /\n\nUser-agent: *\n{delay}Disallow: /private/\n{sitemap}"

    # ------------------------------------------------------------------------------------ mirror

    def _faulty(self, target: str, wanted: str) -> Answer:
        """The mirror's answer with the first fault that applies."""
        fault = next((each for each in self.faults if each.count > 0 and each.path in target), None)
        if fault is None:
            return self._mirror(target, wanted)
        fault.count -= 1
        if fault.kind == "429":
            return Answer(429, [("Retry-After", "0.05")], b"")
        if fault.kind == "503":
            return Answer(503, [], b"")
        if fault.kind == "slowdown":
            return Answer(503, [("Content-Type", "application/xml")], b"<Error><Code>SlowDown</Code></Error>")
        if fault.kind == "no_range":
            return self._mirror(target, "")
        answer = self._mirror(target, wanted)
        if fault.kind == "garbage":
            answer.body = b"<html>out of order</html>"
            answer.headers = [("Content-Type", "text/html")]
            answer.status = 200
        elif fault.kind == "cut":
            answer.headers.append(("Content-Length", str(len(answer.body))))
            answer.cut_at = len(answer.body) // 2
        elif fault.kind == "stall":
            answer.delay = self.stall
        elif fault.kind == "corrupt":
            middle = len(answer.body) // 2
            answer.body = answer.body[:middle] + b"\x00\x01\x02\x03" + answer.body[middle + 4 :]
        elif fault.kind in ("wrong_range", "lie_size"):
            answer.headers = [(name, _lie(value, fault.kind) if name == "Content-Range" else value)
                              for name, value in answer.headers]  # fmt: skip
        return answer

    def _mirror(self, target: str, wanted: str) -> Answer:
        split = urlsplit(target)
        if split.path.endswith("-index"):
            return self._cdx(split.path.strip("/").removesuffix("-index"), parse_qs(split.query))
        path = self.folder / unquote(split.path).lstrip("/")
        if not path.is_file() or not path.resolve().is_relative_to(self.folder.resolve()):
            return Answer(404, [], b"")
        data = path.read_bytes()
        if not wanted.startswith("bytes="):
            return Answer(200, [("Accept-Ranges", "bytes")], data)
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        start, end = int(first), min(int(last) + 1 if last else len(data), len(data))
        if start >= len(data):
            return Answer(416, [("Content-Range", f"bytes */{len(data)}")], b"")
        return Answer(206, [("Content-Range", f"bytes {start}-{end - 1}/{len(data)}")], data[start:end])

    def _cdx(self, crawl: str, query: dict[str, list[str]]) -> Answer:
        """The part of the CDX API that clients of Common Crawl use: url=HOST/*, *.HOST/* or a page, filter, page."""
        file = self.folder / f"cc-index/collections/{crawl}/indexes/cdx-00000.gz"
        if not file.is_file():
            return Answer(404, [], b"")
        if "showNumPages" in query:
            return Answer(200, [("Content-Type", "text/json")], b'{"pages": 2, "pageSize": 5, "blocks": 7}')
        wanted = query["url"][0]
        lines = gzip.decompress(file.read_bytes()).decode().splitlines()
        found = [line.split(" ", 2)[2] for line in lines]
        kept = [text for text in found if _asked(json.loads(text), wanted, query.get("filter", []))]
        half = (len(kept) + 1) // 2
        page = int(query.get("page", ["0"])[0])
        part = kept[half * page : half * (page + 1)]
        if not part:
            return Answer(404, [], b'{"message": "No Captures found"}')
        return Answer(200, [("Content-Type", "text/x-ndjson")], ("\n".join(part) + "\n").encode())


def _asked(entry: dict[str, str], wanted: str, filters: list[str]) -> bool:
    if wanted.endswith("/*"):
        host = wanted.removesuffix("/*")
        own = urlsplit(entry["url"]).netloc.removeprefix("www.")
        plain = host.removeprefix("*.").removeprefix("www.")
        if own != plain and not (host.startswith("*.") and own.endswith("." + plain)):
            return False
    elif _without_scheme(entry["url"]) != _without_scheme(wanted):
        return False
    for text in filters:
        name, _, value = text[1:].partition(":")
        if text[0] == "=" and entry.get(name) != value:
            return False
        if text[0] == "~" and not entry.get(name, "").startswith(value.lstrip("^")):
            return False
    return True


def _without_scheme(url: str) -> str:
    return url.partition("://")[2].removeprefix("www.").lower()


def _lie(value: str, kind: str) -> str:
    span, _, total = value.partition("/")
    if kind == "lie_size":
        return f"{span}/{int(total) + 1000}"
    first, last = span.removeprefix("bytes ").split("-")
    return f"bytes {int(first) + 7}-{int(last) + 7}/{total}"


def _xml(text: str) -> str:
    return text.replace("&", "&amp;")
