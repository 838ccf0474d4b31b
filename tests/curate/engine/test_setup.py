"""A recipe whose stage names a file or a model that is not what it needs is answered in one line, with status 2."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from curate.cli import main

WRONG = {
    "quality: {model: nothere.ftz}": "stage quality: no model 'nothere.ftz'",
    "quality: {model: domain}": "stage quality: ",
    "quality: {label: cited, model: FOLDER/other.json}": "stage cited: ",
    "classify: {model: nothere}": "stage classify: no model 'nothere'",
    "classify: {engine: transformers, model: FOLDER}": "stage classify: ",
    "language: {engine: fasttext, model: nothere.bin}": "stage language: language: model: no file",
    "language_thresholds: {table: nothere.json}": "no such table; make one: python -m curate calibrate",
    "c4_bad_words: {words: nothere.txt}": "nothere.txt",
    "url_safety": "url_safety: ",
    "url_filter: {lists: FOLDER/none}": "url_filter: ",
    "decontaminate: {benchmarks: [nothere.jsonl]}": "nothere.jsonl",
    "decontaminate: {benchmarks: x.jsonl}": "a list is needed, such as [x.jsonl]",
    "datatrove: {step: NoSuchFilter}": ": datatrove: datatrove has no step",
    "tokenize: {tokenizer: nothere.json}": "nothere.json",
    "tokenize: {tokenizer: FOLDER/other.json}": "other.json",
    "tokenize: {vocabulary: 5}": "tokenize.vocabulary: 5 was given",
    "deduplicate: {by: text, against: [FOLDER/none]}": "none",
    "deduplicate: {by: colour}": "'colour'",
    "deduplicate: {by: minhash, threshold: 1.5}": "1.5",
    "mix: {strategy: file, file: nothere.json}": "nothere.json",
    "mix: {strategy: weights}": "strategy weights needs `weights`",
    "pii: {ner_model: nothere}": "nothere",
    "custom: {rule: 'text =='}": "custom.rule: ",
    "write: {folder: documents}": "write",
    "write: {columns: [nothere]}": "stage write reads the column 'nothere'",
}


@pytest.mark.parametrize("stage", list(WRONG))
def test_a_stage_that_cannot_begin_is_named_with_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], stage: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CURATE_UT1", raising=False)
    (tmp_path / "other.json").write_text('{"a": 1}')
    text = "The river runs by the old mill, and the stones were laid in winter. " * 8
    rows = [{"text": f"{text} {n}", "url": f"http://a.example/{n}", "language": "en"} for n in range(5)]
    (tmp_path / "texts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        f"name: wrong\ninput: {{jsonl: {tmp_path}/texts.jsonl}}\noutput: {tmp_path}/run\n"
        f"stages:\n  - {stage.replace('FOLDER', str(tmp_path))}\n"
    )
    status = main(["run", str(recipe), "--inline", "--quiet"])
    said = capsys.readouterr().err
    assert WRONG[stage] in said and said.startswith("error: ") and said.count("\n") == 1
    assert status == 2
