"""Folds apart from near-duplicates, calibration, tables and curves, and what commands say of bad input."""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy.optimize import isotonic_regression

from classifiers import inspection, outside, toolkit, tuning
from classifiers.__main__ import main
from classifiers.builders import BROWN_DOMAINS, LABEL_DOMAINS, SET_DOMAINS, TEXT_DOMAINS, split_groups
from classifiers.calibration import isotonic, labelled, platt, recalibrate
from classifiers.checked import agreement, judgements, url_hash
from classifiers.corpora import Example
from classifiers.folds import MIN_SIMILARITY, apart, near_duplicates, shingles, similarity
from curate.placed_yaml import RecipeError
from curate.stages.quality.fasttext_model import FastTextModel, ModelCard, ModelError, find, url_words
from tests.classifiers.test_toolkit import examples, spec

WORDS = [f"{a}{b}" for a in "stone river mill harbour bridge winter copper field".split() for b in ("", "s", "ed")]


def text(seed: int, words: int = 80) -> str:
    return " ".join(random.Random(seed).choices(WORDS, k=words))


# ---------------------------------------------------------------------------------------- folds


def test_near_duplicates_of_two_sites_are_never_on_both_sides_of_a_split() -> None:
    made = [Example(text(n), "a", f"site{n}.example", "made") for n in range(40)]
    for n in range(0, 40, 2):
        copy = made[n].text.split()
        copy[10] = "changed"
        made.append(Example(" ".join(copy), "a", f"copy{n}.example", "made"))
    wide = apart(made)
    folds = split_groups(wide, 1, 5)
    for n in range(20):
        assert wide[40 + n].group == wide[2 * n].group and folds[40 + n] == folds[2 * n]
    assert len({example.group for example in wide}) == 40
    assert any(a != b for a, b in zip(split_groups(made, 1, 5)[40:], split_groups(made, 1, 5)[:40:2], strict=True))


def test_pairs_found_are_all_there_are_and_alike_enough() -> None:
    texts = (
        [text(n, 60) for n in range(30)] + [text(n, 60) + " and a tail of five" for n in range(30)] + ["", "one", "one"]
    )
    found = set(near_duplicates(texts))
    assert {(n, 30 + n) for n in range(30)} | {(61, 62)} == found
    assert all(similarity(shingles(texts[a]), shingles(texts[b])) >= MIN_SIMILARITY for a, b in found)


def test_a_thousand_copies_are_joined_in_a_chain_and_not_in_a_million_pairs() -> None:
    pairs = list(near_duplicates(["the same words on every page of the site"] * 300))
    assert len(pairs) < 24 * 310
    wide = apart([Example("the same words on every page", "a", f"s{n}", "made") for n in range(300)])
    assert len({example.group for example in wide}) == 1


# ---------------------------------------------------------------------------------------- calibration


def test_isotonic_regression_is_scipys() -> None:
    source = np.random.default_rng(3)
    raw = np.sort(source.random(60))
    truth = source.random(60) < raw**2
    knots = np.array(isotonic(raw, truth))
    reference = isotonic_regression(truth.astype(float)).x
    blocks = np.split(np.arange(60), np.flatnonzero(np.diff(reference)) + 1)
    np.testing.assert_allclose(knots[:, 1], [reference[block[0]] for block in blocks])
    np.testing.assert_allclose(knots[:, 0], [raw[block].mean() for block in blocks])


