"""What an element's ancestors make of its text: a heading, an item of a list, a cell of a table, code, a quotation.

In go tags and parents, out comes a row of roles for each element, found in one pass from the root down.
"""

from __future__ import annotations

import numpy as np

from curate.kernels import markup
from curate.kernels.compiled import allocating_kernel

ROLES = ["heading", "lists", "item", "cell", "row", "table", "preformatted", "quoted", "in_row"]
"""The level of the heading; how many lists; the item's, cell's, row's, table's and `<pre>`'s element, 0 for none; how
many quotations; whether the cell is its row's own, as in a well-made table."""
R_HEADING, R_LISTS, R_ITEM, R_CELL, R_ROW, R_TABLE, R_PREFORMATTED, R_QUOTED, R_IN_ROW = range(len(ROLES))
N_ROLES = len(ROLES)
_T = markup.CODE
T_H1, T_H6, T_TD, T_TH, T_TR, T_TABLE = (_T[name] for name in ["h1", "h6", "td", "th", "tr", "table"])
T_UL, T_OL, T_MENU, T_DIR = (_T[name] for name in ["ul", "ol", "menu", "dir"])
T_LI, T_DT, T_DD, T_PRE, T_QUOTE = (_T[name] for name in ["li", "dt", "dd", "pre", "blockquote"])


@allocating_kernel
def element_roles(tag, parent):
    """[elements, ROLES]"""
    roles = np.zeros((len(tag), N_ROLES), np.int32)
    for e in range(1, len(tag)):
        code, row = tag[e], roles[e]
        row[:] = roles[parent[e]]
        if T_H1 <= code <= T_H6:
            row[R_HEADING] = code - T_H1 + 1
        elif code in (T_UL, T_OL, T_MENU, T_DIR):
            row[R_LISTS] += 1
        elif code in (T_LI, T_DT, T_DD):
            row[R_ITEM] = e
        elif code in (T_TD, T_TH):
            row[R_IN_ROW] = row[R_ROW] > 0 and parent[e] == row[R_ROW]
            row[R_CELL], row[R_LISTS], row[R_ITEM] = e, 0, 0
        elif code == T_TR:
            row[R_ROW], row[R_IN_ROW] = e, 0
        elif code == T_TABLE:
            row[R_TABLE], row[R_ROW], row[R_CELL], row[R_IN_ROW] = e, 0, 0, 0
        elif code == T_PRE:
            row[R_PREFORMATTED] = e
        elif code == T_QUOTE:
            row[R_QUOTED] += 1
    return roles
