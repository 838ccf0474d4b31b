"""A user's own classifier: a spec in a file of theirs, texts in files of theirs, and a model that a recipe can name."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from classifiers.__main__ import SPECS, main
from classifiers.toolkit import load_spec
from curate.cli import main as curate
from curate.stages.quality.fasttext_model import FastTextModel

SPEC = """
summary: "Pages about harbours."
caveats: ["Made-up texts."]
positive: harbour
examples:
  harbour: {jsonl: texts/harbour.jsonl}
  other: {parquet: texts/*.parquet}
crops_per_label: 200
buckets: 1000
min_count: 1
max_drift: 1.0
max_mean_drift: 1.0
"""
HARBOUR = "ship quay tide anchor sailor crane dock mast harbour pilot".split()
OTHER = "field cow plough barn seed tractor hay wheat farmer orchard".split()


def text(words: list[str], source: random.Random) -> str:
    return " ".join(source.choices([*words, "the", "of", "and", "is"], k=60))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("own")
    (folder / "texts").mkdir()
    source = random.Random(1)
    lines = [json.dumps({"url": f"https://h{i % 20}.example/{i}", "text": text(HARBOUR, source)}) for i in range(80)]
    (folder / "texts" / "harbour.jsonl").write_text("\n".join(lines) + "\n")
    rows = [{"url": f"https://o{i % 20}.example/{i}", "text": text(OTHER, source)} for i in range(120)]
    pq.write_table(pa.Table.from_pylist(rows), folder / "texts" / "other.parquet")
    (folder / "port.yaml").write_text(SPEC)
    return folder


def test_a_spec_of_ones_own_is_trained_from_the_files_that_it_names_and_a_recipe_scores_by_it(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["build", str(folder / "port.yaml")]) == 0
    assert "harbour: 80 texts of 20 groups" in capsys.readouterr().out
    assert main(["train", str(folder / "port.yaml")]) == 0
    model = FastTextModel(folder / "port.ftz")
    source = random.Random(2)
    high, low = model.scores([text(HARBOUR, source), text(OTHER, source)])
    assert high > 0.5 > low
    assert "AUC" in (folder / "port.md").read_text()
    recipe = folder / "recipe.yaml"
    recipe.write_text(
        f"name: own\ninput: {{jsonl: {folder}/texts/harbour.jsonl, parquet: {folder}/texts/other.parquet}}\n"
        f"stages:\n  - quality: {{model: {folder}/port.ftz, threshold: 0.5}}\noutput: {folder}/run\n"
    )
    assert curate(["run", str(recipe), "--inline", "--quiet"]) == 0
    manifest = json.loads((folder / "run" / "manifest.json").read_text())
    assert (manifest["counts"]["kept"], sum(manifest["counts"]["dropped"].values())) == (80, 120)


def test_more_texts_than_wanted_are_drawn_whatever_the_order_of_files(folder: Path) -> None:
    from classifiers.builders import named_examples

    names = {"harbour": {"jsonl": "texts/harbour.jsonl"}}
    drawn = named_examples(names, folder, 30)
    lines = (folder / "texts" / "harbour.jsonl").read_text().splitlines()
    (folder / "turned").mkdir()
    (folder / "turned" / "b.jsonl").write_text("\n".join(lines[:40][::-1]) + "\n")
    (folder / "turned" / "a.jsonl").write_text("\n".join(lines[40:]) + "\n")
    again = named_examples({"harbour": {"jsonl": "turned/*.jsonl"}}, folder, 30)
    assert len(drawn) == 30
    assert {each.text for each in drawn} == {each.text for each in again}


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("positive: a\n", "examples: say for each label where its texts are"),
        ("examples: {a: {jsonl: none/*.jsonl}}\n", "matches no file"),
        ("examples: {a: {warc: x.warc.gz}}\n", "names no texts; allowed: jsonl, parquet, wet"),
        ("examples: {a: {jsonl: texts/harbour.jsonl}}\n", "only the label 'a'"),
        ("example: {}\n", "unknown key 'example'; did you mean 'examples'"),
        ("- a\n", "a spec is a mapping with the keys summary, caveats"),
        ("summary: x\n", "the key 'caveats' is missing; a spec says"),
        ("summary: [x]\ncaveats: []\nepochs: many\n", ":1: summary: ['x'] was given"),
        ("summary: [x]\ncaveats: []\nepochs: many\n", ":3: epochs: 'many' was given"),
    ],
)
def test_a_spec_that_cannot_be_is_refused_with_what_is_allowed(
    folder: Path, capsys: pytest.CaptureFixture[str], spec: str, said: str
) -> None:
    file = folder / "wrong.yaml"
    file.write_text("summary: x\ncaveats: []\n" + spec if not spec.startswith(("-", "summary")) else spec)
    assert main(["train", str(file)]) == 2
    told = capsys.readouterr().err
    assert said in told
    assert all(line.startswith("error: ") and line.count("wrong") <= 1 for line in told.splitlines())


def test_a_file_that_is_not_there_is_named_once(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", f"{folder}/none.yaml"]) == 2
    assert capsys.readouterr().err == f"error: {folder}/none.yaml: there is no such spec\n"
    assert main(["card", f"{folder}/none.yaml"]) == 2
    assert f"{folder}/none.md: there is no such card" in capsys.readouterr().err
    missing = ["calibrate", f"{folder}/port.yaml", "--labelled", f"{folder}/missing.jsonl"]
    assert main(missing) == 2
    assert capsys.readouterr().err.count("missing.jsonl") == 1


def test_a_model_that_is_not_there_is_named_with_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["card", "wikipedia_referense"])
    assert left.value.code == 2
    assert "did you mean 'wikipedia_reference'?" in capsys.readouterr().err


def test_every_name_that_is_offered_is_a_model_s() -> None:
    assert {"edu", "domain"} <= set(SPECS)
    for name in SPECS:
        assert load_spec(name).summary
