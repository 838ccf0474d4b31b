"""The body of an article that a page holds only as data for its scripts, for a browser to draw.

Pages drawn by scripts carry what they show as JSON, in scripts or in an attribute: one string of HTML, or a list of
paragraphs as content systems write them. In go the page's bytes and what it says about itself, out comes that body as
HTML. Nothing is executed: only what reads as JSON is looked at, and a body must speak of what the page's title or
description speaks of, since cookie notices and offers are carried in the same way.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from curate.stages.extract.metadata import Metadata
from curate.stages.extract.references import unescape

MIN_WORDS = 100
"""A shorter body is none."""
MIN_PARAGRAPHS, MIN_PARAGRAPH_WORDS = 3, 15
"""A body has so many paragraphs; one of a list has so many words, and such ones have half of the list's words."""
MAX_DATA = 4_000_000
"""Bytes of a page's scripts and attributes that are looked through."""
MAX_WASTE = 4
"""Times the length of a script: so many characters may be read as JSON that turn out to be something else."""
MAX_DEPTH = 4
"""Strings within strings."""
MIN_SHARED = 0.6
"""Of the terms of the title, or of the description: so many must occur in the body."""
MIN_TERM = 4
"""Letters; shorter words say little about what a page is about."""
MIN_SPREAD = 0.5
"""A list is a body if none of what it holds, at whatever depth, has so large a share of its words."""
_NOT_TEXT = re.compile(r"class|style|sizes|srcset|url|href|src|alt|caption|credit|css|svg|icon|query", re.IGNORECASE)
"""Names of values with spaces that no reader sees as text."""
_INNER = ("text", "content", "value", "children", "html")
"""What content systems call the text of a part of a paragraph, which may be one word."""
_START = re.compile(r"""(?:[=(,:]|^)\s{0,20}([\[{"'])""")
_SINGLE = re.compile(r"'((?:[^'\\\n]|\\.)*)'")
_IN_SINGLE = re.compile(r"""\\x([0-9a-fA-F]{2})|\\(')|(")|\\([^"\\/bfnrtu])""")
"""What stands otherwise in a string of JavaScript between single quotes than in one of JSON."""
_ATTRIBUTE = re.compile(rb"""=(?:"([\[{]{1,2}&quot;[^"]{500,})"|'([\[{]{1,2}"[^']{500,})')""")
"""An attribute of which the value is JSON."""
_ROW = re.compile(r"^[0-9a-f]{1,6}:(?=[\[{])", re.MULTILINE)
"""How React's stream of server components begins a line."""
_PARAGRAPH = re.compile(r"<(?:p|br|h[1-6]|li)\b", re.IGNORECASE)
_TAGS = re.compile(r"<[^>]*>")
_WORD = re.compile(r"\w+")
_SYLLABIC = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]")
_EAST_ASIAN = "\u2e80"
"""From here on letters are Chinese, Japanese or Korean ones, which are compared two by two."""
_decoder = json.JSONDecoder(strict=False)


def body_in_data(source: bytes, said: Metadata) -> str:
    """The longest body in a page's data, as HTML; empty if there is none."""
    best, most = "", MIN_WORDS - 1
    about = [terms for terms in (_terms(said.title or ""), _terms(said.description or "")) if terms]
    for data in _data(source):
        try:
            bodies = [body for value in _values(data) for body in _bodies(value)]
        except RecursionError:
            continue
        for body in bodies:
            text = unescape(_TAGS.sub(" ", body)).lower()
            number = words_in(text)
            if number > most and any(_share(terms, text) >= MIN_SHARED for terms in about):
                best, most = body, number
    # JSON can spell halves of surrogate pairs, which UTF-8 cannot.
    return best.encode("utf-8", "replace").decode()


