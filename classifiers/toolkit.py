"""Trains, evaluates, calibrates and describes fastText models, the bundled ones and a user's own. The unit is a *spec*,
a YAML: what the model is for, its labels, where their texts are, and fastText's settings. Everything follows from the
spec, the data and a seed:

    python -m classifiers train wikipedia_reference --data ../shared/data
    python -m classifiers train my_spec.yaml

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
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import numpy as np
from pydantic import ConfigDict, Field, create_model

from classifiers import checked, fasttext_process, inspection, outside
from classifiers.builders import BUILDERS, crops, named_examples, split_groups
from classifiers.calibration import labelled, platt, recalibrate
from classifiers.corpora import Example
from classifiers.evaluation import Evaluation, auc, bootstrap_auc, evaluate_scores
from classifiers.folds import apart
from classifiers.wikipedia_build import BuildOptions, build, stored
from curate.placed_checks import validated
from curate.placed_yaml import PlacedMapping, parse
from curate.sources.commoncrawl import BASE
from curate.stages.quality.fasttext_model import (
    LABEL,
    MODELS,
    FastTextModel,
    ModelCard,
    ModelError,
    calibrated,
    prepare,
    url_words,
)

SPECS = Path(__file__).parent / "specs"
MAX_MODEL_BYTES = 5 << 20
MAX_CROPS = 40


@dataclass(frozen=True)
class Spec:
    """What a spec's YAML says."""

    name: str
    summary: Annotated[str, Field(description="a spec says what its model is for, in one sentence for the card")]
    caveats: Annotated[list[str], Field(description="a spec says where its model errs: a list, which may be empty")]
    examples: dict[str, dict[str, Any]] | None = None
    """Label → where its texts are, as a recipe's `input:` says it, such as {jsonl: good/*.jsonl.gz}, relative to the
    spec. The bundled models have builders instead."""
    texts_per_label: int = 20_000
    """Of more texts so many are drawn, by a hash of URL and text."""
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
    matched_strata: float | None = None
    """The share of the negatives that have the strata (languages) of the positives; the rest is as it comes. None:
    the strata of each label count alike."""
    max_mean_drift: float = 0.03
    max_drift: float = 0.2
    """By how much the score of a text's first 100, 300 or 1,000 words may differ from that of the whole: the mean over
    texts, and nine texts in ten. A training that does not keep to it fails."""
    uses_url: bool = False
    """Whether the model reads the URL, too."""
    outside: bool = False
    """Whether the card tells how the model does on texts of good and poor quality that are in no training."""
    show_words: bool = True
    """Whether the card lists the words that speak most for a label; not where those are slurs."""
    extra: dict[str, Any] = field(default_factory=dict)


def load_spec(name: str) -> Spec:
    """The spec of a bundled model, or in a file `NAME.yaml`. ModelError if there is none, RecipeError with the line and
    the key of all that is wrong in it."""
    path = Path(name) if is_file(name) else SPECS / f"{name}.yaml"
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ModelError(f"{path}: there is no such spec") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{path}: cannot be read: {error}") from error
    raw = parse(text, str(path))
    hints = get_type_hints(Spec, include_extras=True)
    allowed = {each.name: each for each in fields(Spec) if each.name != "name"}
    if not isinstance(raw, PlacedMapping):
        raise ModelError(f"{path}: a spec is a mapping with the keys {', '.join(allowed)}")
    # What is left out gets the default of Spec: here it is only told from what must be there.
    needed = {key: ... if key in ("summary", "caveats") else None for key in allowed}
    of_file = create_model(
        "SpecFile", __config__=ConfigDict(extra="forbid"), **{key: (hints[key], needed[key]) for key in allowed}
    )
    given = validated(of_file, raw, raw, str(path), "")
    return Spec(name=path.stem, **{key: getattr(given, key) for key in raw})


def is_file(name: str) -> bool:
    """Whether a name is that of a spec's file, not of a bundled model."""
    return name.endswith((".yaml", ".yml"))


def gathered(name: str, data: Path, cache: Path, built: Path | None = None) -> list[Example]:
    """The examples of a model: those of a build, those that its spec names, or what its builder finds in `data`."""
    if built is not None:
        return stored(built)
    spec = load_spec(name)
    if spec.examples is not None:
        return named_examples(spec.examples, Path(name).parent, spec.texts_per_label)
    if spec.name not in BUILDERS or is_file(name):
        raise ModelError(
            f"{name}: examples: say for each label where its texts are, such as good: {{jsonl: good.jsonl}}"
        )
    return BUILDERS[name](data, cache)


