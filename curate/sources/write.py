"""WARC files, written: for the crawler, for `crawl-sample`, and for tests. Records are what the standard asks of a
crawl: one `warcinfo`, then `request`, `response` and `metadata` of each capture, each in a gzip member of its own."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

Headers = Sequence[tuple[str, str]]


class WarcFile:
    """A WARC being written to a binary stream. Use as a context manager; the stream stays the caller's."""

    def __init__(self, stream: Any, *, compressed: bool = True) -> None:
        self._writer = WARCWriter(stream, gzip=compressed, warc_version="WARC/1.1")

    def __enter__(self) -> WarcFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Nothing is held back: each record is written as it comes."""

    def info(
        self, name: str, fields: Mapping[str, str], *, record_id: str | None = None, date: str | None = None
    ) -> str:
        """The `warcinfo` record: what wrote the file, and why."""
        record = self._writer.create_warcinfo_record(name, dict(fields))
        return self._write(record, record_id, date)

    def request(
        self,
        url: str,
        headers: Headers,
        *,
        method: str = "GET",
        path: str = "/",
        date: str | None = None,
        record_id: str | None = None,
    ) -> str:
        """What was asked. Answers the record's id."""
        http = StatusAndHeaders(f"{method} {path} HTTP/1.1", list(headers), is_http_request=True)
        return self._write(self._record(url, "request", b"", date, http), record_id, date)

    def response(
        self,
        url: str,
        status: int,
        headers: Headers,
        body: bytes,
        *,
        reason: str = "",
        date: str | None = None,
        record_id: str | None = None,
        warc_headers: Mapping[str, str] | None = None,
    ) -> str:
        """What was answered, the body as it was sent. Answers the record's id."""
        http = StatusAndHeaders(f"{status} {reason}".rstrip(), list(headers), protocol="HTTP/1.1")
        return self._write(self._record(url, "response", body, date, http, warc_headers), record_id, date)

    def metadata(
        self,
        url: str,
        fields: Mapping[str, str],
        *,
        concurrent_to: str | None = None,
        date: str | None = None,
        record_id: str | None = None,
    ) -> str:
        """What the crawler noted beside a capture."""
        body = "".join(f"{name}: {value}\r\n" for name, value in fields.items()).encode()
        extra = {"Content-Type": "application/warc-fields"}
        if concurrent_to:
            extra["WARC-Concurrent-To"] = concurrent_to
        return self._write(self._record(url, "metadata", body, date, None, extra), record_id, date)

    def record(self, url: str, kind: str, body: bytes, *, content_type: str, date: str | None = None) -> str:
        """Any other record, such as `resource`, `conversion` or `revisit`."""
        return self._write(self._record(url, kind, body, date, None, {"Content-Type": content_type}), None, date)

    def _record(
        self,
        url: str,
        kind: str,
        body: bytes,
        date: str | None,
        http: StatusAndHeaders | None,
        extra: Mapping[str, str] | None = None,
    ) -> Any:
        headers = dict(extra or {})
        content_type = headers.pop("Content-Type", "")
        if date:
            headers["WARC-Date"] = date
        return self._writer.create_warc_record(
            url,
            kind,
            payload=io.BytesIO(body),
            length=len(body),
            http_headers=http,
            warc_content_type=content_type,
            warc_headers_dict=headers,
        )

    def _write(self, record: Any, record_id: str | None, date: str | None) -> str:
        if record_id:
            record.rec_headers.replace_header("WARC-Record-ID", record_id)
        if date:
            record.rec_headers.replace_header("WARC-Date", date)
        self._writer.write_record(record)
        return str(record.rec_headers.get_header("WARC-Record-ID"))
