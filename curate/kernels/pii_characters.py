"""Digits, separators and word characters in UTF-8, as the scans for personal data need them.

Digits are ASCII, fullwidth, Arabic-Indic, Persian and Devanagari; separators those that phone and card numbers
are written with. Scripts without spaces are not word characters here: a number set in Chinese text has an edge.
"""

from __future__ import annotations

import numba as nb

from curate.kernels.compiled import allocating_kernel, kernel


@nb.njit(cache=True, nogil=True, inline="always")
def is_ascii_digit(byte):  # type: ignore[no-untyped-def]
    return 48 <= byte <= 57


@nb.njit(cache=True, nogil=True, inline="always")
def is_ascii_letter(byte):  # type: ignore[no-untyped-def]
    return 65 <= byte <= 90 or 97 <= byte <= 122


@nb.njit(cache=True, nogil=True, inline="always")
def is_word(byte):  # type: ignore[no-untyped-def]
    """ASCII letters, digits and `_`."""
    return 48 <= byte <= 57 or 65 <= byte <= 90 or 97 <= byte <= 122 or byte == 95


@nb.njit(cache=True, nogil=True, inline="always")
def is_hex(byte):  # type: ignore[no-untyped-def]
    return 48 <= byte <= 57 or 65 <= byte <= 70 or 97 <= byte <= 102


@kernel
def digit_at(data, i, stop):  # type: ignore[no-untyped-def]
    """The value of the digit at data[i] and its bytes; (-1, 0) where none is."""
    byte = data[i]
    if byte < 0x80:
        return (byte - 48, 1) if 48 <= byte <= 57 else (-1, 0)
    if byte == 0xEF and i + 2 < stop and data[i + 1] == 0xBC and 0x90 <= data[i + 2] <= 0x99:
        return data[i + 2] - 0x90, 3
    if byte == 0xD9 and i + 1 < stop and 0xA0 <= data[i + 1] <= 0xA9:
        return data[i + 1] - 0xA0, 2
    if byte == 0xDB and i + 1 < stop and 0xB0 <= data[i + 1] <= 0xB9:
        return data[i + 1] - 0xB0, 2
    if byte == 0xE0 and i + 2 < stop and data[i + 1] == 0xA5 and 0xA6 <= data[i + 2] <= 0xAF:
        return data[i + 2] - 0xA6, 3
    return -1, 0


@kernel
def separator_at(data, i, stop):  # type: ignore[no-untyped-def]
    """The bytes of the separator at data[i]; 0 where none is.

    The punctuation that libphonenumber allows inside a number (its VALID_PUNCTUATION).
    """
    byte = data[i]
    if byte < 0x80:
        ascii_one = byte == 32 or 40 <= byte <= 41 or 45 <= byte <= 47 or byte == 91 or byte == 93 or byte == 126
        return 1 if ascii_one or byte == 120 else 0
    if byte == 0xC2:
        return 2 if i + 1 < stop and (data[i + 1] == 0xA0 or data[i + 1] == 0xAD) else 0
    if i + 2 >= stop:
        return 0
    second, third = data[i + 1], data[i + 2]
    if byte == 0xE2:
        spaces_and_dashes = second == 0x80 and (0x80 <= third <= 0x8B or 0x90 <= third <= 0x95 or third == 0xAF)
        return 3 if spaces_and_dashes or (second == 0x81 and third == 0xA0) or (second == 0x88 and third == 0x92) else 0
    if byte == 0xE3:
        return 3 if second == 0x80 and third == 0x80 else 0
    if byte == 0xEF:
        return 3 if second == 0xBC and (third == 0x88 or third == 0x89 or 0x8D <= third <= 0x8F) else 0
    return 0


@kernel
def back_to_character(data, i, start):  # type: ignore[no-untyped-def]
    """The first byte of the character that data[i] belongs to."""
    while i > start and data[i] & 0xC0 == 0x80:
        i -= 1
    return i


@kernel
def on_to_character(data, i, stop):  # type: ignore[no-untyped-def]
    """The first byte of the next character, or i where one starts there."""
    while i < stop and data[i] & 0xC0 == 0x80:
        i += 1
    return i


@allocating_kernel
def character_offsets(data, start, positions):  # type: ignore[no-untyped-def]
    """How many characters there are between `start` and each of the byte positions, which ascend."""
    found = positions.copy()
    characters = 0
    at = start
    for index in range(len(positions)):
        while at < positions[index]:
            characters += data[at] & 0xC0 != 0x80
            at += 1
        found[index] = characters
    return found
