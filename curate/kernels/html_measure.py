"""What the page scanner counts in a run of text: characters, words, signs, and words of the page's title.

In go a range of the page and the row of its block, which the counts are added to.
"""

from __future__ import annotations

import numpy as np

from curate.kernels.compiled import kernel
from curate.kernels.html_bytes import lower
from curate.kernels.markup import EDGE, FOLD, SYMBOL_BITS, TEXT_BITS, TEXT_TABLE

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
IS_WORD = np.array([chr(byte).isalnum() and byte < 128 for byte in range(256)])
"""ASCII letters and digits."""
LOWER = np.array([byte + 32 if 65 <= byte <= 90 else byte for byte in range(256)], np.uint8)


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
    state, bits, total = TEXT_TABLE[EDGE], text[0], text[1]
    value, characters, words = np.int64(0), 0, 0
    capitals, digits, commas, stops, bullets, cjk, of_title = 0, 0, 0, 0, 0, 0, 0
    i, last_stop = start, counts[C_ENDS]
    while i < end:
        byte = page[i]
        if IS_WORD[byte]:
            # Most of a text is runs of these: nothing in here depends on which letter it is.
            if characters == 0 and 65 <= byte <= 90 and counts[C_CHARS] == 0:
                counts[C_UPPER] = 1
            begin = i
            while i < end and IS_WORD[page[i]]:
                byte = page[i]
                state = TEXT_TABLE[state << SYMBOL_BITS | FOLD[byte]]
                bits |= TEXT_BITS[state]
                words += value == 0
                value = ((value ^ LOWER[byte]) * 16777619 + 1) & 0xFFFFFFFF
                capitals += (byte > 64) & (byte < 91)
                digits += byte < 58
                i += 1
            characters += i - begin
            last_stop = False
            continue
        state = TEXT_TABLE[state << SYMBOL_BITS | FOLD[byte]]
        bits |= TEXT_BITS[state]
        step, in_word = 1, False
        if byte < 128:
            if byte == 44 or byte == 59 or byte == 58:
                commas += 1
            elif byte == 46 or byte == 33 or byte == 63:
                stops += 1
            elif byte == 124:
                bullets += 1
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
        elif byte >= 192:
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
                    bullets += 1
            elif byte == 0xE2 and 0x80 <= follow <= 0x9F:
                in_word = False
                if follow == 0x80 and (last == 0xA2 or last == 0xBA):
                    bullets += 1
            elif byte == 0xE3 and follow == 0x80:
                in_word = last >= 0xA0
                if last == 0x82:
                    stops += 1
                    last_stop = True
                elif last == 0x81:
                    commas += 1
            elif byte == 0xD8 and (follow == 0x8C or follow == 0x9B):  # Arabic comma and semicolon
                in_word = False
                commas += 1
            elif (
                (byte == 0xD8 and follow == 0x9F)  # Arabic question mark
                or (byte == 0xDB and follow == 0x94)  # Urdu full stop
                or (byte == 0xE0 and follow == 0xA5 and (last == 0xA4 or last == 0xA5))  # danda
            ):
                in_word = False
                stops += 1
                last_stop = True
            elif byte == 0xEF and follow == 0xBC and (last < 0x90 or last >= 0x9A) and last < 0xA1:
                in_word = False
                if last == 0x8C:
                    commas += 1
                elif last == 0x81 or last == 0x9F:
                    stops += 1
                    last_stop = True
            elif 0xE3 <= byte <= 0xED:
                cjk += 1
            step = 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
        if in_word:
            words += value == 0
            for k in range(i, min(i + step, end)):
                value = ((value ^ LOWER[page[k]]) * 16777619 + 1) & 0xFFFFFFFF
        elif value:
            of_title += known[value & KNOWN]
            total = (total * 31 + value) & 0xFFFFFFFFFFFF
            value = np.int64(0)
        i += step
    if value:
        of_title += known[value & KNOWN]
        total = (total * 31 + value) & 0xFFFFFFFFFFFF
    text[0] = bits | TEXT_BITS[TEXT_TABLE[state << SYMBOL_BITS | EDGE]]
    text[1] = total
    counts[C_ENDS] = last_stop
    counts[C_CHARS] += characters
    counts[C_WORDS] += words
    counts[C_CAPITALS] += capitals
    counts[C_DIGITS] += digits
    counts[C_COMMAS] += commas
    counts[C_STOPS] += stops
    counts[C_BULLETS] += bullets
    counts[C_CJK] += cjk
    counts[C_TITLE] += of_title
    if in_link:
        counts[C_LINK] += characters
    if in_bold:
        counts[C_BOLD] += characters
    if in_code:
        counts[C_CODE] += characters
