"""The visible text of a raw page, against a plain reading of it by patterns."""

from __future__ import annotations

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from curate.kernels.visible import UNSEEN, visible_text

HIDDEN = re.compile(
    rb"<(script|style|noscript|template)(?![A-Za-z])[^>]*>?(?:.*?(?=</\1(?![A-Za-z]))|.*\Z)", re.S | re.I
)


def seen(page: bytes, room: int = 4096) -> bytes:
    written, lengths = np.zeros((1, room), dtype=np.uint8), np.zeros(1, dtype=np.int64)
    data = np.frombuffer(page, dtype=np.uint8)
    visible_text(data, np.array([0]), np.array([len(page)]), UNSEEN, written, lengths)
    return written[0, : lengths[0]].tobytes()


def plainly(page: bytes) -> bytes:
    """The same by regular expressions."""
    page = re.sub(rb"<!--(?:.*?-->|.*\Z)", b" ", page, flags=re.S)
    page = re.sub(rb"<[A-Za-z/!?][^>]*(?:>|\Z)", b" ", HIDDEN.sub(b" ", page))
    page = re.sub(rb"&[A-Za-z0-9#]{1,11};", b" ", page)
    return re.sub(rb"[\x00-\x20]+", b" ", page)


@pytest.mark.parametrize(
    ("page", "text"),
    [
        (b"<p>One <b>two</b></p>three", b"One two three"),
        (b"<script>var a = '<p>no</p>';</script>yes", b"yes"),
        (b"<STYLE>p {}</STYLE >a<scripted>b</scripted>", b"a b"),
        (b"a<!-- <p>no</p> -->b", b"a b"),
        (b"a &amp; b &nbsp;c & d; e", b"a b c & d; e"),
        (b"1 < 2", b"1 < 2"),
        (b"<script>never ends", b""),
        (b"a<!-- never ends", b"a"),
        (b"<", b"<"),
        (b"", b""),
    ],
)
def test_tags_scripts_comments_and_references_are_not_seen(page: bytes, text: bytes) -> None:
    assert seen(page).strip() == text


pieces = st.sampled_from(
    ["<p>", "</p>", "<script>", "</script>", "<a href='x'>", "<style a=b>", "</style>", "word", "über", "日本", " ",
     "\n", "&lt;", "<br/>", "<?xml?>", "<!doctype html>", "😀"]
)  # fmt: skip


@given(st.lists(pieces, max_size=30))
def test_the_kernel_reads_what_patterns_read(parts: list[str]) -> None:
    page = "".join(parts).encode()
    assert seen(page).strip() == plainly(page).strip()


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="<&"), max_size=200), st.integers(8, 64))
def test_what_does_not_fit_is_cut_between_characters(text: str, room: int) -> None:
    cut = seen(text.encode(), room)
    assert len(cut) <= room
    assert plainly(text.encode()).lstrip().startswith(cut.decode().encode())
