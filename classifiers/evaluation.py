"""How often a model is wrong: ROC and precision with intervals over whole sites, reliability, drift with length, and
where it errs, by source, language and page type."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from classifiers.corpora import Example
from curate.stages.quality.fasttext_model import FastTextModel, calibrated
from curate.stages.safety.terms import sentences_of

if TYPE_CHECKING:
    from classifiers.toolkit import Spec

PRECISIONS = (0.5, 0.8, 0.9, 0.95)
SENTENCE_WORDS = 60
"""A text up to this long counts as a sentence, a longer one as a document."""
SENTENCES = 5
"""Of each longer text without fault, so many sentences count as well: what a filter of sentences mostly sees."""
MIN_DOCUMENTS = 10
"""Positive documents from which on the thresholds for documents are theirs; with fewer, those of all texts."""
LENGTHS = (100, 300, 1000)
BOOTSTRAPS = 500


def auc(scores: np.ndarray, truth: np.ndarray) -> float:
    """Area under the ROC curve: the chance that a positive scores above a negative, ties counted half."""
    if not truth.any() or truth.all():
        return float("nan")
    order = np.argsort(scores, kind="stable")
    ranks = np.empty(len(scores))
    sorted_scores = scores[order]
    _, first, count = np.unique(sorted_scores, return_index=True, return_counts=True)
    ranks[order] = np.repeat(first + (count + 1) / 2, count)
    positives = int(truth.sum())
    return float((ranks[truth].sum() - positives * (positives + 1) / 2) / (positives * (len(truth) - positives)))


def bootstrap_auc(scores: np.ndarray, truth: np.ndarray, groups: Sequence[str], seed: int) -> tuple[float, float]:
    """95 % percentile interval, resampling whole groups."""
    members: dict[str, list[int]] = defaultdict(list)
    for row, group in enumerate(groups):
        members[group].append(row)
    rows = [np.array(each) for each in members.values()]
    source = np.random.default_rng(seed)
    found = []
    for _ in range(BOOTSTRAPS):
        chosen = np.concatenate([rows[i] for i in source.integers(len(rows), size=len(rows))])
        found.append(auc(scores[chosen], truth[chosen]))
    low, high = np.nanpercentile(found, [2.5, 97.5])
    return float(low), float(high)


@dataclass
class Evaluation:
    """What the card tells."""

    name: str
    counts: dict[str, tuple[int, int]]
    """Label → (texts, groups)."""
    auc: float | None = None
    interval: tuple[float, float] | None = None
    length_auc: float | None = None
    """Of the text's length alone, the better way round: what the model has to beat."""
    threshold: float | None = None
    prevalence: float | None = None
    thresholds: dict[str, dict[str, float]] = field(default_factory=dict)
    """Level → precision at `prevalence` → the least score that reaches it."""
    table: list[tuple[str, float, float, float, float]] = field(default_factory=list)
    """Level, precision, score, recall, false-positive rate."""
    at_threshold: dict[str, float] = field(default_factory=dict)
    reliability: list[tuple[float, float, int]] = field(default_factory=list)
    """(mean score, share of positives, texts) of ten bins of scores."""
    drift: dict[int, tuple[float, float, float]] = field(default_factory=dict)
    """Words → (mean of score minus the whole text's; mean and ninth decile of its absolute value), of texts longer
    than that."""
    macro_f1: float | None = None
    per_label: dict[str, tuple[float, float, int]] = field(default_factory=dict)
    """Label → (precision, recall, texts)."""
    by: dict[str, list[tuple[str, float, float, int]]] = field(default_factory=dict)
    """Axis → (value, share of positives, mean score, texts)."""
    misses: list[tuple[float, str, str]] = field(default_factory=list)
    """(score, label, source and group) of the surest errors; no text."""

    def headline(self) -> str:
        """One line."""
        if self.auc is not None and self.interval is not None:
            low, high = self.interval
            return (
                f"{self.name}: AUC {self.auc:.3f} [{low:.3f}, {high:.3f}] on held-out groups; length alone "
                f"{self.length_auc:.3f}"
            )
        return f"{self.name}: macro-F1 {self.macro_f1:.3f} on held-out groups"

    def markdown(self, spec: Spec, size: int | None) -> str:
        """The card."""
        lines = [f"# {spec.name}", "", spec.summary, ""]
        lines += [f"- {caveat}" for caveat in spec.caveats]
        lines += ["", "## Data", "", "| label | texts | groups |", "|---|---|---|"]
        lines += [f"| {label} | {texts} | {groups} |" for label, (texts, groups) in sorted(self.counts.items())]
        lines += [
            "",
            f"Scores below are of {spec.folds}-fold cross-validation over whole groups (registrable domains of pages; "
            "single items of short texts): no text was scored by a model that saw its group. "
            f"`python -m classifiers train {spec.name}` makes this card and the model.",
            "",
            "## How often it is wrong",
            "",
            self.headline().partition(": ")[2] + ".",
        ]
        if self.auc is not None and self.length_auc is not None and self.interval is not None:
            beats = self.interval[0] > self.length_auc
            lines.append("It beats the length of the text as a predictor." if beats else
                         "**It does not beat the length of the text as a predictor with any certainty.**")  # fmt: skip
            told = ", ".join(f"{key} {value:.3f}" for key, value in self.at_threshold.items())
            lines += ["", f"At the threshold {self.threshold:.3f}: {told}.", ""]
            if self.prevalence is not None:
                lines += [
                    f"Scores for a precision where {self.prevalence:.0%} of the texts are positive, as a stage's "
                    "`precision` takes them; recall and false-positive rate are those of the held-out texts.",
                    "",
                    "| level | precision | score | recall | false-positive rate |",
                    "|---|---|---|---|---|",
                ]
                lines += [f"| {level} | {p} | {s:.4f} | {r:.3f} | {f:.4f} |" for level, p, s, r, f in self.table]
                lines.append("")
            lines += ["| mean score | positives | texts |", "|---|---|---|"]
            lines += [f"| {mean:.2f} | {share:.2f} | {n} |" for mean, share, n in self.reliability]
            lines += [
                "",
                "Length: score of a text's first words minus that of the whole text. Its bound: "
                f"{spec.max_mean_drift:g} in the mean, {spec.max_drift:g} for nine texts in ten; a training beyond it "
                "fails.",
                "",
            ]
            lines += ["| words | mean drift | mean absolute drift | nine in ten within |", "|---|---|---|---|"]
            lines += [
                f"| {n} | {mean:+.3f} | {size:.3f} | {most:.3f} |" for n, (mean, size, most) in self.drift.items()
            ]
        if self.per_label:
            lines += ["", "| label | precision | recall | texts |", "|---|---|---|---|"]
            lines += [f"| {k} | {p:.3f} | {r:.3f} | {n} |" for k, (p, r, n) in sorted(self.per_label.items())]
        for axis, rows in self.by.items():
            lines += ["", f"| {axis} | positives | mean score | texts |", "|---|---|---|---|"]
            lines += [f"| {value} | {share:.2f} | {mean:.2f} | {n} |" for value, share, mean, n in rows]
        if size is not None:
            lines += ["", f"Size: {size / 1e6:.2f} MB, quantized."]
        return "\n".join(lines) + "\n"


