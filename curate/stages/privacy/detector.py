"""Finds personal data in a batch of texts: candidates by kernel, then a recognizer for each, then one answer.

A document without a candidate costs the scan alone. Of findings that overlap, the one with the higher score
stays, then the longer one, then the one that starts first; so spans are disjoint and in order.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curate.kernels import pii_numbers, pii_scan
from curate.kernels.pii_characters import character_offsets
from curate.stages.privacy import presidio, recognizers, secrets
from curate.stages.privacy.entities import Entities
from curate.stages.privacy.other_numbers import is_fraction, is_labelled
from curate.stages.privacy.recognizers import Finding, words_before
from curate.stages.words import utf8_buffers

TYPES = (
    "EMAIL_ADDRESS",
    "PHONE_NUMBER",
    "IP_ADDRESS",
    "CREDIT_CARD",
    "IBAN_CODE",
    "US_SSN",
    "MAC_ADDRESS",
    "CRYPTO",
    "SECRET",
)
"""Presidio's names of types; SECRET, which Presidio has not, is a password, key or token."""

BEFORE = 64
"""Bytes before a candidate in which context words are looked for."""
MIN_REST = 8
"""Bytes that a finding must have beyond a better one that it overlaps."""
MIN_PHONE_DIGITS = 7
"""Digits from which a run may be a phone number."""


_BY_FORM = frozenset({pii_scan.CARD, pii_scan.SSN, pii_scan.SSN_WEAK})
"""Numbers of which a long one has the form by chance."""
_NUMBER_FOLLOWS = re.compile(r"[^\w\n]{0,4}\d")
"""What follows a candidate that was cut from a longer run: another number, which is not part of a phone's."""


@dataclass(frozen=True)
class Span:
    """A finding, in characters of its document's text."""

    type: str
    start: int
    end: int
    score: float


class Detector:
    """Recognizers ready to be asked. Made once in a worker; `find` keeps no state."""

    def __init__(
        self,
        types: Sequence[str] = TYPES,
        *,
        min_score: float = 0.4,
        countries: Sequence[str] = (),
        phone_regions: Sequence[str] = recognizers.PhoneNumbers.REGIONS,
        public_ips_only: bool = True,
        ner_model: str | None = None,
    ) -> None:
        presidio.mute()
        ssn, mac, iban, crypto = presidio.generic(
            "UsSsnRecognizer", "MacAddressRecognizer", "IbanRecognizer", "CryptoRecognizer"
        )
        self.types, self.min_score, self.public_ips_only = frozenset(types), min_score, public_ips_only
        self._email = recognizers.PatternRecognizers([recognizers.email_recognizer()])
        self._phone = recognizers.PhoneNumbers(phone_regions)
        self._by_kind = {
            pii_scan.SSN: recognizers.PatternRecognizers([ssn()]),
            pii_scan.SSN_WEAK: recognizers.PatternRecognizers([ssn()]),
            pii_scan.MAC: recognizers.PatternRecognizers([mac()]),
            pii_scan.IBAN: recognizers.PatternRecognizers([iban(regex_flags=re.IGNORECASE)]),
            pii_scan.CRYPTO: recognizers.PatternRecognizers([crypto()]),
            pii_scan.IDENTIFIER: recognizers.PatternRecognizers(recognizers.national_recognizers(countries)),
        }
        self._national = bool(countries)
        self._prefixes = secrets.prefix_table()
        self._entities = Entities(ner_model) if ner_model is not None else None

    def find(self, texts: pa.Array) -> list[list[Span]]:
        """For each text its spans, disjoint and in order."""
        data, offsets = utf8_buffers(texts)
        found: dict[int, list[tuple[int, int, str, float]]] = {}
        for row, start, stop, kind in self._candidates(data, offsets).tolist():
            for type_, first, last, score in self._ask(
                data, int(offsets[row]), int(offsets[row + 1]), start, stop, kind
            ):
                if score >= self.min_score and (type_ in self.types or kind == pii_scan.IDENTIFIER):
                    found.setdefault(row, []).append((first, last, type_, score))
        if self._entities is not None:
            for row in range(len(offsets) - 1):
                text = data[offsets[row] : offsets[row + 1]].tobytes().decode("utf-8", "replace")
                for type_, first, last, score in self._entities.find(text):
                    ends = (len(text[:first].encode()), len(text[:last].encode()))
                    at = int(offsets[row])
                    found.setdefault(row, []).append((at + ends[0], at + ends[1], type_, score))
        answer: list[list[Span]] = [[] for _ in range(len(offsets) - 1)]
        for row, findings in found.items():
            spans = _disjoint(findings)
            edges = np.array([edge for first, last, _, _ in spans for edge in (first, last)], dtype=np.int64)
            at = character_offsets(data, offsets[row], edges).tolist()
            answer[row] = [Span(type_, at[2 * k], at[2 * k + 1], score) for k, (_, _, type_, score) in enumerate(spans)]
        return answer

    def _candidates(self, data: NDArray[np.uint8], offsets: NDArray[np.int64]) -> NDArray[np.int64]:
        table = self._prefixes
        parts = [
            pii_scan.scan_emails(data, offsets),
            pii_numbers.scan_numbers(data, offsets, MIN_PHONE_DIGITS),
            pii_scan.scan_addresses(data, offsets),
            pii_scan.scan_tokens(data, offsets, table.prefixes, table.lengths, table.first_of_byte, table.any_case),
        ]
        if self._national:
            parts.append(pii_scan.scan_identifiers(data, offsets, 4, 32))
        return np.concatenate(parts)

    def _ask(
        self, data: NDArray[np.uint8], text_start: int, text_stop: int, start: int, stop: int, kind: int
    ) -> list[tuple[str, int, int, float]]:
        """What the candidate data[start:stop] is: type, first byte, byte past the last, score."""
        before = data[max(text_start, start - BEFORE) : start].tobytes().decode("utf-8", "ignore")
        origin = start
        findings: list[Finding]
        if kind in _BY_FORM and (is_fraction(before) or is_labelled(before)):
            return []
        if kind == pii_scan.CARD:
            return [("CREDIT_CARD", start, stop, _card_score(stop - start, before))]
        if kind == pii_scan.PHONE:
            if "PHONE_NUMBER" not in self.types:
                return []
            origin = _back(data, max(text_start, start - pii_numbers.LEFT_MARGIN), text_start)
            end = _on(data, min(text_stop, stop + pii_numbers.RIGHT_MARGIN), text_stop)
            lead = data[origin:start].tobytes().decode("utf-8", "replace")
            core = data[start:stop].tobytes().decode("utf-8", "replace")
            tail = data[stop:end].tobytes().decode("utf-8", "replace")
            text = lead + core + ("" if _NUMBER_FOLLOWS.match(tail) else tail)
            findings = self._phone.find(text, len(lead), len(lead) + len(core), before)
        else:
            text = data[start:stop].tobytes().decode("utf-8", "replace")
            if kind in (pii_scan.IPV4, pii_scan.IPV6):
                findings = recognizers.find_ip(text, before, self.public_ips_only)
            elif kind == pii_scan.EMAIL:
                findings = [_latin_tail(text, finding) for finding in self._email.find(text, words_before(before))]
            elif kind == pii_scan.SECRET:
                findings = self._secret(data, text_stop, start, text)
            else:
                findings = self._by_kind[kind].find(text, words_before(before))
        if not findings:
            return []
        if text.isascii():
            return [(type_, origin + first, origin + last, score) for type_, first, last, score in findings]
        return [
            (type_, origin + len(text[:first].encode()), origin + len(text[:last].encode()), score)
            for type_, first, last, score in findings
        ]

    @staticmethod
    def _secret(data: NDArray[np.uint8], text_stop: int, start: int, text: str) -> list[Finding]:
        if secrets.is_private_key(text):
            stop = min(text_stop, start + secrets.MAX_PRIVATE_KEY)
            block = data[start:stop].tobytes().decode("utf-8", "ignore")
            return [("SECRET", 0, secrets.private_key_stop(block), secrets.KEY_SCORE)]
        secret = secrets.find_secret(text)
        return [("SECRET", *secret)] if secret else []


