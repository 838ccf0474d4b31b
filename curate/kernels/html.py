"""One pass over a page's bytes: elements, blocks of text and what each block is made of.

In goes UTF-8 HTML, out come arrays: the element tree, the runs of text (byte ranges of the page), and blocks, a
block being the text between two boundaries of block-level elements. There is no recursion and no look back beyond
a bounded stack, so any page takes time linear in its size, however broken or deep it is.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from numba import njit

from curate.kernels import markup
from curate.kernels.markup import (
    ATTRIBUTE_CODES,
    ATTRIBUTE_HASHES,
    CLASS_BITS,
    CLASS_TABLE,
    EDGE,
    ENDS_P,
    FOLD,
    IS_BLOCK,
    IS_RAW,
    IS_VOID,
    TABLE_SIZE,
    TAG_CODES,
    TAG_HASHES,
    TEXT_BITS,
    TEXT_TABLE,
)

MAX_DEPTH = 512
"""Elements nested deeper (browsers stop at 512 too) belong to the one at this depth."""
MAX_LOOK = 256
"""How far up the stack an end tag looks for its start tag."""
MAX_SPAN = 1000
"""More columns or rows than this no cell spans (the limit of the HTML standard for columns)."""

TEXT, BREAK, MATHML, IMAGE_TEX, SCRIPT_TEX, SCRIPT_TEX_DISPLAY, SHADOW_MATHML, ADDRESS_TEX, SCRIPT_ASCIIMATH = range(9)
"""Kinds of segment. SHADOW_MATHML repeats a formula whose TeX may follow; ADDRESS_TEX is the query
of an image's address."""

COUNTS = [
    "characters",
    "words",
    "digits",
    "capitals",
    "commas",
    "stops",
    "link_characters",
    "links",
    "bold_characters",
    "breaks",
    "title_words",
    "code_characters",
    "bullets",
    "images_before",
    "cjk",
    "ends_sentence",
    "starts_upper",
    "position",
    "inputs_before",
    "hidden",
    "button",
]
(
    C_CHARS, C_WORDS, C_DIGITS, C_CAPITALS, C_COMMAS, C_STOPS, C_LINK, C_LINKS, C_BOLD, C_BREAKS, C_TITLE, C_CODE,
    C_BULLETS, C_IMAGES, C_CJK, C_ENDS, C_UPPER, C_POSITION, C_INPUTS, C_HIDDEN, C_BUTTON,
) = range(len(COUNTS))  # fmt: skip

T_A, T_P, T_PRE, T_LI, T_BR, T_IMG, T_HR = (markup.CODE[name] for name in ["a", "p", "pre", "li", "br", "img", "hr"])
T_DT, T_DD, T_TR, T_TD, T_TH = (markup.CODE[name] for name in ["dt", "dd", "tr", "td", "th"])
T_SCRIPT, T_TITLE, T_MATH, T_BUTTON, T_CODE = (markup.CODE[n] for n in ["script", "title", "math", "button", "code"])
T_B, T_STRONG, T_TABLE, T_BODY, T_HTML = (markup.CODE[name] for name in ["b", "strong", "table", "body", "html"])
T_UL, T_OL, T_DL, T_MENU, T_OPTION, T_INPUT = (
    markup.CODE[name] for name in ["ul", "ol", "dl", "menu", "option", "input"]
)
T_TBODY, T_THEAD, T_TFOOT = (markup.CODE[name] for name in ["tbody", "thead", "tfoot"])
T_H1, T_H6 = markup.CODE["h1"], markup.CODE["h6"]
(
    A_CLASS, A_ID, A_ROLE, A_HREF, A_STYLE, A_HIDDEN, A_ALT, A_SRC, A_TYPE, A_ITEMPROP, A_ARIA, A_COLSPAN, A_ROWSPAN,
) = range(1, 14)  # fmt: skip
MATH_BIT = np.int64(1) << markup.CLASS_NAMES.index("math")
N_TAGS = len(markup.NAMES)
N_COUNTS = len(COUNTS)


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


@njit(cache=True, nogil=True, inline="always")
def _lower(byte):
    return byte + 32 if 65 <= byte <= 90 else byte


@njit(cache=True, nogil=True, inline="always")
def _is_space(byte):
    return byte == 32 or (9 <= byte <= 13)


@njit(cache=True, nogil=True)
def _lookup(hashes, codes, value):
    slot = value % TABLE_SIZE
    while hashes[slot] >= 0:
        if hashes[slot] == value:
            return codes[slot]
        slot = (slot + 1) % TABLE_SIZE
    return np.int16(0)


