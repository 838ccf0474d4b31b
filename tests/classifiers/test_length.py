"""How much of a text a quality model sees must not decide its score: a model's card states a bound, and real texts that
it was not trained on keep to it."""

from __future__ import annotations

import ast
import sysconfig
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from classifiers import toolkit
from classifiers.corpora import json_lines
from classifiers.evaluation import LENGTHS, Evaluation, drift
from curate.stages.quality.fasttext_model import FastTextModel, ModelError, find
from tests.classifiers.test_toolkit import spec

ARMS = ("wikipedia_reference", "edu", "instruction_like")
DOCSTRINGS = 150
"""Words of a docstring from which on it counts as a text."""


def within_the_bound(name: str, texts: Sequence[str]) -> dict[int, int]:
    """Length → texts compared; fails where the drift is beyond what the model's description says."""
    model = FastTextModel(find(name))
    assert model.card is not None and model.card.max_drift is not None
    mean, most = model.card.max_drift
    found = drift(texts, model.scores)
    for words, differences in found.items():
        assert abs(differences.mean()) <= mean, words
        assert np.quantile(np.abs(differences), 0.9) <= most, words
    return {words: len(differences) for words, differences in found.items()}


@pytest.mark.parametrize("name", ARMS)
def test_scores_of_books_speeches_and_reviews_hardly_depend_on_how_much_is_read(name: str, shared_data: Path) -> None:
    texts = [
        row["text"]
        for file in ("brown", "state_union", "inaugural", "movie_reviews_600")
        for row in json_lines(shared_data / "text" / f"{file}.jsonl.gz")
    ]
    compared = within_the_bound(name, texts)
    assert set(compared) == set(LENGTHS) and min(compared.values()) > 200


@pytest.mark.parametrize("name", ARMS)
def test_scores_of_the_standard_librarys_docstrings_hardly_depend_on_how_much_is_read(name: str) -> None:
    texts = []
    for path in sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8", errors="replace"))):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                text = ast.get_docstring(node) or ""
                texts += [text] if len(text.split()) > DOCSTRINGS else []
    assert within_the_bound(name, texts)[100] > 80


def test_a_training_whose_scores_go_by_length_fails() -> None:
    steady, leaning = Evaluation("small", {}), Evaluation("small", {})
    steady.drift, leaning.drift = {100: (0.01, 0.02, 0.1)}, {100: (0.05, 0.06, 0.1)}
    toolkit.check_drift(steady, spec())
    with pytest.raises(ModelError, match=r"first 100 words are \+0\.050 from .* max_mean_drift 0\.03"):
        toolkit.check_drift(leaning, spec())
    with pytest.raises(ModelError, match=r"0\.100 at the ninth decile; allowed: .* max_drift 0\.05"):
        toolkit.check_drift(steady, replace(spec(), max_drift=0.05))


def test_a_score_that_counts_words_drifts_and_one_that_does_not_stays() -> None:
    texts = ["word " * n for n in (50, 400, 2_000)]
    by_length = drift(texts, lambda each: np.array([float(len(text.split())) for text in each]))
    assert {words: values.tolist() for words, values in by_length.items()} == {
        100: [-300.0, -1900.0], 300: [-100.0, -1700.0], 1000: [-1000.0]}  # fmt: skip
    assert not any(values.any() for values in drift(texts, lambda each: np.ones(len(each))).values())