def evaluate_scores(
    spec: Spec,
    examples: Sequence[Example],
    probabilities: np.ndarray,
    labels: list[str],
    models: Sequence[FastTextModel],
    folds: Sequence[int],
    scaling: tuple[float, float] | None,
) -> Evaluation:
    """The evaluation of held-out probabilities, shape (examples, labels), calibrated where there is a scaling."""
    counts = {
        label: (sum(e.label == label for e in examples), len({e.group for e in examples if e.label == label}))
        for label in labels
    }
    evaluation = Evaluation(spec.name, counts)
    truth_columns = np.array([labels.index(example.label) for example in examples])
    if spec.positive is None:
        found = probabilities.argmax(axis=1)
        evaluation.per_label = {label: _precision_recall(found, truth_columns, i) for i, label in enumerate(labels)}
        f1 = [2 * p * r / (p + r) if p + r else 0.0 for p, r, _ in evaluation.per_label.values()]
        evaluation.macro_f1 = float(np.mean(f1))
        return evaluation
    scores = probabilities[:, labels.index(spec.positive)]
    truth = np.array([example.label == spec.positive for example in examples])
    evaluation.auc = auc(scores, truth)
    evaluation.interval = bootstrap_auc(scores, truth, [e.group for e in examples], spec.seed)
    length = auc(np.array([float(len(e.text)) for e in examples]), truth)
    evaluation.length_auc = max(length, 1 - length)
    evaluation.threshold = threshold_for(scores, truth, spec.target_precision)
    if spec.prevalence is not None:
        evaluation.prevalence = spec.prevalence
        documents, sentences = levels(examples, truth)
        prose = _sentence_scores(examples, truth | sentences, models, folds, spec.positive, scaling)
        every = {
            "document": (scores[documents], truth[documents]),
            "sentence": (
                np.concatenate([scores[sentences], prose]),
                np.concatenate([truth[sentences], np.zeros(len(prose), dtype=bool)]),
            ),
        }
        for level, (values, positive) in every.items():
            chosen = evaluation.thresholds[level] = {}
            for precision in PRECISIONS:
                score = threshold_at(values, positive, precision, spec.prevalence)
                found = _at(values, positive, score)
                chosen[f"{precision:g}"] = score
                told = (found["recall"], found["false-positive rate"])
                evaluation.table.append((level, precision, score, *told))
    evaluation.at_threshold = _at(scores, truth, evaluation.threshold)
    evaluation.reliability = _reliability(scores, truth)
    evaluation.drift = _drift(examples, models, folds, spec.positive, scaling)
    for axis in ("source", "language", "kind"):
        evaluation.by[axis] = _by(axis, examples, scores, truth)
    return evaluation