@njit(cache=True, nogil=True)
def contains(page, start, end, pattern):
    """Whether page[start:end] has the lower-case `pattern`, in any case."""
    first, size = pattern[0], len(pattern)
    for i in range(start, end - size + 1):
        if _lower(page[i]) == first:
            k = 1
            while k < size and _lower(page[i + k]) == pattern[k]:
                k += 1
            if k == size:
                return True
    return False


@njit(cache=True, nogil=True)
def _span(page, start, end):
    """The number of cells that a colspan or rowspan says, from 1 to MAX_SPAN."""
    value = 0
    for i in range(start, min(end, start + 4)):
        if not 48 <= page[i] <= 57:
            break
        value = value * 10 + page[i] - 48
    return min(max(value, 1), MAX_SPAN)


@njit(cache=True, nogil=True)
def _find_end_tag(page, i, name_start, name_end):
    """Position of the `</name` at or after i; −1 if none."""
    n, size = len(page), name_end - name_start
    while i + size + 2 <= n:
        if page[i] == 60 and page[i + 1] == 47:
            k = 0
            while k < size and _lower(page[i + 2 + k]) == _lower(page[name_start + k]):
                k += 1
            if k == size:
                return i
        i += 1
    return -1


@njit(cache=True, nogil=True)
def _word_bits(page, start, end):
    state, bits = CLASS_TABLE[0, EDGE], np.int64(0)
    for i in range(start, end):
        state = CLASS_TABLE[state, FOLD[page[i]]]
        bits |= CLASS_BITS[state]
    return bits | CLASS_BITS[CLASS_TABLE[state, EDGE]]


_DISPLAY, _NONE, _DISPLAYED = (np.frombuffer(t, np.uint8) for t in (b"display:none", b"display: none", b"mode=display"))
_KATEX, _MATHJAX, _TEX = (np.frombuffer(t, np.uint8) for t in (b"katex-html", b"mathjax", b"math/tex"))
_TRUE, _MIMETEX, _LATEX = (np.frombuffer(text, np.uint8) for text in (b"true", b"mimetex", b"latex"))
_ASCIIMATH = np.frombuffer(b"math/asciimath", np.uint8)


@njit(cache=True, nogil=True)
def _title_words(page, start, end, bloom):
    value = np.int64(0)
    for i in range(start, end):
        byte = _lower(page[i])
        if (97 <= byte <= 122) or (48 <= byte <= 57) or byte >= 128:
            value = ((value ^ byte) * 16777619 + 1) & 0xFFFFFFFF
        else:
            bloom[value & 1023] = value != 0 or bloom[value & 1023]
            value = np.int64(0)
    if value:
        bloom[value & 1023] = True


