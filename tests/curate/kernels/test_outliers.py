"""The outlier kernels against plain Python that says the same."""

from __future__ import annotations

import math
import re
import unicodedata
from collections import Counter
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from curate.kernels.characters import character_classes
from curate.kernels.hashing import hash_bytes
from curate.kernels.outliers import CHARACTER_COUNTS, dirty_characters, reference_table, word_divergence
from curate.stage import Shared
from curate.stages.words import words_of

REFERENCE = {"the": 0.4, "of": 0.2, "river": 0.05, "é": 0.01, "日本": 0.002, "5th": 0.001}
UNSEEN = -16.0
PIECES = st.one_of(
    st.sampled_from(
        [*REFERENCE, "zxqv", "12", "#", "...", "Ã©", "â€™", "Â ", "ðŸ˜€", "\u009d\x80", "\ufffd", "\ue000", "\x07"]
    ),
    st.sampled_from(
        ["aGVsbG8gd29ybGQgMTIz", "d41d8cd98f00b204e9800998ecf8427e", "0123456789" * 3, "A1b2" * 8 + "==", "x" * 40]
    ),
    st.sampled_from(["{a[i]<=b;}", "e\u0301", "👩\u200d🚀", "אבג", "\U000f0000", "\ufdd0", "\u200b"]),
    st.text(max_size=5),
)
GAPS = st.sampled_from([" ", " ", "\n", "\r\n", "\t", "\u2028", "\u00a0", "\x1c", "\x85", ""])
TEXTS = st.lists(st.tuples(PIECES, GAPS), max_size=25).map(lambda pairs: "".join(a + b for a, b in pairs))


def is_mojibake(before: str, now: str) -> bool:
    """Whether the two, written in Windows-1252 or Latin-1, are the first bytes of a UTF-8 character."""
    a, b = ord(before), ord(now)
    if before in "ÂÃ":
        return 0x80 <= b <= 0xBF or now in "€‚ƒŒ"
    if before == "â":
        return now in "€\x80"
    if before == "ð":
        return now in "Ÿ\x9f"
    return 0x80 <= b <= 0x9F and 0x80 <= a <= 0xFF


def kind(character: str) -> int:
    return (
        1
        if character in "0123456789"
        else 0
        if not (character.isascii() and character.isalpha())
        else 2 + character.islower()
    )


def encoded(run: str) -> int:
    """Characters of a run that looks like base64 or a hash, else 0."""
    kinds = [kind(character) for character in run]
    alphanumeric, digits = sum(map(bool, kinds)), kinds.count(1)
    changes = sum(bool(a and b and a != b) for a, b in pairwise(kinds))
    looks = (
        digits * 20 >= alphanumeric > digits
        and changes * 5 >= alphanumeric
        and (len(run) - alphanumeric) * 8 <= alphanumeric
    )
    return len(run) if alphanumeric >= 24 and looks else 0


def is_control(character: str) -> bool:
    noncharacter = 0xFDD0 <= ord(character) <= 0xFDEF or ord(character) & 0xFFFE == 0xFFFE
    return unicodedata.category(character) in ("Cc", "Co") or noncharacter


def dirty_oracle(text: str) -> dict[str, int]:
    visible = [c for c in text if not c.isspace()]
    return {
        "characters": len(visible),
        "replacement": text.count("\ufffd"),
        "mojibake": sum(is_mojibake(a, b) for a, b in pairwise("\0" + text) if not b.isspace()),
        "control": sum(map(is_control, visible)),
        "encoded": sum(encoded(run) for run in text.split()),
        "code": len(re.findall(r"[{}\[\]<>=;|\\_#$@^~`*+/]", text)),
    }


@settings(max_examples=400, deadline=None)
@given(st.lists(TEXTS, max_size=4))
@example(["", " \n", "Ã©", "A1b2" * 6, "A1b2" * 6 + " A1b2", "\ufffd" * 3])
def test_dirty_characters(texts: list[str]) -> None:
    w = words_of(pa.record_batch({"text": pa.array(texts, pa.string())}), Shared())
    counts = dirty_characters(w.data, w.text_start, w.text_stop, character_classes())
    assert [dict(zip(CHARACTER_COUNTS, row, strict=True)) for row in counts.tolist()] == list(map(dirty_oracle, texts))


@settings(max_examples=300, deadline=None)
@given(st.lists(TEXTS, max_size=4))
@example(["the of the river", "", "12 34", "zxqv"])
def test_word_divergence(texts: list[str]) -> None:
    w = words_of(pa.record_batch({"text": pa.array(texts, pa.string())}), Shared())
    logs = {word: math.log(share) for word, share in REFERENCE.items()}
    hashes = np.array([hash_bytes(word.encode()) for word in logs], dtype=np.uint64)
    table = reference_table(hashes, np.array(list(logs.values()), dtype=np.float32))
    words, unknown, divergence = word_divergence(w.first, w.last, w.hashes, w.flags, *table)
    data = w.data.tobytes()
    for document in range(len(texts)):
        spans = range(w.first[document], w.last[document])
        found = [data[w.start[i] : w.start[i] + w.length[i]].decode() for i in spans]
        counts = Counter(word for word in found if any(map(str.isalpha, word)))
        total = sum(counts.values())
        assert words[document] == total
        assert unknown[document] == sum(n for word, n in counts.items() if word not in logs)
        expected = sum(n / total * (math.log(n / total) - logs.get(word, UNSEEN)) for word, n in counts.items())
        assert divergence[document] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    "text",
    [" ".join(f"w{i}" for i in range(200_000)), "word " * 200_000, "\n" * 500_000, "a" * 500_000, "aB3" * 200_000],
    ids=["distinct words", "one word", "newlines", "one run", "encoded"],
)
def test_large_documents_are_measured(text: str) -> None:
    w = words_of(pa.record_batch({"text": [text]}), Shared())
    counts = dirty_characters(w.data, w.text_start, w.text_stop, character_classes())[0]
    assert counts[0] == sum(not c.isspace() for c in text)
    table = reference_table(np.array([hash_bytes(b"word")], dtype=np.uint64), np.array([-1.0], dtype=np.float32))
    words, unknown, _ = word_divergence(w.first, w.last, w.hashes, w.flags, *table)
    assert words[0] == len(text.split()) and unknown[0] == sum(word != "word" for word in text.split())
