"""Between Arrow's string columns and the arrays that kernels read and answer with."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

Sparse = dict[int, str]
"""A mostly empty string column: row → value."""


def sparse_column(values: Sparse, n_rows: int) -> pa.Array:
    """The column, null where no value is."""
    if not values:
        return pa.nulls(n_rows, pa.string())
    column: list[str | None] = [None] * n_rows
    for row, value in values.items():
        column[row] = value
    return pa.array(column, pa.string())


def utf8_buffers(column: pa.Array) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The column's bytes (not copied) and n + 1 offsets into them. A null row is empty.

    TypeError if the column is neither string nor large_string.
    """
    if not (pa.types.is_string(column.type) or pa.types.is_large_string(column.type)):
        raise TypeError(f"expected a string column, found {column.type}")
    if column.null_count:
        column = column.fill_null("")
    if len(column) == 0:
        return np.zeros(1, dtype=np.uint8)[:0], np.zeros(1, dtype=np.int64)
    kind = np.int64 if pa.types.is_large_string(column.type) else np.int32
    _, offsets, data = column.buffers()
    positions = np.frombuffer(offsets, dtype=kind)[column.offset : column.offset + len(column) + 1]
    content = np.frombuffer(data, dtype=np.uint8) if data is not None else np.frombuffer(b"", dtype=np.uint8)
    return content, positions.astype(np.int64)
