"""The engines of language identification side by side, and the model's card."""

from __future__ import annotations

import hashlib
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from classifiers import fasttext_process
from classifiers.language import Columns, Labelled, fold_of, held_out, macro_f1
from curate.stages.language.engines import FastText, Identifier, load_engine
from curate.stages.language.ngrams import Automaton, NgramIdentifier

FASTTEXT = {
    "dim": 16, "minn": 2, "maxn": 4, "wordNgrams": 1, "bucket": 500_000, "epoch": 40, "lr": 1.0, "minCount": 2,
    "thread": 1, "seed": 1, "verbose": 0, "loss": "softmax",
}  # fmt: skip
TIMED = 400
"""Pages that each engine is timed on."""


@dataclass(frozen=True)
class Row:
    """What was measured of one engine."""

    engine: str
    f1_shared: float
    """Sentences: macro-F1 over the languages that py3langid knows, on their sentences."""
    f1_all: float
    """Sentences: macro-F1 over all languages."""
    page_f1: float
    """Pages: macro-F1 over the languages that the default engine knows."""
    page_accuracy: float
    page_ms: float
    """CPU milliseconds a page."""


@dataclass(frozen=True)
class Report:
    """All engines on the same texts."""

    rows: list[Row]
    shared: int
    languages: int
    page_languages: int
    sentences: int
    pages: int
    worst: list[tuple[str, float]]
    """Languages of the default engine with the lowest F1 on held-out sentences."""


def compare(
    base: Automaton, text: Sequence[Labelled], web: Sequence[Labelled], path: Path, lid176: Path | None, trained: bool
) -> Report:
    """Every engine on sentences (the fifth of them that a model trained here has not seen, `fold_of` 0; for
    the default engine all, by cross-validation) and on whole pages, which no model trained here has seen."""
    truth, asked = [e.language for e in text], [e.text for e in text]
    shared = sorted(set(truth) & set(base.labels))
    everything = sorted(set(truth))
    default = NgramIdentifier(path)
    web = [e for e in web if e.language in default.labels]
    page_truth, page_languages = [e.language for e in web], sorted({e.language for e in web})
    rows: list[Row] = []

    def add(name: str, answers: Sequence[str], wanted: Sequence[str], engine: Identifier) -> None:
        ours = [i for i, language in enumerate(wanted) if language in shared]
        pages = pa.array([e.text for e in web], pa.string())
        engine.identify(pages.slice(0, 5))
        began = time.process_time()
        engine.identify(pages.slice(0, TIMED))
        spent = (time.process_time() - began) / min(TIMED, max(len(web), 1)) * 1000
        said = engine.identify(pages)[0]
        right = float(np.mean([a == b for a, b in zip(said, page_truth, strict=True)])) if web else float("nan")
        rows.append(
            Row(
                name,
                macro_f1([wanted[i] for i in ours], [answers[i] for i in ours], shared),
                macro_f1(wanted, answers, everything),
                macro_f1(page_truth, said, page_languages) if web else float("nan"),
                right,
                spent,
            )
        )

    own = held_out(base, text).languages
    add("ngrams (default)", own, truth, default)
    for name in ("py3langid", "resiliparse"):
        engine = load_engine(name, None)
        add(name, engine.identify(pa.array(asked, pa.string()))[0], truth, engine)
    if lid176 is not None:
        engine = FastText(lid176)
        add("lid.176", engine.identify(pa.array(asked, pa.string()))[0], truth, engine)
    if trained:
        with tempfile.TemporaryDirectory() as folder:
            engine = fasttext_model(text, Path(folder))
            unseen = [e for e in text if fold_of(e.group) == 0]
            answers = engine.identify(pa.array([e.text.lower() for e in unseen], pa.string()))[0]
            add("fastText trained here", answers, [e.language for e in unseen], engine)
    f1 = [(language, macro_f1(truth, own, [language])) for language in everything]
    return Report(
        rows, len(shared), len(everything), len(page_languages), len(text), len(web),
        sorted(f1, key=lambda pair: pair[1])[:12],
    )  # fmt: skip


def fasttext_model(text: Sequence[Labelled], folder: Path) -> FastText:
    """A quantized fastText model of character n-grams, of the four fifths of the sentences that `fold_of` gives it."""
    file = folder / "train.txt"
    lines = [
        f"__label__{e.language} {' '.join(e.text.lower().replace(chr(0), ' ').split())}\n"
        for e in text
        if fold_of(e.group) != 0
    ]
    file.write_text("".join(sorted(lines, key=lambda line: hash_of(line))), encoding="utf-8")
    fasttext_process.train(FASTTEXT | {"input": str(file)}, True, folder / "language.ftz")
    return FastText(folder / "language.ftz")


def hash_of(line: str) -> int:
    """An order that has nothing to do with the labels and is the same each time."""
    return int.from_bytes(hashlib.blake2b(line.encode(), digest_size=8).digest(), "little")


def tables(report: Report) -> list[str]:
    """Markdown."""
    lines = [
        f"{report.sentences} sentences; {report.pages} whole pages of {report.page_languages} languages.",
        "",
        f"| engine | sentences, {report.shared} languages | sentences, all {report.languages} | pages, macro-F1 "
        "| pages, right | ms a page |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {r.engine} | {r.f1_shared:.3f} | {r.f1_all:.3f} | {r.page_f1:.3f} | {r.page_accuracy:.3f} "
        f"| {r.page_ms:.2f} |"
        for r in report.rows
    ]
    worst = ", ".join(f"{language} {value:.2f}" for language, value in report.worst)
    return [*lines, "", f"Hardest for the default engine (F1 on held-out sentences): {worst}."]


def card(base: Automaton, columns: Columns, figures: dict[str, float], report: Report, size: int) -> str:
    """The card, as Markdown."""
    lines = [
        "# language",
        "",
        "Which language a text is in, and the probability that this is right.",
        "",
        f"- py3langid's n-grams and columns for its {len(set(base.labels))} languages (installed beside this, BSD), "
        f"and here columns for {len(columns.labels)} more on the same n-grams: {', '.join(columns.labels)}.",
        "- The further columns rest on up to 200 sentences a language (Tatoeba, lingua): enough to tell a sentence of "
        "theirs, not to settle close relatives. Constructed languages and dialects are among them, as the data has.",
        "- A text is judged by its first 2,000 characters.",
        "- Weights are logarithms of n-gram counts; no text can be read from them.",
        "",
        "`python -m classifiers train language` makes the model and this card; with `--lid176 FILE` fastText's own "
        "model is compared too, with `--fasttext` one trained here.",
        "",
        "## How often it is wrong",
        "",
        *tables(report),
        "",
        "Columns: macro-F1 on sentences of the languages that py3langid knows; on all sentences; macro-F1 and share of "
        "right answers on whole pages; CPU time. The default engine's sentences are cross-validated (five folds by "
        "sentence); no page was learned from. Times are of the machine that made the card.",
        "",
        "## Scores",
        "",
        f"Expected calibration error {figures['held_out_calibration_error']:.3f} on sentences and crops of pages "
        "(20 to 2,000 characters, equal weight) of groups that the fit did not see. Of the answers there with a score "
        "of … so many were right:",
        "",
        "| score | right |",
        "|---|---|",
    ]
    lines += [f"| {k.removeprefix('right at ')} | {v:.2f} |" for k, v in figures.items() if k.startswith("right at ")]
    return "\n".join([*lines, "", f"Size: {size / 1e6:.2f} MB."]) + "\n"
