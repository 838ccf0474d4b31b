"""Odd, cut and broken archives from some thirty repositories: no exception, no record fewer than warcio reads, and a
failure for every stretch that cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest
from warcio.archiveiterator import ArchiveIterator

from curate.sources import Documents, Extent, Failure, Skipped, plan, read

NO_RECORD = {
    # warcio calls these records: an empty line, and "The monkeys are a coming".
    "jhove__warc_invalid-warcheaderversion-20.warc",
    "jhove__warc_invalid-warcreader-diagnosis-1.warc",
}


def read_by_warcio(path: Path) -> int:
    """Records until it stops or raises."""
    count = 0
    try:
        with path.open("rb") as stream:
            for record in ArchiveIterator(stream):
                count += 1
                record.raw_stream.read()
    except Exception:
        pass
    return count


def archives(shared_data: Path) -> list[Path]:
    folder = shared_data / "warc-malformed"
    paths = sorted(path for path in folder.glob("*") if path.suffix != ".tsv")
    if not paths:
        pytest.skip(f"no archives in {folder}")
    return paths


def test_as_many_records_as_warcio_reads_and_no_exception(shared_data: Path) -> None:
    paths = archives(shared_data)
    fewer, silent = [], []
    ours = theirs = 0
    for path in paths:
        kind = "arc" if ".arc" in path.name else "wet" if ".wet" in path.name else "warc"
        found = list(read(plan({kind: str(path)})[0]))
        records = sum(event.batch.num_rows for event in found if isinstance(event, Documents))
        records += sum(len(event.rows) for event in found if isinstance(event, Skipped))
        expected = read_by_warcio(path)
        ours, theirs = ours + records, theirs + expected
        if records < expected:
            fewer.append(path.name)
        if not records and not any(isinstance(event, Failure) for event in found):
            silent.append(path.name)
        assert isinstance(found[-1], Extent)
    assert set(fewer) <= NO_RECORD
    assert silent == []
    assert ours > theirs


def test_every_byte_of_a_damaged_file_is_in_a_record_or_a_failure(shared_data: Path) -> None:
    """Offsets and lengths of records and failures cover a plain or gzip file but for newlines."""
    uncovered = []
    for path in archives(shared_data):
        if path.suffix not in (".warc", ".gz", ".arc"):
            continue
        data = bytearray(path.read_bytes())
        kind = "arc" if ".arc" in path.name else "warc"
        for event in read(plan({kind: str(path)})[0]):
            places: list[tuple[int | None, int | None]] = []
            if isinstance(event, Documents):
                columns = event.batch.select(["offset", "length"]).to_pydict()
                places = list(zip(columns["offset"], columns["length"], strict=True))
            elif isinstance(event, Skipped):
                places = [(row.offset, row.length) for row in event.rows]
            elif isinstance(event, Failure):
                places = [(event.offset, event.length)]
            for offset, length in places:
                assert offset is not None and length is not None
                data[offset : offset + length] = bytes(len(data[offset : offset + length]))
        # What is left of an empty gzip member is its header and trailer.
        if data.strip(b"\0\r\n") and b"\x1f\x8b" not in data:
            uncovered.append((path.name, bytes(data.strip(b"\0\r\n")[:40])))
    assert uncovered == []
