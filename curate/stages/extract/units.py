"""What of a page stays together: the cells of a data table, the lines of a code listing.

In goes a scanned page, out comes for each block the element that it is a part of. Such an element is kept or left as
a whole, and written as rows or as one piece of code; a table that lays out the page is no such element.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from curate.kernels import markup
from curate.kernels.html import C_CHARS, C_CODE, C_WORDS, Page
from curate.kernels.html_text import innermost

MAX_CELL_BLOCKS = 6
"""A table with a cell of more blocks than this lays out the page; its cells are read as running text."""
MIN_LISTING_LINES = 2
MIN_CODE_SHARE = 0.8
"""Of a line's characters, inside `<code>`: highlighters leave spaces between the elements."""
_T = markup.CODE


def data_tables(page: Page) -> npt.NDArray[np.int64]:
    """Per block: the table whose cell it stands in or that it belongs to; 0 for none, or one that is layout.

    Layout is a table that holds another table, or a cell with many blocks, a heading or preformatted text.
    """
    table_of = innermost(page.tag, page.parent, _T["table"])
    tables: npt.NDArray[np.int64] = table_of[page.node]
    if not tables.any():
        return tables
    layout = np.zeros(len(page.tag), np.bool_)
    inner = np.flatnonzero(page.tag == _T["table"])
    layout[table_of[page.parent[inner]]] = True
    cells = np.maximum(
        innermost(page.tag, page.parent, _T["td"])[page.node], innermost(page.tag, page.parent, _T["th"])[page.node]
    )
    cells = np.where(cells > tables, cells, 0)  # a cell around the table is none of its own
    crowded = np.bincount(cells, minlength=len(page.tag)) > MAX_CELL_BLOCKS
    tags = page.tag[page.node]
    heading = (tags >= _T["h1"]) & (tags <= _T["h6"]) | (innermost(page.tag, page.parent, _T["pre"])[page.node] > cells)
    layout[tables[(cells > 0) & (crowded[cells] | heading)]] = True
    layout[0] = False
    return np.where(layout[tables], 0, tables)


def listings(page: Page) -> npt.NDArray[np.int64]:
    """Per block: the element of which every block is a line of code in a `<div>` of its own, as highlighters write
    them; 0 for none."""
    above = page.parent[page.node].astype(np.int64)
    characters, code = page.counts[:, C_CHARS], page.counts[:, C_CODE]
    in_div = page.tag[page.node] == _T["div"]
    line = in_div & (code > 0) & (code >= MIN_CODE_SHARE * characters)
    if not line.any():
        return np.zeros(len(above), np.int64)
    blank = in_div & (page.counts[:, C_WORDS] == 0) & (characters - code <= 1)
    lines = np.bincount(above, line, minlength=len(page.tag))
    others = np.bincount(above, ~(line | blank), minlength=len(page.tag))
    whole = (lines >= MIN_LISTING_LINES) & (others == 0)
    return np.where(whole[above], above, 0)


def units_of(page: Page) -> npt.NDArray[np.int64]:
    """Per block: the number of the unit that it is kept or left with; a block of no table or listing is one itself."""
    element = np.maximum(data_tables(page), listings(page))
    key = np.where(element > 0, element, len(page.tag) + np.arange(len(element)))
    units: npt.NDArray[np.int64] = np.unique(key, return_inverse=True)[1]
    return units
