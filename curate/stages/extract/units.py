"""What of a page stays together: the cells of a data table, the lines of a code listing.

In goes a scanned page, out comes for each block the element that it is a part of. Such an element is kept or left as
a whole, and written as rows or as one piece of code; a table that lays out the page is no such element.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from curate.kernels import markup
from curate.kernels.element_roles import R_CELL, R_HEADING, R_PREFORMATTED, R_ROW, R_TABLE, element_roles
from curate.kernels.html import Page
from curate.kernels.html_measure import C_CHARS, C_CODE, C_WORDS

MAX_CELL_BLOCKS = 6
"""A table with a cell of more blocks than this lays out the page; its cells are read as running text."""
MIN_LISTING_LINES = 2
MIN_CODE_SHARE = 0.8
"""Of a line's characters, inside `<code>`: highlighters leave spaces between the elements."""
_T = markup.CODE
CODE_CLASS = 1 << markup.CLASS_NAMES.index("code")


class Structure(NamedTuple):
    """How a page's blocks belong together."""

    roles: npt.NDArray[np.int32]
    """[elements, ROLES]"""
    tables: npt.NDArray[np.int64]
    """Per block: its data table, 0 for none."""
    listings: npt.NDArray[np.int64]
    """Per block: the element whose blocks are the lines of one piece of code, 0 for none."""
    units: npt.NDArray[np.int64]
    """Per block: the number of the unit that it is kept or left with; a block of neither is a unit itself."""


def structure_of(page: Page) -> Structure:
    """Finds a page's data tables and code listings."""
    roles: npt.NDArray[np.int32] = element_roles(page.tag, page.parent)
    own = roles[page.node]
    tables, listings = own[:, R_TABLE].astype(np.int64), _listings(page)
    if tables.any():
        in_rows = _listings_in_rows(page, own)
        tables = _data_tables(page, roles, own, np.where(in_rows, 0, listings))
        tables[in_rows > 0] = 0
        listings = np.where(in_rows, in_rows, listings)
    element = np.maximum(tables, listings)
    units = np.arange(len(element))
    if element.any():
        units = np.unique(np.where(element > 0, element, len(page.tag) + units), return_inverse=True)[1]
    return Structure(roles, tables, listings, units)


def _data_tables(
    page: Page, roles: npt.NDArray[np.int32], own: npt.NDArray[np.int32], listings: npt.NDArray[np.int64]
) -> npt.NDArray[np.int64]:
    """Layout, and no data table, is one that holds another, or a cell with many blocks, a heading or preformatted
    code, or one row with a listing in it; a table within `<pre>` holds code."""
    tables = own[:, R_TABLE].astype(np.int64)
    layout = np.zeros(len(page.tag), np.bool_)
    inner = np.flatnonzero(page.tag == _T["table"])
    layout[roles[page.parent[inner], R_TABLE]] = True
    cells = own[:, R_CELL]
    crowded = np.bincount(cells, minlength=len(page.tag)) > MAX_CELL_BLOCKS
    apart = (own[:, R_HEADING] > 0) | (own[:, R_PREFORMATTED] > 0) | crowded[cells]
    layout[tables[(cells > 0) & apart]] = True
    if listings.any():
        rows = np.unique(own[:, R_ROW])
        single = np.bincount(roles[rows, R_TABLE], minlength=len(page.tag)) == 1
        layout[tables[(listings > 0) & single[tables]]] = True
    layout[0] = False
    return np.where(layout[tables], 0, tables)


def _listings(page: Page) -> npt.NDArray[np.int64]:
    """Elements of which every block is a line of code in a `<div>` of its own, as highlighters write them."""
    characters, code = page.counts[:, C_CHARS], page.counts[:, C_CODE]
    if not code.any():
        return np.zeros(len(code), np.int64)
    above = page.parent[page.node].astype(np.int64)
    in_div = page.tag[page.node] == _T["div"]
    line = in_div & (code > 0) & (code >= MIN_CODE_SHARE * characters)
    if not line.any():
        return np.zeros(len(above), np.int64)
    blank = in_div & (page.counts[:, C_WORDS] == 0) & (characters - code <= 1)
    lines = np.bincount(above, line, minlength=len(page.tag))
    others = np.bincount(above, ~(line | blank), minlength=len(page.tag))
    whole = (lines >= MIN_LISTING_LINES) & (others == 0)
    return np.where(whole[above], above, 0)


def _listings_in_rows(page: Page, own: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
    """Per block: its table if that is a listing: a line in each row, in a cell whose class says code, and nothing
    else but numbers of lines, which are no text."""
    cells = own[:, R_CELL]
    line = (cells == page.node) & ((page.bits[page.node] & CODE_CLASS) > 0)
    if not line.any():
        return np.zeros(len(cells), np.int64)
    tables = own[:, R_TABLE].astype(np.int64)
    written = np.diff(page.first_segment) > 0
    lines = np.bincount(tables, line & written, minlength=len(page.tag))
    others = np.bincount(tables, ~line & written, minlength=len(page.tag))
    rows = np.bincount(own[:, R_ROW], line & written, minlength=len(page.tag))
    crowded = np.bincount(tables, rows[own[:, R_ROW]] > 1, minlength=len(page.tag))
    whole = (lines >= MIN_LISTING_LINES) & (others == 0) & (crowded == 0)
    whole[0] = False
    return np.where(whole[tables], tables, 0)
