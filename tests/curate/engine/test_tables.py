"""Parquet files as the engine writes them: what goes in comes out, however small or nested."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.engine.store import Store
from curate.engine.tables import SMALL_COLUMN_BYTES, TableWriter, read_batches

NESTED = pa.schema(
    [
        ("text", pa.string()),
        ("links", pa.list_(pa.string())),
        ("pii", pa.list_(pa.struct([("type", pa.string()), ("start", pa.int32())]))),
        ("scores", pa.map_(pa.string(), pa.float32())),
    ]
)


def rows(count: int, text: str) -> pa.RecordBatch:
    row = {"text": text, "links": ["a", "b"], "pii": [{"type": "email", "start": 3}], "scores": [("quality", 0.5)]}
    return pa.RecordBatch.from_pylist([row] * count, schema=NESTED)


@pytest.mark.parametrize("group_bytes", [None, 1000, 16 << 20])
def test_rows_come_back_as_they_went_in(tmp_path: Path, group_bytes: int | None) -> None:
    store = Store(str(tmp_path))
    batches = [rows(3, "short"), rows(0, ""), rows(40, "a longer text " * 500)]
    writer = TableWriter(store, "x/rows.parquet", group_bytes)
    for batch in batches:
        writer.add(batch)
    entry = writer.close()
    assert entry is not None and entry.rows == 43
    found = pa.Table.from_batches(list(read_batches(store, "x/rows.parquet")))
    assert found.equals(pa.Table.from_batches(batches))


def test_in_a_small_file_only_large_columns_are_packed_hard(tmp_path: Path) -> None:
    text = "unlike " * (SMALL_COLUMN_BYTES // 40)
    writer = TableWriter(Store(str(tmp_path)), "rows.parquet")
    writer.add(rows(40, text))
    writer.close()
    metadata = pq.read_metadata(tmp_path / "rows.parquet")
    group = metadata.row_group(0)
    codecs = {group.column(i).path_in_schema: group.column(i).compression for i in range(metadata.num_columns)}
    assert codecs.pop("text") == "ZSTD"
    assert set(codecs.values()) == {"LZ4"}
