"""The language model: columns for the languages that py3langid lacks, on py3langid's own n-grams, and the calibration
of its scores. Sentences and pages of stated language in; `language.npz`, its JSON and its card out.

    python -m classifiers train language --data ../shared/data
    python -m classifiers evaluate language --lid176 lid.176.ftz
"""

from __future__ import annotations

import argparse
import hashlib
import importlib.metadata
import json
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from resiliparse.parse.lang import detect_fast

from classifiers.corpora import crawl_pages, json_lines, site
from curate.stages.language.engines import resiliparse_evidence
from curate.stages.language.ngrams import (
    FILE,
    SCALE,
    Automaton,
    evidence,
    merged,
    normalized,
    probability,
    py3langid_automaton,
)
from curate.stages.quality.fasttext_model import ModelError

SAME = {"nb": "no", "dtp": "kzj"}
"""Labels of the data → what they are called here: Bokmål is py3langid's Norwegian; one Dusun under two codes."""
SMOOTHING = 0.01
"""Added to an n-gram's count. A tenth of the languages' best known smoothing for long n-grams, since a few thousand
characters leave most n-grams unseen; .003 to .03 give the same macro-F1 within .01 in cross-validation."""
MAX_CHARACTERS = 2_000
FOLDS = 5
CROPS = 3


@dataclass(frozen=True)
class Labelled:
    """A text of stated language."""

    text: str
    language: str
    group: str


def sentences(data: Path) -> list[Labelled]:
    """Tatoeba and lingua; a sentence is its own group."""
    path = data / "language" / "sentences.jsonl.gz"
    rows = list(json_lines(path))
    if not rows:
        raise ModelError(f"{path}: no sentences; each line needs text and language")
    return [Labelled(row["text"], SAME.get(row["language"], row["language"]), row["text"]) for row in rows]


def pages(data: Path, cache: Path) -> list[Labelled]:
    """Pages of the crawl whose set states their language."""
    return [
        Labelled(page["text"], SAME.get(page["language"], page["language"]), site(page["url"]))
        for page in crawl_pages(data, cache)
        if page["language"] and len(page["text"]) >= 100
    ]


def fold_of(group: str) -> int:
    """The fold of a group, by hash."""
    return int.from_bytes(hashlib.blake2b(group.encode(), digest_size=8).digest(), "little") % FOLDS


def count_grams(base: Automaton, texts: Sequence[str]) -> NDArray[np.float64]:
    """Σ over texts of log(1 + count) for each n-gram of the automaton."""
    grams = int(base.states[:, 1].max()) + 1
    total = np.zeros(grams)
    rows, ends = base.states[:, 0].tolist(), base.states[:, 1].tolist()
    for text in normalized(pa.array(texts, pa.string()), MAX_CHARACTERS).to_pylist():
        state, met = 0, Counter[int]()
        for byte in text.encode("utf-8", "surrogatepass"):
            state = int(base.moves[rows[state] + byte])
            if ends[state] >= 0:
                met[ends[state]] += 1
        for gram, count in met.items():
            total[gram] += np.log1p(count)
    return total


@dataclass(frozen=True)
class Columns:
    """Weights of further languages, in multiples of 1 / SCALE."""

    labels: list[str]
    weights: NDArray[np.int16]
    """n-grams × labels."""


def fit_columns(base: Automaton, examples: Sequence[Labelled]) -> Columns:
    """A naive Bayes column for each language of the examples that the automaton does not know."""
    labels = sorted({e.language for e in examples} - set(base.labels))
    columns = []
    for label in labels:
        counts = count_grams(base, [e.text for e in examples if e.language == label])
        columns.append(np.log((counts + SMOOTHING) / (counts.sum() + SMOOTHING * len(counts))))
    stacked = np.stack(columns, axis=1) if columns else np.zeros((int(base.states[:, 1].max()) + 1, 0))
    return Columns(labels, np.rint(np.clip(stacked, -15.9, 0) * SCALE).astype(np.int16))


@dataclass(frozen=True)
class Answers:
    """What a model says of texts."""

    languages: list[str]
    features: NDArray[np.float64]
    known: frozenset[str]


