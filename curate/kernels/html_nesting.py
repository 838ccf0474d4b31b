"""Which open elements a tag ends: the rules of HTML for omitted end tags, for elements closed out of order.

The open elements are a stack of which at most MAX_LOOK are looked at, so a tag costs a bounded time.
"""

from __future__ import annotations

from curate.kernels import markup
from curate.kernels.compiled import kernel
from curate.kernels.markup import ENDS_P, GUTTER, IS_BLOCK, LINE_NUMBER, LINE_NUMBER_IN_CODE, NUMBERED

MAX_LOOK = 256
"""How far up the stack a tag looks for the element that it ends."""
T_A, T_P, T_LI, T_DT, T_DD, T_DL = (markup.CODE[name] for name in ["a", "p", "li", "dt", "dd", "dl"])
T_TR, T_TD, T_TH, T_TABLE = (markup.CODE[name] for name in ["tr", "td", "th", "table"])
T_PRE, T_CODE = markup.CODE["pre"], markup.CODE["code"]
T_UL, T_OL, T_MENU, T_OPTION, T_BUTTON = (markup.CODE[name] for name in ["ul", "ol", "menu", "option", "button"])


@kernel
def ended_by_end_tag(code, boundary, tag, stack, depth):
    """The level of the element that an end tag ends, 0 for none: an inline element's does not reach over a block,
    and no other's over a table or, unless it is of the table, a cell."""
    level, low = depth, max(depth - MAX_LOOK, 0)
    while level > low:
        other = tag[stack[level]]
        if other == code:
            return level
        if IS_BLOCK[other] and (
            not boundary or (other == T_TABLE) or ((other in (T_TD, T_TH)) and not T_TABLE <= code <= T_TH)
        ):
            return 0
        level -= 1
    return 0


@kernel
def ended_by_start_tag(code, tag, stack, depth, opened):
    """The level of the paragraph or link that a start tag ends, 0 for none."""
    low = max(depth - MAX_LOOK, 0)
    level = depth
    if ENDS_P[code] and opened[T_P] > 0:
        while level > low:
            other = tag[stack[level]]
            if other == T_P:
                return level
            if other in (T_TD, T_TH, T_TABLE, T_BUTTON):
                return 0
            level -= 1
    elif code == T_A and opened[T_A] > 0:
        while level > low:
            if tag[stack[level]] == T_A:
                return level
            if IS_BLOCK[tag[stack[level]]]:
                return 0
            level -= 1
    return 0


@kernel
def ended_item(code, tag, stack, depth):
    """The level of the list item, term, option, row or cell that a start tag of its kind ends, 0 for none."""
    if not (code in (T_LI, T_DT, T_DD, T_OPTION) or T_TR <= code <= T_TH):
        return 0
    level, low, found = depth, max(depth - MAX_LOOK, 0), 0
    while level > low:
        other = tag[stack[level]]
        if code == T_LI:
            if other == T_LI:
                found = level
            stop = other in (T_LI, T_UL, T_OL, T_MENU)
        elif code in (T_DT, T_DD):
            if other in (T_DT, T_DD):
                found = level
            stop = other in (T_DT, T_DD, T_DL)
        elif code == T_TR:
            if other == T_TR:
                found = level
            stop = other in (T_TR, T_TABLE)
        elif code == T_OPTION:
            if other == T_OPTION:
                found = level
            stop = True
        else:
            if other in (T_TD, T_TH):
                found = level
            stop = other in (T_TD, T_TH, T_TR, T_TABLE)
        if stop or other in (T_TD, T_TH):
            break
        level -= 1
    return found


@kernel
def close(level, depth, stack, tag, last_block, opened, concealed, blocks):
    """Closes the elements of the stack from `depth` down to `level`; how many of them hid their text."""
    hidden = 0
    while depth >= level:
        node = stack[depth]
        last_block[node] = blocks
        opened[tag[node]] -= 1
        hidden += concealed[depth] & 1
        depth -= 1
    return hidden


@kernel
def numbers_lines(marks, code, opened):
    """Whether an element with these bits of markup.CODE_WORDS holds the number of a line, or those of all lines."""
    if marks & LINE_NUMBER or (marks & GUTTER and code == T_TD):
        return True
    inside = opened[T_PRE] + opened[T_CODE] > 0 and code not in (T_PRE, T_CODE)
    return inside and (marks & LINE_NUMBER_IN_CODE) > 0 and not marks & NUMBERED
