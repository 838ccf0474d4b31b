"""Token shards as files: how many for each split and domain, their row groups, and what they hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from curate.stage import Batches, Collection
from curate.stages.tokens.splits import SPLITS

ROW_GROUP_BYTES = 4 << 20
BYTES_PER_TOKEN = 4.0
"""A guess, for the number of files alone."""

Layout = Mapping[tuple[str, str], tuple[int, int]]
"""(split, domain) → (number of its first file, its files)."""


def layout_of(available: Mapping[tuple[str, str], int], file_mb: float) -> Layout:
    layout: dict[tuple[str, str], tuple[int, int]] = {}
    first = 0
    for key in sorted(available):
        files = max(1, -(-int(available[key] / BYTES_PER_TOKEN * 2) // int(file_mb * 1e6)))
        layout[key] = (first, files)
        first += files
    return layout


def names_of(layout: Layout) -> list[str]:
    return [f"{split}/{domain}-{n:05d}" for (split, domain), (_, files) in sorted(layout.items()) for n in range(files)]


def token_type(vocabulary: int) -> pa.DataType:
    return pa.uint16() if vocabulary <= 1 << 16 else pa.uint32()


def row_groups(batches: Batches, shard: int) -> Batches:
    """Batches of about ROW_GROUP_BYTES, each a row group of the file, without the columns that only sorted."""
    pending: list[pa.RecordBatch] = []
    size = 0
    told = False
    for batch in batches:
        batch = batch.drop_columns(["file", "order"])
        if not told:
            yield batch.slice(0, 0)
            told = True
        step = max(1, int(ROW_GROUP_BYTES / max(batch.nbytes / max(batch.num_rows, 1), 1)))
        for start in range(0, batch.num_rows, step):
            piece = batch.slice(start, step)
            pending.append(piece)
            size += piece.nbytes
            if size >= ROW_GROUP_BYTES:
                yield pa.concat_batches(pending)
                pending, size = [], 0
    if pending:
        yield pa.concat_batches(pending)


def total(batches: Batches, shard: int) -> Batches:
    """Documents, tokens and bytes of a file, in one row."""
    sums = np.zeros(3, np.int64)
    for batch in batches:
        tokens = batch.column("n_tokens").to_numpy().sum(dtype=np.int64)
        sums += np.array([batch.num_rows, tokens, batch.column("n_bytes").to_numpy().sum(dtype=np.int64)])
    columns = [pa.array([int(value)], pa.int64()) for value in (shard, *sums)]
    yield pa.RecordBatch.from_arrays(columns, names=["file", "documents", "tokens", "bytes"])


def totals_of(collection: Collection, names: list[str]) -> dict[str, dict[str, dict[str, Any]]]:
    """`splits` of dataset.json."""
    splits: dict[str, dict[str, dict[str, Any]]] = {split: {} for split in SPLITS}
    for batch in collection.batches():
        for row in batch.to_pylist():
            split, _, file = names[row["file"]].partition("/")
            domain = file.rpartition("-")[0]
            entry = splits[split].setdefault(domain, {"files": [], "documents": 0, "tokens": 0, "bytes": 0})
            if row["documents"]:
                entry["files"].append(f"{split}/{file}.parquet")
            for key in ("documents", "tokens", "bytes"):
                entry[key] += row[key]
    return splits
