"""Presidio's recognizers, asked about candidates only, offline and silent.

A recognizer sees a candidate (or, for phones, a window around it) and answers spans with scores; words before the
candidate raise a score as Presidio's context does. Presidio's own logger is muted: it writes the values that it
could not validate.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from typing import Any

from curate.stages.privacy import presidio
from curate.stages.privacy.other_numbers import is_no_phone, is_no_run, is_version

CONTEXT_BOOST = 0.35
"""Presidio's context_similarity_factor."""
CONTEXT_MIN_SCORE = 0.4
"""Presidio's min_score_with_context_similarity."""
CONTEXT_WORDS = 5
"""Presidio's context_prefix_count."""

MAX_DIGITS = 15
"""Of an international number (ITU-T E.164); whether it is one does not depend on the region asked."""

MIN_NATIONAL = 5
"""Digits from which a number within a run is tried; shorter valid ones are service numbers."""
MAX_PHONE_GROUPS = 10
"""Groups that a phone number is written in."""
MIN_GROUP = 1.5
"""Digits a group, on average, from which groups may be a phone number: `1 1 1 1 1 1 1` is none."""

_DIGITS = re.compile(r"\d+")
_WORD = re.compile(r"[^\W_]+", re.UNICODE)
_NO_ADDRESS = re.compile(
    r"(?:version|release|build|firmware|section|chapter|\bver|\bv|§|\bfig|figure|table)[\s.:]*$", re.I
)
MIN_IPV6_GROUPS = 3
"""Written out; `rc[::2]` and `1::2` are addresses by their form."""

Finding = tuple[str, int, int, float]
"""Type, start, end (characters of what was asked about), score."""

SSN_CONTEXT = ("social", "security", "ssn", "ssns", "ssid")


def words_before(text: str) -> list[str]:
    """The last CONTEXT_WORDS words of the text, lower-case."""
    return [word.lower() for word in _WORD.findall(text)[-CONTEXT_WORDS:]]


def has_context(before: Sequence[str], context: Sequence[str]) -> bool:
    """Whether a context word is in one of the words, as Presidio's substring mode has it."""
    return any(wanted in word for wanted in context for word in before)


class PatternRecognizers:
    """Presidio's recognizers of one kind of candidate, asked about exactly the candidate."""

    def __init__(self, recognizers: Sequence[Any]) -> None:
        self.recognizers = list(recognizers)
        self.context = [[word.lower() for word in recognizer.context or ()] for recognizer in recognizers]
        self._patterns = [_compiled(recognizer) for recognizer in recognizers]

    def find(self, text: str, before: Sequence[str]) -> list[Finding]:
        found: list[Finding] = []
        for recognizer, context, patterns in zip(self.recognizers, self.context, self._patterns, strict=True):
            # Most patterns of most countries are not there; the library spends more on each than on looking for it.
            if patterns is not None and not any(pattern.search(text) for pattern in patterns):
                continue
            results = recognizer.analyze(text, recognizer.supported_entities)
            boost = bool(results) and has_context(before, context)
            for result in results:
                score = result.score
                if boost:
                    score = min(1.0, max(score + CONTEXT_BOOST, CONTEXT_MIN_SCORE))
                found.append((result.entity_type, result.start, result.end, score))
        return found


def _compiled(recognizer: Any) -> list[Any] | None:
    """The patterns without one of which a recognizer finds nothing; None if it looks by other means, too."""
    if type(recognizer).analyze.__qualname__ != "PatternRecognizer.analyze":
        return None
    recognizer.analyze("", recognizer.supported_entities)  # compiles them
    return [pattern.compiled_regex for pattern in recognizer.patterns]


