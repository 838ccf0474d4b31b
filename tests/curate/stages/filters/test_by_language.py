"""Thresholds by language: made from a reference run, applied to documents of that language."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest

from curate.cli import main
from curate.engine.executor import InlineExecutor
from curate.engine.progress import Progress
from curate.engine.run import Job, run
from curate.recipe import load
from curate.stage import Shared
from curate.stages.filters.by_language import LanguageThresholds, LanguageThresholdsParameters

RECIPE = """
name: reference
input: {{jsonl: {folder}/texts.jsonl}}
stages:
  - gopher_quality: {{mode: annotate}}
output: {folder}/out
"""


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rows = [{"text": "word " * n, "language": "en", "url": f"http://a.example/{n}"} for n in range(1, 121)]
    rows += [{"text": "längeresWort " * 60, "language": "de", "url": f"http://b.example/{n}"} for n in range(30)]
    (tmp_path / "texts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "recipe.yaml").write_text(RECIPE.format(folder=tmp_path))
    recipe = load(tmp_path / "recipe.yaml")
    job = Job(
        "reference", recipe.header.input, recipe.stages, recipe.header.output, recipe.store, recipe.to_yaml(),
        recipe.hash(), 30.0, 512,
    )  # fmt: skip
    run(job, InlineExecutor, Progress(quiet=True))
    out = tmp_path / "table.json"
    assert main(["calibrate", recipe.header.output, "--out", str(out), "--tail", "0.1"]) == 0
    return out


def test_limits_are_the_reference_s_quantiles_and_rare_languages_are_left_out(table, capsys):
    limits = json.loads(table.read_text())["limits"]
    assert set(limits) == {"en"}
    least, most = limits["en"]["gopher_quality.words"]
    assert least == pytest.approx(12.9) and most == pytest.approx(108.1)
    assert limits["en"]["gopher_quality.hashes_per_word"][0] is None


def test_a_document_is_judged_by_its_own_language(table):
    signals = pa.array([{"words": 5}, {"words": 5}, {"words": 50}, {"words": None}])
    stored = json.loads(table.read_text())
    stored["limits"]["en"] = {"gopher_quality.words": stored["limits"]["en"]["gopher_quality.words"]}
    table.write_text(json.dumps(stored))
    batch = pa.record_batch({"language": ["en", "fr", "en", "en"], "gopher_quality": signals})
    stage = LanguageThresholds(LanguageThresholdsParameters(table=str(table)))
    rows = stage.process(batch, Shared()).verdicts.to_pylist()
    assert [row["rule"] for row in rows] == ["gopher_quality.words", None, None, None]
    assert (rows[0]["value"], rows[0]["threshold"]) == ("5", "12.9")
    strict = LanguageThresholds(LanguageThresholdsParameters(table=str(table), unknown_language="drop"))
    assert strict.process(batch, Shared()).verdicts["rule"].to_pylist()[1] == "unknown_language"
    assert stage.reads == ("language", "gopher_quality")


def test_a_table_that_is_none_is_refused(tmp_path):
    (tmp_path / "t.json").write_text('{"limits": {"en": {"words": [1]}}}')
    for name, message in (("t.json", "no table of thresholds"), ("absent.json", "no such table")):
        with pytest.raises(ValueError, match=message):
            LanguageThresholds(LanguageThresholdsParameters(table=str(tmp_path / name)))
