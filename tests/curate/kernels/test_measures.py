"""The measuring kernels against plain Python that says the same in a few lines."""

from __future__ import annotations

import re
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from curate.kernels.characters import TERMINAL, character_classes
from curate.kernels.hashing import hash_bytes
from curate.kernels.line_measures import (
    FINEWEB,
    GOPHER,
    count_gopher_lines,
    fineweb_counts,
    gopher_counts,
    long_lines,
)
from curate.kernels.repetition import MEASURES, repetition
from curate.stage import Shared
from curate.stages.lines import Lines, lines_of
from curate.stages.words import Words, words_of

PIECES = st.sampled_from(
    [
        "the",
        "the",
        "cat",
        "of",
        "b",
        "don't",
        "é",
        "日本",
        "#",
        "...",
        "…",
        "- ",
        "• ",
        ".",
        "?",
        "(",
        "\u0301",
        "👩\u200d🚀",
        "אב",
    ]
)
GAPS = st.sampled_from([" ", " ", " ", "\n", "\n\n", "\r\n", "\t", "\u2028", "\u00a0", "\x1c", ""])
TEXTS = st.lists(st.tuples(PIECES | st.text(max_size=4), GAPS), max_size=60).map(
    lambda pairs: "".join(piece + gap for piece, gap in pairs)
)
STOP_WORDS = ("the", "of", "é")


def measured(texts: list[str]) -> tuple[Words, Lines, list[list[str]]]:
    batch = pa.record_batch({"text": pa.array(texts, pa.string())})
    words = words_of(batch, Shared())
    data = words.data.tobytes()
    spans = [
        [data[words.start[i] :][: words.length[i]].decode() for i in range(a, b)]
        for a, b in zip(words.first, words.last, strict=True)
    ]
    return words, lines_of(batch, Shared()), spans


def duplicates(elements: list[str]) -> tuple[int, int]:
    seen: set[str] = set()
    again = [element for element in elements if element in seen or seen.add(element)]
    return len(again), sum(map(len, again))


def repetition_oracle(text: str, words: list[str]) -> list[float]:
    if not text:
        return [0.0] * len(MEASURES)
    paragraphs, lines = re.split(r"\n{2,}", text.strip()), re.split(r"\n+", text)
    row: list[float] = []
    for elements in (paragraphs, lines):
        count, characters = duplicates(elements)
        row += [count / len(elements), characters / len(text)]
    for n in (2, 3, 4):
        grams = Counter(tuple(words[i : i + n]) for i in range(len(words) - n + 1))
        gram, count = grams.most_common(1)[0] if grams else ((), 0)
        row.append(len(" ".join(gram)) * count / len(text))
    for n in range(5, 11):
        seen, at, repeated = set(), 0, 0
        while at <= len(words) - n:
            gram = tuple(words[at : at + n])
            if gram in seen:
                repeated += sum(map(len, gram))
                at += n
            else:
                seen.add(gram)
                at += 1
        row.append(repeated / len(text))
    return row


@settings(max_examples=300, deadline=None)
@given(st.lists(TEXTS, max_size=3))
@example(["a b c d e f " * 5, "", "x\n\nx\n\nx"])
@example(["a b c a b c a b d a b c a b c a b d " * 2])
@example([" a\n\na\n \na\n\n\na\t", "\n", "\n\na\n", "a\nb\n\na\nb\n\nab\n\n b\n"])
def test_repetition(texts):
    w, lines, words = measured(texts)
    lengths, rows = repetition(
        w.data, w.first, w.last, w.characters, w.hashes,
        lines.first, lines.last, lines.start, lines.stop, lines.visible_start, lines.visible_stop,
        lines.characters, lines.hashes,
    )  # fmt: skip
    assert lengths.tolist() == list(map(len, texts))
    for text, found, row in zip(texts, words, rows.tolist(), strict=True):
        assert row == pytest.approx(repetition_oracle(text, found), abs=1e-12)


@settings(max_examples=300, deadline=None)
@given(st.lists(TEXTS, max_size=3))
def test_gopher_counts(texts):
    w, lines, words = measured(texts)
    stops = np.array([hash_bytes(word.encode()) for word in STOP_WORDS], dtype=np.uint64)
    counts = gopher_counts(w.first, w.last, w.characters, w.hashes, w.flags, stops)
    count_gopher_lines(
        lines.data, lines.text_stop, lines.first, lines.last, lines.start, lines.stop,
        lines.visible_start, lines.visible_stop, lines.flags, character_classes(), counts,
    )  # fmt: skip
    for text, found, row in zip(texts, words, counts.tolist(), strict=True):
        got = dict(zip(GOPHER, row, strict=True))
        lines = text.splitlines()
        assert got["all_words"] == len(found) and got["words"] <= len(found)
        assert got["alphabetic_words"] == sum(any(map(str.isalpha, word)) for word in found)
        assert got["stop_words"] == len(set(found) & set(STOP_WORDS))
        assert got["hashes"] == text.count("#")
        assert got["ellipses"] == text.count("...") + text.count("…")
        assert got["lines"] == len(lines)
        assert got["bullet_lines"] == sum(line.lstrip().startswith(("•", "-")) for line in lines)
        assert got["ellipsis_lines"] == sum(line.rstrip().endswith(("...", "…")) for line in lines)


@settings(max_examples=300, deadline=None)
@given(st.lists(TEXTS, max_size=3), st.integers(0, 12))
def test_fineweb_counts_and_long_lines(texts, limit):
    _, found, _ = measured(texts)
    counts = fineweb_counts(
        found.first, found.last, found.visible_start, found.visible_stop, found.characters, found.hashes,
        found.flags, limit,
    )  # fmt: skip
    long = long_lines(found.first, found.last, found.characters, limit)
    for text, row, paragraphs in zip(texts, counts.tolist(), long.tolist(), strict=True):
        got = dict(zip(FINEWEB, row, strict=True))
        lines = [line for line in text.split("\n") if line.strip()]
        assert got["lines"] == len(lines)
        terminal = [line for line in lines if character_classes()[ord(line[-1])] & TERMINAL]
        assert got["punctuated_lines"] == len(terminal)
        assert got["short_lines"] == sum(len(line) <= limit for line in lines)
        assert got["repeated_characters"] == duplicates(lines)[1]
        assert got["characters"] == len(text.replace("\n", ""))
        assert got["newlines"] == text.count("\n")
        assert paragraphs == sum(len(line) >= limit for line in text.split("\n"))
