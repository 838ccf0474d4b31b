"""The domain of each document, as it can stand in the name of a file."""

from __future__ import annotations

import pyarrow as pa

NO_DOMAIN = "all"
"""Domain of documents that carry none."""


def domains_of(batch: pa.RecordBatch) -> list[str]:
    """One name a row: of the column `domain`, else NO_DOMAIN."""
    if "domain" not in batch.schema.names:
        return [NO_DOMAIN] * batch.num_rows
    return [_safe(value) for value in batch.column("domain").to_pylist()]


def _safe(domain: str | None) -> str:
    return "".join(c if c.isalnum() or c in "-_." else "_" for c in domain or NO_DOMAIN)
