"""The lines that classifiers are asked, written from UTF-8 buffers, are those of the definition for one string."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.stages.quality.fasttext_model import MAX_CHARACTERS, prepare, prepared_lines

ODD = [
    "__label__",
    "_",
    "\0",
    "\n",
    "\u2028",
    "\x1c",
    "İ",
    "Σ",
    "ΟΔΟΣ",
    "Ⱥ",
    "٣",
    "½",
    "ß",
    "🎈",
    "e\u0301",
    "好",
    "ǅ",
    "'",
    ".",
]
mixed = st.lists(st.one_of(st.sampled_from(ODD), st.text(max_size=6))).map("".join)


@settings(deadline=None)  # the first call loads the kernel
@given(st.lists(mixed, max_size=4), st.sampled_from([1, 3, 512]))
def test_a_line_is_the_prepared_text_whatever_its_characters(texts: list[str], max_words: int) -> None:
    wanted = [prepare(text, max_words).encode() + b"\n" for text in texts]
    assert prepared_lines(pa.array(texts, pa.string()), max_words) == wanted


def test_every_character_by_itself_and_inside_a_word() -> None:
    points = [point for point in range(0x110000) if not 0xD800 <= point <= 0xDFFF]
    texts = [
        "".join(f"{chr(point)} a{chr(point)}b\n" for point in points[at : at + 64]) for at in range(0, 270_000, 64)
    ]
    texts += [f"{chr(point)} a{chr(point)}b" for point in (0xE0001, 0xE0100, 0xF0000, 0x10FFFF)]
    assert prepared_lines(pa.array(texts)) == [prepare(text).encode() + b"\n" for text in texts]


@pytest.mark.parametrize("filler", ["a", " ", ".", "好", "🎈 ", "İ", "Ⱥ", "Σ"])
def test_the_cuts_by_characters_and_words_fall_where_they_should(filler: str) -> None:
    texts = [
        filler * (MAX_CHARACTERS + 5) + "end",
        filler * 700,
        "x " * 600 + filler,
        filler * (MAX_CHARACTERS - 1) + "yz",
    ]
    assert prepared_lines(pa.array(texts)) == [prepare(text).encode() + b"\n" for text in texts]


def test_a_slice_of_a_column_with_nulls_is_read_from_its_own_rows() -> None:
    column = pa.array(["No!", None, "One, two", "", "Three"]).slice(1)
    assert prepared_lines(column) == [b"\n", b"one , two\n", b"\n", b"three\n"]
    assert prepared_lines(column.cast(pa.large_string())) == prepared_lines(column)


def test_real_pages_are_prepared_as_one_by_one(shared_data: Path) -> None:
    from classifiers.corpora import json_lines

    texts = [row["text"] for name in ("language/sentences", "spam/spamassassin")
             for row in json_lines(shared_data / f"{name}.jsonl.gz")][::5]  # fmt: skip
    assert prepared_lines(pa.array(texts)) == [prepare(text).encode() + b"\n" for text in texts]
