"""From archive records to rows: HTML responses with status 200 become documents with the schema PAGE, conversion
records (WET) documents with the schema TEXT, and every other record a line that says why it is none."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa

from curate.documents import HTTP, document_id
from curate.sources.archives import Fields, Record, text
from curate.sources.base import Failure, SkippedRecord
from curate.sources.charset import decode
from curate.sources.http import BodyError, Response, decode_body, parse_response

HTML_TYPES = frozenset({"text/html", "application/xhtml+xml", "application/vnd.wap.xhtml+xml"})
UNIDENTIFIED_TYPES = frozenset(
    {"", "unk", "unknown", "none", "no-type", "*/*", "unknown/unknown", "application/unknown", "content/unknown"}
    | {"application/octet-stream", "binary/octet-stream", "application/x-octet-stream", "text/unknown"}
    | {"application/x-unknown-content-type", "application/xml", "text/xml"}
)
"""Types that say nothing (after RFC 9110 and the MIME Sniffing standard), and XML, which may be XHTML."""

_BEGINS_HTML = re.compile(
    rb"(?:\xef\xbb\xbf)?[\s\0]*(?:<\?xml[^>]*>\s*)?(?:<!--.*?-->\s*)*<(?:!doctype\s+html|html|head|body|title|meta|script|"
    rb"iframe|h1|div|font|table|a|style|b|br|p|center|link)[\s/>]",
    re.IGNORECASE | re.DOTALL,
)
"""https://mimesniff.spec.whatwg.org/#identifying-a-resource-with-an-unknown-mime-type, and `<meta>`, `<link>` and
`<center>`, with which pages without `<html>` begin as well."""
_HTML_TAG = re.compile(rb"<html[\s>]", re.IGNORECASE)
_BINARY = (
    (b"%PDF-", "application/pdf"),
    (b"\x89PNG\r\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"PK\x03\x04", "application/zip"),
    (b"\0\0\0\x1cftyp", "video/mp4"),
    (b"ID3", "audio/mpeg"),
    (b"{\\rtf", "text/rtf"),
)
"""What is served as HTML and is not."""
_CHARSET = re.compile(r"charset\s*=\s*[\"']?\s*([\w.:+-]+)", re.IGNORECASE)
_BLANK = re.compile(rb"\s*")
_DATE = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z")
_DAY = re.compile(rb"(\d{4})-?(\d\d)-?(\d\d)(?:[T ]?(\d\d):?(\d\d):?(\d\d)(\.\d{1,9})?)?")
_HTTP_FIELDS = tuple((field.name, field.name.replace("_", "-").encode()) for field in HTTP)[1:]

Row: TypeAlias = tuple[Any, ...]


@dataclass(frozen=True)
class Made:
    """What a record became: a row of the schema at hand, with its size in bytes."""

    row: Row
    size: int


def page(record: Record, source: str, limit: int) -> Made | SkippedRecord | Failure:
    """A record as a row of PAGE, or why it is none. `limit`: bytes of a decoded page at most."""
    if record.damage:
        return _fail(record, source)
    if record.type != "response":
        return _skip(record, source, record.type)
    if record.block is None:
        return _fail(record, source)
    response = parse_response(record.block)
    if response is None:
        if record.missing and not record.block:
            return _skip(record, source, "empty_body")
        if b"arc-mime" not in record.fields or not _BEGINS_HTML.match(record.block[:2048]):
            return _skip(record, source, "not_http")
        # Early ARC files hold the page without its HTTP header.
        response = Response(200, {b"content-type": record.fields[b"arc-mime"]}, bytes(record.block))
    if response.status != 200:
        return _skip(record, source, f"status_{response.status}")
    content_type = text(response.fields.get(b"content-type", b""))
    mime = content_type.replace(",", ";").partition(";")[0].strip().lower()
    if mime not in HTML_TYPES and mime not in UNIDENTIFIED_TYPES and "/" in mime:
        return _skip(record, source, f"mime_{mime[:80]}")
    try:
        body = decode_body(response, limit)
    except BodyError as error:
        return _fail(record, source, str(error))
    if _BLANK.fullmatch(body):
        return _skip(record, source, "empty_body")
    if mime not in HTML_TYPES and not looks_like_html(body):
        return _skip(record, source, f"mime_{mime[:80]}" if "/" in mime else "mime_unidentified")
    for signature, kind in _BINARY:
        if body.startswith(signature):
            return _skip(record, source, f"sniffed_{kind}")
    match = _CHARSET.search(content_type)
    html, charset = decode(body, match[1] if match else None)
    html = as_utf8(html)
    url, date = record_url(record.fields), record_date(record.fields)
    fields = response.fields
    http: dict[str, int | str] = {"status": 200}
    for name, key in _HTTP_FIELDS:
        if key in fields:
            http[name] = text(fields[key])
    identity = _id(record, url, date, body)
    return Made((identity, url, date, source, record.offset, record.length, html, charset, http), len(html))


def extracted_text(record: Record, source: str, limit: int) -> Made | SkippedRecord | Failure:
    """A WET record as a row of TEXT, or why it is none."""
    if record.damage:
        return _fail(record, source)
    if record.type != "conversion":
        return _skip(record, source, record.type)
    if record.block is None:
        return _fail(record, source)
    block = bytes(record.block)
    if _BLANK.fullmatch(block):
        return _skip(record, source, "empty_body")
    content = as_utf8(decode(block, "utf-8").text)
    url, date = record_url(record.fields), record_date(record.fields)
    identity = _id(record, url, date, block)
    return Made((identity, url, date, source, record.offset, record.length, content, None), len(content))


def looks_like_html(body: bytes) -> bool:
    """Whether bytes of no declared type are an HTML page."""
    head = body[:4096]
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        head = head.replace(b"\0", b"")[2:]
    if _BEGINS_HTML.match(head):
        return True
    return b"\0" not in head and _HTML_TAG.search(head[:1024]) is not None


def as_utf8(content: str | bytes) -> bytes:
    """As UTF-8, without U+0000, which the HTML standard ignores in text and which tools for text stumble over; and
    without lone surrogates, which UTF-8 cannot hold (each becomes U+FFFD). Bytes must be valid UTF-8."""
    if isinstance(content, bytes):
        data = content
    else:
        try:
            data = content.encode()
        except UnicodeEncodeError:
            data = content.encode("utf-16", "surrogatepass").decode("utf-16", "replace").encode()
    return data.replace(b"\0", b"") if b"\0" in data else data


def batch(rows: list[Row], schema: pa.Schema) -> pa.RecordBatch:
    """Rows as an Arrow batch; a string column may come as bytes of valid UTF-8."""
    arrays = []
    for field, column in zip(schema, zip(*rows, strict=True), strict=True):
        if isinstance(column[0], bytes):
            # The large column: joined once, where Arrow's builder would copy it again at each doubling.
            offsets = np.zeros(len(column) + 1, dtype=np.int32)
            np.cumsum([len(value) for value in column], out=offsets[1:])
            buffers = [None, pa.py_buffer(offsets), pa.py_buffer(b"".join(column))]
            arrays.append(pa.Array.from_buffers(pa.string(), len(column), buffers))
        else:
            arrays.append(pa.array(column, type=field.type))
    return pa.RecordBatch.from_arrays(arrays, schema=schema)


# ---------------------------------------------------------------------------------------- identity


def record_url(fields: Fields) -> str | None:
    """The target URI, without the angle brackets that wget writes, its spaces and control characters escaped."""
    value = fields.get(b"warc-target-uri")
    if value is None:
        return None
    url = text(value).strip()
    if url.startswith("<") and url.endswith(">"):
        url = url[1:-1]
    if url.isascii() and url.isprintable() and " " not in url:
        return url
    return "".join(f"%{ord(char):02X}" if char <= " " or char == "\x7f" else char for char in url)


def record_date(fields: Fields) -> str | None:
    """The capture time as ISO 8601 in UTC, or None where it cannot be told."""
    value = fields.get(b"warc-date")
    if value is None:
        return None
    if _DATE.fullmatch(value):
        return value.decode()
    match = _DAY.match(value)
    if match is None or not (1 <= int(match[2]) <= 12 and 1 <= int(match[3]) <= 31):
        return None
    year, month, day, hour, minute, second, fraction = (part.decode() if part else "" for part in match.groups())
    return f"{year}-{month}-{day}T{hour or '00'}:{minute or '00'}:{second or '00'}{fraction}Z"


def _id(record: Record, url: str | None, date: str | None, body: bytes) -> str:
    name = record.fields.get(b"warc-record-id")
    if name:
        return document_id(name)
    digest = record.fields.get(b"warc-payload-digest") or hashlib.sha1(body).hexdigest()
    return document_id(url, date, digest)


def _skip(record: Record, source: str, reason: str) -> SkippedRecord:
    url = record_url(record.fields)
    return SkippedRecord(source, record.offset, record.length, url, record.type, reason)


def _fail(record: Record, source: str, error: str | None = None) -> Failure:
    url = record_url(record.fields)
    name = record.fields.get(b"warc-record-id")
    if record.damage and record.type not in ("response", "conversion"):
        name = None  # it would have been no document
    error = error or record.damage or f"a record of {record.oversized} bytes is over the limit for a page"
    return Failure(source, record.offset, record.length, url, document_id(name) if name else None, error)
