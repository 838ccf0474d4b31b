"""Chosen blocks as text: headings, lists, tables, code, quotes and formulas in their places.

In go a scanned page and the blocks chosen, out comes plain text (one line a paragraph, as language-model pipelines
expect) or Markdown. Only chosen blocks are walked; what an element means is found once for each element.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from curate.kernels import markup
from curate.kernels.element_roles import R_IN_ROW, R_ROW, R_TABLE
from curate.kernels.html import Page
from curate.kernels.html_measure import C_CODE
from curate.kernels.html_segments import BREAK, IMAGE_TEX, LITERAL, SCRIPTS, SHADOW_MATHML, TEXT
from curate.kernels.html_text import FLOWING, FORMULA, PREFORMATTED, emit, manners
from curate.stages.extract import asciimath
from curate.stages.extract.code_language import language_before
from curate.stages.extract.formulas import to_tex
from curate.stages.extract.references import unescape
from curate.stages.extract.units import Structure

_T = markup.CODE
_LINE_NUMBERS = re.compile(r"\s*(?:[0-9]{1,9}\s+)+[0-9]{1,9}\s*")
_FORMULA = chr(FORMULA)
_COPY = re.compile(r"(?i:copy|copied|copy (?:code|text|snippet|to clipboard))!?")
_REMOTE = re.compile(r"<(?:img|iframe|script)\b[^>]{0,2000}\bsrc\s*=\s*[\"']?(?:https?:)?//", re.IGNORECASE)
MAX_SPANNED = 32
"""A cell that says it spans more columns than this is written as spanning so many, so that no tag writes a book."""
MAX_COLUMNS = 256
"""Cells that span rows are followed in so many columns."""


class Context(NamedTuple):
    """What an element's ancestors make of its text, as in `element_roles.ROLES`."""

    heading: int
    lists: int
    item: int
    cell: int
    row: int
    table: int
    preformatted: int
    quoted: int
    in_row: int


PLAIN = Context(*(0 for _ in Context._fields))
"""Running text."""


@dataclass(slots=True)
class _Line:
    text: str
    context: Context
    block: int
    code: bool


class Written(NamedTuple):
    """A text, and the pieces of code in it, but for those in cells of tables."""

    text: str
    code: list[str]


def write_text(
    source: bytes, page: Page, structure: Structure, chosen: npt.NDArray[np.int64], markdown: bool = False
) -> Written:
    """The text of the blocks `chosen` (ascending) of the page scanned from `source`."""
    how = manners(page, structure.roles, structure.tables, structure.listings, chosen)
    roles, manner, all_code, buttons, special = (part.tolist() for part in how)
    listing = structure.listings[chosen].tolist()

    def row_of(index: int) -> int:
        """The row that a block's element stands in, of whatever table."""
        return int(structure.roles[page.node[chosen[index]], R_ROW])

    lines: list[_Line] = []
    last_listing = last = 0
    for index, text in enumerate(_texts(source, page, chosen, how.manner)):
        if not special[index]:
            if text and not text.isspace() and not _is_escaped_markup(text):
                lines.append(_Line(text, PLAIN, index, False))
                last_listing = 0
            continue
        context, of = Context._make(roles[index]), listing[index]
        if context.preformatted:
            text = text.replace("\r\n", "\n").replace("\r", "\n").removeprefix("\n").rstrip("\n")
            if _numbers_lines(text, context.cell == row_of(index) + 1):
                continue
        code = manner[index] != FLOWING
        if of and of == last_listing:
            in_rows = page.tag[of] == _T["table"]
            down = np.count_nonzero(page.tag[row_of(last) : row_of(index)] == _T["tr"]) if in_rows else 1
            lines[-1].text += "\n" * down + text.rstrip()
            last = index
        elif buttons[index] and _COPY.fullmatch(text):
            continue
        elif text and not text.isspace() and (code or not _is_escaped_markup(text)):
            lines.append(_Line(text, context, index, code))
            last_listing, last = of, index
    out: list[str] = []
    cells = _row_cells(page, structure) if how.roles[:, R_ROW].any() else {}
    at, last_item, last_table = 0, 0, 0
    while at < len(lines):
        line = lines[at]
        context = line.context
        if context is PLAIN and not markdown:
            out.append(line.text.rstrip("\n"))
            last_table, at = 0, at + 1
            continue
        if context.in_row and context.row in cells:
            stop = at
            while stop < len(lines) and lines[stop].context.row == context.row and lines[stop].context.in_row:
                stop += 1
            out.append(_row(lines[at:stop], cells[context.row], markdown, context.table != last_table))
            last_table, at = context.table, stop
            continue
        last_table = 0
        line.text = line.text.rstrip("\n")
        out.append(_paragraph(line, markdown, context.item != last_item, source, page, int(chosen[line.block])))
        last_item = context.item or last_item
        at += 1
    code_pieces = [line.text for line in lines if (line.code or all_code[line.block]) and not line.context.in_row]
    return Written(_join_markdown(out) if markdown else "\n".join(out), code_pieces)