@njit(cache=True, nogil=True)
def _measure(page, start, end, counts, text, in_link, in_bold, in_code, bloom):
    """Adds a run of text to its block's counts; `text` holds the block's text bits and hash."""
    state, bits, total = TEXT_TABLE[0, EDGE], text[0], text[1]
    value, characters, words = np.int64(0), 0, 0
    i, last_stop = start, counts[C_ENDS]
    while i < end:
        byte = page[i]
        state = TEXT_TABLE[state, FOLD[byte]]
        bits |= TEXT_BITS[state]
        step, in_word = 1, False
        if byte < 128:
            lower = _lower(byte)
            if 97 <= lower <= 122:
                in_word = True
                if lower != byte:
                    counts[C_CAPITALS] += 1
                    if counts[C_CHARS] + characters == 0:
                        counts[C_UPPER] = 1
            elif 48 <= byte <= 57:
                in_word = True
                counts[C_DIGITS] += 1
            elif byte == 44 or byte == 59 or byte == 58:
                counts[C_COMMAS] += 1
            elif byte == 46 or byte == 33 or byte == 63:
                counts[C_STOPS] += 1
            elif byte == 124:
                counts[C_BULLETS] += 1
            elif byte == 38:
                k = i + 1
                while k < end and k < i + 10 and page[k] != 59 and page[k] > 32:
                    k += 1
                if k < end and page[k] == 59:
                    step = k - i + 1
                    in_word = page[i + 1] == 35
            if byte > 32:
                characters += 1
                if byte != 34 and byte != 41:
                    last_stop = byte == 46 or byte == 33 or byte == 63 or byte == 58
        else:
            lower = byte
            if byte >= 192:
                characters += 1
                follow = page[i + 1] if i + 1 < end else 0
                last = page[i + 2] if i + 2 < end else 0
                in_word = True
                last_stop = False
                if byte == 0xC2:
                    in_word = False
                    if follow == 0xA0:
                        characters -= 1
                    elif follow == 0xB7 or follow == 0xBB:
                        counts[C_BULLETS] += 1
                elif byte == 0xE2 and 0x80 <= follow <= 0x9F:
                    in_word = False
                    if follow == 0x80 and (last == 0xA2 or last == 0xBA):
                        counts[C_BULLETS] += 1
                elif byte == 0xE3 and follow == 0x80:
                    in_word = last >= 0xA0
                    if last == 0x82:
                        counts[C_STOPS] += 1
                        last_stop = True
                elif byte == 0xEF and follow == 0xBC and (last < 0x90 or last >= 0x9A) and last < 0xA1:
                    in_word = False
                    if last == 0x8C:
                        counts[C_COMMAS] += 1
                    elif last == 0x81 or last == 0x9F:
                        counts[C_STOPS] += 1
                        last_stop = True
                elif 0xE3 <= byte <= 0xED:
                    counts[C_CJK] += 1
                step = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
        if in_word:
            if value == 0:
                words += 1
            for k in range(i, min(i + step, end)):
                value = ((value ^ _lower(page[k])) * 16777619 + 1) & 0xFFFFFFFF
        elif value:
            counts[C_TITLE] += bloom[value & 1023]
            total = (total * 31 + value) & 0xFFFFFFFFFFFF
            value = np.int64(0)
        i += step
    if value:
        counts[C_TITLE] += bloom[value & 1023]
        total = (total * 31 + value) & 0xFFFFFFFFFFFF
    text[0] = bits | TEXT_BITS[TEXT_TABLE[state, EDGE]]
    text[1] = total
    counts[C_ENDS] = last_stop
    counts[C_CHARS] += characters
    counts[C_WORDS] += words
    if in_link:
        counts[C_LINK] += characters
    if in_bold:
        counts[C_BOLD] += characters
    if in_code:
        counts[C_CODE] += characters


