"""The mini-web is what it says: deterministic, readable by other people's readers, its truth true."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
from pathlib import Path

import lxml.html
import pyarrow.parquet as pq
import pytest
from warcio.archiveiterator import ArchiveIterator

from examples.miniweb.archive import sha1
from examples.miniweb.build import build
from examples.miniweb.page import KINDS, jaccard, shingles
from examples.miniweb.plant import PLANTS, luhn


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("miniweb")
    build(out, seed=1, pages=900)
    return out


@pytest.fixture(scope="module")
def truth(web: Path) -> list[dict]:
    return pq.read_table(web / "truth.parquet").to_pylist()


def tree(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_same_seed_gives_the_same_bytes_and_another_seed_another_web(tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        build(tmp_path / name, seed=seed, pages=220)
    assert tree(tmp_path / "a") == tree(tmp_path / "b")
    assert tree(tmp_path / "a") != tree(tmp_path / "c")


def test_warcio_reads_every_record_and_its_digest_and_charset_are_right(web: Path, truth: list[dict]) -> None:
    by_id = {row["record_id"]: row for row in truth}
    seen = 0
    for path in sorted(web.glob("*.warc.gz")):
        with path.open("rb") as stream:
            for record in ArchiveIterator(stream, check_digests="raise"):
                if record.rec_type != "response":
                    continue
                row = by_id[record.rec_headers.get_header("WARC-Record-ID")]
                assert record.rec_headers.get_header("WARC-Target-URI") == row["url"]
                body = record.content_stream().read()
                assert sha1(body) == row["payload_digest"]
                body.decode("cp949" if row["charset"] == "euc-kr" else row["charset"])
                seen += 1
    assert seen == len(truth)


def test_offsets_and_lengths_cut_whole_records(web: Path, truth: list[dict]) -> None:
    for row in truth[::37]:
        data = (web / row["file"]).read_bytes()[row["offset"] : row["offset"] + row["length"]]
        assert gzip.decompress(data).startswith(b"WARC/1.0\r\nWARC-Type: response")
        record = next(iter(ArchiveIterator(io.BytesIO(data))))
        assert record.rec_headers.get_header("WARC-Target-URI") == row["url"]


def test_all_kinds_languages_and_traits_are_there(truth: list[dict]) -> None:
    assert {row["kind"] for row in truth} == set(KINDS) and len(KINDS) == 12
    assert len({row["language"] for row in truth}) >= 11
    assert len({row["site"] for row in truth}) >= 60
    assert len({row["charset"] for row in truth}) >= 8
    assert {row["quality"] for row in truth} == {"good", "junk", None}
    assert {span["type"] for row in truth for span in row["pii"]} == set(PLANTS)
    assert {row["duplicate_kind"] for row in truth} == {
        None, "original", "exact", "near", "version", "template", "url_variant"
    }  # fmt: skip
    assert any(row["malformed"] for row in truth) and any(row["questions"] for row in truth)
    assert {row["status"] for row in truth if row["kind"] == "error"} >= {200, 404}


def test_recorded_jaccard_is_that_of_the_texts(truth: list[dict]) -> None:
    originals = {row["duplicate_group"]: row for row in truth if row["duplicate_kind"] == "original"}
    near = [row for row in truth if row["duplicate_kind"] in ("near", "version", "template")]
    assert len(near) > 30
    for row in near:
        original = originals[row["duplicate_group"]]
        assert row["jaccard"] == pytest.approx(jaccard(shingles(row["text"]), shingles(original["text"])))
    spread = [row["jaccard"] for row in near]
    assert min(spread) < 0.45 and max(spread) > 0.85


def test_planted_values_stand_at_their_offsets_and_pass_their_checks(truth: list[dict]) -> None:
    for row in truth:
        for span in row["pii"]:
            assert row["text"][span["start"] : span["end"]] == span["value"]
            if span["type"] == "credit_card":
                digits = span["value"].replace(" ", "")
                assert luhn(digits[:-1]) == digits[-1]
            if span["type"] == "iban":
                moved = span["value"][4:] + span["value"][:4]
                assert int("".join(str(int(c, 36)) for c in moved)) % 97 == 1


def test_gold_text_is_in_the_page_as_a_browser_would_show_it(web: Path, truth: list[dict]) -> None:
    for row in truth[::29]:
        if row["duplicate_kind"] == "url_variant" or row["kind"] == "listing":
            continue
        data = (web / row["file"]).read_bytes()[row["offset"] : row["offset"] + row["length"]]
        body = next(iter(ArchiveIterator(io.BytesIO(data)))).content_stream().read()
        html = body.decode("cp949" if row["charset"] == "euc-kr" else row["charset"])
        shown = " ".join(lxml.html.document_fromstring(html).text_content().split())
        for line in row["text"].split("\n")[1:4]:
            if "\\" not in line and " | " not in line:
                assert " ".join(line.split()) in shown, (row["url"], line)


def test_url_variants_have_the_bytes_of_their_original(truth: list[dict]) -> None:
    originals = {row["duplicate_group"]: row for row in truth if row["duplicate_kind"] == "original"}
    variants = [row for row in truth if row["duplicate_kind"] == "url_variant"]
    assert variants
    for row in variants:
        assert row["payload_digest"] == originals[row["duplicate_group"]]["payload_digest"]


def test_cloze_questions_have_one_right_answer_and_pages_that_teach_it(web: Path, truth: list[dict]) -> None:
    rows = [json.loads(line) for line in (web / "cloze.jsonl").read_text("utf-8").splitlines()]
    facts = {(row["subject"], row["object"]) for row in map(json.loads, (web / "world.jsonl").open("rb"))}
    assert len(rows) > 800 and {row["form"] for row in rows} == {"statement", "question"}
    for row in rows:
        assert len(set(row["choices"])) == 4 and row["mentions"] >= 1
        assert row["continuation"] == " " + row["choices"][row["gold"]]
        choice = row["choices"][row["gold"]]
        answers = {choice, choice.removeprefix("a ").removeprefix("an ")}
        assert any(subject in row["query"] and value in answers for subject, value in facts)
    good = "\n".join(row["text"] for row in truth if row["quality"] == "good")
    assert not any(row["query"].split("\n")[0] in good for row in rows if row["query"].startswith("Question: "))


def test_planted_questions_stand_in_their_pages_and_a_quarter_stands_nowhere(web: Path, truth: list[dict]) -> None:
    questions = {row["id"]: row["text"] for row in map(json.loads, (web / "benchmark.jsonl").open("rb"))}
    planted = {name for row in truth for name in row["questions"]}
    assert len(planted) == len(questions) * 3 // 4
    for row in truth:
        for name in row["questions"]:
            assert questions[name] in row["text"]


def test_a_folder_with_other_things_in_it_is_refused(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(FileExistsError, match="holds no mini-web"):
        build(tmp_path, pages=200)
