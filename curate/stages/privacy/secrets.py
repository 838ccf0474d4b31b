"""Passwords, API keys and tokens: by how well-known services begin theirs, or by the word before them.

A value found by a word (`password: …`) must also look like one: mixed kinds of characters and enough entropy, so
that "password reset" and "token: string" stay. Formats are those that the services document.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

KEY_SCORE = 0.95
"""A documented format of sufficient length: what follows the prefix is not chance."""
NAMED_SCORE = 0.7
"""`password: value` and its like."""
LOOSE_SCORE = 0.5
"""`password value`, without a sign between them."""

MIN_ENTROPY = 2.5
"""Bits a character of a named value; "aaaaaa1" has 0.6, "hunter2!" 3.0. Chosen by us."""
MIN_KEY_ENTROPY = 3.0
"""Bits a character of a key's random part; hex digits drawn evenly have 4."""

_KEYS: tuple[tuple[str, str], ...] = (
    ("AKIA", r"AKIA[A-Z2-7]{16}(?![A-Z0-9])"),
    ("ASIA", r"ASIA[A-Z2-7]{16}(?![A-Z0-9])"),
    ("AIza", r"AIza[\w-]{35}"),
    ("ghp_", r"ghp_[A-Za-z0-9]{36,255}"),
    ("gho_", r"gho_[A-Za-z0-9]{36,255}"),
    ("ghu_", r"ghu_[A-Za-z0-9]{36,255}"),
    ("ghs_", r"ghs_[A-Za-z0-9]{36,255}"),
    ("ghr_", r"ghr_[A-Za-z0-9]{36,255}"),
    ("github_pat_", r"github_pat_\w{22,255}"),
    ("glpat-", r"glpat-[\w-]{20,64}"),
    ("xox", r"xox[abeoprs]-[A-Za-z0-9-]{10,250}"),
    ("sk-", r"sk-[\w-]{20,250}"),
    ("sk_live_", r"sk_live_[A-Za-z0-9]{16,250}"),
    ("sk_test_", r"sk_test_[A-Za-z0-9]{16,250}"),
    ("rk_live_", r"rk_live_[A-Za-z0-9]{16,250}"),
    ("whsec_", r"whsec_[A-Za-z0-9+/=]{24,100}"),
    ("ya29.", r"ya29\.[\w-]{20,250}"),
    ("eyJ", r"eyJ[\w-]{8,}\.eyJ[\w-]{8,}(?:\.[\w-]*)?"),
    ("SG.", r"SG\.[\w-]{22}\.[\w-]{43}"),
    ("hf_", r"hf_[A-Za-z0-9]{30,64}"),
    ("npm_", r"npm_[A-Za-z0-9]{36}"),
    ("pypi-", r"pypi-[\w-]{50,250}"),
    ("dop_v1_", r"dop_v1_[0-9a-f]{64}"),
    ("shpat_", r"shpat_[0-9a-fA-F]{32}"),
)
_NAMES = (
    "password",
    "passwd",
    "passwort",
    "passphrase",
    "passcode",
    "pwd",
    "api_key",
    "api-key",
    "api key",
    "apikey",
    "secret_key",
    "secret key",
    "secretkey",
    "client_secret",
    "client secret",
    "access_key",
    "access key",
    "access_token",
    "access token",
    "auth_token",
    "bearer",
    "secret",
    "token",
)
_PRIVATE_KEY = "-----BEGIN "
_PRIVATE_KEY_FORM = re.compile(r"-----BEGIN [A-Z0-9 ]{0,40}PRIVATE KEY-----")
_PRIVATE_KEY_END = re.compile(r"-----END [A-Z0-9 ]{0,40}PRIVATE KEY-----")
MAX_PRIVATE_KEY = 16_384
"""Characters of a PEM block looked at; an RSA key of 8192 bits has about 6,500."""

