"""Texts as a fastText classifier is asked them, written straight from UTF-8 to UTF-8: lower case, punctuation apart,
digits as 0, a bounded number of words on one line. `curate.stages.quality.fasttext_model.prepare` defines the same for
one string; that definition also takes the few texts that no table of single characters can do.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from curate.kernels.compiled import kernel
from curate.kernels.utf8 import decode

IN_WORD, SPACE, APART, DOTTED_I, BY_CONTEXT = range(5)
"""What a character is: part of a word; white space; a word of its own; İ, whose small form is two characters; Σ, whose
small form depends on its neighbours."""
CODE_POINTS = 0x110000
BYTES_EACH = 3
"""Bytes written for a byte read, at most: a space and a small letter one byte longer than its capital."""
_COMBINING_DOT = 0x307
_UNDERSCORE, _LABEL_BYTES = 95, 9


@functools.cache
def character_table() -> NDArray[np.uint32]:
    """Code point → its small form · 8 + what it is, by the running Python's `str.lower`, `isalnum`, `isspace` and `\\d`
    (decimal digits, which become 0). NUL counts as white space. Built once a process."""
    table = np.arange(CODE_POINTS, dtype=np.uint32) * np.uint32(8) + np.uint32(APART)
    # Planes 4 to 13 have no characters, and neither letters nor spaces lie among those behind them.
    for first, last in ((0, 0xD7FF), (0xE000, 0x3FFFF)):
        for point in range(first, last + 1):
            small = chr(point).lower()
            if len(small) > 1:
                table[point] = point << 3 | DOTTED_I
            elif small.isdecimal():
                table[point] = ord("0") << 3 | IN_WORD
            elif small.isalnum() or small == "_":
                table[point] = ord(small) << 3 | IN_WORD
            elif small.isspace() or small == "\0":
                table[point] = ord(" ") << 3 | SPACE
            else:  # Ⓐ is no letter and has a small form
                table[point] = ord(small) << 3 | APART
    table[0x3A3] = 0x3A3 << 3 | BY_CONTEXT
    table.setflags(write=False)
    return table


@kernel
def _put(written, at, point):  # type: ignore[no-untyped-def]
    """Writes a code point; the place behind it."""
    if point < 0x80:
        written[at] = point
        return at + 1
    if point < 0x800:
        written[at] = 0xC0 | point >> 6
        written[at + 1] = 0x80 | point & 0x3F
        return at + 2
    if point < 0x10000:
        written[at] = 0xE0 | point >> 12
        written[at + 1] = 0x80 | point >> 6 & 0x3F
        written[at + 2] = 0x80 | point & 0x3F
        return at + 3
    written[at] = 0xF0 | point >> 18
    written[at + 1] = 0x80 | point >> 12 & 0x3F
    written[at + 2] = 0x80 | point >> 6 & 0x3F
    written[at + 3] = 0x80 | point & 0x3F
    return at + 4


@kernel
def classifier_lines(  # type: ignore[no-untyped-def]
    data, offsets, table, label, max_characters, max_words, written, begins, ends, odd
):
    """Writes the line of each text data[offsets[t]:offsets[t + 1]] to written[begins[t]:ends[t]], `begins` given and
    far enough apart (BYTES_EACH times the bytes that can be read, and one); a line ends in a line feed. `odd` says
    which texts are to be prepared one by one: those with Σ, and those that hold `label`, which must not be read as
    one."""
    for text in range(len(offsets) - 1):
        at, stop = offsets[text], offsets[text + 1]
        start = begins[text]
        out, characters, words, inside = start, 0, 0, False
        odd[text] = False
        while at < stop and characters < max_characters:
            byte = data[at]
            if byte < 0x80:
                entry, size = table[byte], 1
            else:
                point, size = decode(data, at, stop)
                entry = table[point]
            at += size
            characters += 1
            kind = entry & np.uint32(7)
            if kind == SPACE:
                inside = False
                continue
            if kind == BY_CONTEXT:
                odd[text] = True
                break
            if not inside or kind == APART:
                if words == max_words:
                    break
                if out > start:
                    written[out] = 32
                    out += 1
                words += 1
                inside = kind != APART
            if kind == DOTTED_I:
                out = _put(written, out, np.uint32(105))
                inside = False
                if words == max_words:
                    break
                words += 1
                written[out] = 32
                out = _put(written, out + 1, np.uint32(_COMBINING_DOT))
                continue
            out = _put(written, out, entry >> np.uint32(3))
            if written[out - 1] == _UNDERSCORE and out - start >= _LABEL_BYTES:
                same = True
                for index in range(_LABEL_BYTES):
                    same = same and written[out - _LABEL_BYTES + index] == label[index]
                if same:
                    odd[text] = True
                    break
        written[out] = 10
        ends[text] = out + 1
