"""`python -m curate extract`: a page in, its text or a JSON object out."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from curate.cli import main

SENTENCE = "The quick brown fox jumps over the lazy dog while the old farmer watches from his porch, amused."
PAGE = f"<html><title>A fox</title><body><p>{SENTENCE}</p></body></html>"


@pytest.fixture
def page(tmp_path: Path) -> str:
    path = tmp_path / "page.html"
    path.write_text(PAGE)
    return str(path)


def test_text_goes_to_standard_output(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["extract", page]) == 0
    assert capsys.readouterr().out == f"{SENTENCE}\n"


def test_json_has_the_metadata(page: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["extract", page, "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert (answer["title"], answer["text"], answer["blocks"]) == ("A fox", SENTENCE, 1)


def test_a_page_that_is_not_there_is_one_line_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["extract", "/no/such/page"]) == 2
    assert capsys.readouterr().err == "error: /no/such/page: cannot be read: No such file or directory\n"


@pytest.mark.parametrize(
    ("content", "kind"), [(gzip.compress(b"WARC/1.0"), "gzip"), (b"WARC/1.0\r\n", "a WARC"), (b"%PDF-1.4", "PDF")]
)
def test_what_is_no_page_is_refused_with_what_to_do(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes, kind: str
) -> None:
    (tmp_path / "x").write_bytes(content)
    assert main(["extract", str(tmp_path / "x")]) == 2
    said = capsys.readouterr()
    assert f"is {kind}, no HTML page" in said.err and "input: {warc: FILE}" in said.err and not said.out
