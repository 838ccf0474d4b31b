"""Where personal data may be: candidates, found in a few linear passes over the UTF-8 of a batch.

Each pass answers rows of (document, first byte, byte past the last, kind). A candidate is not a finding: it is
what a recognizer is then asked about. Passes look at each byte a bounded number of times, so a line of 50 MB of
digits or a million `@` cost what they are long.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from curate.kernels.compiled import allocating_kernel, kernel
from curate.kernels.pii_characters import is_ascii_digit, is_ascii_letter, is_hex, is_word, on_to_character

EMAIL, PHONE, CARD, SSN, SSN_WEAK, IPV4, IPV6, MAC, IBAN, CRYPTO, SECRET, IDENTIFIER = range(12)

MAX_LOCAL = 128
"""Bytes looked at before an `@`; RFC 5321 allows 64 octets, Unicode ones may be longer as UTF-8."""
MAX_DOMAIN = 255
"""Bytes looked at after it (RFC 5321, 4.5.3.1.2)."""
MAX_IBAN = 42
"""34 characters (ISO 13616) and the spaces between groups of four."""
MAX_TOKEN = 256


@allocating_kernel
def add(found, n, row, start, stop, kind):  # type: ignore[no-untyped-def]
    """The table with one more row, twice as long where it was full."""
    if n == len(found):
        longer = np.empty((2 * n, 4), dtype=np.int64)
        longer[:n] = found
        found = longer
    found[n, 0], found[n, 1], found[n, 2], found[n, 3] = row, start, stop, kind
    return found


@nb.njit(cache=True, nogil=True, inline="always")
def _local(byte):  # type: ignore[no-untyped-def]
    """A byte of an e-mail's local part: RFC 5322 atext without "`{|}~", which on pages separate, dots, and whatever is
    not ASCII."""
    if byte >= 0x80 or is_word(byte):
        return True
    return (
        byte == 33 or 35 <= byte <= 39 or 42 <= byte <= 43 or 45 <= byte <= 47 or byte == 61 or byte == 63 or byte == 94
    )


@allocating_kernel
def scan_emails(data, offsets):  # type: ignore[no-untyped-def]
    """Candidates around each `@` that has a local part before it and a domain with a dot after it."""
    found = np.empty((64, 4), dtype=np.int64)
    n = 0
    for row in range(len(offsets) - 1):
        start, stop = offsets[row], offsets[row + 1]
        taken = start
        for at in range(start + 1, stop - 3):
            if data[at] != 64:
                continue
            first = at
            while first > taken and at - first < MAX_LOCAL and _local(data[first - 1]):
                first -= 1
            last = at + 1
            dotted = False
            limit = min(stop, at + MAX_DOMAIN)
            while last < limit:
                byte = data[last]
                if byte == 46:
                    dotted = dotted or (last > at + 1 and last + 1 < stop and is_word(data[last + 1]))
                    dotted = dotted or (last > at + 1 and last + 1 < stop and data[last + 1] >= 0x80)
                elif byte != 45 and byte < 0x80 and not is_word(byte):
                    break
                elif byte >= 0xE3 and data[at + 1] < 0x80:
                    break  # text of a script without spaces goes on after an ASCII domain
                last += 1
            if first < at and dotted:
                found = add(found, n, row, first, last, EMAIL)
                n += 1
            taken = at + 1
    return found[:n]


@allocating_kernel
def scan_addresses(data, offsets):  # type: ignore[no-untyped-def]
    """Candidates for IPv6 (runs of hex digits, colons and dots) and MAC addresses (six pairs, or three fours)."""
    found = np.empty((64, 4), dtype=np.int64)
    n = 0
    for row in range(len(offsets) - 1):
        i, stop = offsets[row], offsets[row + 1]
        while i < stop:
            if not is_hex(data[i]) and data[i] != 58:
                i += 1
                continue
            if i > offsets[row] and is_word(data[i - 1]):
                i += 1
                continue
            first = i
            colons, dashes, dots, groups, widest, narrowest, width = 0, 0, 0, 1, 0, 99, 0
            double = False
            while i < stop and (is_hex(data[i]) or data[i] == 58 or data[i] == 45 or data[i] == 46):
                if is_hex(data[i]):
                    width += 1
                else:
                    colons += data[i] == 58
                    dashes += data[i] == 45
                    dots += data[i] == 46
                    double = double or (data[i] == 58 and i > first and data[i - 1] == 58)
                    widest, narrowest = max(widest, width), min(narrowest, width)
                    groups += 1
                    width = 0
                i += 1
            last = i
            if i < stop and is_word(data[i]):
                while i < stop and is_word(data[i]):
                    i += 1
                continue
            while last > first and (data[last - 1] == 46 or data[last - 1] == 45):
                dots -= data[last - 1] == 46
                dashes -= data[last - 1] == 45
                groups -= 1
                width = 0
                last -= 1
            if width:
                widest, narrowest = max(widest, width), min(narrowest, width)
            pairs = groups == 6 and widest == 2 and narrowest == 2 and dots == 0
            if (pairs and (colons == 5 or dashes == 5)) or (
                groups == 3 and widest == 4 and narrowest == 4 and dots == 2
            ):
                found = add(found, n, row, first, last, MAC)
                n += 1
            elif dashes == 0 and (double or colons >= 6) and colons <= 8 and last - first <= 64:
                found = add(found, n, row, first, last, IPV6)
                n += 1
    return found[:n]


@kernel
def _prefix_at(data, i, stop, prefixes, prefix_lengths, first_of_byte, any_case):  # type: ignore[no-untyped-def]
    """Which prefix data[i:] begins with; -1: none."""
    for entry in range(first_of_byte[data[i]], first_of_byte[data[i] + 1]):
        length = prefix_lengths[entry]
        same = i + length <= stop
        k = 1
        while same and k < length:
            byte = data[i + k]
            if any_case[entry] and 65 <= byte <= 90:
                byte += 32
            same = byte == prefixes[entry, k]
            k += 1
        if same:
            return entry
    return -1


@kernel
def _line_stop(data, i, stop):  # type: ignore[no-untyped-def]
    """The end of the line, MAX_TOKEN bytes away at most, at a character."""
    limit = min(stop, i + MAX_TOKEN)
    while i < limit and data[i] != 10:
        i += 1
    return on_to_character(data, i, stop)


@allocating_kernel
def scan_tokens(data, offsets, prefixes, prefix_lengths, first_of_byte, any_case):  # type: ignore[no-untyped-def]
    """Candidates at the start of words: IBANs, wallets, and secrets by how they begin.

    `prefixes`: one a row of bytes, `prefix_lengths` long each, sorted by first byte; `first_of_byte[b]` to
    `first_of_byte[b + 1]` are those that begin with b. Those marked in `any_case` are lower-case after their first
    byte and match in any case. A secret's candidate is the prefix and what follows it in the line.
    """
    found = np.empty((64, 4), dtype=np.int64)
    n = 0
    for row in range(len(offsets) - 1):
        start, stop = offsets[row], offsets[row + 1]
        i = start
        while i < stop:
            byte = data[i]
            if not is_word(byte) and byte != 45:
                i += 1
                continue
            entry = _prefix_at(data, i, stop, prefixes, prefix_lengths, first_of_byte, any_case)
            if entry >= 0:
                found = add(found, n, row, i, _line_stop(data, i + prefix_lengths[entry], stop), SECRET)
                n += 1
            if byte == 45:
                i += 1
                while i < stop and data[i] == 45:
                    i += 1
                continue
            first = i
            digits = 0
            while i < stop and is_word(data[i]):
                digits += is_ascii_digit(data[i])
                if data[i] == 95 and i + 1 < stop:
                    entry = _prefix_at(data, i + 1, stop, prefixes, prefix_lengths, first_of_byte, any_case)
                    if entry >= 0:
                        found = add(found, n, row, i + 1, _line_stop(data, i + 1 + prefix_lengths[entry], stop), SECRET)
                        n += 1
                i += 1
            length = i - first
            if 26 <= length <= 62 and digits > 0:
                leads = byte == 49 or byte == 51 or ((byte == 98 or byte == 66) and data[first + 2] == 49)
                ether = length == 42 and byte == 48 and data[first + 1] | 32 == 120
                if leads or ether:
                    found = add(found, n, row, first, i, CRYPTO)
                    n += 1
            country = length >= 4 and is_ascii_letter(byte) and is_ascii_letter(data[first + 1])
            if country and is_ascii_digit(data[first + 2]) and is_ascii_digit(data[first + 3]):
                last, characters = _iban_stop(data, first, stop)
                if characters >= 12:
                    found = add(found, n, row, first, last, IBAN)
                    n += 1
    return found[:n]


@kernel
def _iban_stop(data, first, stop):  # type: ignore[no-untyped-def]
    """Where a run of letters and digits, with single spaces or hyphens inside, ends; and how many it has."""
    last = first
    characters = 0
    end = first
    while last < stop and last - first < MAX_IBAN:
        byte = data[last]
        if is_ascii_digit(byte) or is_ascii_letter(byte):
            characters += 1
            end = last + 1
        elif (byte != 32 and byte != 45) or end != last:
            break
        last += 1
    return end, characters


@allocating_kernel
def scan_identifiers(data, offsets, min_digits, max_length):  # type: ignore[no-untyped-def]
    """Runs of letters and digits, with single spaces, dots, slashes or hyphens inside, that hold at least
    `min_digits` digits, `max_length` bytes at most: what national ids look like."""
    found = np.empty((64, 4), dtype=np.int64)
    n = 0
    for row in range(len(offsets) - 1):
        i, stop = offsets[row], offsets[row + 1]
        while i < stop:
            if not is_word(data[i]):
                i += 1
                continue
            first = i
            while i < stop and is_word(data[i]):
                i += 1
            last, digits, end = first, 0, first
            while last < stop and last - first < max_length:
                byte = data[last]
                if is_word(byte):
                    digits += is_ascii_digit(byte)
                    end = last + 1
                elif (byte != 32 and not 45 <= byte <= 47) or end != last:
                    break
                last += 1
            if digits >= min_digits:
                found = add(found, n, row, first, end, IDENTIFIER)
                n += 1
                i = max(i, end)
    return found[:n]
