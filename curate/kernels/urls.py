"""Whether a run of characters is a URL, an address or a bare host name, as spaCy's URL pattern decides it.

    [scheme://] [user@] (IPv4 address | host.domain) [:port] [/path | ?query | #fragment]

The pattern backtracks; this reads each candidate for the host's place (after the scheme, after each `@`) once
up to its first foreign character, so a run costs what it is long.
"""

from __future__ import annotations

from curate.kernels import characters as c
from curate.kernels.compiled import kernel


@kernel
def is_url(points, a, b, classes):  # type: ignore[no-untyped-def]
    """Whether points[a:b], which has no whitespace, is a URL from end to end."""
    if b - a < 4:
        return False
    dotted = False
    for index in range(a, b):
        if points[index] == 46:
            dotted = True
            break
    if not dotted:
        return False
    if _from_host(points, a, b, classes):
        return True
    at = a
    while at < b and (classes[points[at]] & c.WORD or points[at] == 43 or points[at] == 45 or points[at] == 46):
        at += 1
    scheme = at - a >= 2 and at + 3 < b and points[at] == 58 and points[at + 1] == 47 and points[at + 2] == 47
    if scheme and _from_host(points, at + 3, b, classes):
        return True
    for index in range(a + 1, b - 1):  # noqa: SIM110 (numba has no generators here)
        if points[index] == 64 and _from_host(points, index + 1, b, classes):
            return True
    return False


@kernel
def _from_host(points, a, b, classes):  # type: ignore[no-untyped-def]
    end = _address(points, a, b)
    if end > 0 and _from_port(points, end, b, classes):
        return True
    end = _host(points, a, b, classes)
    return end > 0 and _from_port(points, end, b, classes)


@kernel
def _from_port(points, at, b, classes):  # type: ignore[no-untyped-def]
    if at < b and points[at] == 58:
        at += 1
        digits = 0
        while at < b and classes[points[at]] & c.DIGIT:
            at += 1
            digits += 1
        if digits < 2 or digits > 5:
            return False
    return at == b or points[at] == 47 or points[at] == 63 or points[at] == 35


@kernel
def _host(points, a, b, classes):  # type: ignore[no-untyped-def]
    """The end of the host name that begins at a, or 0: labels of 1 to 64 characters, each with its full stop,
    then a top-level domain of 2 to 63 lower-case letters."""
    label = a
    labels = 0
    at = a
    while True:
        while (
            at < b
            and at - label <= 64
            and (classes[points[at]] & c.HOST or points[at] == 45 or points[at] == 95 or points[at] > 0xFFFF)
        ):
            at += 1
        if at < b and points[at] == 46:
            if at == label or at - label > 64:
                return 0
            if not classes[points[label]] & c.HOST or not classes[points[at - 1]] & c.HOST:
                return 0
            labels += 1
            at += 1
            label = at
            continue
        if labels == 0 or at - label < 2 or at - label > 63:
            return 0
        for index in range(label, at):
            if not classes[points[index]] & c.LOWER:
                return 0
        return at


@kernel
def _address(points, a, b):  # type: ignore[no-untyped-def]
    """The end of the public IPv4 address that begins at a, or 0."""
    first, second = 0, 0
    at = a
    for octet in range(4):
        value, digits = 0, 0
        while at < b and digits < 4 and 48 <= points[at] <= 57:
            if digits == 0 and points[at] == 48 and (octet == 0 or octet == 3):
                return 0
            value = value * 10 + points[at] - 48
            digits += 1
            at += 1
        if digits == 0 or digits > 3 or value > 255:
            return 0
        if octet < 3:
            if at >= b or points[at] != 46:
                return 0
            at += 1
        if octet == 0:
            first = value
        elif octet == 1:
            second = value
        elif octet == 3 and value > 254:
            return 0
    if first > 223 or first == 10 or first == 127:
        return 0
    if (first == 169 and second == 254) or (first == 192 and second == 168) or (first == 172 and 16 <= second <= 31):
        return 0
    return at
