"""What a document is: the columns that every stage may rely on, and the id that follows it everywhere.

A document is a row of an Arrow batch. A source makes it, stages measure, edit or drop it, and its id never
changes: it comes from what the record is, never from where a worker met it.
"""

from __future__ import annotations

import hashlib

import pyarrow as pa

HTTP = pa.struct(
    [
        ("status", pa.int32()),
        ("content_type", pa.string()),
        ("content_language", pa.string()),
        ("x_robots_tag", pa.string()),
        ("tdm_reservation", pa.string()),
        ("tdm_policy", pa.string()),
        ("link", pa.string()),
    ]
)
"""The response headers that a later decision may need; absent ones are null."""

IDENTITY = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("url", pa.string()),
        pa.field("date", pa.string()),
        pa.field("source", pa.string(), nullable=False),
        pa.field("offset", pa.int64()),
        pa.field("length", pa.int64()),
    ]
)
"""Columns of every document from its first stage to its last: 32 hex digits, URL, ISO 8601 date, and the
lineage (file, byte offset and byte length of the record in it; null where the input has no such thing)."""

PAGE = pa.schema([*IDENTITY, ("html", pa.string()), ("charset", pa.string()), ("http", HTTP)])
"""What a web source yields. `html` is the decoded page; `charset` the encoding it was decoded from. Both
columns, and `http`, live until extraction."""

TEXT = pa.schema([*IDENTITY, ("text", pa.string()), ("title", pa.string())])
"""What a text source (WET, Parquet, JSONL) yields at least; its other columns pass through."""


def document_id(*parts: str | bytes | None) -> str:
    """The 32 hex digits that name a record: BLAKE2b-128 over its length-prefixed parts.

    For a WARC record the one part is its WARC-Record-ID; without one, the URL, the date and the payload
    digest. Length prefixes keep ("ab", "c") and ("a", "bc") apart.
    """
    digest = hashlib.blake2b(digest_size=16)
    for part in parts:
        data = b"" if part is None else part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()
