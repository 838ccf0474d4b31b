"""The classifier toolkit: splits keep sites whole, training twice is the same, figures are what they say."""

from __future__ import annotations

import json
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import mannwhitneyu

from classifiers import toolkit
from classifiers.builders import case_template, crops, split_groups
from classifiers.calibration import platt
from classifiers.corpora import Example, site
from classifiers.evaluation import auc, bootstrap_auc, threshold_at, threshold_for
from curate.stages.quality.fasttext_model import MODELS, FastTextModel, ModelError, calibrated

GOOD = "the river flows past the old stone mill and the copper bridge over the harbour in winter".split()
BAD = "win cash now click here free casino bonus cheap pills call today for your prize".split()


def examples(n: int = 60) -> list[Example]:
    source = random.Random(1)
    made = []
    for number in range(n):
        words, label = (GOOD, "clean") if number % 2 else (BAD, "spam")
        text = " ".join(source.choices(words, k=40))
        made.append(Example(text, label, f"site{number // 4}.example", "made", language="en"))
    return made


def spec() -> toolkit.Spec:
    return toolkit.Spec("small", "A test.", ["None."], positive="spam", crops_per_label=120, folds=3, buckets=1000)


def test_a_split_keeps_groups_whole_and_does_not_depend_on_what_else_is_there() -> None:
    made = examples()
    folds = split_groups(made, 1, 5)
    by_group: dict[str, set[int]] = {}
    for example, fold in zip(made, folds, strict=True):
        by_group.setdefault(example.group, set()).add(fold)
    assert all(len(found) == 1 for found in by_group.values())
    assert split_groups(made[20:], 1, 5) == folds[20:]


def test_auc_is_the_mann_whitney_statistic_with_ties() -> None:
    source = np.random.default_rng(2)
    scores, truth = source.integers(0, 9, 300).astype(float), source.random(300) < 0.3
    expected = mannwhitneyu(scores[truth], scores[~truth]).statistic / (truth.sum() * (~truth).sum())
    assert auc(scores, truth) == pytest.approx(expected)