_FORMS = {prefix: re.compile(form) for prefix, form in _KEYS}
_NAMED = re.compile(
    "(?:" + "|".join(re.escape(name) for name in sorted(_NAMES, key=len, reverse=True)) + ")s?"
    r"""["'`\]]{0,2}\s{0,3}(?P<sign>:=|=>|[:=]|\b(?:is|was)\b:?)?\s{0,3}["'`(\[]?(?P<value>[^\s"'`<>,;()\[\]]{6,128})""",
    re.IGNORECASE,
)
_PLACEHOLDER = re.compile(
    r"^(?:[*•x.]+|\d{1,4}-[a-z]+|\$\{?.*|%.*%|\{.*\}|(?:your|my|the|some|example|change)[_-]?\w*)$", re.IGNORECASE
)


@dataclass(frozen=True)
class PrefixTable:
    """The prefixes as `scan_tokens` reads them."""

    prefixes: NDArray[np.uint8]
    lengths: NDArray[np.int64]
    first_of_byte: NDArray[np.int64]
    any_case: NDArray[np.bool_]


def prefix_table() -> PrefixTable:
    entries = [(prefix.encode(), False) for prefix, _ in _KEYS] + [(_PRIVATE_KEY.encode(), False)]
    for name in _NAMES:
        entries += [(name.encode(), True), (name[0].upper().encode() + name[1:].encode(), True)]
    entries.sort(key=lambda entry: (entry[0][0], -len(entry[0]), entry[0]))
    table = np.zeros((len(entries), max(len(prefix) for prefix, _ in entries)), dtype=np.uint8)
    for row, (prefix, _) in enumerate(entries):
        table[row, : len(prefix)] = np.frombuffer(prefix, dtype=np.uint8)
    counts = np.bincount(table[:, 0], minlength=256)
    return PrefixTable(
        table,
        np.array([len(prefix) for prefix, _ in entries], dtype=np.int64),
        np.concatenate([np.zeros(1, dtype=np.int64), np.cumsum(counts)]).astype(np.int64),
        np.array([any_case for _, any_case in entries], dtype=np.bool_),
    )


def entropy(value: str) -> float:
    """Shannon's entropy of the value's characters, in bits a character."""
    n = len(value)
    return -sum(k / n * math.log2(k / n) for k in Counter(value).values()) if n else 0.0


def _kinds(value: str) -> int:
    """How many of lower case, upper case, digits and signs the value has."""
    return (
        any(c.islower() for c in value)
        + any(c.isupper() for c in value)
        + any(c.isdigit() for c in value)
        + any(not c.isalnum() for c in value)
    )


def find_secret(line: str) -> tuple[int, int, float] | None:
    """The secret at the beginning of `line` (a prefix and what follows it): start, end, score."""
    for prefix, form in _FORMS.items():
        if line.startswith(prefix):
            match = form.match(line)
            if match and entropy(line[len(prefix) : match.end()]) >= MIN_KEY_ENTROPY:
                return 0, match.end(), KEY_SCORE
    match = _NAMED.match(line)
    if match is None:
        return None
    value = match["value"].rstrip(".!?:")
    digits = any(c.isdigit() for c in value)
    if len(value) < 6 or _PLACEHOLDER.match(value) or entropy(value) < MIN_ENTROPY or "://" in value:
        return None
    signed = match["sign"] in (":", "=", ":=", "=>")
    if signed and _kinds(value) >= 2 and (digits or _kinds(value) >= 3):
        return match.start("value"), match.start("value") + len(value), NAMED_SCORE
    if not signed and _kinds(value) >= 3 and digits:
        return match.start("value"), match.start("value") + len(value), LOOSE_SCORE
    return None


def is_private_key(line: str) -> bool:
    return _PRIVATE_KEY_FORM.match(line) is not None


def private_key_stop(text: str) -> int:
    """Where the PEM private key that `text` begins with ends: after its last line, or with the text."""
    end = _PRIVATE_KEY_END.search(text)
    return end.end() if end else len(text)