def ask(model: Automaton, texts: Sequence[str]) -> Answers:
    """Languages and the evidence for them."""
    labels, place = np.unique(np.array(model.labels), return_inverse=True)
    by_column, found, size = model.scores(normalized(pa.array(texts, pa.string()), MAX_CHARACTERS))
    by_label = merged(by_column, place, len(labels))
    return Answers(labels[by_label.argmax(axis=1)].tolist(), evidence(by_label, found, size), frozenset(labels))


def held_out(base: Automaton, examples: Sequence[Labelled]) -> Answers:
    """Answers for each example by columns that saw nothing of its fold."""
    languages = [""] * len(examples)
    features = np.zeros((len(examples), 4))
    folds = [fold_of(e.group) for e in examples]
    known: frozenset[str] = frozenset()
    for fold in range(FOLDS):
        columns = fit_columns(base, [e for e, f in zip(examples, folds, strict=True) if f != fold])
        rows = [i for i, f in enumerate(folds) if f == fold]
        answers = ask(base.with_columns(columns.weights, columns.labels), [examples[i].text for i in rows])
        for row, language in zip(rows, answers.languages, strict=True):
            languages[row] = language
        features[rows] = answers.features
        known = answers.known
    return Answers(languages, features, known)


def crops(examples: Sequence[Labelled], seed: int) -> Iterator[Labelled]:
    """Runs of 20 to 2,000 characters of pages, of lengths drawn evenly in the logarithm."""
    source = random.Random(seed)
    for example in examples:
        for _ in range(CROPS):
            length = int(20 * 100 ** source.random())
            start = source.randrange(max(len(example.text) - length, 0) + 1)
            yield Labelled(example.text[start : start + length], example.language, example.group)


def logistic(features: NDArray[np.float64], truth: NDArray[np.bool_], weight: NDArray[np.float64]) -> list[float]:
    """Weighted logistic regression by Newton's method."""
    beta = np.zeros(features.shape[1])
    for _ in range(100):
        p = probability(features, beta.tolist())
        gradient = features.T @ (weight * (truth - p)) - 1e-3 * beta
        hessian = (features * (weight * p * (1 - p))[:, None]).T @ features + 1e-3 * np.eye(len(beta))
        step = np.linalg.solve(hessian, gradient)
        beta += step
        if np.abs(step).max() < 1e-9:
            break
    return [float(value) for value in beta]


def macro_f1(truth: Sequence[str], answers: Sequence[str], languages: Sequence[str]) -> float:
    """Mean F1 over the languages."""
    right = Counter(t for t, a in zip(truth, answers, strict=True) if t == a)
    asked, said = Counter(truth), Counter(answers)
    return float(np.mean([2 * right[x] / max(asked[x] + said[x], 1) for x in languages]))


def calibration_error(scores: NDArray[np.float64], truth: NDArray[np.bool_], weight: NDArray[np.float64]) -> float:
    """Expected calibration error over ten bins."""
    total = 0.0
    for low in np.arange(0, 1, 0.1):
        inside = (scores >= low) & ((scores < low + 0.1) | (low > 0.85))
        if inside.any():
            w = weight[inside]
            total += abs(np.sum(w * (scores[inside] - truth[inside])))
    return float(total / weight.sum())


def calibrate(base: Automaton, text: list[Labelled], web: list[Labelled]) -> tuple[list[float], dict[str, float]]:
    """(weights of the calibration, its figures on the half of the groups that a first fit did not see).

    Sentences and crops of pages have the same weight together. Languages that no model knows count as errors.
    """
    cut = list(crops(web, 1))
    answers = [held_out(base, text), ask(base.with_columns(*_all(base, text)), [e.text for e in cut])]
    examples = [*text, *cut]
    features = np.concatenate([a.features for a in answers])
    languages = answers[0].languages + answers[1].languages
    truth = np.array([e.language == said for e, said in zip(examples, languages, strict=True)])
    weight = np.concatenate([np.full(len(text), 0.5 / len(text)), np.full(len(cut), 0.5 / max(len(cut), 1))])
    weight *= len(examples)
    half = np.array([fold_of("half" + e.group) % 2 == 0 for e in examples])
    first = logistic(features[half], truth[half], weight[half])
    scores = probability(features[~half], first)
    figures = {"held_out_calibration_error": calibration_error(scores, truth[~half], weight[~half])}
    for low, high in ((0.0, 0.5), (0.5, 0.65), (0.65, 0.9), (0.9, 1.01)):
        inside = (scores >= low) & (scores < high)
        figures[f"right at {low:.2f}-{min(high, 1):.2f}"] = float(
            np.average(truth[~half][inside], weights=weight[~half][inside])
        )
    return logistic(features, truth, weight), figures


