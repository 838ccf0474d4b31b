"""Chosen blocks as text: headings, lists, tables, code, quotes and formulas in their places.

In go a scanned page and the blocks chosen, out comes plain text (one line a paragraph, as language-model pipelines
expect) or Markdown. Only chosen blocks are walked; what an element means is found once for each element.
"""

from __future__ import annotations

import html as entities
import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from curate.kernels import markup
from curate.kernels.html import (
    C_BREAKS,
    C_CHARS,
    C_CODE,
    IMAGE_TEX,
    SCRIPT_ASCIIMATH,
    SCRIPT_TEX,
    SCRIPT_TEX_DISPLAY,
    SHADOW_MATHML,
    TEXT,
    Page,
)
from curate.kernels.html_text import BROKEN_CODE, FLOWING, FORMULA, PREFORMATTED, emit, innermost
from curate.stages.extract import asciimath
from curate.stages.extract.formulas import to_tex
from curate.stages.extract.units import data_tables, listings

_T = markup.CODE
_H1, _H6 = _T["h1"], _T["h6"]
_LISTS = frozenset({_T["ul"], _T["ol"], _T["menu"], _T["dir"]})
_CELLS = frozenset({_T["td"], _T["th"]})
_LANGUAGE = re.compile(rb"(?:language|lang|brush:|highlight(?:-source)?|sourceCode|src)[-\s]\s*([A-Za-z][\w+#]{0,15})")
_LINE_NUMBERS = re.compile(r"[\d\s]+")
_FORMULA = chr(FORMULA)
MAX_SPANNED = 32
"""A cell that says it spans more columns than this is written as spanning so many, so that no tag writes a book."""
MAX_COLUMNS = 256
"""Cells that span rows are followed in so many columns."""


@dataclass(frozen=True)
class Context:
    """What an element's ancestors make of its text; an element's number, or 0 for none."""

    heading: int = 0
    lists: int = 0
    ordered: bool = False
    item: int = 0
    cell: int = 0
    row: int = 0
    table: int = 0
    preformatted: bool = False
    quoted: int = 0


class Structure:
    """The contexts of a page's elements, each found once."""

    def __init__(self, page: Page) -> None:
        self.tags: list[int] = page.tag.tolist()
        self.parents: list[int] = page.parent.tolist()
        self._known: dict[int, Context] = {0: Context()}

    def of(self, element: int) -> Context:
        chain = []
        while element not in self._known:
            chain.append(element)
            element = self.parents[element]
        context = self._known[element]
        for element in reversed(chain):
            context = self._known[element] = self._below(context, element)
        return context

    def in_row(self, context: Context) -> bool:
        """Whether the text stands in a cell of its row, as all text of a well-made table does."""
        return context.cell > 0 and self.parents[context.cell] == context.row

    def _below(self, above: Context, element: int) -> Context:
        tag = self.tags[element]
        if _H1 <= tag <= _H6:
            return replace(above, heading=tag - _H1 + 1)
        if tag in _LISTS:
            return replace(above, lists=above.lists + 1, ordered=tag == _T["ol"])
        if tag in (_T["li"], _T["dt"], _T["dd"]):
            return replace(above, item=element)
        if tag in _CELLS:
            return replace(above, cell=element, lists=0, item=0)
        if tag == _T["tr"]:
            return replace(above, row=element)
        if tag == _T["table"]:
            return replace(above, table=element, row=0, cell=0)
        if tag == _T["pre"]:
            return replace(above, preformatted=True)
        if tag == _T["blockquote"]:
            return replace(above, quoted=above.quoted + 1)
        return above


@dataclass
class _Line:
    text: str
    context: Context
    block: int
    code: bool