def _numbers_lines(text: str, in_first_cell: bool) -> bool:
    """Whether preformatted text is 1, 2, 3, …, a line each, in the first cell of a row: the numbers of the lines of
    the code in the next."""
    if not in_first_cell or "\n" not in text or not _LINE_NUMBERS.fullmatch(text):
        return False
    numbers = [int(number) for number in text.split()]
    return numbers == list(range(numbers[0], numbers[0] + len(numbers)))


def _is_escaped_markup(text: str) -> bool:
    """Whether a text is an advertisement's or a counter's HTML, encoded twice by mistake."""
    return text[0] == "<" and text[-1] == ">" and _REMOTE.search(text) is not None


def escaped_markup(source: bytes, page: Page) -> npt.NDArray[np.int64]:
    """The blocks that are such HTML and nothing else. They are never written, so they must not count when blocks are
    chosen; a counter's address has as many words as several paragraphs of Chinese."""
    data = np.frombuffer(source, np.uint8)
    first = np.minimum(page.start[page.first_segment[:-1]], len(data) - 2)
    asked = np.flatnonzero((data[first] == ord("&")) & (data[first + 1] == ord("l")) & (page.counts[:, C_CODE] == 0))
    if not len(asked) or b"&lt;" not in source:
        return asked[:0]
    texts = _texts(source, page, asked, np.full(len(asked), FLOWING, np.int8))
    return asked[[bool(text) and _is_escaped_markup(text) for text in texts]]


def _texts(source: bytes, page: Page, chosen: npt.NDArray[np.int64], manner: npt.NDArray[np.int8]) -> list[str]:
    raw, offsets = emit(source, page, chosen, manner)
    bounds = offsets.tolist()
    pieces = [raw[a:b].decode("utf-8", "replace") for a, b in itertools.pairwise(bounds)]
    if b"&" in raw:
        pieces = [unescape(piece) if "&" in piece else piece for piece in pieces]
    if b"&" in raw or b"\xc2\xa0" in raw:
        pieces = [
            piece if how == PREFORMATTED else piece.replace("\xa0", " ")
            for piece, how in zip(pieces, manner.tolist(), strict=True)
        ]
    if b"`" in raw and asciimath.is_used(source):
        pieces = [
            asciimath.translate_delimited(piece) if how == FLOWING else piece
            for piece, how in zip(pieces, manner.tolist(), strict=True)
        ]
    if raw.find(FORMULA) < 0:
        return pieces
    return [
        _with_formulas(piece, source, page, int(block)) if _FORMULA in piece else piece
        for piece, block in zip(pieces, chosen, strict=True)
    ]


