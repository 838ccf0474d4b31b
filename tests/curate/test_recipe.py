"""Recipes: what they say is what runs; a mistake is answered with its place, what was given, what is allowed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from curate.cli import main
from curate.recipe import Recipe, RecipeError, load
from curate.stages.extract.stage import ExtractParameters
from curate.stages.language.stage import LanguageParameters

BASE = """name: base
input: {warc: pages/*.warc.gz}
stages:
  - extract: {engine: resiliparse}
  - language:
      keep: [en]
      min_score: 0.65
  - deduplicate: {by: url}
  - deduplicate: {by: text}
output: runs/base
"""


def write(folder: Path, text: str, name: str = "recipe.yaml") -> Path:
    file = folder / name
    file.write_text(text)
    return file


def error_of(folder: Path, text: str, *settings: str) -> str:
    with pytest.raises(RecipeError) as caught:
        load(write(folder, text), settings)
    return str(caught.value)


def parameters(recipe: Recipe, label: str) -> object:
    return next(stage.parameters for stage in recipe.stages if stage.label == label)


def test_a_recipe_becomes_typed_stages_with_labels_that_tell_uses_apart(tmp_path: Path) -> None:
    recipe = load(write(tmp_path, BASE))
    assert [stage.label for stage in recipe.stages] == ["extract", "language", "deduplicate_url", "deduplicate_text"]
    assert parameters(recipe, "language") == LanguageParameters(keep=["en"], min_score=0.65)
    assert recipe.store == "runs/.phases"


def test_the_resolved_recipe_loads_to_the_same_recipe(tmp_path: Path) -> None:
    recipe = load(write(tmp_path, BASE))
    again = load(write(tmp_path, recipe.to_yaml(), "resolved.yaml"))
    assert again.hash() == recipe.hash()
    assert [stage.parameters for stage in again.stages] == [stage.parameters for stage in recipe.stages]


def test_the_hash_follows_what_changes_the_answer_and_not_where_it_goes(tmp_path: Path) -> None:
    plain = load(write(tmp_path, BASE))
    assert load(write(tmp_path, BASE), output="elsewhere").hash() == plain.hash()
    assert load(write(tmp_path, BASE), ["language.min_score=0.7"]).hash() != plain.hash()


def test_set_changes_one_key_by_label_or_by_an_unambiguous_name(tmp_path: Path) -> None:
    recipe = load(
        write(tmp_path, BASE), ["language.keep=[de, fr]", "extract.engine=trafilatura", "input.warc=other.warc"]
    )
    assert parameters(recipe, "language") == LanguageParameters(keep=["de", "fr"], min_score=0.65)
    assert parameters(recipe, "extract") == ExtractParameters(engine="trafilatura")
    assert recipe.header.input == {"warc": "other.warc"}


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("output.path=x", "output is 'runs/base', which has no 'path'"),
        ("language.min_score.x=1", "language.min_score is 0.65, which has no 'x'"),
        ("language=1", "language is a stage; a parameter of it is set as language.NAME=value"),
        ("extract.engine.x.y=1", "extract.engine is 'resiliparse', which has no 'x'"),
    ],
)
def test_nothing_is_set_below_a_value_that_holds_no_keys(tmp_path: Path, setting: str, said: str) -> None:
    assert said in error_of(tmp_path, BASE, setting)


MANGLED = [None, -1, 1.5, True, "", "x", [], [1], {}, {"a": 1}, [{}], [[]], {"label": None}, {"where": 1}, {"by": []}]


def test_a_recipe_in_which_anything_is_replaced_by_anything_loads_or_is_refused(tmp_path: Path) -> None:
    arm = "extends: base.yaml\nname: arm\nremove: [deduplicate_url]\nset: {language: {min_score: 0.2}}\n"
    arm += "insert: [{after: extract, stage: {language: {label: early}}}]\n"
    write(tmp_path, BASE, "base.yaml")
    refused = 0
    for text in (BASE, arm):
        for path in paths(yaml.safe_load(text)):
            for number, value in enumerate(MANGLED):
                raw = yaml.safe_load(text)
                inner = raw
                for key in path[:-1]:
                    inner = inner[key]
                inner[path[-1]] = value
                settings = [["language.keep=[de]"], ["deduplicate.by.x=1"], []][number % 3]
                try:
                    load(write(tmp_path, yaml.safe_dump(raw, sort_keys=False), "mangled.yaml"), settings)
                except RecipeError:
                    refused += 1
    assert refused > 300


def paths(value: object, path: tuple[object, ...] = ()) -> Iterator[tuple[object, ...]]:
    """The keys on the way to each part of a value."""
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in members:
        yield (*path, key)
        yield from paths(inner, (*path, key))


def test_an_arm_extends_a_recipe_and_changes_it(tmp_path: Path) -> None:
    write(tmp_path, BASE, "base.yaml")
    arm = """extends: base.yaml
name: arm
output: runs/arm
remove: [deduplicate_url]
replace: {deduplicate_text: {deduplicate: {by: url, label: last}}}
insert: [{after: extract, stage: {language: {label: early}}}]
set: {language.min_score: 0.2}
"""
    recipe = load(write(tmp_path, arm))
    assert [stage.label for stage in recipe.stages] == ["extract", "early", "language", "last"]
    assert parameters(recipe, "language") == LanguageParameters(keep=["en"], min_score=0.2)
    assert recipe.header.name == "arm"


@pytest.mark.parametrize(
    ("change", "settings", "expected"),
    [
        (("min_score:", "min_scrore:"), (), [":7:", "'language.min_scrore'", "did you mean 'min_score'", "keep"]),
        (("0.65", "high"), (), [":7:", "language.min_score", "'high' was given", "number"]),
        (("0.65", "1.5"), (), [":7:", "language.min_score", "1.5 was given", "less than or equal to 1"]),
        (("extract: {", "extrat: {"), (), [":4:", "unknown stage 'extrat'", "did you mean 'extract'"]),
        (("engine: resiliparse", "engine: lynx"), (), [":4:", "extract.engine", "'lynx'", "'trafilatura'"]),
        (("output:", "outptu:"), (), [":10:", "unknown key 'outptu'", "did you mean 'output'"]),
        (("output: runs/base\n", ""), (), ["'output' is missing"]),
        (("{by: text}", "{by: url}"), (), [":9:", "label 'deduplicate_url' is taken", ":8"]),
        (("name: base", "name: !!python/object/apply:os.getcwd []"), (), [":1:", "plain YAML"]),
        (("keep: [en]", "keep: [en"), (), ["not YAML"]),
        (("name: base", "name: base\nname: twice"), (), [":2:", "'name' stands twice"]),
        (("name: base", "extends: missing.yaml"), (), ["missing.yaml", "no such recipe"]),
        (("", ""), ("languge.min_score=1",), ["--set languge.min_score", "did you mean 'language'"]),
        (("", ""), ("language.min_score",), ["the form is key=value"]),
        (("", ""), ("deduplicate.by=url",), ["2 stages labelled 'deduplicate'", "deduplicate_url"]),
    ],
)
def test_a_mistake_is_answered_with_place_given_allowed_and_nearest(
    tmp_path: Path, change: tuple[str, str], settings: tuple[str, ...], expected: list[str]
) -> None:
    message = error_of(tmp_path, BASE.replace(*change, 1) if change[0] else BASE, *settings)
    for part in expected:
        assert part in message, message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            "extends: none.yaml\nname: a\n",
            r":1: extends: .*none\.yaml: no such recipe; the path is taken from this recipe's folder",
        ),
        ("name: a\ninput: x.jsonl\noutput: o\nstages: [gopher_quality]\n", r":2: input: .* a mapping is needed"),
        (
            "name: a\ninput: {jsonl: x}\noutput: o\nstages:\n  - language: {keep: en}\n",
            r":5: language\.keep: 'en' was given; a list is needed, such as \[en\]",
        ),
    ],
)
def test_a_value_of_another_kind_is_answered_with_the_kind_that_is_needed(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text(text)
    with pytest.raises(RecipeError, match=said):
        load(file)


def test_all_that_is_wrong_in_a_recipe_is_told_at_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = """name: base
input: []
stages:
  - extrat
  - language: {kep: [en], min_score: 1.5, where: 3}
  - gopher_quality: {min_words: many, label: "a b"}
  - url_filter: 7
  - fix_text
  - fix_text
limits: {record_cpu_seconds: -1, memory: 3}
"""
    recipe = write(tmp_path, text)
    settings = ["--set", "langage.keep=[de]", "--set", "fineweb_quality"]
    assert main(["run", str(recipe), *settings]) == 2
    lines = capsys.readouterr().err.splitlines()
    assert all(line.startswith("error: ") for line in lines)
    expected = [
        ("--set langage.keep", "did you mean 'language'"),
        ("--set fineweb_quality", "the form is key=value"),
        (":2: input:", "[] was given", "a mapping is needed"),
        ("'output' is missing",),
        (":10: limits.record_cpu_seconds:", "-1 was given", "greater than 0"),
        (":10: unknown key 'limits.memory'", "did you mean 'memory_mb'"),
        (":4: unknown stage 'extrat'", "did you mean 'extract'"),
        (":5: language.min_score:", "1.5 was given", "less than or equal to 1"),
        (":5: unknown key 'language.kep'", "did you mean 'keep'"),
        (":5: language.where: takes a condition", "not 3"),
        (":6: gopher_quality.label: takes letters", "not 'a b'"),
        (":6: a b.min_words:", "'many' was given", "integer"),
        (":7: url_filter: takes parameters", "not 7"),
        (":9: the label 'fix_text' is taken", ":8"),
    ]
    for parts in expected:
        assert any(all(part in line for part in parts) for line in lines), (parts, lines)
    assert len(lines) == len(expected), lines


def test_the_changes_of_an_arm_that_cannot_be_made_are_told_at_once_with_their_lines(tmp_path: Path) -> None:
    write(tmp_path, BASE, "base.yaml")
    said = error_of(
        tmp_path,
        """extends: base.yaml
remove:
  - langage
  - extract
insert: [{by: extract}]
set:
  language.min_score: 2
  lang.keep: [de]
""",
    ).splitlines()
    places = [
        (":3:", "'langage'; did you mean 'language'"),
        (":5:", "insert"),
        (":8:", "'lang'; did you mean"),
        (":7",),
    ]
    for line, parts in zip(said, places, strict=True):
        assert all(part in line for part in parts), (line, parts)


def test_a_value_that_may_be_of_several_kinds_is_told_once(tmp_path: Path) -> None:
    said = error_of(tmp_path, BASE.replace("keep: [en]", "keep: [1, 2]"))
    assert said.count("\n") == 0 and "language.keep.0" in said
