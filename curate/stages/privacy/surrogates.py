"""What stands in the place of a finding: a typed placeholder, or a fake of the same form made by a keyed hash.

The same value and key give the same fake, so who wrote to whom stays visible, and without the key nobody can try
addresses against the fakes. Fakes use what is reserved for examples: they reach nobody.
"""

from __future__ import annotations

import hashlib
import re
import string

_SEPARATORS = re.compile(r"[\s\-.()/]+")


def placeholder(type_: str) -> str:
    """`<EMAIL_ADDRESS>`, the form of presidio-anonymizer's replace."""
    return f"<{type_}>"


class Surrogates:
    """Fakes by keyed hash (BLAKE2b with a key, RFC 7693)."""

    def __init__(self, key: bytes) -> None:
        self._key = hashlib.blake2b(key, digest_size=32).digest()

    def __call__(self, type_: str, value: str) -> str:
        if type_ == "EMAIL_ADDRESS":
            local, _, domain = value.casefold().rpartition("@")
            return f"user{self._number(type_, local, 10**8):08d}@{self._word(type_, domain, 8)}.example.com"
        if type_ == "IP_ADDRESS":
            return self._address(value)
        if type_ == "PHONE_NUMBER":
            return self._digits(type_, value, keep=2)
        if type_ in ("CREDIT_CARD", "US_SSN", "MAC_ADDRESS", "IBAN_CODE", "CRYPTO", "SECRET"):
            return self._digits(type_, value, keep=0)
        return placeholder(type_)

    def _stream(self, type_: str, value: str, n: int) -> bytes:
        """n bytes that depend on the value alone, not on how it is spaced."""
        seed = hashlib.blake2b(
            f"{type_}\0{_SEPARATORS.sub('', value).casefold()}".encode("utf-8", "replace"), key=self._key
        ).digest()
        blocks = [hashlib.blake2b(seed + count.to_bytes(4, "little")).digest() for count in range(n // 64 + 1)]
        return b"".join(blocks)[:n]

    def _number(self, type_: str, value: str, below: int) -> int:
        return int.from_bytes(self._stream(type_, value, 16), "little") % below

    def _word(self, type_: str, value: str, length: int) -> str:
        return "".join(string.ascii_lowercase[byte % 26] for byte in self._stream(type_ + "/word", value, length))

    def _address(self, value: str) -> str:
        """An address of the ranges for documentation: 198.51.100.0/24 and 203.0.113.0/24 (RFC 5737), 2001:db8::/32
        (RFC 3849)."""
        stream = self._stream("IP_ADDRESS", value, 14)
        if ":" in value:
            return "2001:db8:" + ":".join(f"{stream[2 * k] << 8 | stream[2 * k + 1]:x}" for k in range(6))
        return ("198.51.100." if stream[0] & 1 else "203.0.113.") + str(stream[1])

    def _digits(self, type_: str, value: str, keep: int) -> str:
        """The value with each letter and digit but the first `keep` digits exchanged; signs and spaces stay."""
        plain = _SEPARATORS.sub("", value)
        stream = iter(self._stream(type_, value, len(plain) + 1))
        made = []
        seen = 0
        for character in value:
            if _SEPARATORS.fullmatch(character):
                made.append(character)
                continue
            byte = next(stream)
            if character.isdigit():
                made.append(character if seen < keep else str(byte % 10))
                seen += 1
            elif character.isalpha():
                letters = string.ascii_uppercase if character.isupper() else string.ascii_lowercase
                made.append(letters[byte % 26])
            else:
                made.append(character)
        return "".join(made)
