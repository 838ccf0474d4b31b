"""Writes the text of chosen blocks: white space collapsed as a browser does, preformatted text and code left alone.

In go a page's bytes, its segments and the blocks wanted, out come one buffer and each block's range of it.
Entities stay encoded (the caller decodes all at once); each formula is one byte FORMULA, in order. Inline elements that
a style sheet sets apart are written apart.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from curate.kernels.compiled import allocating_kernel, kernel
from curate.kernels.element_roles import N_ROLES, R_PREFORMATTED, R_ROW, R_TABLE, T_TABLE
from curate.kernels.html import Page
from curate.kernels.html_measure import C_BREAKS, C_BUTTON, C_CHARS, C_CODE
from curate.kernels.html_segments import BREAK, LITERAL, TEXT

FLOWING, PREFORMATTED, BROKEN_CODE, CODE_LINE, AS_MARKED_UP = range(5)
"""How a block is written: white space collapsed; left as it is; or as code whose lines end at `<br>`, where spaces
indent and only line ends of the source are white space to collapse; or as a line of code, left as it is too; or,
last, as the first, without setting inline elements apart."""
AMPERSAND = np.frombuffer(b"amp;", np.uint8)
FORMULA = 1
"""The control byte that stands for a formula; pages' own control bytes are left out."""


@kernel
def _two_letters(text, at, step):
    """Whether two letters or digits of an alphabet stand at `at`, read onward (step 1) or backward (−1): bytes of
    ASCII, or pairs for the letters of Latin, Greek and Cyrillic."""
    for _ in range(2):
        if at < 0 or at >= len(text):
            return False
        byte = text[at]
        if byte >= 128:
            lead = byte if step > 0 else text[at - 1] if at > 0 else 0
            if lead < 0xC3 or lead > 0xD4:
                return False
            at += step
        elif not (97 <= (byte | 32) <= 122 or 48 <= byte <= 57):
            return False
        at += step
    return True


@kernel
def _set_apart(page, out, at, low, high):
    """Whether the text at page[high] follows what is written, out[: at], only as one inline element follows another:
    words touch, and in page[low:high] an element ends before one begins."""
    if high - low < 6 or not _two_letters(out, at - 1, -1) or not _two_letters(page, high, 1):
        return False
    ended = False
    for i in range(low, high - 1):
        if page[i] == 60:
            if page[i + 1] == 47:
                ended = True
            elif ended and 97 <= (page[i + 1] | 32) <= 122:
                return True
    return False


class Manners(NamedTuple):
    """How each of some blocks is written."""

    roles: npt.NDArray[np.int32]
    """[blocks, ROLES] of its element; no row and no table where that is not of data."""
    manner: npt.NDArray[np.int8]
    code: npt.NDArray[np.bool_]
    """Whether all of its text is in `<code>`."""
    button: npt.NDArray[np.bool_]
    """Whether it is in a button."""
    special: npt.NDArray[np.bool_]
    """Whether it is anything but running text."""


@allocating_kernel
def _manners(blocks, node, tag, counts, element_roles, tables, listings):
    n = len(blocks)
    roles, manner = np.empty((n, N_ROLES), np.int32), np.full(n, FLOWING, np.int8)
    all_code, button, special = np.zeros(n, np.bool_), np.zeros(n, np.bool_), np.zeros(n, np.bool_)
    for k in range(n):
        b = blocks[k]
        of_element, own, listing = element_roles[node[b]], roles[k], listings[b]
        for role in range(N_ROLES):
            own[role] = of_element[role]
        if tables[b] == 0:
            own[R_TABLE] = own[R_ROW] = 0
        for role in range(N_ROLES):
            special[k] |= own[role] != 0
        all_code[k] = 0 < counts[b, C_CHARS] <= counts[b, C_CODE]
        if own[R_PREFORMATTED] > 0:
            manner[k] = PREFORMATTED
        elif tag[listing] == T_TABLE:
            manner[k] = CODE_LINE
        elif listing > 0 or (all_code[k] and counts[b, C_BREAKS] > 0):
            manner[k] = BROKEN_CODE
        button[k] = counts[b, C_BUTTON] > 0
        special[k] |= manner[k] != FLOWING or button[k]
    return roles, manner, all_code, button, special


