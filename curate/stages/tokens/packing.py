"""Packed rows: the documents of a shard end to end, cut into rows of one length. Nothing is cropped: the rows, put
together again and cut where documents start, are the documents."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from curate.stage import Batches

ROWS_AT_ONCE = 1024


def pack(batches: Batches, shard: int, length: int, eod: int) -> Batches:
    """Rows of `length` tokens. `starts`: where in the row a document begins, with its id in `ids`; tokens before the
    first start go on from the row before. Only the last row of a shard is filled up, with `eod`, after `n_tokens`."""
    held: np.ndarray | None = None
    starts: list[int] = []
    ids: list[str] = []
    for batch in batches:
        column = batch.column("tokens")
        if held is None:
            held = np.zeros(0, column.type.value_type.to_pandas_dtype())
            yield _rows(held.reshape(0, length), [], [], [])
        values = column.flatten().to_numpy()
        lengths = batch.column("n_tokens").to_numpy().astype(np.int64)
        starts += (len(held) + np.cumsum(lengths) - lengths).tolist()
        ids += batch.column("id").to_pylist()
        held = np.concatenate([held, values])
        whole = len(held) // length
        if whole >= ROWS_AT_ONCE:
            yield from _cut(held[: whole * length], starts, ids, length, eod)
            held = held[whole * length :]
            later = int(np.searchsorted(starts, whole * length))
            starts, ids = [start - whole * length for start in starts[later:]], ids[later:]
    if held is not None and len(held):
        yield from _cut(held, starts, ids, length, eod)


def unpack(rows: Iterable[Mapping[str, Any]]) -> dict[str, list[int]]:
    """id → tokens, from the packed rows of one shard in order."""
    tokens: list[int] = []
    starts: list[int] = []
    ids: list[str] = []
    for row in rows:
        starts += [len(tokens) + start for start in row["starts"]]
        ids += row["ids"]
        tokens += row["tokens"][: row["n_tokens"]]
    ends = [*starts[1:], len(tokens)]
    return {each: tokens[start:end] for each, start, end in zip(ids, starts, ends, strict=True)}


def _cut(tokens: np.ndarray, starts: list[int], ids: list[str], length: int, eod: int) -> Batches:
    rows = -(-len(tokens) // length)
    filled = np.full(rows * length, eod, tokens.dtype)
    filled[: len(tokens)] = tokens
    counts = [min(length, len(tokens) - row * length) for row in range(rows)]
    edges = np.searchsorted(starts, np.arange(rows + 1) * length).tolist()
    begins = [[starts[i] - row * length for i in range(edges[row], edges[row + 1])] for row in range(rows)]
    names = [ids[edges[row] : edges[row + 1]] for row in range(rows)]
    yield _rows(filled.reshape(rows, length), counts, begins, names)


def _rows(tokens: np.ndarray, counts: list[int], starts: list[list[int]], ids: list[list[str]]) -> pa.RecordBatch:
    rows, length = tokens.shape
    offsets = pa.array(np.arange(rows + 1, dtype=np.int32) * length)
    return pa.RecordBatch.from_arrays(
        [
            pa.ListArray.from_arrays(offsets, pa.array(tokens.reshape(-1))),
            pa.array(counts, pa.int32()),
            pa.array(starts, pa.list_(pa.int32())),
            pa.array(ids, pa.list_(pa.string())),
        ],
        names=["tokens", "n_tokens", "starts", "ids"],
    )
