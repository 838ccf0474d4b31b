"""Makes a classifier's score a probability: Platt's scaling or isotonic regression, on held-out scores of the training
data or on texts that the user has labelled. The result is saved in the JSON beside the model.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from classifiers.corpora import Example, json_lines
from curate.nearest import nearest
from curate.stages.quality.fasttext_model import FastTextModel, ModelError, find

MAX_KNOTS = 64
"""Of an isotonic curve; more would follow the noise."""


def platt(raw: NDArray[np.float64], truth: NDArray[np.bool_]) -> tuple[float, float]:
    """(a, b) of Platt's scaling, by Newton's method on the targets that he smooths (Platt 1999; Lin et al. 2007)."""
    logit = np.log(np.clip(raw, 1e-6, 1 - 1e-6) / (1 - np.clip(raw, 1e-6, 1 - 1e-6)))
    positive = truth.sum()
    target = np.where(truth, (positive + 1) / (positive + 2), 1 / (len(truth) - positive + 2))
    design = np.stack([logit, np.ones_like(logit)], axis=1)

    def loss(weights: NDArray[np.float64]) -> float:
        exponent = design @ weights
        return float(np.sum(np.logaddexp(0, exponent) - (1 - target) * exponent))

    weights = np.array([-1.0, 0.0])
    for _ in range(100):
        probability = 1 / (1 + np.exp(np.clip(design @ weights, -500, 500)))
        gradient = design.T @ (target - probability)
        hessian = (design * (probability * (1 - probability))[:, None]).T @ design + 1e-9 * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        # Far from the optimum a whole step may lead away from it: halve it until the loss falls.
        while np.abs(step).max() > 1e-10 and loss(weights - step) > loss(weights):
            step /= 2
        weights -= step
        if np.abs(step).max() < 1e-10:
            break
    return float(weights[0]), float(weights[1])


def isotonic(raw: NDArray[np.float64], truth: NDArray[np.bool_]) -> list[tuple[float, float]]:
    """Knots (raw score, probability) of the rising curve of least squares, by pooling adjacent violators (Ayer et al.
    1955); between two knots the curve is straight."""
    order = np.argsort(raw, kind="stable")
    blocks: list[list[float]] = []  # sum of scores, positives, texts
    for score, positive in zip(raw[order].tolist(), truth[order].tolist(), strict=True):
        blocks.append([score, float(positive), 1.0])
        while len(blocks) > 1 and blocks[-2][1] * blocks[-1][2] >= blocks[-1][1] * blocks[-2][2]:
            last = blocks.pop()
            blocks[-1] = [a + b for a, b in zip(blocks[-1], last, strict=True)]
    knots = [(total / n, positive / n) for total, positive, n in blocks]
    if len(knots) > MAX_KNOTS:
        knots = [knots[round(i * (len(knots) - 1) / (MAX_KNOTS - 1))] for i in range(MAX_KNOTS)]
    return knots


def labelled(path: Path, labels: Sequence[str]) -> list[Example]:
    """Texts that a user labelled: JSON lines with `text` and `label` (and `group`, else each is its own). ModelError
    names the line that is wrong, and what is allowed."""
    examples = []
    try:
        rows = list(json_lines(path))
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ModelError(f"{path}: not JSON lines: {error}") from error
    for number, row in enumerate(rows, 1):
        if not isinstance(row, dict) or not isinstance(row.get("text"), str) or "label" not in row:
            raise ModelError(f"{path}, line {number}: needs a text and a label; found {sorted(row) if row else row!r}")
        label = str(row["label"])
        if label not in labels:
            allowed = ", ".join(sorted(labels))
            raise ModelError(f"{path}, line {number}: no label {label!r}{nearest(label, labels)}; allowed: {allowed}")
        examples.append(Example(row["text"], label, str(row.get("group", number)), path.name))
    if len(counts := Counter(example.label for example in examples)) < 2:
        raise ModelError(f"{path}: {len(examples)} texts of {len(counts)} label(s); texts of two labels are needed")
    return examples


def recalibrate(name: str, path: Path, method: str, out: Path) -> str:
    """Fits the calibration of a trained model anew on labelled texts and saves it in the model's JSON; says how far
    mean score and share of positives are apart before and after."""
    model = FastTextModel(find(str(out / f"{name}.ftz")))
    if model.card is None or model.card.positive is None:
        raise ModelError(f"{model.path}: has no positive label in its JSON, so there is no score to calibrate")
    examples = labelled(path, model.labels)
    texts = [example.text for example in examples]
    truth = np.array([example.label == model.card.positive for example in examples])
    raw = model.probabilities(texts)[:, model.labels.index(model.card.positive)]
    before = model.scores(texts)
    card = replace(model.card, platt=None, isotonic=None)
    card = replace(card, platt=platt(raw, truth)) if method == "platt" else replace(card, isotonic=isotonic(raw, truth))
    model.path.with_suffix(".json").write_text(json.dumps(asdict(card), indent=1) + "\n")
    after = FastTextModel(model.path).scores(texts)
    return (
        f"{name}: {method} on {len(texts)} texts; Brier score {np.mean((before - truth) ** 2):.4f} before, "
        f"{np.mean((after - truth) ** 2):.4f} after (on the same texts)"
    )
