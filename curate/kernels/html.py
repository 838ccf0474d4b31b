"""One pass over a page's bytes: elements, blocks of text and what each block is made of.

In goes UTF-8 HTML, out come arrays: the element tree, the runs of text (byte ranges of the page), and blocks, a
block being the text between two boundaries of block-level elements. There is no recursion and no look back beyond
a bounded stack, so any page takes time linear in its size, however broken or deep it is.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from curate.kernels import markup
from curate.kernels.compiled import allocating_kernel, kernel
from curate.kernels.html_bytes import (
    after_comment,
    attribute_value,
    class_bits,
    contains,
    find_byte,
    find_end_tag,
    find_tag,
    is_blank,
    is_number,
    lookup,
    lower,
    span,
)
from curate.kernels.html_measure import (
    C_BREAKS,
    C_BUTTON,
    C_CHARS,
    C_HIDDEN,
    C_IMAGES,
    C_INPUTS,
    C_LINKS,
    C_POSITION,
    C_WORDS,
    COUNTS,
    KNOWN_SIZE,
    add_words,
    measure,
)
from curate.kernels.html_nesting import close, ended_by_end_tag, ended_by_start_tag, ended_item, numbers_lines
from curate.kernels.html_segments import (
    ADDRESS_TEX,
    BREAK,
    IMAGE_TEX,
    LITERAL,
    MATHML,
    SHADOW_MATHML,
    TEXT,
    draws_formula,
    script_formula,
)

MAX_DEPTH = 512
"""Elements nested deeper (browsers stop at 512 too) belong to the one at this depth."""
T_A, T_PRE, T_BR, T_IMG, T_HR = (markup.CODE[name] for name in ["a", "pre", "br", "img", "hr"])
T_SCRIPT, T_TITLE, T_MATH, T_BUTTON, T_CODE = (markup.CODE[n] for n in ["script", "title", "math", "button", "code"])
T_B, T_STRONG, T_BODY, T_HTML, T_INPUT, T_XMP = (
    markup.CODE[n] for n in ["b", "strong", "body", "html", "input", "xmp"]
)
(
    A_CLASS, A_ID, A_ROLE, A_HREF, A_STYLE, A_HIDDEN, A_ALT, A_SRC, A_TYPE, A_ITEMPROP, A_ARIA, A_COLSPAN, A_ROWSPAN,
) = range(1, 14)  # fmt: skip
MATH_BIT = np.int64(1) << markup.CLASS_NAMES.index("math")
N_CLASSES = len(markup.CLASS_NAMES)
SEEN_CLASSES = (np.int64(1) << N_CLASSES) - 1
N_TAGS, N_COUNTS = len(markup.NAMES), len(COUNTS)


class Page(NamedTuple):
    """What `scan` finds. Byte positions refer to the page."""

    tag: npt.NDArray[np.int16]
    """Per element: code in markup.NAMES; element 0 is the document."""
    parent: npt.NDArray[np.int32]
    bits: npt.NDArray[np.int64]
    """Per element: words of its class, id, role and itemprop, a bit each as in markup.CLASS_NAMES."""
    signature: npt.NDArray[np.int64]
    """Per element: hash of its tag and class; siblings of one template share it."""
    first_block: npt.NDArray[np.int32]
    last_block: npt.NDArray[np.int32]
    """Per element: its text is blocks first_block … last_block − 1."""
    kind: npt.NDArray[np.uint8]
    """Per segment: TEXT, BREAK, …"""
    start: npt.NDArray[np.int32]
    end: npt.NDArray[np.int32]
    first_segment: npt.NDArray[np.int32]
    """Per block, and one more: its segments are first_segment[b] … first_segment[b + 1] − 1."""
    node: npt.NDArray[np.int32]
    """Per block: its nearest block-level element."""
    counts: npt.NDArray[np.int32]
    """[blocks, COUNTS]"""
    inline_bits: npt.NDArray[np.int64]
    """Per block: class words of the inline elements that it begins in."""
    text_bits: npt.NDArray[np.int64]
    """Per block: words of its text, a bit each as in markup.TEXT_NAMES."""
    text_hash: npt.NDArray[np.int64]
    """Per block: hash of its words."""
    columns: npt.NDArray[np.int16]
    rows: npt.NDArray[np.int16]
    """Per element: the columns and rows that a cell says it spans, 1 for any other."""


_DISPLAY, _NONE, _TRUE, _MIMETEX, _LATEX = (
    np.frombuffer(text, np.uint8) for text in (b"display:none", b"display: none", b"true", b"mimetex", b"latex")
)


@kernel
def _read(
    page, known, tag, parent, node_bits, signature, first_block, last_block, columns, rows, kind, start, end,
    first_segment, block_node, counts, inline_bits, text, stack, concealed, opened, never_closed,
):  # fmt: skip
    """Fills the arrays; how many elements, segments and blocks there are."""
    n = len(page)
    nodes, segments, blocks, depth, overflow = 1, 0, 0, 0, 0
    block, hidden, skip_depth, number_depth, images, inputs = -1, 0, 0, 0, 0, 0
    i = 0
    while i < n:
        # -------- a run of text
        j = find_tag(page, i)
        if j > i and skip_depth == 0:
            blank = is_blank(page, i, j)
            if block < 0 and (not blank or opened[T_PRE] > 0):
                block, blocks = blocks, blocks + 1
                first_segment[block] = segments
                level, seen = depth, np.int64(0)
                while level > 0 and not markup.IS_BLOCK[tag[stack[level]]]:
                    seen |= node_bits[stack[level]]
                    level -= 1
                block_node[block], inline_bits[block] = stack[level], seen
                row = counts[block]
                row[:], text[block, 0], text[block, 1] = 0, 0, 0
                row[C_IMAGES], row[C_INPUTS], row[C_POSITION], row[C_HIDDEN] = images, inputs, i, hidden > 0
                row[C_BUTTON] = opened[T_BUTTON] > 0
                images = inputs = 0
            if block >= 0:
                copies = opened[T_PRE] > 0 and opened[T_BUTTON] > 0
                if not copies and not (number_depth > 0 and is_number(page, i, j)):
                    kind[segments], start[segments], end[segments] = TEXT, i, j
                    segments += 1
                if not blank:
                    measure(
                        page, i, j, counts[block], text[block], opened[T_A] > 0,
                        opened[T_B] + opened[T_STRONG] > 0, opened[T_CODE] + opened[T_PRE] > 0, known,
                    )  # fmt: skip
        if j >= n:
            break
        i = j + 1
        # -------- comments, doctypes, processing instructions
        if page[i] == 33 or page[i] == 63:
            if i + 2 < n and page[i + 1] == 45 and page[i + 2] == 45 and not never_closed[N_TAGS]:
                after = after_comment(page, i + 3)
                if after > 0:
                    i = after
                    continue
                never_closed[N_TAGS] = True
            i = find_byte(page, 62, i, n) + 1
            continue
        closing = page[i] == 47
        if closing:
            i += 1
        # -------- the tag's name
        name_start, value = i, np.int64(2166136261)
        while i < n and page[i] > 32 and page[i] != 47 and page[i] != 62:
            value = ((value ^ lower(page[i])) * 16777619) & 0xFFFFFFFF
            i += 1
        name_end = i
        code = lookup(markup.TAG_HASHES, markup.TAG_CODES, value)
        # -------- its attributes
        bits, shape, conceals, skips = np.int64(0), np.int64(value), False, False
        alt_start = alt_end = src_start = src_end = type_start = type_end = -1
        has_href, column_span, row_span = False, 1, 1
        while i < n and page[i] != 62:
            if page[i] <= 32 or page[i] == 47:
                i += 1
                continue
            mark = np.int64(2166136261)
            at = i
            while i < n and page[i] > 32 and page[i] != 61 and page[i] != 62 and (page[i] != 47 or i == at):
                mark = ((mark ^ lower(page[i])) * 16777619) & 0xFFFFFFFF
                i += 1
            value_start, value_end, i = attribute_value(page, i)
            if i == at:
                i += 1
            if closing:
                continue
            name = lookup(markup.ATTRIBUTE_HASHES, markup.ATTRIBUTE_CODES, mark)
            if name == 0:
                continue
            if name in (A_CLASS, A_ID, A_ROLE, A_ITEMPROP):
                seen, hashed = class_bits(page, value_start, value_end, shape)
                bits |= seen
                if name == A_CLASS:
                    shape, skips = hashed, draws_formula(page, value_start, value_end)
            elif name == A_STYLE:
                conceals = conceals or contains(page, value_start, value_end, _DISPLAY)
                conceals = conceals or contains(page, value_start, value_end, _NONE)
            elif name == A_HIDDEN:
                conceals = True
            elif name == A_ARIA:
                conceals = conceals or contains(page, value_start, value_end, _TRUE)
            elif name == A_ALT:
                alt_start, alt_end = value_start, value_end
            elif name == A_SRC and code == T_IMG:
                bits |= class_bits(page, value_start, value_end, shape)[0] & MATH_BIT
                src_start, src_end = value_start, value_end
            elif name == A_TYPE:
                type_start, type_end = value_start, value_end
            elif name == A_HREF:
                has_href = True
            elif name == A_COLSPAN:
                column_span = span(page, value_start, value_end)
            elif name == A_ROWSPAN:
                row_span = span(page, value_start, value_end)
        if i >= n:
            break
        i += 1
        boundary = markup.IS_BLOCK[code]
        numbers = bits >> N_CLASSES
        bits &= SEEN_CLASSES
        # -------- end tags
        if closing:
            if overflow > 0:
                overflow -= 1
                continue
            if code in (T_BODY, T_HTML) or markup.IS_VOID[code]:
                continue
            level = ended_by_end_tag(code, boundary, tag, stack, depth)
            if level > 0:
                hidden -= close(level, depth, stack, tag, last_block, opened, concealed, blocks)
                depth = level - 1
                if skip_depth > depth:
                    skip_depth = 0
                if number_depth > depth:
                    number_depth = 0
            if boundary and opened[T_PRE] > 0 and block >= 0:
                # In preformatted text a block-level element is a line; two edges that meet are one line's end.
                if kind[segments - 1] != BREAK and code != T_BUTTON:
                    kind[segments], start[segments], end[segments] = BREAK, i, i
                    segments += 1
            elif boundary:
                block = -1
            continue
        # -------- start tags: what they end
        level = ended_by_start_tag(code, tag, stack, depth, opened)
        if level > 0:
            hidden -= close(level, depth, stack, tag, last_block, opened, concealed, blocks)
            depth = level - 1
        level = ended_item(code, tag, stack, depth)
        if level > 0:
            hidden -= close(level, depth, stack, tag, last_block, opened, concealed, blocks)
            depth = level - 1
        if skip_depth > depth:
            skip_depth = 0
        if number_depth > depth:
            number_depth = 0
        # -------- elements without content of their own
        if code in (T_BR, T_HR):
            if block >= 0 and skip_depth == 0:
                k = segments - 1
                while k >= first_segment[block] and kind[k] == TEXT and opened[T_PRE] == 0:
                    if not is_blank(page, start[k], end[k]):
                        break
                    k -= 1
                two = k >= first_segment[block] and kind[k] == BREAK
                if code == T_HR or (two and opened[T_PRE] + opened[T_CODE] == 0):
                    block = -1
                else:
                    kind[segments], start[segments], end[segments] = BREAK, i, i
                    segments += 1
                    counts[block, C_BREAKS] += 1
            continue
        formula = -1
        if code == T_IMG:
            images += 1
            if bits & MATH_BIT and alt_end > alt_start:
                formula = IMAGE_TEX
                value_start, value_end = alt_start, alt_end
            elif contains(page, src_start, src_end, _MIMETEX) or contains(page, src_start, src_end, _LATEX):
                value_start, value_end = find_byte(page, 63, src_start, src_end - 1) + 1, src_end
                formula = ADDRESS_TEX if value_start < src_end else -1
        elif code == T_INPUT:
            inputs += 1
        elif markup.IS_RAW[code] and not never_closed[code]:
            end_tag = find_end_tag(page, i, name_start, name_end)
            if end_tag < 0:
                never_closed[code] = True
                if code == T_SCRIPT:
                    break
            else:
                if code == T_TITLE:
                    add_words(page, i, end_tag, known)
                elif code == T_MATH:
                    formula = MATHML if skip_depth == 0 else SHADOW_MATHML
                    value_start, value_end = name_start - 1, end_tag
                elif code == T_SCRIPT and type_end > type_start:
                    formula = script_formula(page, type_start, type_end)
                    value_start, value_end = i, end_tag
                elif code == T_XMP and skip_depth == 0:
                    formula = LITERAL
                    value_start, value_end = i, end_tag
                i = find_byte(page, 62, end_tag, n) + 1
        if formula >= 0:
            apart = formula == LITERAL and opened[T_PRE] == 0
            if apart:
                block = -1
            if block < 0:
                block, blocks = blocks, blocks + 1
                first_segment[block] = segments
                level = depth
                while level > 0 and not markup.IS_BLOCK[tag[stack[level]]]:
                    level -= 1
                block_node[block], inline_bits[block] = stack[level], 0
                counts[block, :], text[block, 0], text[block, 1] = 0, 0, 0
                counts[block, C_POSITION] = i
            if apart:
                tag[nodes], parent[nodes], block_node[block] = T_PRE, block_node[block], nodes
                first_block[nodes], last_block[nodes] = block, blocks
                node_bits[nodes], signature[nodes], columns[nodes], rows[nodes] = 0, 0, 1, 1
                nodes += 1
            kind[segments], start[segments], end[segments] = formula, value_start, value_end
            segments += 1
            if formula == LITERAL:
                measure(page, value_start, value_end, counts[block], text[block], False, False, True, known)
                block = -1 if apart else block
            else:
                counts[block, C_CHARS] += 8
                counts[block, C_WORDS] += 2
            continue
        if markup.IS_VOID[code] or markup.IS_RAW[code]:
            continue
        # -------- push
        if boundary and opened[T_PRE] > 0 and block >= 0:
            if kind[segments - 1] != BREAK and code != T_BUTTON:
                kind[segments], start[segments], end[segments] = BREAK, i, i
                segments += 1
        elif boundary:
            block = -1
        if depth >= MAX_DEPTH:
            overflow += 1
            continue
        node, nodes = nodes, nodes + 1
        tag[node], parent[node], node_bits[node], signature[node] = code, stack[depth], bits, shape
        first_block[node] = blocks if block < 0 else block
        columns[node], rows[node] = column_span, row_span
        depth += 1
        stack[depth], concealed[depth] = node, conceals
        opened[code] += 1
        hidden += conceals
        if skips and skip_depth == 0:
            skip_depth = depth
        if numbers and number_depth == 0 and numbers_lines(numbers, code, opened):
            number_depth = depth
        if code == T_A and has_href and block >= 0:
            counts[block, C_LINKS] += 1
    while depth >= 0:
        last_block[stack[depth]] = blocks
        depth -= 1
    first_segment[blocks] = segments
    return nodes, segments, blocks


@allocating_kernel
def _scan(page, brackets, known):
    most = brackets + 2
    # Room for what a page of so many tags could have: only what is used is ever touched.
    tag, parent = np.empty(most, np.int16), np.empty(most, np.int32)
    node_bits, signature = np.empty(most, np.int64), np.empty(most, np.int64)
    first_block, last_block = np.empty(most, np.int32), np.empty(most, np.int32)
    columns, rows = np.empty(most, np.int16), np.empty(most, np.int16)
    tag[0] = parent[0] = node_bits[0] = signature[0] = first_block[0] = 0
    columns[0] = rows[0] = 1
    kind, start, end = np.zeros(2 * most, np.uint8), np.empty(2 * most, np.int32), np.empty(2 * most, np.int32)
    first_segment, block_node = np.empty(2 * most + 1, np.int32), np.empty(2 * most, np.int32)
    counts = np.empty((most, N_COUNTS), np.int32)
    inline_bits, text = np.empty(most, np.int64), np.empty((most, 2), np.int64)
    stack, concealed = np.zeros(MAX_DEPTH + 1, np.int32), np.zeros(MAX_DEPTH + 1, np.uint8)
    opened, never_closed = np.zeros(N_TAGS, np.int32), np.zeros(N_TAGS + 1, np.bool_)
    nodes, segments, blocks = _read(
        page, known, tag, parent, node_bits, signature, first_block, last_block, columns, rows, kind, start, end,
        first_segment, block_node, counts, inline_bits, text, stack, concealed, opened, never_closed,
    )  # fmt: skip
    return (
        tag[:nodes], parent[:nodes], node_bits[:nodes], signature[:nodes], first_block[:nodes], last_block[:nodes],
        kind[:segments], start[:segments], end[:segments], first_segment[: blocks + 1], block_node[:blocks],
        counts[:blocks], inline_bits[:blocks], text[:blocks, 0].copy(), text[:blocks, 1].copy(),
        columns[:nodes], rows[:nodes],
    )  # fmt: skip


def scan(page: bytes) -> Page:
    """Elements, segments and blocks of a UTF-8 page of up to 2 GiB."""
    array = np.frombuffer(page, np.uint8)
    return Page(*_scan(array, np.count_nonzero(array == ord("<")), np.zeros(KNOWN_SIZE, np.bool_)))
