"""Which lines of a text are code, for stages that take lines out: shared lines of code are no furniture.

The translations of a manual's page share all of its listings, and the pages of a library their `import`. In Markdown
code is fenced or indented; in plain text nothing shows it, so the extractor leaves a number for each line of code that
it wrote (`code_lines` in its column), by which the line is known also after others have left the text.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Collection, Sequence

import pyarrow as pa

FIELD = "code_lines"
"""Field of the extractor's column: distinct numbers of the lines of code, ascending; null where it cannot tell."""

_FENCE = re.compile(r"^\s*(?:```|~~~)")
_INDENTED = re.compile(r"^(?: {4}|\t)")
_WORD = re.compile(r"\w")
_AROUND = " \t\r->"
"""What may stand around a line that is an item of a list or quoted."""


def line_number(line: str) -> int:
    """The number of a line of code: the CRC-32 of what stands in it."""
    return zlib.crc32(line.strip(_AROUND).encode("utf-8", "surrogatepass"))


def line_numbers(code: Sequence[str]) -> list[int]:
    """The numbers of all lines of these pieces of code that hold a letter or digit."""
    return sorted({line_number(line) for piece in code for line in piece.split("\n") if _WORD.search(line)})


def known_code(batch: pa.RecordBatch, rows: int) -> list[frozenset[int]]:
    """Per document, the numbers that an extractor left; empty where there was none."""
    column = code_column(batch.schema)
    if column is None:
        return [frozenset()] * rows
    return [frozenset(found or ()) for found in batch.column(column).field(FIELD).to_pylist()]


def code_column(schema: pa.Schema) -> str | None:
    """The column, if any, that has the numbers."""
    for field in reversed(schema):
        if pa.types.is_struct(field.type) and field.type.get_field_index(FIELD) >= 0:
            return str(field.name)
    return None


def are_code(lines: Sequence[str], known: Collection[int] = ()) -> list[bool]:
    """Which lines are code: known to be, fenced, indented by four columns or more, or without any letter or digit."""
    found, fenced = [], False
    for line in lines:
        fence = bool(_FENCE.match(line))
        code = fence or fenced or bool(_INDENTED.match(line)) or not _WORD.search(line)
        found.append(code or (bool(known) and line_number(line) in known))
        fenced ^= fence
    return found