@njit(cache=True, nogil=True)
def _scan(page):
    n = len(page)
    most = 2
    for i in range(n):
        most += page[i] == 60
    tag, parent = np.zeros(most, np.int16), np.zeros(most, np.int32)
    node_bits, signature = np.zeros(most, np.int64), np.zeros(most, np.int64)
    first_block, last_block = np.zeros(most, np.int32), np.zeros(most, np.int32)
    columns, rows = np.ones(most, np.int16), np.ones(most, np.int16)
    kind, start, end = np.zeros(2 * most, np.uint8), np.zeros(2 * most, np.int32), np.zeros(2 * most, np.int32)
    first_segment, block_node = np.zeros(2 * most + 1, np.int32), np.zeros(2 * most, np.int32)
    counts = np.zeros((most, N_COUNTS), np.int32)
    inline_bits, text = np.zeros(most, np.int64), np.zeros((most, 2), np.int64)
    stack, concealed = np.zeros(MAX_DEPTH + 1, np.int32), np.zeros(MAX_DEPTH + 1, np.uint8)
    opened = np.zeros(N_TAGS, np.int32)
    never_closed = np.zeros(N_TAGS + 1, np.bool_)
    bloom = np.zeros(1024, np.bool_)
    nodes, segments, blocks, depth, overflow = 1, 0, 0, 0, 0
    block, hidden, skip_depth, images, inputs = -1, 0, 0, 0, 0
    i = 0
    while i < n:
        # -------- a run of text
        j = i
        while j < n and not (
            page[j] == 60
            and j + 1 < n
            and (97 <= _lower(page[j + 1]) <= 122 or page[j + 1] == 47 or page[j + 1] == 33 or page[j + 1] == 63)
        ):
            j += 1
        if j > i and skip_depth == 0:
            blank = True
            for k in range(i, j):
                if page[k] > 32:
                    blank = False
                    break
            if block < 0 and (not blank or opened[T_PRE] > 0):
                block, blocks = blocks, blocks + 1
                first_segment[block] = segments
                level, seen = depth, np.int64(0)
                while level > 0 and not IS_BLOCK[tag[stack[level]]]:
                    seen |= node_bits[stack[level]]
                    level -= 1
                block_node[block], inline_bits[block] = stack[level], seen
                row = counts[block]
                row[C_IMAGES], row[C_INPUTS], row[C_POSITION], row[C_HIDDEN] = images, inputs, i, hidden > 0
                row[C_BUTTON] = opened[T_BUTTON] > 0
                images = inputs = 0
            if block >= 0:
                kind[segments], start[segments], end[segments] = TEXT, i, j
                segments += 1
                if not blank:
                    _measure(
                        page, i, j, counts[block], text[block], opened[T_A] > 0,
                        opened[T_B] + opened[T_STRONG] > 0, opened[T_CODE] + opened[T_PRE] > 0, bloom,
                    )  # fmt: skip
        if j >= n:
            break
        i = j + 1
        # -------- comments, doctypes, processing instructions
        if page[i] == 33 or page[i] == 63:
            if i + 2 < n and page[i + 1] == 45 and page[i + 2] == 45 and not never_closed[N_TAGS]:
                k = i + 3
                while k < n and not (page[k] == 62 and page[k - 1] == 45 and page[k - 2] == 45):
                    k += 1
                if k < n:
                    i = k + 1
                    continue
                never_closed[N_TAGS] = True
            while i < n and page[i] != 62:
                i += 1
            i += 1
            continue
        closing = page[i] == 47
        if closing:
            i += 1
        # -------- the tag's name
        name_start, value = i, np.int64(2166136261)
        while i < n and page[i] > 32 and page[i] != 47 and page[i] != 62:
            value = ((value ^ _lower(page[i])) * 16777619) & 0xFFFFFFFF
            i += 1
        name_end = i
        code = _lookup(TAG_HASHES, TAG_CODES, value)
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
                mark = ((mark ^ _lower(page[i])) * 16777619) & 0xFFFFFFFF
                i += 1
            while i < n and _is_space(page[i]):
                i += 1
            value_start = value_end = i
            if i < n and page[i] == 61:
                i += 1
                while i < n and _is_space(page[i]):
                    i += 1
                if i < n and (page[i] == 34 or page[i] == 39):
                    quote = page[i]
                    i += 1
                    value_start = i
                    while i < n and page[i] != quote:
                        i += 1
                    value_end = i
                    i += 1
                else:
                    value_start = i
                    while i < n and page[i] > 32 and page[i] != 62:
                        i += 1
                    value_end = i
            elif i == at:
                i += 1
            if closing:
                continue
            name = _lookup(ATTRIBUTE_HASHES, ATTRIBUTE_CODES, mark)
            if name == 0:
                continue
            if name in (A_CLASS, A_ID, A_ROLE, A_ITEMPROP):
                bits |= _word_bits(page, value_start, value_end)
                if name == A_CLASS:
                    for k in range(value_start, value_end):
                        shape = ((shape ^ page[k]) * 16777619) & 0xFFFFFFFF
                    skips = (
                        contains(page, value_start, min(value_start + 7, value_end), _MATHJAX)
                        and value_end > value_start
                        and page[value_start] == 77
                    ) or contains(page, value_start, value_end, _KATEX)
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
                bits |= _word_bits(page, value_start, value_end) & MATH_BIT
                src_start, src_end = value_start, value_end
            elif name == A_TYPE:
                type_start, type_end = value_start, value_end
            elif name == A_HREF:
                has_href = True
            elif name == A_COLSPAN:
                column_span = _span(page, value_start, value_end)
            elif name == A_ROWSPAN:
                row_span = _span(page, value_start, value_end)
        if i >= n:
            break
        i += 1
        boundary = IS_BLOCK[code]
        # -------- end tags
        if closing:
            if overflow > 0:
                overflow -= 1
                continue
            if code in (T_BODY, T_HTML) or IS_VOID[code]:
                continue
            level, low = depth, max(depth - MAX_LOOK, 0)
            while level > low:
                other = tag[stack[level]]
                if other == code:
                    break
                if IS_BLOCK[other] and (
                    not boundary or (other == T_TABLE) or ((other in (T_TD, T_TH)) and not T_TABLE <= code <= T_TH)
                ):
                    level = 0
                    break
                level -= 1
            if level > low and tag[stack[level]] == code:
                while depth >= level:
                    node = stack[depth]
                    last_block[node] = blocks
                    opened[tag[node]] -= 1
                    hidden -= concealed[depth] & 1
                    depth -= 1
                if skip_depth > depth:
                    skip_depth = 0
            if boundary and opened[T_PRE] > 0 and block >= 0:
                # In preformatted text a block-level element is a line; two edges that meet are one line's end.
                if kind[segments - 1] != BREAK:
                    kind[segments], start[segments], end[segments] = BREAK, i, i
                    segments += 1
            elif boundary:
                block = -1
            continue
        # -------- start tags: what they end
        if ENDS_P[code] and opened[T_P] > 0:
            level, low = depth, max(depth - MAX_LOOK, 0)
            while level > low:
                other = tag[stack[level]]
                if other == T_P:
                    break
                if other in (T_TD, T_TH, T_TABLE, T_BUTTON):
                    level = 0
                    break
                level -= 1
        elif code == T_A and opened[T_A] > 0:
            level, low = depth, max(depth - MAX_LOOK, 0)
            while level > low and tag[stack[level]] != T_A:
                if IS_BLOCK[tag[stack[level]]]:
                    level = 0
                    break
                level -= 1
        else:
            level, low = 0, 0
        if level > low:
            while depth >= level:
                node = stack[depth]
                last_block[node] = blocks
                opened[tag[node]] -= 1
                hidden -= concealed[depth] & 1
                depth -= 1
        if code in (T_LI, T_DT, T_DD, T_OPTION) or T_TR <= code <= T_TH:
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
            while found > 0 and depth >= found:
                node = stack[depth]
                last_block[node] = blocks
                opened[tag[node]] -= 1
                hidden -= concealed[depth] & 1
                depth -= 1
        if skip_depth > depth:
            skip_depth = 0
        # -------- elements without content of their own
        if code in (T_BR, T_HR):
            if block >= 0 and skip_depth == 0:
                k = segments - 1
                while k >= first_segment[block] and kind[k] == TEXT and opened[T_PRE] == 0:
                    blank = True
                    for b in range(start[k], end[k]):
                        if page[b] > 32:
                            blank = False
                            break
                    if not blank:
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
                for k in range(src_start, src_end - 1):
                    if page[k] == 63:
                        formula = ADDRESS_TEX
                        value_start, value_end = k + 1, src_end
                        break
        elif code == T_INPUT:
            inputs += 1
        elif IS_RAW[code] and not never_closed[code]:
            close = _find_end_tag(page, i, name_start, name_end)
            if close < 0:
                never_closed[code] = True
                if code == T_SCRIPT:
                    break
            else:
                if code == T_TITLE:
                    _title_words(page, i, close, bloom)
                elif code == T_MATH:
                    formula = MATHML if skip_depth == 0 else SHADOW_MATHML
                    value_start, value_end = name_start - 1, close
                elif code == T_SCRIPT and type_end > type_start and contains(page, type_start, type_end, _TEX):
                    formula = SCRIPT_TEX_DISPLAY if contains(page, type_start, type_end, _DISPLAYED) else SCRIPT_TEX
                    value_start, value_end = i, close
                elif code == T_SCRIPT and type_end > type_start and contains(page, type_start, type_end, _ASCIIMATH):
                    formula = SCRIPT_ASCIIMATH
                    value_start, value_end = i, close
                i = close
                while i < n and page[i] != 62:
                    i += 1
                i += 1
        if formula >= 0:
            if block < 0:
                block, blocks = blocks, blocks + 1
                first_segment[block] = segments
                level = depth
                while level > 0 and not IS_BLOCK[tag[stack[level]]]:
                    level -= 1
                block_node[block] = stack[level]
                counts[block, C_POSITION] = i
            kind[segments], start[segments], end[segments] = formula, value_start, value_end
            segments += 1
            counts[block, C_CHARS] += 8
            counts[block, C_WORDS] += 2
            continue
        if IS_VOID[code] or IS_RAW[code]:
            continue
        # -------- push
        if boundary and opened[T_PRE] > 0 and block >= 0:
            if kind[segments - 1] != BREAK:
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
        if code == T_A and has_href and block >= 0:
            counts[block, C_LINKS] += 1
    while depth >= 0:
        last_block[stack[depth]] = blocks
        depth -= 1
    first_segment[blocks] = segments
    return (
        tag[:nodes], parent[:nodes], node_bits[:nodes], signature[:nodes], first_block[:nodes], last_block[:nodes],
        kind[:segments], start[:segments], end[:segments], first_segment[: blocks + 1], block_node[:blocks],
        counts[:blocks], inline_bits[:blocks], text[:blocks, 0].copy(), text[:blocks, 1].copy(),
        columns[:nodes], rows[:nodes],
    )  # fmt: skip


def scan(page: bytes) -> Page:
    """Elements, segments and blocks of a UTF-8 page of up to 2 GiB."""
    return Page(*_scan(np.frombuffer(page, np.uint8)))
