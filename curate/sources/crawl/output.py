"""What a crawl writes: one growing WARC/1.1 file of request, response and metadata records. Its length after each page
is known to the frontier, so that a record cut by a crash is cut off before the next is written."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from curate.sources.crawl.fetch import Answer
from curate.sources.write import WarcFile

REASONS = {200: "OK", 301: "Moved Permanently", 302: "Found", 303: "See Other", 307: "Temporary Redirect",
           308: "Permanent Redirect"}  # fmt: skip


class Output:
    """The WARC of a crawl, at `out/crawl.warc.gz`."""

    def __init__(self, out: Path, user_agent: str, committed: int) -> None:
        """`committed`: bytes of the file that belong to finished pages; what lies beyond is cut off."""
        self.path = out / "crawl.warc.gz"
        self._stream = self.path.open("ab")
        self._stream.truncate(min(committed, self._stream.tell()))
        self._stream.seek(0, 2)
        self._warc = WarcFile(self._stream)
        if self._stream.tell() == 0:
            self._warc.info(self.path.name, {
                "software": user_agent, "format": "WARC File Format 1.1", "robots": "obey",
                "conformsTo": "http://iipc.github.io/warc-specifications/specifications/warc-format/warc-1.1/",
            })  # fmt: skip

    def write(self, answer: Answer, address: str | None, notes: dict[str, str]) -> None:
        """Request, response and metadata of one exchange."""
        split = urlsplit(answer.url)
        path = (split.path or "/") + (f"?{split.query}" if split.query else "")
        extra = {"WARC-IP-Address": address} if address else {}
        response = self._warc.response(
            answer.url, answer.status, answer.headers, answer.body, reason=REASONS.get(answer.status, ""),
            date=answer.date, warc_headers=extra,
        )  # fmt: skip
        self._warc.request(answer.url, answer.request_headers, path=path, date=answer.date)
        self._warc.metadata(
            answer.url, {"bytes": str(len(answer.body)), **notes}, concurrent_to=response, date=answer.date
        )

    def flush(self) -> int:
        """Bytes of the file, all of them handed to the system."""
        self._stream.flush()
        return self._stream.tell()

    def close(self) -> None:
        self._stream.close()
