"""The character table against Python's own string methods."""

from __future__ import annotations

import unicodedata

import pytest

from curate.kernels import characters as c

ALL = "".join(map(chr, [*range(0xD800), *range(0xE000, c.N_CODE_POINTS)]))


@pytest.mark.parametrize(
    ("bit", "belongs"),
    [
        (c.SPACE, str.isspace),
        (c.LETTER, str.isalpha),
        (c.DIGIT, str.isdecimal),
        (c.WORD, lambda character: character.isalnum() or character == "_"),
        (c.PUNCTUATION, lambda character: unicodedata.category(character).startswith("P")),
        (c.LINE_BREAK, lambda character: len(f"a{character}b".splitlines()) == 2),
        (c.PLAIN, lambda character: character.isascii() and character.isalnum()),
    ],
    ids=["space", "letter", "digit", "word", "punctuation", "line break", "plain"],
)
def test_classes_are_those_of_python(bit, belongs):
    table = c.character_classes()
    wrong = [hex(ord(character)) for character in ALL if bool(table[ord(character)] & bit) != bool(belongs(character))]
    assert wrong == []
