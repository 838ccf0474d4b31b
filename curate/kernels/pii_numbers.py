"""Numbers that may be personal data: phone, card, social-security and IPv4 candidates in one pass over digits.

A run is a sequence of digit groups with up to four separators between them. Its groups are looked at together:
their sizes tell a card from a phone, Luhn's sum and the issuer's prefix tell a card from any other number.
"""

from __future__ import annotations

import numpy as np

from curate.kernels.compiled import allocating_kernel, kernel
from curate.kernels.pii_characters import back_to_character, digit_at, is_word, on_to_character, separator_at
from curate.kernels.pii_scan import CARD, IPV4, PHONE, SSN, SSN_WEAK, add

MAX_GROUPS = 48
"""Groups of a run looked at together; a longer run is cut, and goes on OVERLAP groups back."""
OVERLAP = 8
MAX_GROUP_DIGITS = 19
"""A longer group is part of no number that is looked for (ISO/IEC 7812: cards have at most 19 digits)."""
LEFT_MARGIN = 6
RIGHT_MARGIN = 24
"""Bytes around a phone number that the recognizer sees: what leads in, and an extension."""


@allocating_kernel
def scan_numbers(data, offsets, min_phone_digits):  # type: ignore[no-untyped-def]
    """Candidates of kind PHONE (the run), CARD, SSN, SSN_WEAK, IPV4 (exactly the number)."""
    found = np.empty((64, 4), dtype=np.int64)
    n = 0
    # a group: first byte, byte past it, digits, separators before it (characters), the one separator byte or 0
    groups = np.empty((MAX_GROUPS, 5), dtype=np.int64)
    values = np.empty((MAX_GROUPS, MAX_GROUP_DIGITS), dtype=np.int64)
    for row in range(len(offsets) - 1):
        start, stop = offsets[row], offsets[row + 1]
        i = start
        while i < stop:
            byte = data[i]
            if byte < 48 or 57 < byte < 0x80:
                i += 1
                continue
            if digit_at(data, i, stop)[1] == 0:
                i += 1
                continue
            n_groups = 0
            separators, separator = 0, 0
            resume = -1
            while i < stop:
                first = i
                digits = 0
                value, size = digit_at(data, i, stop)
                while size:
                    if digits < MAX_GROUP_DIGITS:
                        values[n_groups, digits] = value
                    digits += 1
                    i += size
                    if i >= stop:
                        break
                    value, size = digit_at(data, i, stop)
                if digits > MAX_GROUP_DIGITS:
                    break
                groups[n_groups, 0], groups[n_groups, 1], groups[n_groups, 2] = first, i, digits
                groups[n_groups, 3], groups[n_groups, 4] = separators, separator
                n_groups += 1
                if n_groups == MAX_GROUPS:
                    resume = groups[MAX_GROUPS - OVERLAP, 0]
                    break
                j = i
                separators, separator = 0, 0
                while j < stop and separators < 4:
                    size = separator_at(data, j, stop)
                    if size == 0:
                        break
                    separator = data[j] if separators == 0 and size == 1 else 0
                    separators += 1
                    j += size
                if separators == 0 or j >= stop or digit_at(data, j, stop)[1] == 0:
                    break
                i = j
            if n_groups:
                found, n = _judge(data, start, stop, row, groups, values, n_groups, min_phone_digits, found, n)
            if resume >= 0:
                i = resume
    return found[:n]


@allocating_kernel
def _judge(data, start, stop, row, groups, values, n_groups, min_phone_digits, found, n):  # type: ignore[no-untyped-def]
    """Adds what the groups of a run may be; of what is no card, address or SSN, phones."""
    taken = np.zeros(n_groups + 1, dtype=np.bool_)
    taken[n_groups] = True
    for g in range(n_groups):
        edge = groups[g, 0] == start or not is_word(data[groups[g, 0] - 1])
        if not edge:
            continue
        joined = g > 0 and groups[g, 3] == 1 and groups[g, 4] != 0
        before = groups[g, 4] if joined else 0
        if (
            groups[g, 2] <= 3
            and before != 46
            and _same(groups, g, n_groups, 4, 46)
            and _edge(data, groups, g + 3, stop)
        ):
            small = groups[g + 1, 2] <= 3 and groups[g + 2, 2] <= 3 and groups[g + 3, 2] <= 3
            if small and not _goes_on(groups, g + 4, n_groups, 46):
                found = add(found, n, row, groups[g, 0], groups[g + 3, 1], IPV4)
                n += 1
                taken[g : g + 4] = True
        if groups[g, 2] == 3 and g + 2 < n_groups and groups[g + 1, 2] == 2 and groups[g + 2, 2] == 4:
            mark = groups[g + 1, 4]
            good = (mark == 32 or mark == 45 or mark == 46) and _same(groups, g, n_groups, 3, mark)
            if (
                good
                and before != mark
                and not _goes_on(groups, g + 3, n_groups, mark)
                and _edge(data, groups, g + 2, stop)
            ):
                found = add(found, n, row, groups[g, 0], groups[g + 2, 1], SSN)
                n += 1
                if mark == 45:
                    taken[g : g + 3] = True
        if groups[g, 2] == 9 and _edge(data, groups, g, stop):
            found = add(found, n, row, groups[g, 0], groups[g, 1], SSN_WEAK)
            n += 1
        size = _card_groups(groups, values, g, n_groups, before)
        if size and _edge(data, groups, g + size - 1, stop):
            found = add(found, n, row, groups[g, 0], groups[g + size - 1, 1], CARD)
            n += 1
            taken[g : g + size] = True
    digits, first = 0, 0
    for g in range(n_groups + 1):
        if not taken[g]:
            digits += groups[g, 2]
            continue
        if digits >= min_phone_digits:
            found = add(found, n, row, groups[first, 0], groups[g - 1, 1], PHONE)
            n += 1
        digits, first = 0, g + 1
    return found, n