@pytest.mark.parametrize("method", ["platt", "isotonic"])
def test_a_model_is_calibrated_anew_on_labelled_texts(tmp_path: Path, method: str) -> None:
    model = trained(tmp_path)
    rows = [{"text": e.text, "label": e.label} for e in examples(80)]
    # One in five is labelled otherwise: no score should then be surer than that.
    for row in rows[::5]:
        row["label"] = "clean" if row["label"] == "spam" else "spam"
    (tmp_path / "mine.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    before = FastTextModel(model).scores([row["text"] for row in rows])
    told = recalibrate("small", tmp_path / "mine.jsonl", method, tmp_path)
    after = FastTextModel(model).scores([row["text"] for row in rows])
    truth = np.array([row["label"] == "spam" for row in rows])
    assert abs(after.mean() - truth.mean()) < 0.02
    assert np.mean((after - truth) ** 2) <= np.mean((before - truth) ** 2) + 1e-6 and method in told
    assert toolkit.evaluate_labelled("small", tmp_path / "mine.jsonl", tmp_path).startswith("small: AUC 0.")


def trained(folder: Path) -> Path:
    path = folder / "small.ftz"
    model = toolkit.fit(examples(), spec(), 1, True, path)
    card = ModelCard("small", model.sha256, model.labels, "spam", platt=(-1.0, 0.0))
    path.with_suffix(".json").write_text(json.dumps(asdict(card)))
    return path


# ---------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", r"0 texts of 0 label\(s\); texts of two labels are needed"),
        ('{"text": "a", "label": "spam"}\n', r"1 texts of 1 label\(s\)"),
        ('{"text": "a", "label": "spamm"}\n', r"line 1: no label 'spamm'; did you mean 'spam'\?; allowed: clean, spam"),
        ('{"text": "a"}\n', "line 1: needs a text and a label; found .'text'."),
        ('{"text": null, "label": "spam"}\n', "line 1: needs a text"),
        ("no json\n", "not JSON lines"),
        ("[1]\n", "line 1: needs a text and a label"),
    ],
)
def test_labelled_files_that_are_wrong_are_refused_by_line(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "mine.jsonl"
    path.write_text(content)
    with pytest.raises(ModelError, match=message):
        labelled(path, ["clean", "spam"])


def test_a_spec_with_a_wrong_key_says_what_is_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.yaml").write_text("summary: x\ncaveats: []\ndimensions: 8\n")
    monkeypatch.setattr(toolkit, "SPECS", tmp_path)
    with pytest.raises(
        RecipeError, match=r"mine\.yaml:3: unknown key 'dimensions'; did you mean 'dimension'\?; allowed: "
    ):
        toolkit.load_spec("mine")


def test_texts_with_newlines_and_nuls_are_trained_on_and_scored_as_one_line(tmp_path: Path) -> None:
    made = [replace(e, text=e.text.replace(" ", "\n", 3).replace(" ", "\0", 2) + "\0__label__spam") for e in examples()]
    model = toolkit.fit(made, spec(), 1, True, tmp_path / "odd.ftz")
    assert sorted(model.labels) == ["clean", "spam"]
    whole, cut = model.probabilities(["win\ncash\0now", "win cash now"])
    np.testing.assert_array_equal(whole, cut)


def test_commands_tell_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "edu", "--data", str(tmp_path), "--cache", str(tmp_path)]) == 2
    assert "matches no file" in capsys.readouterr().err
    assert main(["calibrate", "edu"]) == 2
    assert "calibrate needs --labelled FILE" in capsys.readouterr().err
    (tmp_path / "empty.jsonl").write_text("")
    assert main(["evaluate", "edu", "--labelled", str(tmp_path / "empty.jsonl")]) == 2
    assert "two labels are needed" in capsys.readouterr().err
    assert main(["build", "edu", "--links", "x.sql.gz"]) == 2
    assert "--links is for wikipedia_reference" in capsys.readouterr().err
    with pytest.raises(SystemExit) as stopped:
        main(["train", "wikipedia_refrence"])
    assert stopped.value.code == 2 and "wikipedia_reference" in capsys.readouterr().err


# ---------------------------------------------------------------------------------------- tables, curves, words


def test_the_card_has_tables_words_and_curves_and_no_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = [replace(e, kind="page", text=e.text + " unmistakable sentence") for e in examples(80)]
    monkeypatch.setitem(toolkit.BUILDERS, "small", lambda data, cache: made)
    monkeypatch.setattr(toolkit, "load_spec", lambda name: replace(spec(), caveats=["None."]))
    toolkit.train("small", tmp_path, tmp_path, tmp_path)
    card = (tmp_path / "small.md").read_text()
    for part in ("## Where it errs", "| length |", "| page type |", "Sites that it prefers", "The surest errors"):
        assert part in card
    words = next(line for line in card.splitlines() if line.startswith("- spam: ")).split(": ")[1].split(", ")
    assert {"casino", "cash", "pills"} <= set(words) and "harbour" not in words
    assert "unmistakable sentence" not in card
    svg = (tmp_path / "small.svg").read_text()
    assert svg.count("<polyline") == 3 and "recall" in svg


def test_average_precision_by_hand() -> None:
    found = inspection.average_precision(np.array([0.9, 0.8, 0.7, 0.6]), np.array([True, False, True, False]))
    assert found == pytest.approx((1 + 2 / 3) / 2)


def test_confusion_is_counted_by_label() -> None:
    made = [Example("a b", label, "g", "made") for label in ("x", "x", "y")]
    lines = inspection.classes(made, ["x", "y", "y"], ["x", "y"])
    assert "| **x** | 1 | 1 |" in lines and "| **y** |  | 1 |" in lines


def test_tuning_stays_in_its_budget_and_never_scores_on_what_it_tuned_on() -> None:
    best, lines = tuning.tune(examples(100), spec(), seconds=0.0)
    assert len([line for line in lines if line.startswith(("0.", "1."))]) == 2
    assert lines[0].endswith("(as it is)") and lines[-1].startswith("on the fifth set aside, best: ")
    assert tuning.settings(best).startswith("{dimension: ")


