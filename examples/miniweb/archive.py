"""Writes pages as Common Crawl does: gzipped WARC/1.0 files in segments, path lists, a CDX index and a Parquet index.

What comes out depends on the pages alone: record ids and dates are derived from the seed and the URL, gzip headers
carry no time.
"""

from __future__ import annotations

import base64
import datetime
import gzip
import hashlib
import json
import uuid
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq

from examples.miniweb.page import Page
from examples.miniweb.web import MiniWeb

CRAWL = "CC-MINI-2025-47"
SEGMENT = "1763000000000.01"
NAMESPACE = uuid.UUID("6d1b1d0e-5d0e-4f6f-8a53-0d6f4c1c2a11")
LANGUAGES = {"en": "eng", "de": "deu", "fr": "fra", "es": "spa", "it": "ita", "pt": "por", "nl": "nld", "sv": "swe",
             "pl": "pol", "ru": "rus", "tr": "tur", "ja": "jpn", "zh": "zho", "ko": "kor", "ar": "ara"}  # fmt: skip
REASONS = {200: "OK", 404: "Not Found", 410: "Gone", 500: "Internal Server Error", 503: "Service Unavailable"}


@dataclass
class Capture:
    """A response record as the index names it."""

    page: Page
    record_id: str
    date: str
    file: str
    offset: int
    length: int
    digest: str


def body_and_headers(web: MiniWeb, page: Page, links: dict[str, list[Page]]) -> tuple[bytes, list[tuple[str, str]]]:
    """The page's bytes in its charset, and the headers of its response."""
    html = web.html(page, links)
    codec = "cp949" if page.site.charset == "euc-kr" else page.site.charset
    body = html.encode(codec, "xmlcharrefreplace")
    charset = f"; charset={page.site.charset}" if page.site.declared in ("header", "both") else ""
    headers = [("Server", "miniweb"), ("Content-Type", f"text/html{charset}"), ("Content-Length", str(len(body)))]
    return body, headers


def sha1(data: bytes) -> str:
    """The digest as WARC files write it: sha1: and Base32."""
    return "sha1:" + base64.b32encode(hashlib.sha1(data).digest()).decode()


def record(fields: list[tuple[str, str]], block: bytes) -> bytes:
    """A WARC record as one gzip member."""
    head = "WARC/1.0\r\n" + "".join(f"{name}: {value}\r\n" for name, value in fields)
    head += f"Content-Length: {len(block)}\r\n\r\n"
    return gzip.compress(head.encode() + block + b"\r\n\r\n", 6, mtime=0)


def write_archive(web: MiniWeb, folder: Path) -> list[Capture]:
    """The whole layout below `folder`; returns the captures in the order of the files."""
    rng = Random(f"archive {web.seed}")
    pages = list(web.pages)
    rng.shuffle(pages)
    n_files = max(2, round(len(pages) / 900))
    links = web.links()
    base = f"crawl-data/{CRAWL}/segments/{SEGMENT}/warc"
    (folder / base).mkdir(parents=True, exist_ok=True)
    captures: list[Capture] = []
    names = []
    start = datetime.datetime(2025, 11, 13, 2, 13, 20)
    for number in range(n_files):
        name = f"{base}/{CRAWL}-20251113021320-20251113051320-{number:05d}.warc.gz"
        names.append(name)
        with (folder / name).open("wb") as out:
            info_id = _id(web.seed, name, "warcinfo")
            info = f"isPartOf: {CRAWL}\r\nsoftware: curate mini-web\r\nformat: WARC File Format 1.0\r\n".encode()
            fields = [("WARC-Type", "warcinfo"), ("WARC-Date", _date(start)), ("WARC-Record-ID", info_id),
                      ("WARC-Filename", name.rsplit("/", 1)[1]),
                      ("Content-Type", "application/warc-fields")]  # fmt: skip
            out.write(record(fields, info))
            for at, page in enumerate(pages[number::n_files]):
                date = _date(start + datetime.timedelta(seconds=at * 7 + number))
                body, headers = body_and_headers(web, page, links)
                before, response, after, record_id = _exchange(web, page, date, info_id, body, headers)
                out.write(before)
                offset = out.tell()
                out.write(response)
                out.write(after)
                captures.append(Capture(page, record_id, date, name, offset, len(response), sha1(body)))
    _lists(folder, names)
    _indexes(folder, captures)
    return captures


def _id(*parts: object) -> str:
    return f"<urn:uuid:{uuid.uuid5(NAMESPACE, '|'.join(map(str, parts)))}>"