def words_in(text: str) -> int:
    """Words of a text; two Chinese or Japanese characters count as one."""
    return max(len(_WORD.findall(text)), len(_SYLLABIC.findall(text)) // 2)


def _data(source: bytes) -> Iterator[str]:
    """Scripts that are long enough, but for JSON-LD, which is read elsewhere; then attributes that hold JSON."""
    at, left = 0, MAX_DATA
    while (at := source.find(b"<script", at)) >= 0:
        start = source.find(b">", at) + 1
        stop = source.find(b"</script", start)
        if start == 0 or stop < 0:
            break
        if MIN_WORDS < stop - start <= left and b"ld+json" not in source[at:start]:
            left -= stop - start
            yield source[start:stop].decode("utf-8", "replace")
        at = stop
    for found in _ATTRIBUTE.finditer(source):
        if len(found[0]) <= left:
            left -= len(found[0])
            yield unescape((found[1] or found[2]).decode("utf-8", "replace"))


class _Unnumbered(str):
    """A text of which the lines are not counted. An error of `json` counts those before it, so that a script full of
    what is nearly JSON would cost the square of its length."""

    def count(self, *_: object) -> int:
        return 0

    def rfind(self, *_: object) -> int:
        return 0


def _values(script: str) -> Iterator[Any]:
    """What of a script reads as JSON: objects, lists and strings."""
    script, at, waste = _Unnumbered(script), 0, 0
    while waste <= MAX_WASTE * len(script) and (start := _START.search(script, at)):
        try:
            if start[1] == "'":
                value, at = _single_quoted(script, start.start(1))
            else:
                value, at = _decoder.raw_decode(script, start.start(1))
        except json.JSONDecodeError as error:
            waste += max(error.pos - start.start(), 1)
            at = start.end()
        except RecursionError:
            return
        else:
            yield value


def _single_quoted(script: str, start: int) -> tuple[str, int]:
    """A string between single quotes, and where it ends."""
    found = _SINGLE.match(script, start)
    if found is None:
        raise json.JSONDecodeError("a string without end", script, start)
    text = _IN_SINGLE.sub(_as_json, found[1])
    return json.loads(f'"{text}"', strict=False), found.end()


def _as_json(found: re.Match[str]) -> str:
    code, quote, double, other = found.groups()
    return f"\\u00{code}" if code else quote or (double and '\\"') or other


def _bodies(value: Any) -> list[str]:
    """The bodies that a value may hold: strings of several paragraphs, and lists of them."""
    found: list[str] = []
    _survey(value, "", 0, found)
    return found


def _survey(value: Any, name: str, depth: int, found: list[str]) -> tuple[int, int]:
    """How many words of text a value called `name` holds, and how many its largest body; adds bodies to `found`."""
    if isinstance(value, str):
        if " " not in value and not _SYLLABIC.search(value):
            return 0, 0
        if depth < MAX_DEPTH and (parts := _within(value)):
            surveyed = [_survey(part, name, depth + 1, found) for part in parts]
            return sum(words for words, _ in surveyed), max(body for _, body in surveyed)
        if len(_PARAGRAPH.findall(value)) >= MIN_PARAGRAPHS:
            # A template may quote the string once more, for its scripts to take off.
            found.append(value.strip().removeprefix("&quot;").removesuffix("&quot;"))
            words = words_in(_TAGS.sub(" ", value))
            return words, words
        if _NOT_TEXT.search(name):
            return 0, 0
        lines = value.split("\n")
        counts = [words_in(_TAGS.sub(" ", line)) for line in lines]
        if not _is_prose(counts):
            return sum(counts), 0
        found.append("".join(f"<p>{line}</p>" for line in lines))
        return sum(counts), sum(counts)
    inner = [_survey(item, key, depth, found) for key, item in _members(value, name)]
    counts = [words for words, _ in inner]
    words, body = sum(counts), max((body for _, body in inner), default=0)
    if isinstance(value, list) and max(body, *counts, 0) < MIN_SPREAD * words and _is_prose(counts):
        found.append("".join(f"<p>{text}</p>" for _, item in _members(value, name) if (text := _text(item, name))))
        body = words
    return words, body


def _is_prose(counts: Sequence[int]) -> bool:
    """Whether parts of so many words are paragraphs: at least three are, and they have half of the words."""
    long = [words for words in counts if words >= MIN_PARAGRAPH_WORDS]
    return len(long) >= MIN_PARAGRAPHS and 2 * sum(long) >= sum(counts)


def _text(value: Any, name: str) -> str:
    """What of a part of a list is text, joined."""
    if isinstance(value, str):
        said = (" " in value and not _NOT_TEXT.search(name)) or name in _INNER or _SYLLABIC.search(value)
        return value if said else ""
    return "".join(_text(item, key) for key, item in _members(value, name))


def _members(value: dict[str, Any] | list[Any], name: str) -> Iterable[tuple[str, Any]]:
    """What a value called `name` holds, by name; of an element of HTML, as React writes it
    (`["$", tag, key, properties]`), its children."""
    if isinstance(value, dict):
        members: Iterable[tuple[str, Any]] = value.items()
    elif value[:1] == ["$"] and isinstance(value[-1], dict) and not str(value[1]).startswith("$"):
        members = [("children", value[-1].get("children"))]
    else:
        members = ((name, item) for item in value)
    return [(key, item) for key, item in members if isinstance(item, str | list | dict)]


def _within(text: str) -> list[Any]:
    """What stands as JSON in a string, or escaped as HTML; nothing if it is text or HTML itself."""
    if text[0] in "[{":
        try:
            return [_decoder.raw_decode(text)[0]]
        except json.JSONDecodeError:
            return []
    if text.startswith(("&lt;", "&#x3C;", "&#60;")):
        return [unescape(text)]
    return list(_values(_ROW.sub("=", text))) if _ROW.search(text) else []


def _terms(text: str) -> set[str]:
    """What a text is about: its longer words, and pairs of Chinese, Japanese or Korean letters."""
    found: set[str] = set()
    for word in _WORD.findall(text.lower()):
        if word[0] >= _EAST_ASIAN:
            found.update(word[i : i + 2] for i in range(len(word) - 1))
        elif len(word) >= MIN_TERM:
            found.add(word)
    return found


def _share(terms: set[str], text: str) -> float:
    return sum(term in text for term in terms) / len(terms)