def _card_score(length: int, before: str) -> float:
    """1.0, as Presidio scores a right checksum; but twelve digits in a row are more often something else, so
    those need a word that says card."""
    context = ("credit", "card", "visa", "mastercard", "cc", "amex", "discover", "maestro", "kart", "karta", "carte")
    return 1.0 if length > 12 or recognizers.has_context(words_before(before), context) else 0.3


def _latin_tail(text: str, finding: Finding) -> Finding:
    """An e-mail without the text of a script without spaces that runs into it."""
    type_, start, end, score = finding
    at = text.find("@", start)
    first = at
    while first > start and text[first - 1] < "\u2e80":
        first -= 1
    return (type_, first if first < at else start, end, score)


def _back(data: NDArray[np.uint8], i: int, start: int) -> int:
    while i > start and data[i] & 0xC0 == 0x80:
        i -= 1
    return i


def _on(data: NDArray[np.uint8], i: int, stop: int) -> int:
    while i < stop and data[i] & 0xC0 == 0x80:
        i += 1
    return i


def _disjoint(findings: list[tuple[int, int, str, float]]) -> list[tuple[int, int, str, float]]:
    """Those that stay where findings overlap: by score, then length, then place and type. What a finding has
    before or after a better one stays too if it is long enough to tell something: a phone number that was read
    on into the card number after it."""
    if len(findings) == 1:
        return findings
    kept: list[tuple[int, int, str, float]] = []
    for start, stop, type_, score in sorted(set(findings), key=lambda f: (-f[3], f[0] - f[1], f[0], f[2])):
        at = bisect.bisect(kept, (start,))
        first, last = start, stop
        if at and kept[at - 1][1] > first:
            first = min(kept[at - 1][1], last)
        if at < len(kept) and kept[at][0] < last:
            last = max(kept[at][0], first)
        if (first, last) == (start, stop) or last - first >= MIN_REST:
            kept.insert(at, (first, last, type_, score))
    return kept