def check(examples: Sequence[Example], spec: Spec) -> None:
    """ModelError if nothing can be learned from the examples."""
    labels = Counter(example.label for example in examples)
    if not examples:
        raise ModelError(f"{spec.name}: no examples; the data folder holds none of its sets")
    if len(labels) < 2:
        raise ModelError(f"{spec.name}: only the label {next(iter(labels))!r} ({len(examples)} texts); two are needed")
    if spec.positive is not None and spec.positive not in labels:
        raise ModelError(f"{spec.name}: positive: {spec.positive!r} is none of the labels {sorted(labels)}")


def check_drift(evaluation: Evaluation, spec: Spec) -> None:
    """ModelError if scores depend more on how much of a text is seen than the spec allows."""
    for words, (mean, _, most) in evaluation.drift.items():
        if abs(mean) > spec.max_mean_drift or most > spec.max_drift:
            raise ModelError(
                f"{spec.name}: scores of the first {words} words are {mean:+.3f} from those of whole texts in the mean "
                f"and {most:.3f} at the ninth decile; allowed: max_mean_drift {spec.max_mean_drift:g}, max_drift "
                f"{spec.max_drift:g}. The model goes by length; look at the crops that it is trained on"
            )


def fit(examples: Sequence[Example], spec: Spec, seed: int, quantize: bool, path: Path) -> FastTextModel:
    """Trains on crops of the examples and saves under `path`. One thread, so that twice is the same."""
    source = random.Random(seed)
    lines = []
    for e in _balanced(examples, spec, source):
        # Half without the URL, so that the model can do without.
        address = url_words(e.url) if spec.uses_url and source.random() < 0.5 else ""
        lines.append(f"{LABEL}{e.label} {address}{prepare(crops(e.text, source))}\n")
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
    model = FastTextModel(path)
    model.uses_url = spec.uses_url
    return model


def _balanced(examples: Sequence[Example], spec: Spec, source: random.Random) -> Iterator[Example]:
    """Examples, each as often as its label needs to reach `crops_per_label`: in equal parts from its strata, or with
    the strata matched to those of the positives."""
    counts = Counter((example.label, example.stratum) for example in examples)
    strata = Counter(label for label, _ in counts)
    texts = Counter(example.label for example in examples)

    def share(label: str, stratum: str) -> float:
        if spec.matched_strata is None:
            return 1 / strata[label]
        own = counts[label, stratum] / texts[label]
        of_positives = counts[spec.positive or "", stratum] / texts[spec.positive or ""]
        return spec.matched_strata * of_positives + (1 - spec.matched_strata) * own

    for example in examples:
        part = spec.crops_per_label * share(example.label, example.stratum)
        wanted = min(part / counts[example.label, example.stratum], MAX_CROPS)
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
            found = model.probabilities([examples[i].text for i in rows], [examples[i].url for i in rows])
            for column, label in enumerate(model.labels):
                answer[rows, labels.index(label)] = found[:, column]
            models.append(model)
    return answer, labels, models, folds


def train(name: str, data: Path, cache: Path, out: Path = MODELS, built: Path | None = None) -> Evaluation:
    """All of it: examples (of `data`, or the file of a build), cross-validation, calibration, final model, card."""
    spec = load_spec(name)
    examples = gathered(name, data, cache, built)
    name = spec.name
    check(examples, spec)
    examples = apart(examples)
    probabilities, labels, models, folds = held_out(examples, spec)
    scaling = None
    if spec.positive is not None:
        truth = np.array([example.label == spec.positive for example in examples])
        scaling = platt(probabilities[:, labels.index(spec.positive)], truth)
        column = labels.index(spec.positive)
        probabilities[:, column] = calibrated(probabilities[:, column], scaling)
    evaluation = evaluate_scores(spec, examples, probabilities, labels, models, folds, scaling)
    check_drift(evaluation, spec)
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{name}.ftz"
    path.with_suffix(".json").unlink(missing_ok=True)
    model = fit(examples, spec, spec.seed, True, path)
    if out == MODELS and path.stat().st_size > MAX_MODEL_BYTES:
        raise ModelError(f"{path}: {path.stat().st_size / 1e6:.1f} MB; a bundled model has at most 5 MB")
    card = ModelCard(
        name,
        model.sha256,
        model.labels,
        spec.positive,
        platt=scaling,
        uses_url=spec.uses_url,
        threshold=evaluation.threshold,
        prevalence=spec.prevalence,
        thresholds=evaluation.thresholds,
        max_drift=None if spec.positive is None else (spec.max_mean_drift, spec.max_drift),
    )
    path.with_suffix(".json").write_text(json.dumps(asdict(card), indent=1) + "\n")
    lines = _inspected(examples, spec, probabilities, labels, evaluation)
    lines += inspection.words(models[0], labels) if spec.show_words else []
    if spec.outside:
        lines += outside.tables(spec, FastTextModel(path), examples, data)
    path.with_suffix(".md").write_text(evaluation.markdown(spec, model.path.stat().st_size) + "\n".join(lines) + "\n")
    if spec.positive is not None:
        truth = np.array([example.label == spec.positive for example in examples])
        scores = probabilities[:, labels.index(spec.positive)]
        path.with_suffix(".svg").write_text(inspection.curves(scores, truth, evaluation.reliability))
    return evaluation


