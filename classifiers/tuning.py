"""Looks for better settings of a spec within a time budget. A fifth of the groups is set aside and only scored at the
end, by the settings that came and those that won, so that the figure told is not one that was tuned on.
"""

from __future__ import annotations

import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from classifiers.builders import split_groups
from classifiers.corpora import Example
from classifiers.evaluation import auc
from classifiers.toolkit import Spec, fit, held_out

CHOICES = {
    "dimension": (8, 16, 32),
    "word_ngrams": (1, 2, 3),
    "buckets": (50_000, 100_000, 200_000),
    "epochs": (3, 5, 10, 20),
    "learning_rate": (0.05, 0.1, 0.2, 0.5),
    "min_count": (2, 3, 5),
    "crops_per_label": (2_000, 4_000, 8_000),
}
"""Settings within which a quantized model stays below 5 MB."""


def tune(examples: Sequence[Example], spec: Spec, seconds: float) -> tuple[Spec, list[str]]:
    """(the best spec found, lines that tell of it). The trials are a fixed sequence of the spec's seed; the budget says
    only how many of them are made."""
    aside = [fold == 0 for fold in split_groups(examples, spec.seed + 1000, 5)]
    inside = [e for e, out in zip(examples, aside, strict=True) if not out]
    rest = [e for e, out in zip(examples, aside, strict=True) if out]
    began, best, best_figure, lines = time.monotonic(), spec, -1.0, []
    for number, trial in enumerate(trials(spec)):
        if number > 1 and time.monotonic() - began > seconds:
            break
        probabilities, labels, _, _ = held_out(inside, replace(trial, folds=3))
        figure = quality(inside, probabilities, labels, trial)
        lines.append(f"{figure:.4f}  {settings(trial)}{'  (as it is)' if number == 0 else ''}")
        if figure > best_figure:
            best, best_figure = trial, figure
    for name, each in (("as it is", spec), ("best", best)):
        with tempfile.TemporaryDirectory() as folder:
            model = fit(inside, each, each.seed, False, Path(folder) / "tuned.bin")
            order = [model.labels.index(label) for label in sorted(model.labels)]
            answers = model.probabilities([e.text for e in rest])[:, order]
            figure = quality(rest, answers, sorted(model.labels), each)
        lines.append(f"on the fifth set aside, {name}: {figure:.4f}")
    return best, lines


def trials(spec: Spec) -> Iterator[Spec]:
    """The spec itself, then random ones, each a change of the one before in up to three settings."""
    source = random.Random(spec.seed)
    yield spec
    while True:
        chosen = {name: source.choice(CHOICES[name]) for name in source.sample(sorted(CHOICES), 3)}
        yield replace(spec, **chosen)  # type: ignore[arg-type]


def quality(examples: Sequence[Example], probabilities: np.ndarray, labels: Sequence[str], spec: Spec) -> float:
    """AUC of a model with a score, macro-F1 of one with several classes."""
    if spec.positive is not None:
        truth = np.array([e.label == spec.positive for e in examples])
        return auc(probabilities[:, list(labels).index(spec.positive)], truth)
    found = probabilities.argmax(axis=1)
    truth_columns = np.array([list(labels).index(e.label) for e in examples])
    f1 = []
    for column in range(len(labels)):
        hits = int(((found == column) & (truth_columns == column)).sum())
        f1.append(2 * hits / max(int((found == column).sum() + (truth_columns == column).sum()), 1))
    return float(np.mean(f1))


def settings(spec: Spec) -> str:
    """The tuned keys as a line of YAML."""
    return "{" + ", ".join(f"{name}: {getattr(spec, name)}" for name in CHOICES) + "}"
