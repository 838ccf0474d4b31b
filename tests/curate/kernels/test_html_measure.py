"""What the scanner counts in a text is what can be counted in it by hand."""

from __future__ import annotations

import random
import re

from curate.kernels import markup
from curate.kernels.html import scan
from curate.kernels.html_measure import C_CAPITALS, C_CHARS, C_COMMAS, C_DIGITS, C_STOPS, C_TITLE, C_UPPER, C_WORDS

WORDS = [
    "The",
    "quick",
    "BROWN",
    "fox",
    "7",
    "2024",
    "a1",
    "Subscribe",
    "cookie",
    "cookies",
    "é",
    "naïve",
    "straße",
    "中文",
]
SIGNS = [" ", "  ", ", ", ". ", "! ", "? ", "; ", " - ", "\n", " (", ") "]


def test_counts_of_a_text_are_those_of_its_characters() -> None:
    draw = random.Random(0)
    for _ in range(500):
        text = "".join(draw.choice(WORDS) + draw.choice(SIGNS) for _ in range(draw.randrange(1, 40)))
        counts = scan(f"<title>quick fox 7</title><p>{text}</p>".encode()).counts[0]
        words = re.findall(r"\w+", text)
        assert counts[C_CHARS] == len("".join(text.split()))
        assert counts[C_WORDS] == len(words)
        assert counts[C_CAPITALS] == sum(character in "ABCDEFGHIJKLMNOPQRSTUVWXYZ" for character in text)
        assert counts[C_DIGITS] == sum(character in "0123456789" for character in text)
        assert counts[C_COMMAS] == sum(character in ",;" for character in text)
        assert counts[C_STOPS] == sum(character in ".!?" for character in text)
        assert counts[C_TITLE] == sum(word in ("quick", "fox", "7") for word in words)
        assert counts[C_UPPER] == (text[0] in "TBS")


def test_words_of_the_list_are_found_in_a_text_and_in_classes() -> None:
    for words, names, wrap in (
        (markup.TEXT_WORDS, markup.TEXT_NAMES, "<p>{}</p>"),
        (markup.CLASS_WORDS, markup.CLASS_NAMES, '<p class="{}">x</p>'),
    ):
        for name, pieces in words.items():
            for piece in pieces.split():
                page = scan(wrap.format(piece.replace("_", " ").upper()).encode())
                bits = int(page.text_bits[0] if wrap[2] == ">" else page.bits[1])
                assert bits >> names.index(name) & 1, piece


def test_two_runs_of_a_block_count_as_one_text() -> None:
    whole, parts = (scan(page).counts[0] for page in (b"<p>One two, THREE.</p>", b"<p>One <b>two, </b>THREE.</p>"))
    for count in (C_CHARS, C_WORDS, C_CAPITALS, C_COMMAS, C_STOPS, C_UPPER):
        assert whole[count] == parts[count]
