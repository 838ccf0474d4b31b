"""String columns that are mostly empty, as stages make them: the rows that have a value, and the Arrow column."""

from __future__ import annotations

import pyarrow as pa

Sparse = dict[int, str]
"""Row → value."""


def sparse_column(values: Sparse, n_rows: int) -> pa.Array:
    """The column, null where no value is."""
    if not values:
        return pa.nulls(n_rows, pa.string())
    column: list[str | None] = [None] * n_rows
    for row, value in values.items():
        column[row] = value
    return pa.array(column, pa.string())
