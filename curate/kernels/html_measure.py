"""What the page scanner counts in a run of text: characters, words, signs, and words of the page's title.

In go a range of the page and the row of its block, which the counts are added to.
"""

from __future__ import annotations

import numpy as np

from curate.kernels.compiled import kernel
from curate.kernels.html_bytes import lower
from curate.kernels.markup import EDGE, FOLD, TEXT_BITS, TEXT_TABLE

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

KNOWN_SIZE = 1024
KNOWN = KNOWN_SIZE - 1
"""The words of the title are known by so many bits of their hash."""


@kernel
def add_words(page, start, end, known):
    """Adds the words of a range to a set of words: a flag for each of KNOWN_SIZE hashes."""
    value = np.int64(0)
    for i in range(start, end):
        byte = lower(page[i])
        if (97 <= byte <= 122) or (48 <= byte <= 57) or byte >= 128:
            value = ((value ^ byte) * 16777619 + 1) & 0xFFFFFFFF
        else:
            known[value & KNOWN] = value != 0 or known[value & KNOWN]
            value = np.int64(0)
    if value:
        known[value & KNOWN] = True


@kernel
def measure(page, start, end, counts, text, in_link, in_bold, in_code, known):
    """Adds a run of text to its block's counts; `text` holds the block's text bits and hash, `known` the words of
    the page's title."""
    state, bits, total = TEXT_TABLE[0, EDGE], text[0], text[1]
    value, characters, words = np.int64(0), 0, 0
    i, last_stop = start, counts[C_ENDS]
    while i < end:
        byte = page[i]
        state = TEXT_TABLE[state, FOLD[byte]]
        bits |= TEXT_BITS[state]
        step, in_word = 1, False
        if byte < 128:
            low = lower(byte)
            if 97 <= low <= 122:
                in_word = True
                if low != byte:
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
                    elif last == 0x81:
                        counts[C_COMMAS] += 1
                elif byte == 0xD8 and (follow == 0x8C or follow == 0x9B):  # Arabic comma and semicolon
                    in_word = False
                    counts[C_COMMAS] += 1
                elif (
                    (byte == 0xD8 and follow == 0x9F)  # Arabic question mark
                    or (byte == 0xDB and follow == 0x94)  # Urdu full stop
                    or (byte == 0xE0 and follow == 0xA5 and (last == 0xA4 or last == 0xA5))  # danda
                ):
                    in_word = False
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
                value = ((value ^ lower(page[k])) * 16777619 + 1) & 0xFFFFFFFF
        elif value:
            counts[C_TITLE] += known[value & KNOWN]
            total = (total * 31 + value) & 0xFFFFFFFFFFFF
            value = np.int64(0)
        i += step
    if value:
        counts[C_TITLE] += known[value & KNOWN]
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
