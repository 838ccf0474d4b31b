"""What a reader sees of an HTML page, roughly and fast: the text between its tags, without scripts and styles.

For guesses on the raw page, before anything parses it; what is extracted comes from `curate.kernels.html`.
"""

from __future__ import annotations

import numpy as np

from curate.kernels.compiled import kernel

LESS, GREATER, SLASH, AMPERSAND, SEMICOLON, SPACE = 60, 62, 47, 38, 59, 32
LONGEST_REFERENCE = 12
"""Bytes of a character reference such as `&thetasym;`, at most."""

UNSEEN = np.frombuffer(b"script\0\0style\0\0\0noscripttemplate", dtype=np.uint8).reshape(4, 8)
"""Elements whose content nobody sees; eight bytes each, filled with NUL."""


@kernel
def _is_named(data, at, stop, name):  # type: ignore[no-untyped-def]
    """Whether the name at a place is `name`, in either case."""
    length = 0
    while length < len(name) and name[length]:
        if at + length >= stop or (data[at + length] | 32) != name[length]:
            return False
        length += 1
    if at + length >= stop:
        return True
    after = data[at + length] | 32
    return not 97 <= after <= 122


@kernel
def _after_comment(data, at, stop):  # type: ignore[no-untyped-def]
    """The place behind `-->`."""
    while at + 2 < stop:
        if data[at] == 45 and data[at + 1] == 45 and data[at + 2] == GREATER:
            return at + 3
        at += 1
    return stop


@kernel
def _after_tag(data, at, stop):  # type: ignore[no-untyped-def]
    while at < stop and data[at] != GREATER:
        at += 1
    return at + 1


@kernel
def _after_element(data, at, stop, name):  # type: ignore[no-untyped-def]
    """The place of the end tag of an element whose content is skipped; the page's end where there is none."""
    while at + 1 < stop:
        if data[at] == LESS and data[at + 1] == SLASH and _is_named(data, at + 2, stop, name):
            return at
        at += 1
    return stop


@kernel
def _is_reference(byte):  # type: ignore[no-untyped-def]
    """Letters, digits and `#`, which references are made of."""
    return 48 <= byte <= 57 or 97 <= byte | 32 <= 122 or byte == 35


@kernel
def visible_text(data, begins, ends, unseen, written, lengths):  # type: ignore[no-untyped-def]
    """Of each page data[begins[p]:ends[p]], the first bytes that a reader sees to written[p] (as many as fit, whole
    characters) and their number to lengths[p]. Tags, character references and runs of white space become one space."""
    for page in range(len(begins)):
        at, stop, n, room = begins[page], ends[page], 0, written.shape[1] - 4
        while at < stop and (n < room or data[at] & 0xC0 == 0x80):
            byte = data[at]
            if byte == LESS and at + 1 < stop and (data[at + 1] in (33, SLASH, 63) or 97 <= data[at + 1] | 32 <= 122):
                if at + 3 < stop and data[at + 1] == 33 and data[at + 2] == 45 and data[at + 3] == 45:
                    at = _after_comment(data, at + 4, stop)
                else:
                    hidden = -1
                    for element in range(len(unseen)):
                        if _is_named(data, at + 1, stop, unseen[element]):
                            hidden = element
                    at = _after_tag(data, at + 1, stop)
                    if hidden >= 0:
                        at = _after_element(data, at, stop, unseen[hidden])
                byte = SPACE
            elif byte == AMPERSAND:
                end = at + 1
                while end < stop and end - at < LONGEST_REFERENCE and _is_reference(data[end]):
                    end += 1
                if end < stop and end > at + 1 and data[end] == SEMICOLON:
                    at, byte = end + 1, SPACE
                else:
                    at += 1
            else:
                at += 1
            if byte > SPACE:
                written[page, n] = byte
                n += 1
            elif n and written[page, n - 1] != SPACE:
                written[page, n] = SPACE
                n += 1
        lengths[page] = n