def manners(
    scanned: Page,
    element_roles: npt.NDArray[np.int32],
    tables: npt.NDArray[np.int64],
    listings: npt.NDArray[np.int64],
    blocks: npt.NDArray[np.int64],
) -> Manners:
    """How `blocks` are to be written, from their elements' roles and, per block of the page, its data table and its
    listing, 0 for none."""
    return Manners(*_manners(blocks, scanned.node, scanned.tag, scanned.counts, element_roles, tables, listings))


@allocating_kernel
def _emit(page, kind, start, end, first_segment, blocks, manner):
    size = 0
    for b in blocks:
        for s in range(first_segment[b], first_segment[b + 1]):
            if kind[s] == TEXT or kind[s] == LITERAL:
                size += (end[s] - start[s] + 1) * (5 if kind[s] == LITERAL else 1)
            else:
                size += 1
    out, at = np.empty(size + 1, np.uint8), 0
    offsets = np.zeros(len(blocks) + 1, np.int64)
    for index in range(len(blocks)):
        b, code = blocks[index], manner[index] == BROKEN_CODE
        pre = manner[index] == PREFORMATTED or manner[index] == CODE_LINE
        flowing = manner[index] == FLOWING
        begin, space, indent = at, False, 0
        for s in range(first_segment[b], first_segment[b + 1]):
            if kind[s] == TEXT or kind[s] == LITERAL:
                if not space and flowing and s > first_segment[b] and kind[s - 1] == TEXT:
                    space = _set_apart(page, out, at, end[s - 1], start[s])
                for i in range(start[s], end[s]):
                    byte = page[i]
                    if pre:
                        if byte == 13:
                            if i + 1 < end[s] and page[i + 1] == 10:
                                continue
                            byte = np.uint8(10)
                        if byte > 31 or byte == 9 or byte == 10:
                            out[at] = byte
                            at += 1
                        if byte == 38 and kind[s] == LITERAL:
                            for letter in AMPERSAND:
                                out[at] = letter
                                at += 1
                    elif code and (byte == 32 or byte == 9):
                        indent += 1
                    elif byte == 32 or 9 <= byte <= 13:
                        space = True
                    elif byte > 31:
                        if space and at > begin and out[at - 1] != 10:
                            out[at] = 32
                            at += 1
                        elif not space and at > begin:
                            for _ in range(indent):
                                out[at] = 32
                                at += 1
                        space, indent = False, 0
                        out[at] = byte
                        at += 1
            elif kind[s] == BREAK:
                if at > begin and (out[at - 1] != 10 or code or (pre and kind[s - 1] == BREAK)):
                    out[at] = 10
                    at += 1
                space, indent = False, 0
            else:
                if space and at > begin and out[at - 1] != 10:
                    out[at] = 32
                    at += 1
                space, indent = False, 0
                out[at] = FORMULA
                at += 1
        while not pre and at > begin and out[at - 1] == 10:
            at -= 1
        offsets[index + 1] = at
    return out[:at], offsets


def emit(
    page: bytes, scanned: Page, blocks: npt.NDArray[np.int64], manner: npt.NDArray[np.int8]
) -> tuple[bytes, npt.NDArray[np.int64]]:
    """The text of `blocks` (indices, any order), each in its manner, and offsets [len(blocks) + 1] into it."""
    out, offsets = _emit(
        np.frombuffer(page, np.uint8), scanned.kind, scanned.start, scanned.end, scanned.first_segment, blocks,
        manner,
    )  # fmt: skip
    return out.tobytes(), offsets
