"""Lines against plain Python that splits and strips, on any bytes."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from curate.kernels.characters import LINE_BREAK, SPACE, TERMINAL, character_classes
from curate.kernels.lines import BREAKS, CURLY, DOTS, HASH, SQUARE, WIDE, find_lines
from curate.kernels.lines import TERMINAL as TERMINAL_LINE
from curate.kernels.utf8 import decode, decode_last
from curate.stage import Shared
from curate.stages.lines import lines_of

ODD = [" ", "\n", "\r", "\r\n", "\t", "\x0b", "\x1c", "\x85", "\u2028", "\u2029", "\u00a0", "\u3000", ".", "..", "…",
       "[", "{", "#", "é", "è", "©", "’", "à", "日本。", "👩\u200d🚀", "\u0301", "אב", "abcdefg", "x" * 30]  # fmt: skip
TEXTS = st.lists(st.sampled_from(ODD) | st.text(max_size=12), max_size=14).map("".join)
BYTES = st.lists(st.sampled_from([text.encode() for text in ODD]) | st.binary(max_size=9), max_size=12).map(b"".join)


def characters_of(data: bytes) -> list[tuple[int, int]]:
    """Code points and sizes, from the left."""
    array = np.frombuffer(data, dtype=np.uint8)
    found, position = [], 0
    while position < len(data):
        found.append(decode(array, position, len(data)))
        position += found[-1][1]
    return found


@settings(max_examples=400, deadline=None)
@given(st.lists(BYTES, max_size=4), st.binary(max_size=3))
@example([b"", b"\n", b"a", b"\n\n", b"abcdefgh.", b"........"], b"")
@example(["abcdefg\u2028".encode(), "abcdef\u2029x".encode(), "abcde\x85".encode(), b"abcdefg\r\n\r"], b"#")
@example([b"\xed\xa0\x80", b"\x80\x80\x80\x80\x80", b"\xf0\x9f\x91", b"\xe2\x80", b" \xc2"], b"")
def test_lines_are_what_stands_between_newlines(texts, before):
    data = before + b"".join(texts) + b"z."
    offsets = np.cumsum([len(before), *map(len, texts)], dtype=np.int64)
    classes = character_classes()
    found = find_lines(np.frombuffer(data, dtype=np.uint8), offsets, classes)
    hashes: dict[int, bytes] = {}
    for text, begin, first, last in zip(texts, offsets, found.first, found.first[1:], strict=False):
        lines = text.split(b"\n")
        assert last - first == len(lines)
        for index, line in enumerate(lines, int(first)):
            start, stop = found.start[index], found.stop[index]
            assert data[start:stop] == line and start >= begin
            assert found.characters[index] == sum(byte & 0xC0 != 0x80 for byte in line)
            assert hashes.setdefault(int(found.hashes[index]), line) == line
            kinds = [int(classes[point]) for point, size in characters_of(line) for _ in range(size)]
            bare = [place for place, kind in enumerate(kinds) if not kind & SPACE]
            visible = (start + bare[0], start + bare[-1] + 1) if bare else (start, start)
            assert (found.visible_start[index], found.visible_stop[index]) == visible
            flags = found.flags[index]
            assert bool(flags & TERMINAL_LINE) == bool(bare and kinds[-1] & TERMINAL)
            assert bool(flags & SQUARE) == (b"[" in line) and bool(flags & CURLY) == (b"{" in line)
            assert bool(flags & HASH) == (b"#" in line) and bool(flags & DOTS) == (b".." in line)
            assert bool(flags & WIDE) == (max(line, default=0) > 127)
            broken = any(kind & LINE_BREAK for kind in kinds) and not (
                line.endswith(b"\r") and not any(kind & LINE_BREAK for kind in kinds[:-1])
            )
            assert bool(flags & BREAKS) == broken
    assert len(hashes) == len(set(hashes.values()))


@settings(max_examples=400, deadline=None)
@given(BYTES.filter(len))
def test_the_last_character_is_the_one_that_reading_from_the_left_ends_with(data):
    assert decode_last(np.frombuffer(data, dtype=np.uint8), 0, len(data)) == characters_of(data)[-1]


@settings(max_examples=100, deadline=None)
@given(st.lists(TEXTS | st.none(), max_size=5), st.data())
def test_lines_follow_the_rows_that_stay(texts, data):
    batch = pa.record_batch({"text": pa.array(["before", *texts], pa.string())}).slice(1)
    shared = Shared()
    lines = lines_of(batch, shared)
    keep = data.draw(st.lists(st.booleans(), min_size=len(texts), max_size=len(texts)))
    shared.filter(pa.array(keep, pa.bool_()))
    kept = lines_of(batch.filter(pa.array(keep, pa.bool_())), shared)
    assert kept.hashes is lines.hashes
    raw = lines.data.tobytes()
    spans = [[raw[kept.start[i] : kept.stop[i]].decode() for i in range(a, b)]
             for a, b in zip(kept.first, kept.last, strict=True)]  # fmt: skip
    assert spans == [(text or "").split("\n") for text, stays in zip(texts, keep, strict=True) if stays]


@pytest.mark.parametrize("size", range(1, 26))
def test_a_difference_anywhere_in_a_line_is_another_hash(size):
    line = bytearray(b"x" * size)
    texts = [bytes(line)]
    for place in range(size):
        line[place] = ord("y")
        texts.append(bytes(line))
        line[place] = ord("x")
    texts += [b"x" * (size - 1), b"x" * size + b" "]
    data = b"\n".join(texts)
    found = find_lines(np.frombuffer(data, dtype=np.uint8), np.array([0, len(data)]), character_classes())
    assert len(set(found.hashes.tolist())) == len(texts)
