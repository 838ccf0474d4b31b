"""Encodings: the order and the labels of the standards, and no mojibake where the declaration was right."""

from __future__ import annotations

import gzip
import json
import time
from pathlib import Path

import pytest

from curate.documents import document_id
from curate.sources import Documents, plan, read
from curate.sources.charset import Decoded, declared, decode, detect, encoding_name
from curate.sources.pages import as_utf8

GREETING = "<p>Grüße aus Köln, schöne Tage, für alle Größen</p>"


def text(decoded: Decoded) -> str:
    return as_utf8(decoded.text).decode()


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("ISO-8859-1", "windows-1252"),
        ("latin1", "windows-1252"),
        ("us-ascii", "windows-1252"),
        ("iso-8859-9", "windows-1254"),
        ("gb2312", "gbk"),
        ("GB18030", "gb18030"),
        ("x-sjis", "shift_jis"),
        ("Windows-31J", "shift_jis"),
        ("ks_c_5601-1987", "euc-kr"),
        ("windows-949", "euc-kr"),
        ("tis-620", "windows-874"),
        ("unicode-1-1-utf-8", "utf-8"),
        ("big5-hkscs", "big5"),
        ("koi8-u", "koi8-u"),
        ("x-mac-cyrillic", "x-mac-cyrillic"),
        (" 'utf8' ", "utf-8"),
        ("utf-7", None),
        ("rot13", None),
        ("none", None),
    ],
)
def test_labels_mean_what_the_standard_says(label: str, name: str | None) -> None:
    assert encoding_name(label) == name


def test_the_order_is_mark_header_page_detection() -> None:
    meta = "<meta charset=windows-1251>"
    body = (meta + GREETING).encode("windows-1252")
    assert decode(b"\xef\xbb\xbf" + GREETING.encode(), "windows-1251").charset == "utf-8"
    assert decode(body, "iso-8859-1") == (meta + GREETING, "windows-1252")
    assert decode(body, None).charset == "windows-1251"
    assert decode(body, "no-such-thing").charset == "windows-1251"
    assert decode(GREETING.encode("utf-16"), "iso-8859-1") == (GREETING, "utf-16le")
    assert text(decode(GREETING.encode(), None)) == GREETING


@pytest.mark.parametrize(
    ("head", "label"),
    [
        ('<meta charset="koi8-r">', "koi8-r"),
        ("<META CHARSET=koi8-r />", "koi8-r"),
        ('<meta http-equiv="Content-Type" content="text/html; charset=koi8-r">', "koi8-r"),
        ("<meta content='text/html;charset = \"koi8-r\"' http-equiv=content-type>", "koi8-r"),
        ('<!-- <meta charset="gbk"> --><meta charset="koi8-r">', "koi8-r"),
        ('<script>"<meta charset=gbk>"</script><meta charset="koi8-r">', "koi8-r"),
        ('<meta name="description" content="charset=gbk"><meta charset="koi8-r">', "koi8-r"),
        ('<meta charset="nonsense"><meta charset="koi8-r">', "koi8-r"),
        ('<?xml version="1.0" encoding="koi8-r"?><html>', "koi8-r"),
        ('<?xml version="1.0" encoding="gbk"?><meta charset="koi8-r">', "koi8-r"),
        ('<meta charset="utf-16">', "utf-8"),
        ("<title>" + "x" * 1500 + '</title><meta charset="koi8-r">', "koi8-r"),
        ("<p>charset=koi8-r</p>", None),
    ],
)
def test_what_a_page_declares(head: str, label: str | None) -> None:
    assert declared(head.encode()) == label


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("windows-1251", "Съешь же ещё этих мягких французских булок"),
        ("koi8-r", "Съешь же ещё этих мягких французских булок"),
        ("gbk", "我能吞下玻璃而不伤身体"),
        ("gb18030", "我能吞下玻璃而不伤身体 㐀"),
        ("big5", "我能吞下玻璃而不傷身體"),
        ("shift_jis", "私はガラスを食べられます。①②"),
        ("euc-jp", "私はガラスを食べられます。"),
        ("iso-2022-jp", "私はガラスを食べられます。"),
        ("euc-kr", "나는 유리를 먹을 수 있어요. 뷁"),
        ("windows-1252", "“Grüße” – 5 €"),
        ("windows-1256", "أنا قادر على أكل الزجاج"),
        ("windows-874", "ฉันกินกระจกได้"),
        ("iso-8859-2", "Mogę jeść szkło"),
        ("utf-16le", "Grüße an alle, die hier lesen"),
    ],
)
def test_a_right_declaration_is_never_mojibake(name: str, sentence: str) -> None:
    codec = {"euc-kr": "cp949", "shift_jis": "cp932", "windows-874": "cp874"}.get(name, name)
    for repeat in (1, 50):
        page = "<p>" + sentence * repeat + "</p>"
        assert text(decode(page.encode(codec), name)) == page