def test_the_bootstrap_resamples_groups_so_that_few_sites_give_a_wide_interval() -> None:
    source = np.random.default_rng(2)
    truth = source.random(400) < 0.5
    scores = truth + source.normal(0, 1.5, 400)
    many = bootstrap_auc(scores, truth, [str(i) for i in range(400)], 1)
    few = bootstrap_auc(scores, truth, [str(i // 40) for i in range(400)], 1)
    assert many[0] < auc(scores, truth) < many[1]
    assert few[1] - few[0] != many[1] - many[0]


def test_platt_scaling_recovers_known_probabilities() -> None:
    source = np.random.default_rng(5)
    logit = source.normal(0, 2, 20_000)
    truth = source.random(20_000) < 1 / (1 + np.exp(-(0.5 * logit - 1)))
    scaling = platt(1 / (1 + np.exp(-logit)), truth)
    assert scaling[0] == pytest.approx(-0.5, abs=0.03) and scaling[1] == pytest.approx(1.0, abs=0.05)
    assert calibrated(1 / (1 + np.exp(-logit)), scaling).mean() == pytest.approx(truth.mean(), abs=0.01)


def test_a_threshold_is_the_lowest_with_the_wanted_precision() -> None:
    scores = np.array([0.9, 0.8, 0.7, 0.6, 0.5])
    truth = np.array([True, True, False, True, False])
    assert threshold_for(scores, truth, 0.75) == 0.6
    assert threshold_for(scores, truth, 1.0) == 0.8


def test_crops_tell_nothing_of_a_texts_length() -> None:
    source = random.Random(3)
    long = [len(crops("word " * 5000, source).split()) for _ in range(500)]
    short = [len(crops("word " * 600, source).split()) for _ in range(500)]
    assert abs(np.median(long) - np.median(short)) < 30 and max(long) <= 512


def test_training_twice_gives_the_same_predictions_and_a_loadable_model(tmp_path: Path) -> None:
    made = examples()
    first = toolkit.fit(made, spec(), 1, True, tmp_path / "a.ftz")
    second = toolkit.fit(made, spec(), 1, True, tmp_path / "b.ftz")
    texts = [example.text for example in made]
    assert toolkit.predictions_hash(first, texts) == toolkit.predictions_hash(second, texts)


def test_held_out_scores_come_from_models_that_did_not_see_the_group(tmp_path: Path) -> None:
    made = examples()
    # One site says the opposite: a model that saw it would know.
    odd = [
        replace(e, label="clean" if e.label == "spam" else "spam") if e.group == "site3.example" else e for e in made
    ]
    probabilities, labels, _, _ = toolkit.held_out(odd, spec())
    rows = [i for i, e in enumerate(odd) if e.group == "site3.example"]
    wrong = [probabilities[i, labels.index(odd[i].label)] < 0.5 for i in rows]
    assert all(wrong)


@pytest.mark.parametrize(
    ("made", "settings", "message"),
    [
        ([], {}, "no examples"),
        ([example for example in examples() if example.label == "spam"], {}, "only the label 'spam'"),
        (examples(), {"positive": "spamm"}, "positive: 'spamm' is none of the labels"),
    ],
)
def test_examples_that_teach_nothing_are_refused(made: list[Example], settings: dict[str, str], message: str) -> None:
    with pytest.raises(ModelError, match=message):
        toolkit.check(made, replace(spec(), **settings))


def test_a_site_is_the_registrable_domain_without_asking_the_network() -> None:
    assert site("https://news.bbc.co.uk/1/hi") == "bbc.co.uk"
    assert site("http://a.b.example/x") == "a.b.example"


@pytest.mark.parametrize("path", sorted(MODELS.glob("*.ftz")), ids=lambda path: path.stem)
def test_a_bundled_model_is_small_loads_by_its_hash_and_has_a_card(path: Path) -> None:
    model = FastTextModel(path)
    assert path.stat().st_size <= 5 << 20
    assert model.card is not None and json.loads(path.with_suffix(".json").read_text())["name"] == path.stem
    assert "How often it is wrong" in path.with_suffix(".md").read_text()
    assert np.isfinite(model.probabilities(["A sentence about the harbour.", ""])).all()


def test_a_threshold_reaches_its_precision_at_the_prevalence_and_is_the_lowest_that_does() -> None:
    source = np.random.default_rng(5)
    truth = source.random(4000) < 0.5
    scores = np.round(truth + source.normal(0, 0.8, 4000), 2)

    def precision(threshold: float, prevalence: float) -> float:
        chosen = scores >= threshold
        found, wrong = chosen[truth].mean(), chosen[~truth].mean()
        return float(prevalence * found / (prevalence * found + (1 - prevalence) * wrong))

    for prevalence in (0.05, 0.5):
        threshold = threshold_at(scores, truth, 0.8, prevalence)
        assert precision(threshold, prevalence) >= 0.8
        assert all(precision(lower, prevalence) < 0.8 for lower in np.unique(scores[scores < threshold]))
    never = threshold_at(np.array([0.9, 0.2, 0.8]), np.array([False, True, True]), 0.99, 0.01)
    assert 0.9 < never < 0.9001


def test_cases_of_one_template_are_one_group() -> None:
    assert case_template("I hate women.") == case_template("I hate  Muslims.") != case_template("I like women.")


def test_strata_of_a_label_are_trained_on_alike() -> None:
    made = [Example("a b c", "spam", str(n), "x", stratum="many" if n else "one") for n in range(101)]
    wanted = replace(spec(), crops_per_label=40)
    counts = Counter(each.stratum for each in toolkit._balanced(made, wanted, random.Random(0)))
    assert counts["one"] == 20 and 5 < counts["many"] < 40