# ---------------------------------------------------------------------------------------- the URL


def test_url_words_tell_kind_depth_and_date() -> None:
    found = set(url_words("https://www.forum.example.com/news/2019/05/a-long-title").split())
    assert found == {"url_forum", "url_example", "url_news", "url_long", "url_title", "urldepth_3", "urldate"}
    assert url_words(None) == url_words("") == ""


def test_a_model_that_reads_urls_uses_them_and_does_without(tmp_path: Path) -> None:
    made = [replace(e, text=text(n), url=f"https://{e.label}.org/p{n}") for n, e in enumerate(examples(120))]
    model = toolkit.fit(made, replace(spec(), uses_url=True, epochs=20), 1, True, tmp_path / "m.ftz")
    texts = [text(1000 + n) for n in range(40)]
    column = model.labels.index("spam")
    spam = model.probabilities(texts, ["https://spam.org/x"] * 40)[:, column]
    clean = model.probabilities(texts, ["https://clean.org/x"] * 40)[:, column]
    assert (spam > clean).all() and np.isfinite(model.probabilities(texts, [None] * 40)).all()
    np.testing.assert_array_equal(model.probabilities(texts), model.probabilities(texts, [None] * 40))


def test_platt_and_isotonic_agree_on_scores_that_are_calibrated() -> None:
    source = np.random.default_rng(5)
    raw = source.uniform(0.05, 0.95, 20_000)
    truth = source.random(20_000) < raw
    knots = np.array(isotonic(raw, truth))
    assert np.abs(np.interp([0.2, 0.5, 0.8], knots[:, 0], knots[:, 1]) - [0.2, 0.5, 0.8]).max() < 0.06
    assert platt(raw, truth)[0] == pytest.approx(-1, abs=0.05)


# ---------------------------------------------------------------------------------------- what a reader says, languages


def test_a_reader_judged_a_hundred_pages_by_the_taxonomy_and_no_text_of_theirs_is_kept() -> None:
    read = judgements(toolkit.SPECS, "domain")
    assert len(read) == 100 and all(len(key) == 16 and int(key, 16) >= 0 for key in read)
    known = {*LABEL_DOMAINS.values(), *SET_DOMAINS.values(), *TEXT_DOMAINS.values(), *BROWN_DOMAINS.values()}
    table = yaml.safe_load((toolkit.SPECS / "domain_sites.yaml").read_text())
    assert set(read.values()) <= known | set(table) | {"other"}


def test_agreement_with_the_reader_is_told_with_its_interval(tmp_path: Path) -> None:
    made = [Example("a b", label, "g", "made", url=f"https://x.example/{n}") for n, label in enumerate("aabb")]
    rows = [f"{url_hash(each.url)}\t{label}" for each, label in zip(made, "abbb", strict=True)]
    (tmp_path / "mine_checked.tsv").write_text("\n".join(["# read", *rows, f"{url_hash('gone')}\ta"]) + "\n")
    lines = agreement(tmp_path, "mine", made, list("aabb"))
    assert "1 of them have no weak label" in lines[3] and lines[3].count("in 3 of 4 (75% [30%, 95%])") == 2
    assert lines[-1] == "| a | b | 1 |" and agreement(tmp_path, "other", made, list("aabb")) == []


def test_negatives_are_taken_in_the_languages_of_the_positives() -> None:
    made = [Example("a b c", "spam", str(n), "x", stratum="en" if n < 9 else "de") for n in range(10)]
    made += [Example("a b c", "clean", str(n), "x", stratum="en" if n < 100 else "de") for n in range(400)]
    wanted = replace(spec(), crops_per_label=200, matched_strata=1.0)
    counts = Counter((each.label, each.stratum) for each in toolkit._balanced(made, wanted, random.Random(0)))
    assert counts["spam", "en"] == 180 and counts["spam", "de"] == 20
    assert 150 < counts["clean", "en"] < 210 and 8 < counts["clean", "de"] < 40


def test_texts_outside_of_the_training_are_of_one_length_and_of_sets_that_it_did_not_see(shared_data: Path) -> None:
    for words in outside.RUNS:
        texts = outside.labelled_texts(shared_data, words)
        assert {len(each.text.split()) for each in texts} == {words} and {each.label for each in texts} == {
            "good", "poor"}  # fmt: skip
    model = FastTextModel(find("edu"))
    seen = [Example("a", "teaches", "g", "wikitext2_valid")]
    card = "\n".join(outside.tables(toolkit.load_spec("edu"), model, seen, shared_data))
    assert "| brown | good |" in card and "WikiText" not in card and "wikitext" not in card