def threshold_for(scores: np.ndarray, truth: np.ndarray, precision: float) -> float:
    """The lowest score from which on at least `precision` of the texts are positive; the best there is, if none is."""
    order = np.argsort(-scores, kind="stable")
    found = np.cumsum(truth[order]) / np.arange(1, len(scores) + 1)
    good = np.flatnonzero(found >= precision)
    place = good[-1] if len(good) else int(np.argmax(found))
    return float(scores[order][place])


def levels(examples: Sequence[Example], truth: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which examples the thresholds for documents are chosen on, and which those for sentences."""
    short = np.array([len(example.text.split()) <= SENTENCE_WORDS for example in examples])
    enough = int((truth & ~short).sum()) >= MIN_DOCUMENTS
    return (~short if enough else np.ones(len(short), bool)), short


def _sentence_scores(
    examples: Sequence[Example],
    without: np.ndarray,
    models: Sequence[FastTextModel],
    folds: Sequence[int],
    positive: str,
    scaling: tuple[float, float] | None,
) -> np.ndarray:
    """Held-out scores of up to SENTENCES sentences of each example that is not in `without`, evenly over its text."""
    scored = []
    for fold, model in enumerate(models):
        texts: list[str] = []
        for place in np.flatnonzero(~without & (np.array(folds) == fold)):
            found = [each for each in sentences_of(examples[place].text) if len(each.split()) >= 5]
            texts += found[:: max(1, len(found) // SENTENCES)][:SENTENCES]
        raw = model.probabilities(texts)[:, model.labels.index(positive)]
        scored.append(calibrated(raw, scaling))
    return np.concatenate(scored)


def threshold_at(scores: np.ndarray, truth: np.ndarray, precision: float, prevalence: float) -> float:
    """The lowest score at which `precision` is reached where a share of `prevalence` is positive:
    precision = π·TPR / (π·TPR + (1 − π)·FPR). The score of the surest negative, plus a little, if none is."""
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    last = np.append(ranked[1:] < ranked[:-1], True)  # a threshold takes all texts of a score or none
    found = np.cumsum(truth[order]) / max(int(truth.sum()), 1)
    wrong = np.cumsum(~truth[order]) / max(int((~truth).sum()), 1)
    total = prevalence * found + (1 - prevalence) * wrong
    good = np.flatnonzero(last & (prevalence * found >= precision * total))
    if len(good):
        return float(ranked[good[-1]])
    return float(np.nextafter(scores[~truth].max(), 2.0))


def _at(scores: np.ndarray, truth: np.ndarray, threshold: float) -> dict[str, float]:
    chosen = scores >= threshold
    hits = int((chosen & truth).sum())
    return {
        "precision": hits / max(int(chosen.sum()), 1),
        "recall": hits / max(int(truth.sum()), 1),
        "false-positive rate": int((chosen & ~truth).sum()) / max(int((~truth).sum()), 1),
    }


def _reliability(scores: np.ndarray, truth: np.ndarray) -> list[tuple[float, float, int]]:
    rows = []
    for low in np.arange(0, 1, 0.1):
        inside = (scores >= low) & ((scores < low + 0.1) | (low > 0.85))
        if inside.any():
            rows.append((float(scores[inside].mean()), float(truth[inside].mean()), int(inside.sum())))
    return rows


def drift(texts: Sequence[str], score: Callable[[Sequence[str]], np.ndarray]) -> dict[int, np.ndarray]:
    """Of each of LENGTHS the score of a text's first words minus that of the whole, of texts longer than that."""
    answer = {}
    for words in LENGTHS:
        longer = [text for text in texts if len(text.split()) > words]
        if longer:
            answer[words] = score([" ".join(text.split()[:words]) for text in longer]) - score(longer)
    return answer


def _drift(
    examples: Sequence[Example],
    models: Sequence[FastTextModel],
    folds: Sequence[int],
    positive: str,
    scaling: tuple[float, float] | None,
) -> dict[int, tuple[float, float, float]]:
    found: dict[int, list[np.ndarray]] = defaultdict(list)
    for fold, model in enumerate(models):
        column = model.labels.index(positive)

        def score(texts: Sequence[str], model: FastTextModel = model, column: int = column) -> np.ndarray:
            return calibrated(model.probabilities(texts)[:, column], scaling)

        held_out = [e.text for e, f in zip(examples, folds, strict=True) if f == fold]
        for words, values in drift(held_out, score).items():
            found[words].append(values)
    every = {words: np.concatenate(values) for words, values in found.items()}
    return {
        words: (float(v.mean()), float(np.abs(v).mean()), float(np.quantile(np.abs(v), 0.9)))
        for words, v in every.items()
    }


def _by(
    axis: str, examples: Sequence[Example], scores: np.ndarray, truth: np.ndarray
) -> list[tuple[str, float, float, int]]:
    rows: dict[str, list[int]] = defaultdict(list)
    for row, example in enumerate(examples):
        rows[str(getattr(example, axis)) or "not stated"].append(row)
    largest = sorted(rows.items(), key=lambda item: (-len(item[1]), item[0]))[:15]
    return [(value, float(truth[r].mean()), float(scores[r].mean()), len(r)) for value, r in largest]


def _precision_recall(found: np.ndarray, truth: np.ndarray, label: int) -> tuple[float, float, int]:
    hits = int(((found == label) & (truth == label)).sum())
    return (
        hits / max(int((found == label).sum()), 1),
        hits / max(int((truth == label).sum()), 1),
        int((truth == label).sum()),
    )
