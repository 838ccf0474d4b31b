"""The ledger: what became of every document, one row each."""

from __future__ import annotations

import pyarrow as pa

LEDGER = pa.schema(
    [
        ("id", pa.string()),
        ("url", pa.string()),
        ("source", pa.string()),
        ("offset", pa.int64()),
        ("verdict", pa.string()),
        ("stage", pa.string()),
        ("rule", pa.string()),
        ("value", pa.string()),
        ("threshold", pa.string()),
        ("duplicate_of", pa.string()),
    ]
)
"""`verdict` is kept, dropped or failed. Of a dropped document: the stage and rule, the value that the rule met,
the threshold that it asked for. Of a failed one: the stage, and the error as `value`."""

SKIPPED = pa.schema(
    [
        ("source", pa.string()),
        ("offset", pa.int64()),
        ("length", pa.int64()),
        ("url", pa.string()),
        ("record_type", pa.string()),
        ("reason", pa.string()),
    ]
)
"""Records of the input that are no documents (requests, redirects, images), and why."""


def ledger_rows(rows: pa.RecordBatch, verdict: str, stage: str | None) -> pa.RecordBatch:
    """The ledger's rows for documents: dropped ones carry `verdict_*` columns, failed ones `stage` and `error`."""
    n = rows.num_rows
    nothing = pa.nulls(n, pa.string())
    columns = [rows.column(name) for name in ("id", "url", "source", "offset")]
    columns.append(pa.array([verdict] * n, pa.string()))
    if verdict == "dropped":
        columns.append(pa.array([stage] * n, pa.string()))
        columns += [rows.column(f"verdict_{name}") for name in ("rule", "value", "threshold", "duplicate_of")]
    elif verdict == "failed":
        columns += [rows.column("stage"), nothing, rows.column("error"), nothing, nothing]
    else:
        columns += [nothing] * 5
    return pa.RecordBatch.from_arrays(columns, schema=LEDGER)