def write_text(source: bytes, page: Page, chosen: npt.NDArray[np.int64], markdown: bool = False) -> str:
    """The text of the blocks `chosen` (ascending) of the page scanned from `source`."""
    structure = Structure(page)
    tables = data_tables(page)[chosen].tolist()
    listing = listings(page)[chosen]
    contexts = [
        context if context.table == table else replace(context, table=0, row=0)
        for context, table in zip((structure.of(node) for node in page.node[chosen].tolist()), tables, strict=True)
    ]
    manner = np.array([PREFORMATTED if context.preformatted else FLOWING for context in contexts], np.int8)
    counts = page.counts[chosen]
    broken = (counts[:, C_BREAKS] > 0) & (counts[:, C_CHARS] > 0) & (counts[:, C_CODE] >= counts[:, C_CHARS])
    manner[(manner == FLOWING) & (broken | (listing > 0))] = BROKEN_CODE
    lines: list[_Line] = []
    last_listing = 0
    for index, text in enumerate(_texts(source, page, chosen, manner)):
        context, of = contexts[index], int(listing[index])
        if context.preformatted:
            text = text.removeprefix("\n").rstrip("\n")
            if _LINE_NUMBERS.fullmatch(text) and "\n" in text:
                continue
        if of and of == last_listing:
            lines[-1].text += "\n" + text.rstrip()
        elif text.strip():
            lines.append(_Line(text, context, index, context.preformatted or manner[index] == BROKEN_CODE))
            last_listing = of
    for line in lines:
        line.text = line.text.rstrip("\n")
    out: list[str] = []
    rows = _row_cells(structure, page, set(tables) - {0}) if any(tables) else {}
    at, last_item, last_table = 0, 0, 0
    while at < len(lines):
        line = lines[at]
        context = line.context
        if context.row in rows and structure.in_row(context):
            stop = at
            while (
                stop < len(lines) and lines[stop].context.row == context.row and structure.in_row(lines[stop].context)
            ):
                stop += 1
            out.append(_row(lines[at:stop], rows[context.row], markdown, context.table != last_table))
            last_table, at = context.table, stop
            continue
        last_table = 0
        out.append(_paragraph(line, markdown, context.item != last_item, source, page, int(chosen[line.block])))
        last_item = context.item or last_item
        at += 1
    return _join_markdown(out) if markdown else "\n".join(out)


def _texts(source: bytes, page: Page, chosen: npt.NDArray[np.int64], manner: npt.NDArray[np.int8]) -> list[str]:
    raw, offsets = emit(source, page, chosen, manner)
    bounds = offsets.tolist()
    pieces = [raw[a:b].decode("utf-8", "replace") for a, b in itertools.pairwise(bounds)]
    if b"&" in raw:
        pieces = [entities.unescape(piece) if "&" in piece else piece for piece in pieces]
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
    spoken = [s for s, kind in zip(segments, kinds, strict=True) if kind > TEXT + 1]
    written: list[str] = []
    for index, s in enumerate(spoken):
        kind = int(page.kind[s])
        tex = to_tex(kind, source[int(page.start[s]) : int(page.end[s])].decode("utf-8", "replace"))
        following = int(page.kind[spoken[index + 1]]) if index + 1 < len(spoken) else -1
        if kind == SHADOW_MATHML and following in (SCRIPT_TEX, SCRIPT_TEX_DISPLAY, SCRIPT_ASCIIMATH):
            tex = ""
        if kind == IMAGE_TEX and index and tex.strip("$") == written[-1].strip("$"):
            tex = ""
        written.append(tex)
    parts = piece.split(_FORMULA)
    return "".join(part + tex for part, tex in zip(parts, [*written, ""], strict=False))


def _row_cells(structure: Structure, page: Page, tables: set[int]) -> dict[int, list[int]]:
    """For each row of these tables its cells by column, empty ones too; 0 where a cell spans columns or rows."""
    table_of = innermost(page.tag, page.parent, _T["table"])
    cells = np.flatnonzero(np.isin(page.tag, list(_CELLS)) & np.isin(table_of, list(tables)))
    found: dict[int, list[int]] = {}
    covered: dict[int, set[int]] = {}  # table → columns of its last row that a cell above reaches into
    reaching: dict[int, dict[int, int]] = {}  # table → column → how many of the next rows are covered
    for cell, table in zip(cells.tolist(), table_of[cells].tolist(), strict=True):
        row = structure.parents[cell]
        if structure.tags[row] != _T["tr"]:
            continue
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
        return "- " + text if context.item and context.lists and starts_item else text
    if line.code:
        start = int(page.start[page.first_segment[block]])
        found = _LANGUAGE.findall(source[max(start - 300, 0) : start])
        fence = "```" if "```" not in text else "````"
        text = f"{fence}{found[-1].decode().lower() if found else ''}\n{text}\n{fence}"
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