def _inspected(
    examples: Sequence[Example], spec: Spec, probabilities: np.ndarray, labels: list[str], evaluation: Evaluation
) -> list[str]:
    if spec.positive is None:
        found = [labels[column] for column in probabilities.argmax(axis=1)]
        return [*inspection.classes(examples, found, labels), *checked.agreement(SPECS, spec.name, examples, found)]
    truth = np.array([example.label == spec.positive for example in examples])
    scores = probabilities[:, labels.index(spec.positive)]
    precision = inspection.average_precision(scores, truth)
    told = f"Average precision {precision:.3f} where {truth.mean():.3f} are positive. Curves: `{spec.name}.svg`."
    return ["", told, *inspection.binary(examples, scores, truth, evaluation.threshold or 0.5)]


def evaluate_labelled(name: str, path: Path, out: Path = MODELS) -> str:
    """How a trained model does on texts that it never saw: AUC with an interval beside the length's, or macro-F1."""
    model = FastTextModel(out / f"{name}.ftz")
    examples = labelled(path, model.labels)
    texts = [example.text for example in examples]
    if model.card is None or model.card.positive is None:
        found = [model.labels[column] for column in model.probabilities(texts).argmax(axis=1)]
        right = float(np.mean([e.label == said for e, said in zip(examples, found, strict=True)]))
        lines = inspection.classes(examples, found, sorted(model.labels))
        return "\n".join([f"{name}: {right:.3f} right of {len(texts)} texts", *lines])
    truth = np.array([example.label == model.card.positive for example in examples])
    scores = model.scores(texts)
    low, high = bootstrap_auc(scores, truth, [example.group for example in examples], 1)
    length = auc(np.array([float(len(text)) for text in texts]), truth)
    return (
        f"{name}: AUC {auc(scores, truth):.3f} [{low:.3f}, {high:.3f}] on {len(texts)} texts, "
        f"{int(truth.sum())} of them {model.card.positive}; length alone {max(length, 1 - length):.3f}"
    )


def predictions_hash(model: FastTextModel, texts: Sequence[str]) -> str:
    """A hash of what a model says of texts, for comparing two trainings."""
    return hashlib.sha256(np.round(model.probabilities(texts), 6).tobytes()).hexdigest()


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Of every command here."""
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder of labelled data")
    parser.add_argument("--cache", type=Path, default=Path(".bench/classifiers"), help="for extracted pages")
    parser.add_argument(
        "--out", type=Path, help="folder for the model and its card; default: the bundled models', or the spec file's"
    )
    parser.add_argument("--labelled", type=Path, help="JSON lines with text and label, for evaluate and calibrate")
    parser.add_argument("--method", choices=("platt", "isotonic"), default="platt", help="of calibrate")
    parser.add_argument("--seconds", type=float, default=600, help="time budget of tune")
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
    """`build` counts the examples (or makes them, with --links), `train` makes the model and its card, `evaluate`
    prints the card that a training would make, or tells how the model does on labelled texts; `calibrate` fits its
    scores anew to such texts, `tune` looks for better settings, `card` prints the card."""
    out = args.out or (Path(name).parent if is_file(name) else MODELS)
    stem = Path(name).stem if is_file(name) else name
    if command == "card":
        card = out / f"{stem}.md"
        if not card.is_file():
            raise ModelError(f"{card}: there is no such card; training writes it: python -m classifiers train {name}")
        print(card.read_text(encoding="utf-8"))
        return 0
    if command == "build" and args.links:
        return _build_from_links(name, args)
    if command == "build":
        examples = gathered(name, args.data, args.cache)
        for label, count in sorted(Counter(example.label for example in examples).items()):
            groups = len({example.group for example in examples if example.label == label})
            print(f"{label}: {count} texts of {groups} groups")
        return 0
    if command == "calibrate":
        if args.labelled is None:
            raise ModelError(
                "calibrate needs --labelled FILE: JSON lines with text and label; training calibrates itself"
            )
        print(recalibrate(stem, args.labelled, args.method, out))
        return 0
    if command == "evaluate" and args.labelled:
        print(evaluate_labelled(stem, args.labelled, out))
        return 0
    if command == "tune":
        from classifiers.tuning import settings, tune

        spec = load_spec(name)
        examples = gathered(name, args.data, args.cache, args.examples)
        check(examples, spec)
        best, lines = tune(apart(examples), spec, args.seconds)
        print("\n".join([*lines, f"best: {settings(best)}"]))
        return 0
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
