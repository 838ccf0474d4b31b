"""The word kernel against spaCy's own tokenizer, and against what it promises of any bytes."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from curate.kernels.characters import character_classes
from curate.kernels.english import special_words
from curate.kernels.hashing import hash_bytes, hash_range
from curate.kernels.words import (
    AFTER_GAP,
    ENDS_SENTENCE,
    HAS_LETTER,
    IS_PUNCTUATION,
    NON_SYMBOL,
    english_tables,
    find_words,
)
from curate.stage import Shared
from curate.stages.unspaced import split_unspaced
from curate.stages.words import Words, words_of

CHARACTERS = st.one_of(
    st.sampled_from(
        [*list(" \n\t'’\"().,:;!?-–—/#@&$%+=<>[]{}_*~^|…。「」·\u2028\xa0\ŕ\u200d👩🚀€№"), "..", "...", "'s"]
    ),
    st.characters(codec="utf-8"),
    st.sampled_from(list("abcSU01259xkmC°дЁاㄱ中日あ")),
    st.sampled_from(
        [*special_words(), "www.example.com", "http://a.example/x?y=1", "bob@mail.example", "5km", "10.1.2.3", "US$5"]
    ),
)
TEXTS = st.lists(CHARACTERS, max_size=14).map("".join)


def found(*texts: str | None) -> tuple[Words, list[list[str]]]:
    batch = pa.record_batch({"text": pa.array(texts, type=pa.string())})
    words = words_of(batch, Shared())
    data = words.data.tobytes()
    spans = [
        [data[words.start[i] : words.start[i] + words.length[i]].decode() for i in range(first, last)]
        for first, last in zip(words.first, words.last, strict=True)
    ]
    return words, spans


@pytest.fixture(scope="module")
def spacy_words():
    spacy = pytest.importorskip("spacy", reason="spaCy is not installed (the extra `datatrove`)")
    tokenizer = spacy.blank("en").tokenizer
    return lambda text: [token.text for token in tokenizer(text) if token.text.strip()]


@settings(max_examples=600, deadline=None)
@given(TEXTS)
@example("(2019): see it :) and (so):")
@example("don’t can't cannot it's 10am 5km £5 e.g. U.S. Ph.D.")
@example("°C.°c. (°F.) °K.:°C.)°C.")
@example("well-known a--b 3-4 x=y a/b word.Word 1,000 one,two...three")
@example("http://www.example.com/a_(b)?c=d, (www.example.org). me@example.com")
def test_words_are_those_of_spacy(spacy_words, text):
    """But for one thing: spaCy lets an emoticon that is spread over a single space keep its neighbours apart."""
    data = text.replace(" ", "\t").encode()
    offsets = np.array([0, len(data)], dtype=np.int64)
    w = find_words(np.frombuffer(data, dtype=np.uint8), offsets, character_classes(), english_tables())
    spans = [data[a : a + n].decode() for a, n in zip(w.start, w.length, strict=True)]
    assert spans == spacy_words(data.decode())


@settings(max_examples=300, deadline=None)
@given(st.lists(TEXTS | st.none(), max_size=6))
def test_spans_hashes_and_flags_describe_the_words(texts):
    words, spans = found(*texts)
    assert len(words) == len(texts)
    flat = [word for document in spans for word in document]
    assert [hash_bytes(word.encode()) for word in flat] == words.hashes.tolist()
    assert [len(word) for word in flat] == words.characters.tolist()
    assert [any(map(str.isalpha, word)) for word in flat] == [bool(flag & HAS_LETTER) for flag in words.flags]
    for word, flag in zip(flat, words.flags, strict=True):
        if any(map(str.isalnum, word)):
            assert flag & NON_SYMBOL and not flag & IS_PUNCTUATION
    for text, document in zip(texts, spans, strict=True):
        assert "".join((text or "").split()) == "".join(document)  # nothing lost, nothing twice, in order


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=40))
@example(b"\xed\xa0\x80 a\xed\xbf\xbf")
@example(b"\xf4\x90\x80\x80\xc0\xaf\xe0\x80\x80 x")
def test_bytes_that_are_no_utf8_are_read_within_their_document(data):
    content = np.frombuffer(data + b"(z", dtype=np.uint8)
    offsets = np.array([0, len(data)], dtype=np.int64)
    first, start, length, characters, hashes, _ = find_words(content, offsets, character_classes(), english_tables())
    assert first[1] == len(start) and np.all(characters >= 1)
    assert np.all(start >= 0) and np.all(start + length <= len(data))
    assert [hash_bytes(data[a : a + b]) for a, b in zip(start, length, strict=True)] == hashes.tolist()


def test_a_gap_is_marked_unless_it_is_one_space():
    words, _ = found("a b  c\td\n(e) \u00a0f")
    assert [bool(flag & AFTER_GAP) for flag in words.flags] == [False, False, True, True, True, False, False, True]


def test_a_slice_and_a_filter_keep_the_words_of_each_document():
    batch = pa.record_batch({"text": ["one two", None, "three", "four (five)"]}).slice(1)
    words = words_of(batch, Shared())
    assert words.counts.tolist() == [0, 1, 4]
    kept = words.filter(pa.array([False, True, True]))
    assert kept.counts.tolist() == [1, 4]
    assert kept.hashes[kept.first[0]] == hash_bytes(b"three")
    assert kept.hashes is words.hashes


@pytest.mark.parametrize(
    "text",
    [
        "(" * 20000,
        "a" * 20000,
        "a-" * 10000,
        "@a." * 7000,
        ")" * 20000,
        "." * 20000,
        "5" * 9999 + "km",
        "http://" * 3000,
    ],
    ids=["prefixes", "word", "infixes", "hosts", "suffixes", "stops", "digits", "schemes"],
)
def test_pathological_runs_have_the_words_of_their_shape(spacy_words, text):
    """The same answer as spaCy, which is quadratic in some of these, on a run short enough for it."""
    short = text[:60] + text[-60:]
    assert found(short)[1][0] == spacy_words(short)
    assert "".join(found(text)[1][0]) == text


def test_the_hash_is_the_same_in_python_and_in_the_kernel():
    data = np.frombuffer("häsh".encode(), dtype=np.uint8)
    assert int(hash_range(data, 0, len(data))) == hash_bytes("häsh".encode())
    assert hash_bytes(b"the") == 0xCB3FF435B889FB31


def test_scripts_without_spaces_are_cut_into_words():
    _, spans = found(
        "我们今天去北京大学😀学习。",
        "plain",
        None,
        "see 東京tower ok",
        "日本語の文章を単語に分けます。",
        "ภาษาไทยไม่มีช่องว่าง",
        "ພາສາລາວ",
        "ភាសាខ្មែរមិនមាន",
        "မြန်မာစကား",
    )
    assert spans[:5] == [
        ["我们", "今天", "去", "北京", "大学", "😀", "学习", "。"],
        ["plain"],
        [],
        ["see", "東京", "tower", "ok"],
        ["日本語", "の", "文章", "を", "単語", "に", "分け", "ます", "。"],
    ]
    assert [len(document) for document in spans[5:]] == [5, 2, 3, 2]
    assert found("an English page that names 北京大学 once among its many other words")[1][0][5] == "北京大学"


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(st.sampled_from("我们北京大学の日本語ไม่มีช่องລາວខ្មែရန်မာ𠀀😀。ab1 \n"), max_size=30), max_size=5))
def test_words_without_spaces_do_not_depend_on_the_batch(texts):
    words, together = found(*texts)
    assert together == [found(text)[1][0] for text in texts]
    flat = [word for document in together for word in document]
    assert [hash_bytes(word.encode()) for word in flat] == words.hashes.tolist()
    assert [len(word) for word in flat] == words.characters.tolist()
    assert [word == "。" for word in flat] == [bool(flag & ENDS_SENTENCE) for flag in words.flags]
    assert ["".join(text.split()) for text in texts] == ["".join(document) for document in together]


def test_a_run_that_is_no_utf8_stays_whole():
    url = b"www.example.com/\xe6\x97\xa5\xff\xe6\x9c\xac"
    data = "日本語 今天去 ".encode() + url
    raw = np.frombuffer(data, dtype=np.uint8)
    offsets = np.array([0, len(data)], dtype=np.int64)
    cut = split_unspaced(raw, find_words(raw, offsets, character_classes(), english_tables()))
    spans = [data[a : a + n] for a, n in zip(cut.start, cut.length, strict=True)]
    assert spans == ["日本語".encode(), "今天".encode(), "去".encode(), url]