def _with_formulas(piece: str, source: bytes, page: Page, block: int) -> str:
    """The piece with each FORMULA replaced by its TeX; a formula given twice in a row is written once."""
    segments = range(int(page.first_segment[block]), int(page.first_segment[block + 1]))
    kinds = [int(page.kind[s]) for s in segments]
    spoken = [s for s, kind in zip(segments, kinds, strict=True) if kind not in (TEXT, BREAK, LITERAL)]
    written: list[str] = []
    for index, s in enumerate(spoken):
        kind = int(page.kind[s])
        tex = to_tex(kind, source[int(page.start[s]) : int(page.end[s])].decode("utf-8", "replace"))
        following = int(page.kind[spoken[index + 1]]) if index + 1 < len(spoken) else -1
        if kind == SHADOW_MATHML and following in SCRIPTS:
            tex = ""
        if kind == IMAGE_TEX and index and _bare(tex) == _bare(written[-1]):
            tex = ""
        written.append(tex)
    parts = piece.split(_FORMULA)
    return "".join(part + tex for part, tex in zip(parts, [*written, ""], strict=False))


def _bare(tex: str) -> str:
    return "".join(tex.strip("$").split())


def _row_cells(page: Page, structure: Structure) -> dict[int, list[int]]:
    """For each row of a data table its cells by column, empty ones too; 0 where a cell spans columns or rows."""
    cells = np.flatnonzero((page.tag == _T["td"]) | (page.tag == _T["th"]))
    table_of = structure.roles[cells, R_TABLE]
    kept = np.isin(table_of, structure.tables[structure.tables > 0]) & (structure.roles[cells, R_IN_ROW] > 0)
    found: dict[int, list[int]] = {}
    covered: dict[int, set[int]] = {}  # table → columns of its last row that a cell above reaches into
    reaching: dict[int, dict[int, int]] = {}  # table → column → how many of the next rows are covered
    for cell, table in zip(cells[kept].tolist(), table_of[kept].tolist(), strict=True):
        row = int(page.parent[cell])
        if row not in found:
            below = reaching.get(table, {})
            found[row], covered[table] = [], set(below)
            reaching[table] = {column: rows - 1 for column, rows in below.items() if rows > 1}
        line = found[row]
        while len(line) in covered[table]:
            line.append(0)
        first, rows = len(line), int(page.rows[cell])
        line.extend([cell, *[0] * (min(int(page.columns[cell]), MAX_SPANNED) - 1)])
        if rows > 1:
            reaching[table].update(dict.fromkeys(range(first, min(len(line), MAX_COLUMNS)), rows - 1))
    return found


def _row(lines: Sequence[_Line], cells: list[int], markdown: bool, first: bool) -> str:
    texts: dict[int, list[str]] = {cell: [] for cell in cells}
    for line in lines:
        texts[line.context.cell].append(line.text.replace("\n", " "))
    columns = [" ".join(texts[cell]) for cell in cells]
    if not markdown:
        while len(cells) > 1 and not cells[len(columns) - 1]:
            columns.pop()
        return " | ".join(columns)
    row = "| " + " | ".join(column.replace("|", r"\|") for column in columns) + " |"
    return row + "\n|" + " --- |" * len(columns) if first else row


def _paragraph(line: _Line, markdown: bool, starts_item: bool, source: bytes, page: Page, block: int) -> str:
    context, text = line.context, line.text
    if not markdown:
        return "- " + text if context.item and context.lists and starts_item and not context.preformatted else text
    if line.code:
        language = language_before(source, int(page.start[page.first_segment[block]]))
        fence = "```" if "```" not in text else "````"
        text = f"{fence}{language}\n{text}\n{fence}"
    elif context.heading:
        text = "#" * context.heading + " " + text.replace("\n", " ")
    elif context.item and context.lists:
        indent = "  " * (context.lists - 1)
        text = indent + ("- " if starts_item else "  ") + text.replace("\n", "\n" + indent + "  ")
    if context.quoted:
        text = "\n".join("> " * context.quoted + part for part in text.split("\n"))
    return text


_TIGHT = re.compile(r"^\s*(?:- |\|)")


def _join_markdown(parts: Sequence[str]) -> str:
    """Paragraphs apart, items of a list and rows of a table together."""
    out: list[str] = []
    for part in parts:
        if out:
            tight = _TIGHT.match(part) and _TIGHT.match(out[-1]) and part.lstrip()[0] == out[-1].lstrip()[0]
            out.append("\n" if tight else "\n\n")
        out.append(part)
    return "".join(out)