@kernel
def _edge(data, groups, g, stop):  # type: ignore[no-untyped-def]
    """Whether no word character follows the group."""
    return groups[g, 1] >= stop or not is_word(data[groups[g, 1]])


@kernel
def _same(groups, g, n_groups, count, mark):  # type: ignore[no-untyped-def]
    """Whether `count` groups from g on are joined by this one separator."""
    if g + count > n_groups:
        return False
    for k in range(g + 1, g + count):  # noqa: SIM110 (numba has no generators here)
        if groups[k, 3] != 1 or groups[k, 4] != mark:
            return False
    return True


@kernel
def _goes_on(groups, g, n_groups, mark):  # type: ignore[no-untyped-def]
    return g < n_groups and groups[g, 3] == 1 and groups[g, 4] == mark


@allocating_kernel
def _card_groups(groups, values, g, n_groups, before):  # type: ignore[no-untyped-def]
    """How many groups from g on make a card number: of an issuer's prefix and length, in one piece or in the
    groups that cards bear (4-4-4-4, 4-4-4-4-3, 4-6-5, 4-6-4, 4-4-5, 4-3-3-3 …), with a right Luhn sum. 0: none."""
    digits = np.empty(MAX_GROUP_DIGITS, dtype=np.int64)
    total = 0
    for count in range(1, 6):
        k = g + count - 1
        if k >= n_groups:
            return 0
        if count > 1:
            mark = groups[g + 1, 4]
            if groups[k, 3] != 1 or groups[k, 4] != mark or (mark != 32 and mark != 45) or groups[g, 2] != 4:
                return 0
            if before == mark and groups[g - 1, 2] == 4:
                return 0  # a row of a table
        if total + groups[k, 2] > MAX_GROUP_DIGITS:
            return 0
        for d in range(groups[k, 2]):
            digits[total + d] = values[k, d]
        total += groups[k, 2]
        if total < 12 or (count == 2):
            continue
        if _luhn(digits, total) and _issuer(digits, total):
            return count
    return 0


@kernel
def _luhn(digits, n):  # type: ignore[no-untyped-def]
    """ISO/IEC 7812-1, annex B. All zeros would pass and are refused."""
    total = 0
    any_digit = 0
    for k in range(n):
        value = digits[n - 1 - k]
        any_digit |= value
        if k % 2:
            value *= 2
            if value > 9:
                value -= 9
        total += value
    return total % 10 == 0 and any_digit != 0


@kernel
def _issuer(digits, n):  # type: ignore[no-untyped-def]
    """Whether an issuer gives out cards of this prefix and length: https://en.wikipedia.org/wiki/Payment_card_number;
    for prefix 3 as wide as presidio-analyzer, whose test numbers leave JCB's and Diners' ranges."""
    four = digits[0] * 1000 + digits[1] * 100 + digits[2] * 10 + digits[3]
    two = four // 100
    if digits[0] == 4:
        return n == 13 or n == 16 or n == 19
    if 51 <= two <= 55 or 2221 <= four <= 2720 or 2200 <= four <= 2204:
        return n == 16
    if two == 34 or two == 37:
        return n == 15
    if digits[0] == 3:
        return 13 <= n <= 17
    if four == 2131:
        return n == 15
    if digits[0] == 1:
        return n == 15
    if two == 50 or 56 <= two <= 58 or digits[0] == 6:
        return 12 <= n <= 19
    return False


@allocating_kernel
def widen(data, offsets, candidates, left, right):  # type: ignore[no-untyped-def]
    """For each candidate, the bytes [start, stop) of it with margins, cut at the document and at characters."""
    windows = np.empty((len(candidates), 2), dtype=np.int64)
    for index in range(len(candidates)):
        row = candidates[index, 0]
        start, stop = offsets[row], offsets[row + 1]
        windows[index, 0] = back_to_character(data, max(start, candidates[index, 1] - left), start)
        windows[index, 1] = on_to_character(data, min(stop, candidates[index, 2] + right), stop)
    return windows