def calibrate_resiliparse(text: Sequence[Labelled], web: Sequence[Labelled]) -> list[float]:
    """The same for that engine's distances."""
    examples = [*text, *crops(web, 1)]
    answers = [detect_fast(e.text) for e in examples]
    truth = np.array([e.language == said for e, (said, _) in zip(examples, answers, strict=True)])
    ranks = np.array([float(rank) for _, rank in answers])
    features = resiliparse_evidence(ranks, [e.text for e in examples])
    share = len(text) / len(examples)
    weight = np.where(np.arange(len(examples)) < len(text), 0.5 / share, 0.5 / max(1 - share, 1e-9))
    return logistic(features, truth, weight)


def _all(base: Automaton, text: Sequence[Labelled]) -> tuple[NDArray[np.int16], list[str]]:
    columns = fit_columns(base, text)
    return columns.weights, columns.labels


def train(args: argparse.Namespace) -> int:
    """Writes language.npz, language.json and language.md."""
    from classifiers.language_report import card, compare

    base = py3langid_automaton()
    text, web = sentences(args.data), pages(args.data, args.cache)
    columns = fit_columns(base, text)
    weights, figures = calibrate(base, text, web)
    default = columns.weights.min(axis=0)
    gram, column = np.nonzero(columns.weights != default)
    args.out.mkdir(parents=True, exist_ok=True)
    path = args.out / FILE.name
    np.savez_compressed(
        path, default=default, gram=gram.astype(np.int32), column=column.astype(np.uint8),
        weight=columns.weights[gram, column],
    )  # fmt: skip
    description: dict[str, Any] = {
        "name": "language",
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "py3langid": importlib.metadata.version("py3langid"),
        "automaton": base.sha256,
        "labels": columns.labels,
        "max_characters": MAX_CHARACTERS,
        "calibration": weights,
        "resiliparse": calibrate_resiliparse(text, web),
    }
    path.with_suffix(".json").write_text(json.dumps(description, indent=1) + "\n")
    report = compare(base, text, web, path, args.lid176, args.fasttext)
    path.with_suffix(".md").write_text(card(base, columns, figures, report, path.stat().st_size))
    print(f"language: {path} ({path.stat().st_size / 1e6:.2f} MB)")
    return 0


def evaluate(args: argparse.Namespace) -> int:
    """Prints the tables of the engines."""
    from classifiers.language_report import compare, tables

    base = py3langid_automaton()
    text, web = sentences(args.data), pages(args.data, args.cache)
    print("\n".join(tables(compare(base, text, web, args.out / FILE.name, args.lid176, args.fasttext))))
    return 0


def build(args: argparse.Namespace) -> int:
    """Counts what there is to learn from."""
    for name, found in (("sentences", sentences(args.data)), ("pages", pages(args.data, args.cache))):
        print(f"{name}: {len(found)} of {len({e.language for e in found})} languages")
    return 0


def card(args: argparse.Namespace) -> int:
    """Prints the card."""
    print((args.out / "language.md").read_text())
    return 0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of every command here."""
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder with language/ and crawl/")
    parser.add_argument("--cache", type=Path, default=Path(".bench/classifiers"), help="for extracted pages")
    parser.add_argument("--out", type=Path, default=FILE.parent, help="folder for the model and its card")
    parser.add_argument("--lid176", type=Path, help="fastText's lid.176 file, to be compared if you have it")
    parser.add_argument("--fasttext", action="store_true", help="train a fastText model here and compare it (minutes)")
