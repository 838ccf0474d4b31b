"""Trains, evaluates, calibrates and describes the bundled fastText models. The unit is a *spec*, a YAML under `specs/`:
what the model is for, its labels, and fastText's settings. Everything follows from the spec, the data and a seed:

    python -m classifiers train wikipedia_reference --data ../shared/data

builds the examples, cross-validates over whole sites, fits the calibration on the held-out scores, trains on all of it,
quantizes, and writes NAME.ftz, NAME.json and the card NAME.md under `classifiers/models/`.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from classifiers import fasttext_process
from classifiers.builders import BUILDERS, crops, split_groups
from classifiers.corpora import Example
from classifiers.evaluation import Evaluation, evaluate_scores
from classifiers.wikipedia_build import BuildOptions, build, stored
from curate.sources.commoncrawl import BASE
from curate.stages.quality.fasttext_model import (
    LABEL,
    MODELS,
    FastTextModel,
    ModelCard,
    ModelError,
    calibrated,
    prepare,
)

SPECS = Path(__file__).parent / "specs"
MAX_MODEL_BYTES = 5 << 20
MAX_CROPS = 40


@dataclass(frozen=True)
class Spec:
    """What a YAML of `specs/` says."""

    name: str
    summary: str
    """One sentence for the card."""
    caveats: list[str]
    positive: str | None = None
    """The label whose probability is the score; None: several classes."""
    dimension: int = 16
    word_ngrams: int = 2
    buckets: int = 100_000
    epochs: int = 5
    learning_rate: float = 0.2
    min_count: int = 3
    crops_per_label: int = 4_000
    """Runs of words of random length that the texts of each label give, the same number for each label, so that a
    rare one is not drowned; a text gives at most `MAX_CROPS` of them."""
    folds: int = 5
    seed: int = 1
    target_precision: float = 0.9
    prevalence: float | None = None
    """The share of positives where the model will be used, for which the card says what score gives what precision
    (the share in the training data is nobody's crawl)."""
    extra: dict[str, Any] = field(default_factory=dict)


def load_spec(name: str) -> Spec:
    """The spec of a model. ModelError names the file and the key that is wrong."""
    path = SPECS / f"{name}.yaml"
    try:
        return Spec(name=name, **yaml.safe_load(path.read_text(encoding="utf-8")))
    except TypeError as error:
        raise ModelError(f"{path}: {error}; allowed: {', '.join(Spec.__dataclass_fields__)}") from error


def check(examples: Sequence[Example], spec: Spec) -> None:
    """ModelError if nothing can be learned from the examples."""
    labels = Counter(example.label for example in examples)
    if not examples:
        raise ModelError(f"{spec.name}: no examples; the data folder holds none of its sets")
    if len(labels) < 2:
        raise ModelError(f"{spec.name}: only the label {next(iter(labels))!r} ({len(examples)} texts); two are needed")
    if spec.positive is not None and spec.positive not in labels:
        raise ModelError(f"{spec.name}: positive: {spec.positive!r} is none of the labels {sorted(labels)}")


def fit(examples: Sequence[Example], spec: Spec, seed: int, quantize: bool, path: Path) -> FastTextModel:
    """Trains on crops of the examples and saves under `path`. One thread, so that twice is the same."""
    source = random.Random(seed)
    lines = [f"{LABEL}{e.label} {prepare(crops(e.text, source))}\n" for e in _balanced(examples, spec, source)]
    source.shuffle(lines)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "train.txt"
        file.write_text("".join(lines), encoding="utf-8")
        settings = {
            "input": str(file), "dim": spec.dimension, "wordNgrams": spec.word_ngrams, "bucket": spec.buckets,
            "epoch": spec.epochs, "lr": spec.learning_rate, "minCount": spec.min_count, "thread": 1, "seed": seed,
            "verbose": 0, "loss": "softmax",
        }  # fmt: skip
        fasttext_process.train(settings, quantize, path)
    return FastTextModel(path)


def _balanced(examples: Sequence[Example], spec: Spec, source: random.Random) -> Iterator[Example]:
    """Examples, each as often as its label needs to reach `crops_per_label`, in equal parts from its strata."""
    counts = Counter((example.label, example.stratum) for example in examples)
    strata = Counter(label for label, _ in counts)
    for example in examples:
        share = spec.crops_per_label / strata[example.label]
        wanted = min(share / counts[example.label, example.stratum], MAX_CROPS)
        for _ in range(int(wanted) + (source.random() < wanted % 1)):
            yield example


def held_out(examples: Sequence[Example], spec: Spec) -> tuple[np.ndarray, list[str], list[FastTextModel], list[int]]:
    """(probabilities of each example by a model that saw nothing of its group, labels, the models, folds)."""
    folds = split_groups(examples, spec.seed, spec.folds)
    labels = sorted({example.label for example in examples})
    answer = np.zeros((len(examples), len(labels)))
    models = []
    with tempfile.TemporaryDirectory() as folder:
        for fold in range(spec.folds):
            inside = [e for e, f in zip(examples, folds, strict=True) if f != fold]
            rows = [i for i, f in enumerate(folds) if f == fold]
            model = fit(inside, spec, spec.seed + fold, False, Path(folder) / f"{fold}.bin")
            found = model.probabilities([examples[i].text for i in rows])
            for column, label in enumerate(model.labels):
                answer[rows, labels.index(label)] = found[:, column]
            models.append(model)
    return answer, labels, models, folds


def platt(raw: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
    """(a, b) of Platt's scaling, by Newton's method on the targets that he smooths (Platt 1999; Lin et al. 2007)."""
    logit = np.log(np.clip(raw, 1e-6, 1 - 1e-6) / (1 - np.clip(raw, 1e-6, 1 - 1e-6)))
    positive = truth.sum()
    target = np.where(truth, (positive + 1) / (positive + 2), 1 / (len(truth) - positive + 2))
    weights = np.array([-1.0, 0.0])
    design = np.stack([logit, np.ones_like(logit)], axis=1)
    for _ in range(100):
        probability = 1 / (1 + np.exp(np.clip(design @ weights, -500, 500)))
        gradient = design.T @ (target - probability)
        hessian = (design * (probability * (1 - probability))[:, None]).T @ design + 1e-9 * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        weights -= step
        if np.abs(step).max() < 1e-10:
            break
    return float(weights[0]), float(weights[1])


def train(name: str, data: Path, cache: Path, out: Path = MODELS, built: Path | None = None) -> Evaluation:
    """All of it: examples (of `data`, or the file of a build), cross-validation, calibration, final model, card."""
    spec = load_spec(name)
    examples = BUILDERS[name](data, cache) if built is None else stored(built)
    check(examples, spec)
    probabilities, labels, models, folds = held_out(examples, spec)
    scaling = None
    if spec.positive is not None:
        truth = np.array([example.label == spec.positive for example in examples])
        scaling = platt(probabilities[:, labels.index(spec.positive)], truth)
        column = labels.index(spec.positive)
        probabilities[:, column] = calibrated(probabilities[:, column], scaling)
    evaluation = evaluate_scores(spec, examples, probabilities, labels, models, folds, scaling)
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{name}.ftz"
    path.with_suffix(".json").unlink(missing_ok=True)
    model = fit(examples, spec, spec.seed, True, path)
    if path.stat().st_size > MAX_MODEL_BYTES:
        raise ModelError(f"{path}: {path.stat().st_size / 1e6:.1f} MB; a bundled model has at most 5 MB")
    card = ModelCard(
        name,
        model.sha256,
        model.labels,
        spec.positive,
        platt=scaling,
        threshold=evaluation.threshold,
        prevalence=spec.prevalence,
        thresholds=evaluation.thresholds,
    )
    path.with_suffix(".json").write_text(json.dumps(asdict(card), indent=1) + "\n")
    path.with_suffix(".md").write_text(evaluation.markdown(spec, model.path.stat().st_size))
    return evaluation


def predictions_hash(model: FastTextModel, texts: Sequence[str]) -> str:
    """A hash of what a model says of texts, for comparing two trainings."""
    return hashlib.sha256(np.round(model.probabilities(texts), 6).tobytes()).hexdigest()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of every command here."""
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of labelled data")
    parser.add_argument("--cache", type=Path, default=Path(".bench/classifiers"), help="for extracted pages")
    parser.add_argument("--out", type=Path, default=MODELS, help="folder for the model and its card")
    parser.add_argument("--examples", type=Path, help="train and evaluate on the examples of a build instead of --data")
    real = parser.add_argument_group("build wikipedia_reference from what Wikipedia cites")
    real.add_argument("--links", help="dump of the table externallinks (path or URL of a .sql.gz); without it: --data")
    real.add_argument("--mirror", default=BASE, help="mirror of Common Crawl (URL or folder)")
    real.add_argument("--crawl", default="latest", help="id of a dump of Common Crawl")
    real.add_argument("--index", choices=("cdx", "columnar"), default="cdx", help="where captures are looked up")
    real.add_argument("--sites", type=int, default=20_000, help="most sites that positives come from")
    real.add_argument("--per-site", type=int, default=3, help="most cited pages of a site")
    real.add_argument("--negatives-mb", type=int, default=400, help="megabytes of the crawl to draw negatives from")
    real.add_argument("--seed", type=int, default=1)


def run_command(command: str, name: str, args: argparse.Namespace) -> int:
    """`build` counts the examples, `train` makes the model and its card, `evaluate` only prints the card that a
    training would make, `calibrate` fits the calibration of a trained model anew, `card` prints the card."""
    if command == "card":
        print((args.out / f"{name}.md").read_text())
        return 0
    if command == "build" and args.links:
        return _build_from_links(name, args)
    if command == "build":
        examples = BUILDERS[name](args.data, args.cache)
        for label, count in sorted(Counter(example.label for example in examples).items()):
            groups = len({example.group for example in examples if example.label == label})
            print(f"{label}: {count} texts of {groups} groups")
        return 0
    out = args.out
    if command == "evaluate":
        with tempfile.TemporaryDirectory() as folder:
            print(train(name, args.data, args.cache, Path(folder), args.examples).markdown(load_spec(name), None))
        return 0
    print(train(name, args.data, args.cache, out, args.examples).headline())
    return 0


def _build_from_links(name: str, args: argparse.Namespace) -> int:
    if name != "wikipedia_reference":
        raise ModelError(f"--links is for wikipedia_reference; {name} is built from --data")
    options = BuildOptions(
        args.links, args.mirror, args.crawl, args.index, args.sites, args.per_site, args.negatives_mb, args.seed
    )
    print(json.dumps(build(options, args.cache / "wikipedia"), indent=1))
    return 0
