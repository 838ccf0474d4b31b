"""C4's line rules: which lines of a text stay, and what they look like without citations.

Raffel et al. 2020 (https://arxiv.org/abs/1910.10683, section 2.2) with the decisions of datatrove 0.10. Letters
are compared without ASCII case. What stays is written to a buffer of the caller's.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from curate.kernels import characters as c
from curate.kernels.compiled import kernel
from curate.kernels.english import SpecialWords
from curate.kernels.lines import BREAKS, CURLY, SQUARE, eights, line_end, stripped
from curate.kernels.utf8 import decode
from curate.kernels.words import AFTER_GAP, ENDS_SENTENCE, IS_PUNCTUATION, find_words

COUNTS = (
    "lines", "kept_lines", "long_word_lines", "unpunctuated_lines", "short_lines", "javascript_lines", "policy_lines",
    "sentences", "forbidden",
)  # fmt: skip
"""Columns of `C4Lines.counts`; `forbidden` is 1 for "lorem ipsum", 2 for a curly bracket, whichever comes first in
a line that the rules before it keep, 0 for neither."""

POLICY = ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies")


class C4Rules(NamedTuple):
    """What makes a line go; 0 turns a limit off."""

    max_word_characters: int = 1000
    min_words_per_line: int = 3
    terminal_punctuation: bool = True
    remove_citations: bool = True
    javascript: bool = True
    policy: bool = True
    lorem_ipsum: bool = True
    curly_bracket: bool = True
    sentences: bool = False
    """Sentences are judged, and joined by spaces, instead of lines."""


class C4Lines(NamedTuple):
    counts: NDArray[np.int64]
    """int64[documents, len(COUNTS)]."""
    data: NDArray[np.uint8]
    start: NDArray[np.int64]
    """The text that is left of document d: data[start[d]:stop[d]]."""
    stop: NDArray[np.int64]


def c4_lines(
    data: NDArray[np.uint8],
    text_start: NDArray[np.int64],
    text_stop: NDArray[np.int64],
    words: tuple[NDArray[Any], ...],
    lines: tuple[NDArray[Any], ...],
    rules: C4Rules,
    classes: NDArray[np.uint32],
    special: SpecialWords,
) -> C4Lines:
    """Applies the rules to each document. `words` are first, last, start, length and flags of
    curate.stages.words.Words; `lines` are first, last, start, stop, visible_start, visible_stop and flags of
    curate.stages.lines.Lines."""
    n = len(text_start)
    if rules.sentences:
        lines = _as_lines(*words)
    words = (*words[:3], words[4])
    counts = np.zeros((n, len(COUNTS)), dtype=np.int64)
    bounds = np.zeros((2, n), dtype=np.int64)
    size = int((text_stop - text_start).sum())
    out = np.empty(size + 16, dtype=np.uint8)
    # Lines that lose a citation are tokenized anew: "word[1]." and "word." have different words.
    square = rules.remove_citations and bool(np.any(lines[-1] & SQUARE))
    cited = np.empty(size if square else 0, dtype=np.uint8)
    brackets = int(np.count_nonzero(data[text_start[0] : text_stop[-1]] == ord("["))) if square else 0
    cited_stop, cited_in = np.zeros(brackets + 1, dtype=np.int64), np.zeros(brackets, dtype=np.int64)
    switches = np.array(rules, dtype=np.int64)
    n_cited = _lines(
        data, eights(data), text_stop, *words, *lines, switches, _PATTERNS, _PATTERN_STOPS, _LEADS, classes,
        counts, out, eights(out), bounds[0], bounds[1], cited, cited_stop, cited_in,
    )  # fmt: skip
    if n_cited:
        cited.setflags(write=False)
        found = find_words(cited, cited_stop[: n_cited + 1], classes, special)
        for line in range(n_cited):
            sentences = _sentences(found.flags, found.first[line], found.first[line + 1])
            counts[cited_in[line], 7] += sentences
    return C4Lines(counts, out, bounds[0], bounds[1])


_TEXTS = [text.encode() for text in ("lorem ipsum", "javascript", *POLICY)]
_PATTERNS = np.frombuffer(b"".join(_TEXTS), dtype=np.uint8)
_PATTERN_STOPS = np.cumsum([0, *map(len, _TEXTS)], dtype=np.int64)
_LEADS = np.zeros((2, 256), dtype=np.uint8)
"""Bit k of _LEADS[i, byte]: the first (i = 0) or second (i = 1) letter of pattern k is the byte, in either case."""
for _bit, _text in enumerate(_TEXTS):
    for _place in (0, 1):
        _LEADS[_place, [_text[_place], _text[_place] - 32]] |= 1 << _bit
_EDIT = np.frombuffer(b"[edit]", dtype=np.uint8)
_CITATION_NEEDED = np.frombuffer(b"[citation needed]", dtype=np.uint8)
_LOREM, _JAVASCRIPT, _POLICY = 1, 2, 4


def _as_lines(
    first: NDArray[np.int64],
    last: NDArray[np.int64],
    start: NDArray[np.int64],
    length: NDArray[np.int32],
    flags: NDArray[np.uint8],
) -> tuple[NDArray[Any], ...]:
    """The sentences of the words in the form of lines; a sentence reaches from its first word to its last."""
    size = int((last - first).sum())
    begin, end = np.empty(size, dtype=np.int64), np.empty(size, dtype=np.int64)
    sentence_first, sentence_last = np.empty(len(first), dtype=np.int64), np.empty(len(first), dtype=np.int64)
    n = _spans(first, last, start, length, flags, begin, end, sentence_first, sentence_last)
    begin, end = begin[:n], end[:n]
    return sentence_first, sentence_last, begin, end, begin, end, np.full(n, SQUARE | CURLY, dtype=np.uint8)


@kernel
def _spans(first, last, start, length, flags, begin, end, sentence_first, sentence_last):  # type: ignore[no-untyped-def]
    n = 0
    for document in range(len(first)):
        sentence_first[document] = n
        ended = True
        for word in range(first[document], last[document]):
            if word == first[document] or (
                ended and (flags[word] & AFTER_GAP or not flags[word] & (ENDS_SENTENCE | IS_PUNCTUATION))
            ):
                begin[n] = start[word]
                n += 1
                ended = False
            end[n - 1] = start[word] + length[word]
            if flags[word] & ENDS_SENTENCE:
                ended = True
        sentence_last[document] = n
    return n


@kernel
def _lines(  # type: ignore[no-untyped-def]
    data, eight, text_stop, first, last, start, flags,
    line_first, line_last, line_start, line_stop, visible_start, visible_stop, line_flags,
    rules, patterns, pattern_stops, leads, classes,
    counts, out, out_eight, out_start, out_stop, cited, cited_stop, cited_in,
):  # fmt: skip
    written, n_cited = 0, 0
    for document in range(len(first)):
        row = counts[document]
        out_start[document] = written
        word = first[document]
        for line in range(line_first[document], line_last[document]):
            marks = line_flags[line]
            position, end = line_start[line], min(line_stop[line] + 1, text_stop[document])
            while position < end and not row[8]:
                a, b, following = visible_start[line], visible_stop[line], end
                if marks & BREAKS:
                    broken, following = line_end(data, position, end, classes)
                    a, b = stripped(data, position, broken, classes)
                position = following
                row[0] += 1
                # The line goes to `out` at once, and is taken back if a rule removes it.
                begin = written
                if row[1] > 0:
                    out[written] = 32 if rules[8] else 10
                    written += 1
                begins = written
                citations = 0
                if marks & SQUARE and rules[3]:
                    written, citations = _without_citations(data, a, b, out, written)
                else:
                    written = _copy(data, eight, a, b, out, out_eight, written)
                reason = _judge(data, a, b, out, begins, written, marks, rules, patterns, pattern_stops, leads, classes)
                if reason:
                    written = begin
                    if reason < 8:
                        row[reason] += 1
                    else:
                        row[8] = reason - 7
                    continue
                row[1] += 1
                if rules[8]:
                    row[7] += 1
                    continue
                if citations:
                    base = cited_stop[n_cited]
                    for index in range(written - begins):
                        cited[base + index] = out[begins + index]
                    n_cited += 1
                    cited_stop[n_cited] = base + written - begins
                    cited_in[n_cited - 1] = document
                    continue
                while word < last[document] and start[word] < a:
                    word += 1
                first_word = word
                while word < last[document] and start[word] < b:
                    word += 1
                row[7] += _sentences(flags, first_word, word)
        out_start[document], out_stop[document] = stripped(out, out_start[document], written, classes)
    return n_cited


@kernel
def _copy(data, eight, a, b, out, out_eight, written):  # type: ignore[no-untyped-def]
    """Copies data[a:b], eight bytes at a time; answers where the copy ends."""
    while a + 8 <= b:
        out_eight[written] = eight[a]
        written += 8
        a += 8
    while a < b:
        out[written] = data[a]
        written += 1
        a += 1
    return written


@kernel
def _without_citations(data, a, b, out, written):  # type: ignore[no-untyped-def]
    """Copies data[a:b] without [12], [], [edit] and [citation needed]; answers where the copy ends, and how many
    citations went."""
    citations = 0
    position = a
    while position < b:
        if data[position] == 91:
            end = _citation_end(data, position, b)
            if end:
                citations += 1
                position = end
                continue
        out[written] = data[position]
        written += 1
        position += 1
    return written, citations


@kernel
def _citation_end(data, position, b):  # type: ignore[no-untyped-def]
    at = position + 1
    while at < b and 48 <= data[at] <= 57:
        at += 1
    if at < b and data[at] == 93:
        return at + 1
    if _starts_with(data, position, b, _EDIT):
        return position + len(_EDIT)
    if _starts_with(data, position, b, _CITATION_NEEDED):
        return position + len(_CITATION_NEEDED)
    return 0


@kernel
def _starts_with(data, position, stop, text):  # type: ignore[no-untyped-def]
    if position + len(text) > stop:
        return False
    for index in range(len(text)):  # noqa: SIM110 (numba has no generators here)
        if data[position + index] != text[index]:
            return False
    return True


@kernel
def _judge(data, a, b, out, start, stop, marks, rules, patterns, pattern_stops, leads, classes):  # type: ignore[no-untyped-def]
    """0 if the line stays; else the column of COUNTS that says why not, or 8 or 9 for "lorem ipsum" and a curly
    bracket. The words are those of the line data[a:b]; the rest is judged without citations, out[start:stop]."""
    if rules[0] and b - a > rules[0] and _longest_word(data, a, b, classes) > rules[0]:
        return 2
    if rules[2]:
        ending = out[stop - 1] if stop > start else np.uint8(0)
        terminal = ending == 46 or ending == 63 or ending == 33 or ending == 34 or ending == 39  # . ? ! " '
        dots = ending == 46 and stop - start >= 3 and out[stop - 2] == 46 and out[stop - 3] == 46
        if not terminal or dots:
            return 3
    if _fewer_words(data, a, b, rules[1], classes):
        return 4
    found = _phrases(out, start, stop, patterns, pattern_stops, leads)
    if rules[6] and found & _LOREM:
        return 8
    if rules[4] and found & _JAVASCRIPT:
        return 5
    if rules[7] and marks & CURLY and _has_curly(out, start, stop):
        return 9
    if rules[5] and found & _POLICY:
        return 6
    return 0


@kernel
def _longest_word(data, a, b, classes):  # type: ignore[no-untyped-def]
    """Characters of the longest run without whitespace (str.split)."""
    longest, length = 0, 0
    position = a
    while position < b:
        point, size = decode(data, position, b)
        length = 0 if classes[point] & c.SPACE else length + 1
        longest = max(longest, length)
        position += size
    return longest


@kernel
def _fewer_words(data, a, b, least, classes):  # type: ignore[no-untyped-def]
    """Whether there are fewer runs without whitespace (str.split); reads no further than to the last that counts."""
    words = 0
    inside = False
    position = a
    while position < b and words < least:
        point, size = decode(data, position, b)
        space = classes[point] & c.SPACE != 0
        words += not space and not inside
        inside = not space
        position += size
    return words < least


@kernel
def _has_curly(data, start, stop):  # type: ignore[no-untyped-def]
    for position in range(start, stop):  # noqa: SIM110 (numba has no generators here)
        if data[position] == 123:
            return True
    return False


@kernel
def _phrases(data, start, stop, patterns, pattern_stops, leads):  # type: ignore[no-untyped-def]
    """Which phrases occur."""
    found = 0
    for position in range(start, stop - 1):
        likely = leads[0, data[position]] & leads[1, data[position + 1]]
        if not likely:
            continue
        for pattern in range(len(pattern_stops) - 1):
            base = pattern_stops[pattern]
            length = pattern_stops[pattern + 1] - base
            if not likely >> pattern & 1 or position + length > stop:
                continue
            at = 2
            while at < length:
                letter = data[position + at]
                if 65 <= letter <= 90:
                    letter |= 32
                if letter != patterns[base + at]:
                    break
                at += 1
            if at == length:
                found |= _LOREM if pattern == 0 else (_JAVASCRIPT if pattern == 1 else _POLICY)
    return found


@kernel
def _sentences(flags, first, last):  # type: ignore[no-untyped-def]
    """Sentences of the words first up to last: one ends before the first word after a sentence-final mark that is
    no punctuation (spaCy's sentencizer). Odd whitespace between words counts as a word."""
    if first >= last:
        return 0
    sentences, ended = 1, False
    for word in range(first, last):
        if word > first and flags[word] & AFTER_GAP and ended:
            sentences += 1
            ended = False
        if flags[word] & ENDS_SENTENCE:
            ended = True
        elif ended and not flags[word] & IS_PUNCTUATION:
            sentences += 1
            ended = False
    return sentences
