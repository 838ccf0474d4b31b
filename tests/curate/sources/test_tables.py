"""Parquet, JSONL and HTML files as documents."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from curate.documents import PAGE, TEXT, document_id
from curate.sources import Documents, Failure, Skipped, plan, read

ROWS = [
    {"text": f"Text number {number}", "url": f"https://a.example/{number}", "id": f"own-{number}", "n": number}
    for number in range(1000)
]


def rows_of(inputs: dict[str, Any], **limits: int) -> tuple[list[dict[str, Any]], list[Any], list[Failure]]:
    events = [event for shard in plan(inputs) for event in read(shard, **limits)]
    documents = [row for event in events if isinstance(event, Documents) for row in event.batch.to_pylist()]
    skipped = [row for event in events if isinstance(event, Skipped) for row in event.rows]
    return documents, skipped, [event for event in events if isinstance(event, Failure)]


def test_row_groups_are_read_once_for_any_split(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.Table.from_pylist(ROWS), path, row_group_size=64)
    for shard_bytes in (1_000, 5_000, 1 << 30):
        documents, skipped, failures = rows_of({"parquet": str(path), "shard_bytes": shard_bytes})
        assert [row["n"] for row in documents] == list(range(1000))
        assert (skipped, failures) == ([], [])
    first = documents[0]
    assert list(first)[: len(TEXT)] == TEXT.names
    assert first["id"] == document_id("own-0")
    assert (first["source"], first["text"]) == (str(path), "Text number 0")


def test_a_named_column_is_the_text_and_ours_keeps_its_lineage(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    row = {
        "id": "ab" * 16,
        "source": "x.warc.gz",
        "offset": 7,
        "length": 9,
        "body_text": "hello",
        "quality": {"score": 0.5},
    }
    pq.write_table(pa.Table.from_pylist([row]), path)
    documents, _, _ = rows_of({"parquet": str(path), "text": "body_text"})
    assert documents == [
        {
            "id": "ab" * 16,
            "url": None,
            "date": None,
            "source": "x.warc.gz",
            "offset": 7,
            "length": 9,
            "text": "hello",
            "title": None,
            "quality": {"score": 0.5},
        }
    ]


@pytest.mark.parametrize("suffix", ["", ".gz", ".zst"])
def test_lines_are_documents_and_bad_lines_are_failures(suffix: str, tmp_path: Path) -> None:
    lines = [json.dumps(row) for row in ROWS[:3]]
    data = (
        "\n".join([lines[0], "{broken", "[1]", "", lines[1], json.dumps({"text": "", "url": "u"}), lines[2]])
    ).encode()
    path = tmp_path / f"a.jsonl{suffix}"
    path.write_bytes({"": bytes, ".gz": gzip.compress, ".zst": zstandard.compress}[suffix](data))
    documents, skipped, failures = rows_of({"jsonl": str(path)})
    assert [row["text"] for row in documents] == ["Text number 0", "Text number 1", "Text number 2"]
    assert [row["n"] for row in documents] == [0, 1, 2]
    assert [row.reason for row in skipped] == ["empty_text"]
    assert [failure.offset for failure in failures] == [len(lines[0]) + 1, len(lines[0]) + 9]


def test_lines_that_differ_share_their_columns(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    odd = [
        {"text": "a", "score": 1, "tags": ["x"]},
        {"text": "b", "score": 0.5, "big": 1 << 70, "flag": True},
        {"text": "c\x00\ud800", "mixed": 1},
        {"text": "d", "mixed": "one", "nothing": None},
    ]
    path.write_text("\n".join(json.dumps(row) for row in odd))
    events = [event for shard in plan({"jsonl": str(path)}) for event in read(shard, batch_rows=1)]
    schemas = {str(event.batch.schema) for event in events if isinstance(event, Documents)}
    rows = [row for event in events if isinstance(event, Documents) for row in event.batch.to_pylist()]
    assert len(schemas) == 1
    assert [row["score"] for row in rows] == [1.0, 0.5, None, None]
    assert [row["tags"] for row in rows] == ['["x"]', None, None, None]
    assert [row["mixed"] for row in rows] == [None, None, "1", "one"]
    assert (rows[1]["big"], rows[1]["flag"], rows[2]["text"]) == (str(1 << 70), True, "c�")


def test_a_cut_file_gives_its_lines_and_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl.gz"
    data = gzip.compress("\n".join(json.dumps(row) for row in ROWS).encode())
    path.write_bytes(data[: len(data) // 2])
    documents, _, failures = rows_of({"jsonl": str(path)})
    assert 100 < len(documents) < 1000
    assert "cannot be read" in failures[-1].error


def test_rows_without_text_column_are_a_failure_that_says_what_there_is(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"tekst": "x"}\n')
    documents, _, failures = rows_of({"jsonl": str(path)})
    assert documents == []
    assert "tekst" in failures[0].error and "input.text" in failures[0].error


def test_what_is_no_parquet_is_a_failure(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    path.write_bytes(b"junk" * 100)
    assert "not a Parquet file" in rows_of({"parquet": str(path)})[2][0].error


def test_batches_end_at_rows_and_bytes(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.Table.from_pylist(ROWS), path)
    events = [event for shard in plan({"parquet": str(path)}) for event in read(shard, batch_rows=100)]
    assert [event.batch.num_rows for event in events if isinstance(event, Documents)] == [100] * 10
    events = [event for shard in plan({"parquet": str(path)}) for event in read(shard, batch_bytes=40)]
    assert max(event.batch.num_rows for event in events if isinstance(event, Documents)) == 3


def test_html_files_name_themselves_by_their_canonical_link(tmp_path: Path) -> None:
    pages = {
        "a.html": '<link href="https://site.example/a?x=1&amp;y=2" rel="canonical"><p>a</p>',
        "b.html": '<meta property="og:url" content="https://site.example/b"><p>b</p>',
        "c.html": "<link rel=canonical href=/relative><meta charset=koi8-r><p>привет</p>",
        "d.html": "  ",
    }
    for name, page in pages.items():
        (tmp_path / name).write_bytes(page.encode("koi8-r"))
    documents, skipped, failures = rows_of({"html": str(tmp_path / "*.html")})
    assert [row["url"] for row in documents] == ["https://site.example/a?x=1&y=2", "https://site.example/b", None]
    assert [row["source"] for row in documents] == [str(tmp_path / name) for name in ("a.html", "b.html", "c.html")]
    assert "привет" in documents[2]["html"]
    assert list(documents[0]) == PAGE.names
    assert ([row.reason for row in skipped], failures) == (["empty_body"], [])


def test_a_file_that_is_gone_is_a_failure_and_one_that_is_locked_an_error(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "x"}\n')
    (shard,) = plan({"jsonl": str(path)})
    path.unlink()
    (failure,) = read(shard)
    assert isinstance(failure, Failure) and "gone" in failure.error
