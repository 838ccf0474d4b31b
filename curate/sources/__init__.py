"""Where documents come from: WARC, WET and ARC archives, Parquet, JSONL and HTML files, local or by URL.

`plan` turns a recipe's `input:` into shards, `read` turns a shard into events, `chain` says which ranges must be
read again because they began inside a record, and `fingerprint` names the whole input.
"""

from curate.sources.base import (
    Documents,
    Event,
    Events,
    Extent,
    Failure,
    InputError,
    Shard,
    Skipped,
    SkippedRecord,
    chain,
    fingerprint,
)
from curate.sources.plan import SHARD_BYTES, plan, schema
from curate.sources.read import BATCH_BYTES, BATCH_ROWS, read

__all__ = [
    "BATCH_BYTES",
    "BATCH_ROWS",
    "SHARD_BYTES",
    "Documents",
    "Event",
    "Events",
    "Extent",
    "Failure",
    "InputError",
    "Shard",
    "Skipped",
    "SkippedRecord",
    "chain",
    "fingerprint",
    "plan",
    "read",
    "schema",
]
