"""What a model goes by and where it fails: words, the surest errors, errors by language, length, page type and site,
and the curves. Held-out probabilities in; lines for the card and an SVG out. No text is shown, only single words.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from classifiers.corpora import Example
from classifiers.evaluation import auc
from curate.stages.quality.fasttext_model import FastTextModel

WORDS = 25
ERRORS = 12
ROWS = 12
MIN_PAGES = 3
"""Pages of a site from which on it is named among the preferred ones."""
LENGTH_BINS = (50, 200, 500, 1000, 3000)
Floats = NDArray[np.float64]
Booleans = NDArray[np.bool_]


def length_of(example: Example) -> str:
    """The bin of a text's length in words."""
    words = len(example.text.split())
    for low, high in zip((0, *LENGTH_BINS), LENGTH_BINS, strict=False):
        if words < high:
            return f"{low}–{high - 1} words"
    return f"{LENGTH_BINS[-1]} words and more"


AXES: dict[str, Callable[[Example], str]] = {
    "language": lambda example: example.language or "not stated",
    "length": length_of,
    "page type": lambda example: example.kind or "not stated",
}


def binary(examples: Sequence[Example], scores: Floats, truth: Booleans, threshold: float) -> list[str]:
    """Tables of a model with a score."""
    lines = ["", "## Where it errs", "", f"At the threshold {threshold:.3f}; AUC where there are five of each."]
    for axis, of in AXES.items():
        lines += ["", f"| {axis} | texts | positives | AUC | found | false positives |", "|---|---|---|---|---|---|"]
        for value, rows in _largest(examples, of):
            t, s = truth[rows], scores[rows]
            inside = f"{auc(s, t):.3f}" if min(t.sum(), (~t).sum()) >= 5 else ""
            lines.append(
                f"| {value} | {len(rows)} | {t.sum()} | {inside} | {_share(s[t] >= threshold)} "
                f"| {_share(s[~t] >= threshold)} |"
            )
    sites = [(value, rows) for value, rows in _all(examples, lambda e: e.group) if len(rows) >= MIN_PAGES]
    if sites:
        ranked = sorted(sites, key=lambda pair: -float(scores[pair[1]].mean()))
        lines += ["", "Sites that it prefers and that it likes least (mean score; share of positives; texts):", ""]
        for chosen in (ranked[:ROWS], ranked[-ROWS:]):
            told = [f"{v} {scores[r].mean():.2f} ({truth[r].mean():.2f}; {len(r)})" for v, r in chosen]
            lines.append(f"- {', '.join(told)}")
    distance = np.abs(scores - truth)
    lines += ["", "The surest errors:", "", "| score | label | group | set | words |", "|---|---|---|---|---|"]
    for row in np.argsort(-distance, kind="stable")[:ERRORS]:
        e = examples[row]
        lines.append(f"| {scores[row]:.3f} | {e.label} | {e.group} | {e.source} | {len(e.text.split())} |")
    near = np.argsort(np.abs(scores - threshold), kind="stable")[:ERRORS]
    told = [f"{examples[row].group} ({examples[row].label}, {scores[row]:.3f})" for row in near]
    return [*lines, "", f"Nearest to the threshold: {', '.join(told)}."]


def classes(examples: Sequence[Example], found: Sequence[str], labels: Sequence[str]) -> list[str]:
    """Tables of a model with several classes."""
    truth = [example.label for example in examples]
    lines = ["", "## Where it errs", "", "Rows: what a text is; columns: what the model says.", ""]
    lines += [f"| | {' | '.join(labels)} |", "|---" * (len(labels) + 1) + "|"]
    for label in labels:
        row = [sum(t == label and f == other for t, f in zip(truth, found, strict=True)) for other in labels]
        lines.append(f"| **{label}** | {' | '.join(str(n) if n else '' for n in row)} |")
    right = np.array([t == f for t, f in zip(truth, found, strict=True)])
    for axis, of in {**AXES, "set": lambda example: example.source}.items():
        lines += ["", f"| {axis} | texts | right |", "|---|---|---|"]
        lines += [f"| {value} | {len(rows)} | {right[rows].mean():.2f} |" for value, rows in _largest(examples, of)]
    return lines


def words(model: FastTextModel, labels: Sequence[str]) -> list[str]:
    """The words that alone speak most for each label, of those that the training met 30 times or more."""
    vocabulary = [word for word in model.frequent_words(30) if word.isalpha()]
    if not vocabulary:
        return []
    probabilities = model.probabilities(vocabulary)
    lines = ["", "Words that alone speak most for a label:", ""]
    for label in labels:
        order = np.argsort(-probabilities[:, model.labels.index(label)], kind="stable")[:WORDS]
        lines.append(f"- {label}: {', '.join(vocabulary[place] for place in order)}")
    return lines


def average_precision(scores: Floats, truth: Booleans) -> float:
    """Area under the precision-recall curve, as a sum over the positives."""
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(truth[order])
    return float((hits / np.arange(1, len(hits) + 1))[truth[order]].mean())


def curves(scores: Floats, truth: Booleans, reliability: Sequence[tuple[float, float, int]]) -> str:
    """ROC, precision-recall and reliability as one SVG of three panels, each over the unit square."""
    order = np.argsort(-scores, kind="stable")
    hits, false = np.cumsum(truth[order]), np.cumsum(~truth[order])
    recall, fall_out = hits / max(truth.sum(), 1), false / max((~truth).sum(), 1)
    precision = hits / np.arange(1, len(hits) + 1)
    pick = np.unique(np.linspace(0, len(hits) - 1, min(len(hits), 200)).astype(int))
    panels = [
        ("false-positive rate", "recall", list(zip(fall_out[pick], recall[pick], strict=True)), True),
        ("recall", "precision", list(zip(recall[pick], precision[pick], strict=True)), False),
        ("score", "share of positives", [(mean, share) for mean, share, _ in reliability], True),
    ]
    parts = ['<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 720 260" font-family="sans-serif" font-size="11">']
    for number, (x, y, points, diagonal) in enumerate(panels):
        left, side = 40 + number * 235, 190
        parts.append(f'<rect x="{left}" y="20" width="{side}" height="{side}" fill="none" stroke="#888"/>')
        if diagonal:
            parts.append(f'<path d="M{left} {20 + side}L{left + side} 20" stroke="#ccc"/>')
        line = " ".join(f"{left + side * float(a):.1f},{20 + side * (1 - float(b)):.1f}" for a, b in points)
        parts.append(f'<polyline points="{line}" fill="none" stroke="#06c" stroke-width="1.5"/>')
        parts.append(f'<text x="{left + side / 2}" y="{40 + side}" text-anchor="middle">{x}</text>')
        parts.append(
            f'<text transform="translate({left - 8},{20 + side / 2}) rotate(-90)" text-anchor="middle">{y}</text>'
        )
    return "\n".join([*parts, "</svg>"]) + "\n"


def _all(examples: Sequence[Example], of: Callable[[Example], str]) -> list[tuple[str, list[int]]]:
    rows: dict[str, list[int]] = defaultdict(list)
    for row, example in enumerate(examples):
        rows[of(example)].append(row)
    return sorted(rows.items(), key=lambda item: (-len(item[1]), item[0]))


def _largest(examples: Sequence[Example], of: Callable[[Example], str]) -> list[tuple[str, list[int]]]:
    return _all(examples, of)[:ROWS]


def _share(values: Booleans) -> str:
    return f"{values.mean():.2f}" if len(values) else ""
