"""Marks of a head, found by a kernel, are those that a plain reading of the page finds."""

from __future__ import annotations

import random
import re

from curate.kernels.html_head import JSON_LD, LICENSE, MAX_TAG, META, find_marks, meta_names

_TAG = re.compile(rb"<(?:(meta)(?=\s)|(script)(?=\s)|a(?=\s)|link(?=\s))([^<>]*)>", re.IGNORECASE)


WANTED = {b"author", b"og:title"}


def plain_marks(page: bytes) -> list[tuple[int, int, int]]:
    """Marks by a regular expression, tag by tag."""
    found = []
    for tag in _TAG.finditer(page):
        end = tag.end() - 1
        if end - tag.start() > MAX_TAG or tag.start() >= len(page) - 7:
            continue
        if tag[1]:
            values = re.findall(rb"""=\s*["']?([^"'\s=]+)""", tag[3])
            if any(b"&" in value or value.lower() in WANTED for value in values):
                found.append((META, tag.start() + 5, end))
        elif tag[2]:
            if b"application/ld+json" in tag[3].lower():
                found.append((JSON_LD, end + 1, end))
        elif re.search(rb"lic[de]", tag[0][:-1]):
            found.append((LICENSE, tag.start(), end))
    return found


def test_marks_are_those_of_a_plain_reading() -> None:
    draw = random.Random(0)
    words = [
        b"<", b">", b"<a ", b"<A\n", b"<a", b"<link ", b"<LINK\trel=license ", b"<links ", b"<meta ", b"<Meta\n",
        b"<metal ", b"<script ", b"<script>", b"type=application/ld+json", b"APPLICATION/LD+JSON", b"href=x", b"lice",
        b"licd", b"lic", b"slice(", b" ", b"text", b"=", b'"', b"x" * 600, b"x" * (MAX_TAG - 10), b"<!-- ", b"</a>",
        b"name=author", b"property = 'OG:title", b"content=author's", b"n=&#97;uthor", b"'", b"<meta name=author ",
    ]  # fmt: skip
    names = meta_names(name.decode() for name in WANTED)
    seen = set()
    for _ in range(4000):
        page = b"".join(draw.choices(words, k=draw.randrange(14)))
        marks = [tuple(mark) for mark in find_marks(page, names).tolist()]
        assert marks == plain_marks(page), page
        seen.update(kind for kind, _, _ in marks)
    assert seen == {META, JSON_LD, LICENSE}