def _date(when: datetime.datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def _exchange(
    web: MiniWeb, page: Page, date: str, info_id: str, body: bytes, headers: list[tuple[str, str]]
) -> tuple[bytes, bytes, bytes, str]:
    """Request, response and metadata records, and the response's id."""
    url, host = page.url, page.url.split("/")[2]
    ids = {kind: _id(web.seed, url, kind) for kind in ("request", "response", "metadata")}
    request = f"GET {page.path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: miniweb\r\nAccept: text/html\r\n\r\n".encode()
    status = f"HTTP/1.1 {page.status} {REASONS[page.status]}\r\n"
    response = (status + "".join(f"{name}: {value}\r\n" for name, value in headers) + "\r\n").encode() + body
    address = ".".join(["192", "0", "2", str(hashlib.sha1(host.encode()).digest()[0])])
    common = [("WARC-Date", date), ("WARC-Warcinfo-ID", info_id), ("WARC-Target-URI", url)]
    first = record([("WARC-Type", "request"), ("WARC-Record-ID", ids["request"]), *common,
                    ("WARC-IP-Address", address), ("WARC-Concurrent-To", ids["response"]),
                    ("Content-Type", "application/http; msgtype=request")], request)  # fmt: skip
    second = record([("WARC-Type", "response"), ("WARC-Record-ID", ids["response"]), *common,
                     ("WARC-IP-Address", address), ("WARC-Concurrent-To", ids["request"]),
                     ("WARC-Payload-Digest", sha1(body)), ("WARC-Block-Digest", sha1(response)),
                     ("WARC-Identified-Payload-Type", "text/html"),
                     ("Content-Type", "application/http; msgtype=response")], response)  # fmt: skip
    third = record([("WARC-Type", "metadata"), ("WARC-Record-ID", ids["metadata"]), *common,
                    ("WARC-Concurrent-To", ids["response"]), ("Content-Type", "application/warc-fields")],
                   b"fetchTimeMs: 120\r\n")  # fmt: skip
    return first, second, third, ids["response"]


def _lists(folder: Path, names: list[str]) -> None:
    """`collinfo.json` and the path lists, as the mirror's root has them."""
    top = folder / "crawl-data" / CRAWL
    for listed, paths in {
        "warc.paths.gz": names,
        "cc-index.paths.gz": [f"cc-index/collections/{CRAWL}/indexes/cdx-00000.gz",
                              f"cc-index/collections/{CRAWL}/indexes/cluster.idx"],
        "cc-index-table.paths.gz": [f"cc-index/table/cc-main/warc/crawl={CRAWL}/subset=warc/part-00000.gz.parquet"],
    }.items():  # fmt: skip
        (top / listed).write_bytes(gzip.compress(("\n".join(paths) + "\n").encode(), mtime=0))
    info = [{"id": CRAWL, "name": "Mini-web", "timegate": f"/{CRAWL}/", "cdx-api": f"/{CRAWL}-index",
             "from": "2025-11-13T02:13:20", "to": "2025-11-13T05:13:20"}]  # fmt: skip
    (folder / "collinfo.json").write_text(json.dumps(info, indent=2) + "\n", "utf-8")


def surt(url: str) -> str:
    """The sort-friendly form of a URL that the CDX index is ordered by: example,host)/path."""
    host, _, path = url.split("://", 1)[1].partition("/")
    return ",".join(reversed(host.removeprefix("www.").lower().split("."))) + ")/" + path.lower()


def _indexes(folder: Path, captures: list[Capture]) -> None:
    rows = sorted(captures, key=lambda capture: (surt(capture.page.url), capture.date))
    lines = []
    for capture in rows:
        page = capture.page
        stamp = "".join(c for c in capture.date if c.isdigit())
        entry = {"url": page.url, "mime": "text/html", "mime-detected": "text/html", "status": str(page.status),
                 "digest": capture.digest.removeprefix("sha1:"), "length": str(capture.length),
                 "offset": str(capture.offset), "filename": capture.file, "charset": page.site.charset.upper(),
                 "languages": LANGUAGES[page.language]}  # fmt: skip
        lines.append(f"{surt(page.url)} {stamp} {json.dumps(entry)}\n")
    cdx = folder / f"cc-index/collections/{CRAWL}/indexes"
    cdx.mkdir(parents=True, exist_ok=True)
    blocks, offset, cluster = [], 0, []
    for number, at in enumerate(range(0, len(lines), 500)):
        chunk = lines[at : at + 500]
        data = gzip.compress("".join(chunk).encode(), mtime=0)
        key = " ".join(chunk[0].split(" ", 2)[:2])
        cluster.append(f"{key}\tcdx-00000.gz\t{offset}\t{len(data)}\t{number + 1}\n")
        blocks.append(data)
        offset += len(data)
    (cdx / "cdx-00000.gz").write_bytes(b"".join(blocks))
    (cdx / "cluster.idx").write_text("".join(cluster), "utf-8")
    hosts = [capture.page.url.split("/")[2] for capture in rows]
    table = pa.table({
        "url_surtkey": [surt(capture.page.url) for capture in rows],
        "url": [capture.page.url for capture in rows],
        "url_host_name": hosts,
        "url_host_tld": [host.rsplit(".", 1)[1] for host in hosts],
        "url_host_registered_domain": [".".join(host.removeprefix("www.").split(".")[-3:]) for host in hosts],
        "url_protocol": [capture.page.scheme for capture in rows],
        "url_path": [capture.page.path for capture in rows],
        "fetch_time": pa.array([datetime.datetime.fromisoformat(c.date[:-1]) for c in rows], pa.timestamp("ms")),
        "fetch_status": pa.array([capture.page.status for capture in rows], pa.int16()),
        "content_digest": [capture.digest.removeprefix("sha1:") for capture in rows],
        "content_mime_type": ["text/html"] * len(rows),
        "content_mime_detected": ["text/html"] * len(rows),
        "content_charset": [capture.page.site.charset.upper() for capture in rows],
        "content_languages": [LANGUAGES[capture.page.language] for capture in rows],
        "warc_filename": [capture.file for capture in rows],
        "warc_record_offset": pa.array([capture.offset for capture in rows], pa.int32()),
        "warc_record_length": pa.array([capture.length for capture in rows], pa.int32()),
        "warc_segment": [SEGMENT] * len(rows),
    })  # fmt: skip
    path = folder / f"cc-index/table/cc-main/warc/crawl={CRAWL}/subset=warc/part-00000.gz.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, compression="gzip", row_group_size=1000)
