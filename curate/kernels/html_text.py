"""Writes the text of chosen blocks: white space collapsed as a browser does, preformatted text left as it is.

In go a page's bytes, its segments and the blocks wanted, out come one buffer and each block's range of it.
Entities stay encoded (the caller decodes all at once); each formula is one byte FORMULA, in order.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from curate.kernels.html import BREAK, TEXT, Page

FORMULA = 1
"""The control byte that stands for a formula; pages' own control bytes are left out."""


@njit(cache=True, nogil=True)
def _emit(page, kind, start, end, first_segment, blocks, preformatted):
    size = 0
    for b in blocks:
        for s in range(first_segment[b], first_segment[b + 1]):
            size += end[s] - start[s] + 1 if kind[s] == TEXT else 1
    out, at = np.empty(size + 1, np.uint8), 0
    offsets = np.zeros(len(blocks) + 1, np.int64)
    for index in range(len(blocks)):
        b, pre = blocks[index], preformatted[index]
        begin, space = at, False
        for s in range(first_segment[b], first_segment[b + 1]):
            if kind[s] == TEXT:
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
                    elif byte == 32 or 9 <= byte <= 13:
                        space = True
                    elif byte > 31:
                        if space and at > begin and out[at - 1] != 10:
                            out[at] = 32
                            at += 1
                        space = False
                        out[at] = byte
                        at += 1
            elif kind[s] == BREAK:
                if at > begin and (out[at - 1] != 10 or (pre and kind[s - 1] == BREAK and start[s] != start[s - 1])):
                    out[at] = 10
                    at += 1
                space = False
            else:
                if space and at > begin and out[at - 1] != 10:
                    out[at] = 32
                    at += 1
                space = False
                out[at] = FORMULA
                at += 1
        while not pre and at > begin and out[at - 1] == 10:
            at -= 1
        offsets[index + 1] = at
    return out[:at], offsets


def emit(
    page: bytes, scanned: Page, blocks: npt.NDArray[np.int64], preformatted: npt.NDArray[np.bool_]
) -> tuple[bytes, npt.NDArray[np.int64]]:
    """The text of `blocks` (indices, any order) and offsets [len(blocks) + 1] into it."""
    out, offsets = _emit(
        np.frombuffer(page, np.uint8), scanned.kind, scanned.start, scanned.end, scanned.first_segment, blocks,
        preformatted,
    )  # fmt: skip
    return out.tobytes(), offsets


@njit(cache=True, nogil=True)
def innermost(tag, parent, code):
    """Per element: the nearest element with this tag code, itself included; 0 where there is none."""
    found = np.zeros(len(tag), np.int64)
    for e in range(1, len(tag)):
        found[e] = e if tag[e] == code else found[parent[e]]
    return found