class PhoneNumbers:
    """libphonenumber's matcher over a window, for the regions that Presidio asks for, or others."""

    SCORE = 0.4
    """Presidio's PhoneRecognizer.SCORE."""
    REGIONS = ("US", "GB", "DE", "FR", "IL", "IN", "CA", "BR")
    """Presidio's PhoneRecognizer.DEFAULT_SUPPORTED_REGIONS."""
    CONTEXT = ("phone", "number", "telephone", "cell", "cellphone", "mobile", "call", "tel", "fax", "whatsapp")
    """Presidio's, and what contact pages write."""

    def __init__(self, regions: Sequence[str] = REGIONS) -> None:
        import phonenumbers

        unknown = sorted(set(regions) - phonenumbers.SUPPORTED_REGIONS)
        if unknown:
            raise ValueError(f"phone_regions: {', '.join(unknown)} not known to libphonenumber; use ISO 3166-1 codes")
        self._matcher = phonenumbers.PhoneNumberMatcher
        self.regions = list(regions)
        self._forms = {region: _valid_digits(region) for region in regions}

    def find(self, window: str, start: int, stop: int, before: str) -> list[Finding]:
        """Numbers that start in window[start:stop], the candidate; `before` is the text that ends where it starts."""
        core = window[start:stop]
        if sum(c.isdigit() for c in core) < MIN_GROUP * len(_DIGITS.findall(core)):
            return []
        if is_no_run(core):
            return []
        international = "+" in window[max(0, start - 2) : start] and sum(c.isdigit() for c in core) <= MAX_DIGITS
        spans = self._matches(window, start, stop, self.regions[:1]) if international else set()
        # A number behind `+` that is none of its country, as in `+41 (0)…`, can be one without it.
        spans = spans or self._matches(window, start, stop, self._possible(core))
        if not spans:
            return []
        score = self.SCORE
        if has_context(words_before(before), self.CONTEXT):
            score = min(1.0, score + CONTEXT_BOOST)
        longest = [
            (a, b)
            for a, b in sorted(spans)
            if not any((c, d) != (a, b) and c <= a and b <= d for c, d in spans)
            and not is_no_phone(window[a:b], (before + window[start:])[: len(before) + a - start])
        ]
        return [("PHONE_NUMBER", a, b, score) for a, b in longest]

    def _matches(self, window: str, start: int, stop: int, regions: Sequence[str]) -> set[tuple[int, int]]:
        spans: set[tuple[int, int]] = set()
        for region in regions:
            for match in self._matcher(window, region, leniency=1):
                if start - 4 <= match.start < stop:
                    spans.add((match.start, match.end))
            if any(a <= start and b >= stop for a, b in spans):
                break
        return spans

    def _possible(self, core: str) -> list[str]:
        """The regions in which some neighbouring groups of the candidate, put together, have the digits of a valid
        number: libphonenumber's own patterns, a hundred times cheaper than asking its matcher in vain."""
        groups = [_ascii_digits(group) for group in _DIGITS.findall(core)]
        joined = {
            "".join(groups[first:last])
            for first in range(len(groups))
            for last in range(first + 1, min(len(groups), first + MAX_PHONE_GROUPS) + 1)
        }
        tried = [digits for digits in joined if MIN_NATIONAL <= len(digits) <= MAX_DIGITS + 4]
        return [region for region, form in self._forms.items() if any(form.fullmatch(digits) for digits in tried)]


def _valid_digits(region: str) -> re.Pattern[str]:
    """Digits of a valid number of the region, with or without the ways to lead it in."""
    from phonenumbers import PhoneMetadata

    metadata: Any = PhoneMetadata.metadata_for_region(region)
    leads = (metadata.international_prefix, str(metadata.country_code), metadata.national_prefix_for_parsing)
    optional = "".join(f"(?:{lead})?" for lead in leads if lead)
    return re.compile(f"{optional}(?:{metadata.general_desc.national_number_pattern})")


def _ascii_digits(group: str) -> str:
    return group if group.isascii() else "".join(str(int(character)) for character in group)


def find_ip(text: str, before: str, public_only: bool) -> list[Finding]:
    """The IPv4 or IPv6 address that `text` is. Not one: a version (`v1.2.3.4`, and four small numbers unless the words
    before speak of IP), a part with a leading zero, an IPv6 form without a digit (`Add::Face`) or of fewer than three
    groups (`rc[::2]`); and, by choice, one that is not globally routable."""
    candidate = text.rstrip(":") if text.count("::") == 0 else text
    try:
        address = ipaddress.ip_address(candidate)
    except ValueError:
        return []
    if public_only and not address.is_global:
        return []
    groups = [group for group in candidate.split(":") if group]
    if address.version == 6 and (len(groups) < MIN_IPV6_GROUPS or not any(c.isdigit() for c in candidate)):
        return []
    if address.version == 4 and _NO_ADDRESS.search(before):
        return []
    score = 0.95 if {"ip", "ips", "ipv4", "ipv6"} & set(words_before(before)) else 0.6
    if address.version == 4 and score < 0.95 and is_version(candidate, before):
        return []
    return [("IP_ADDRESS", 0, len(candidate), score)]


def email_recognizer() -> Any:
    """Presidio's, with the public-suffix list that tldextract carries instead of the network's."""
    import tldextract

    (email,) = presidio.generic("EmailRecognizer")
    suffixes = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)

    class OfflineEmailRecognizer(email):  # type: ignore[misc, valid-type]
        def validate_result(self, pattern_text: str) -> bool:
            return bool(suffixes(pattern_text.rsplit("@", 1)[-1]).fqdn)

    return OfflineEmailRecognizer()


def national_recognizers(countries: Sequence[str]) -> list[Any]:
    """Presidio's recognizers of national ids, of the countries (ISO 3166-1, lower-case; uk for the United Kingdom)."""
    by_country: dict[str, list[Any]] = {}
    for name, kind in sorted(presidio.national().items() if countries else ()):
        code = kind.COUNTRY_CODE
        if code and name not in _NOT_PERSONAL:
            by_country.setdefault(code.lower(), []).append(kind)
    unknown = sorted(set(countries) - set(by_country))
    if unknown:
        raise ValueError(
            f"countries: no national ids known for {', '.join(unknown)}; known: {', '.join(sorted(by_country))}"
        )
    return [kind() for country in countries for kind in by_country[country]]


_NOT_PERSONAL = frozenset(
    {
        "UsSsnRecognizer",  # asked by itself
        "DePlzRecognizer",
        "CaPostalCodeRecognizer",
        "UkPostcodeRecognizer",
        "ZaMobileNumberRecognizer",
        "ZaTelephoneNumberRecognizer",
    }
)
"""Presidio's recognizers by country whose answer is not a person's id: postcodes, phones."""