def test_a_refuted_declaration_does_not_win() -> None:
    assert text(decode(GREETING.encode(), "iso-8859-1")) == GREETING
    assert text(decode(b"<p>Sch\xc3\xb6n</p><meta charset=utf-8>", "iso-8859-1")).startswith("<p>Schön")
    assert text(decode(GREETING.encode("windows-1252"), "utf-8")) == GREETING
    russian = "<meta charset=windows-1251><p>Съешь же ещё этих мягких французских булок</p>"
    assert text(decode(russian.encode("windows-1251"), "utf-8")) == russian
    assert text(decode(GREETING.encode(), "utf-16")) == GREETING


def test_a_cut_or_mixed_page_keeps_its_declared_encoding() -> None:
    cut = (GREETING * 20).encode()[:-7] + b"\xc3"
    assert decode(cut, "utf-8").charset == "utf-8"
    assert text(decode(cut, "utf-8")).endswith("�")
    assert decode(cut, None).charset == "utf-8"
    chinese = "我能吞下玻璃而不伤身体" * 20
    assert decode(chinese.encode("gbk") + b"\xff", "gb2312").charset == "gbk"


def test_bytes_without_a_character_are_controls_and_nul_goes() -> None:
    assert text(decode(b"a\x81\x93b\x00c\xe9", "windows-1252")) == "a\x81“bcé"
    assert as_utf8("a\ud800b\0") == "a�b".encode()


def test_detection_of_what_declares_nothing() -> None:
    russian = "Съешь же ещё этих мягких французских булок, да выпей чаю. " * 5
    for name in ("windows-1251", "koi8-r"):
        assert detect(russian.encode(name)) == name
    assert detect("私はガラスを食べられます。それは私を傷つけません。".encode("shift_jis") * 5) == "shift_jis"
    assert detect(("<p>It’s Valentine’s Day – don’t take a chance</p>" * 3).encode("windows-1252")) == "windows-1252"
    assert decode("私はガラス".encode("iso-2022-jp"), None).charset == "iso-2022-jp"


def test_the_crawl_is_read_in_the_encodings_that_were_verified(shared_data: Path) -> None:
    labels_path = shared_data / "crawl" / "labels.jsonl.gz"
    if not labels_path.exists():
        pytest.skip(f"no labels at {labels_path}")
    with gzip.open(labels_path, "rt") as lines:
        labels = {document_id(label["record_id"]): label["charset"] for label in map(json.loads, lines)}
    right = wrong = 0
    for shard in plan({"warc": str(shared_data / "crawl" / "*.warc.gz")}):
        for event in read(shard):
            if isinstance(event, Documents):
                for row in event.batch.select(["id", "charset"]).to_pylist():
                    verified = labels[row["id"]]
                    if verified is not None:
                        right += encoding_name(verified) == row["charset"]
                        wrong += encoding_name(verified) != row["charset"]
    assert right > 3000
    assert wrong / (right + wrong) < 0.002


@pytest.mark.parametrize("hostile", ["<!--", '<meta x="', "<script>", "<meta a='", "<title>", "<meta charset=x "])
def test_a_hostile_head_costs_little(hostile: str) -> None:
    head = (hostile * 20_000).encode() + b"<meta charset=koi8-r>"
    start = time.process_time()
    declared(head)
    assert time.process_time() - start < 1
