"""Numbers that are written as personal data is, and are known for something else: by their form, or by what stands
before them.

libphonenumber looks at digits and separators alone, and asked for eight regions it takes references, times and tables
for phones; a fraction's digits pass Luhn's sum one time in ten. In go a number and the text around it, out comes
whether it is known for something else. A doubtful number stays what it may be.
"""

from __future__ import annotations

import re

_LABEL = re.compile(
    r"(?:\w_id|\b(?:isbn|issn|ismn|doi|pmid|pmcid|pmc|s2cid|oclc|lccn|jstor|arxiv|bibcode|zbl|asin|ean|gtin|upc|sku|mpn|bug"
    r"|patent|rfc|iso|vat|p\.?\s?iva|partita iva|siren|siret|ust-?id(?:nr)?|hrb|abn|tariff code)"
    r"|\b(?:artikel|art|item|part|model|product|order|bestell|serial|case|invoice|tax|reference|ref|isbn|patent|vat)"
    r"[-\s.]{0,2}(?:number|nummer|num|nr|no|id|code))"
    r"(?:[-\s]?1[03])?[\s.:=#№(\[-]{0,4}$",
    re.IGNORECASE,
)
"""Names of identifiers that are no person's, right before a number."""
_ADDRESS = re.compile(r"(?:://|\bwww\.|\bdoi:|\b10\.\d{4,9}/|\w\.[a-z]{2,}/)\S*$|[^\W\d]_$", re.IGNORECASE)
"""The number goes on an address of the web or a document, or a name with `_`."""
_CALLED = re.compile(r"wa\.me/|tel:|sms:|callto:|whatsapp|phone=", re.IGNORECASE)
"""Addresses that hold phone numbers."""
_WHOLE_DATE = re.compile(
    r"^(?:(?:19|20)\d\d[-./ ](?:0?[1-9]|1[0-2])[-./ ](?:0?[1-9]|[12]\d|3[01])"
    r"|(?:0?[1-9]|[12]\d|3[01])[-./ ](?:0?[1-9]|[12]\d|3[01])[-./ ](?:19|20)\d\d)(?:\D{1,3}[0-2]?\d)?$"
)
_NO_PHONE = re.compile(
    r"^(?:\(?(?:1[89]|20)\d\d\)?(?:[^\d]{1,4}(?:1[89]|20)\d\d)+\)?"  # years: 2010-2014
    r"|\d+\.\d+|\d{1,3}(?:[.\u00a0\u202f]\d{3})+"  # a decimal fraction, a number with its thousands set apart
    r"|97[89][- ]?\d[\d -]{8,13}\d|[1-9]\d{12,})$"  # an ISBN, a long number in one piece
)
_RANGE = re.compile(r"^(\d{3,5})\s?[-–—]\s?(\d{3,5})$")
_DAY, _MONTH, _YEAR = r"(?:[12]\d|3[01]|0?[1-9])", r"(?:1[0-2]|0?[1-9])", r"(?:1[5-9]|20)\d\d"
_DATE = re.compile(
    rf"(?<!\d)(?:{_YEAR}([-./]){_MONTH}\1{_DAY}|{_DAY}([-./]){_MONTH}\2{_YEAR}|{_MONTH}([-./]){_DAY}\3{_YEAR})"
)
_SHORT_DATE = re.compile(rf"{_DAY}([./]){_MONTH}\1\d\d")
MAX_BESIDE_DATE = 4
"""Digits that a number may have beside a date: an hour, or the number of a line."""
_TIME = r"(?:[01]?\d|2[0-4])\s?[.:h]\s?[0-5]\d"
_TIMES = re.compile(rf"{_TIME}(?:\s?[-–—/]?\s?{_TIME})+")
_DECIMALS = re.compile(r"\d+\.\d+(?:\s+\d+\.\d+)*")
_NEGATIVE = re.compile(r"\d\s[-−]\d")
MIN_NEGATIVE = 2
"""`12 -48 28 -63`: so many minus signs before a number and behind a space are a list of numbers."""


_FRACTION = re.compile(r"(?<!\d)\d{1,9}[.,]$")
MAX_VERSION = 31
"""Four numbers up to here are a version or a section sooner than an address: of all addresses one in 4,096 is such."""
_HOST = re.compile(r"(?://|@)$")


def is_labelled(before: str) -> bool:
    """Whether the text right before a number names an identifier that is no person's."""
    return _LABEL.search(before) is not None


def is_fraction(before: str) -> bool:
    """Whether a number's digits are those behind a decimal point."""
    return _FRACTION.search(before) is not None


def is_version(address: str, before: str) -> bool:
    """Whether an IPv4 address is a version or a section sooner, as in `Resizer 2.7.3.1` and `EC 1.2.5.1`."""
    return all(int(part) <= MAX_VERSION for part in address.split(".")) and not _HOST.search(before)


def is_no_run(run: str) -> bool:
    """Whether a whole run of digits and separators is known for something else than a phone, by its form."""
    return bool(_WHOLE_DATE.match(run) or _NO_PHONE.match(run)) or _is_range(run)


def _is_range(core: str) -> bool:
    """Two numbers of which the second is the larger, by no more than a half: pages, not a phone."""
    match = _RANGE.match(core)
    return match is not None and int(match[1]) < int(match[2]) <= int(match[1]) * 1.5


def is_no_phone(number: str, before: str) -> bool:
    """Whether a number is known for something else than a phone, by its form and the text before it."""
    if is_labelled(before) or (_ADDRESS.search(before) and not _CALLED.search(before)):
        return True
    if _TIMES.fullmatch(number) or _SHORT_DATE.fullmatch(number) or _DECIMALS.fullmatch(number):
        return True
    if len(_NEGATIVE.findall(number)) >= MIN_NEGATIVE:
        return True
    date = _DATE.search(number)
    if date is None:
        return False
    # A date runs into the hour behind it where an element ended: 2019-09-3007:42.
    behind = len(number[date.end() :]) - len(number[date.end() :].lstrip("0123456789"))
    beside = sum(character.isdigit() for character in number[: date.start()] + number[date.end() :])
    return behind in (0, 2) and beside <= MAX_BESIDE_DATE
