"""How a quality model does on texts that are in no training of it: edited prose against spam and abuse, cut to the same
number of words, and short clean paragraphs. Length alone stands beside each figure, since it is what such models are
prone to go by.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from classifiers.corpora import Example, json_lines
from classifiers.evaluation import auc, bootstrap_auc
from curate.stages.quality.fasttext_model import FastTextModel

if TYPE_CHECKING:
    from classifiers.toolkit import Spec

GOOD = ("brown", "wikitext2_valid", "state_union", "inaugural")
POOR = ("sms", "spamassassin", "gambling_readmes", "davidson")
"""Spam and hateful or offensive messages."""
RUNS = (20, 100)
"""Words of the runs that texts are cut to; messages have none of a hundred."""
PARAGRAPH_WORDS = (30, 80)


def labelled_texts(data: Path, words: int) -> list[Example]:
    """A run of so many words of each text of good and of poor quality that has them."""
    source = random.Random(1)
    answer = []
    for name in (*GOOD, *POOR):
        folder = "text" if name in GOOD else "toxicity" if name == "davidson" else "spam"
        for number, row in enumerate(json_lines(data / folder / f"{name}.jsonl.gz")):
            fits = name in GOOD or row.get("label", "spam") in ("spam", "hate", "offensive")
            found = row["text"].split()
            if fits and len(found) >= words:
                start = source.randrange(len(found) - words + 1)
                run = " ".join(found[start : start + words])
                answer.append(Example(run, "good" if name in GOOD else "poor", f"{name}:{number}", name))
    return answer


def paragraphs(data: Path) -> list[Example]:
    """The first paragraph of 30 to 80 words of each WikiText article: short and clean."""
    low, high = PARAGRAPH_WORDS
    answer = []
    for number, row in enumerate(json_lines(data / "text" / "wikitext2_valid.jsonl.gz")):
        fitting = [line for line in row["text"].splitlines() if low <= len(line.split()) <= high]
        answer += [Example(fitting[0], "good", f"wikitext:{number}", "wikitext2_valid")] if fitting else []
    return answer


def tables(spec: Spec, model: FastTextModel, examples: Sequence[Example], data: Path) -> list[str]:
    """Lines for the card: the bundled model on texts whose set is not among that of `examples`."""
    if not (data / "text").is_dir():
        return ["", f"Texts outside of the training were not at hand ({data}/text)."]
    sets = {example.source for example in examples}
    lines = ["", "## Outside of its training", ""]
    lines.append(
        f"Texts of sets that it was not trained on, cut to runs of the same number of words: edited prose "
        f"({', '.join(name for name in GOOD if name not in sets)}) above spam and abuse ({', '.join(POOR)}). "
        "Labelled by set: nobody has judged these texts one by one."
    )
    lines += ["", "| words | good | poor | AUC | length alone |", "|---|---|---|---|---|"]
    runs = {words: [e for e in labelled_texts(data, words) if e.source not in sets] for words in RUNS}
    lines += [f"| {words} | {_told(model, texts)} |" for words, texts in runs.items()]
    if "wikitext2_valid" not in sets:
        short = [*paragraphs(data), *(each for each in runs[RUNS[0]] if each.label == "poor")]
        lines.append(f"| WikiText paragraphs of {PARAGRAPH_WORDS[0]}–{PARAGRAPH_WORDS[1]} | {_told(model, short)} |")
    lines += ["", f"| set | quality | {' | '.join(f'median score, {words} words' for words in RUNS)} |"]
    lines.append("|---" * (2 + len(RUNS)) + "|")
    for name in (*GOOD, *POOR):
        cells = [_median(model, [each for each in texts if each.source == name]) for texts in runs.values()]
        if any(cells):
            lines.append(f"| {name} | {'good' if name in GOOD else 'poor'} | {' | '.join(cells)} |")
    return lines


def _told(model: FastTextModel, texts: Sequence[Example]) -> str:
    truth = np.array([each.label == "good" for each in texts])
    scores = model.scores([each.text for each in texts])
    low, high = bootstrap_auc(scores, truth, [each.group for each in texts], 1)
    length = auc(np.array([float(len(each.text)) for each in texts]), truth)
    figures = f"{auc(scores, truth):.3f} [{low:.3f}, {high:.3f}] | {max(length, 1 - length):.3f}"
    return f"{int(truth.sum())} | {int((~truth).sum())} | {figures}"


def _median(model: FastTextModel, texts: Sequence[Example]) -> str:
    return f"{np.median(model.scores([each.text for each in texts])):.3f}" if texts else ""
