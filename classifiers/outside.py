"""How a quality model does on texts that are in no training of it: edited prose against spam and abuse, cut to like
lengths; short clean paragraphs; and pages of another collection, by type and by whether Wikipedia's editors list their
site. Length alone stands beside each figure, since it is what such models are prone to go by.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from classifiers.builders import crops
from classifiers.corpora import Example, json_lines, reliable_sites, site, wcxb_pages
from classifiers.evaluation import auc, bootstrap_auc
from curate.stages.quality.fasttext_model import FastTextModel

if TYPE_CHECKING:
    from classifiers.toolkit import Spec

GOOD = ("brown", "wikitext2_valid", "state_union", "inaugural")
POOR = ("sms", "spamassassin", "gambling_readmes", "davidson")
"""Spam and hateful or offensive messages."""
MIN_WORDS, MAX_WORDS = 20, 200
PARAGRAPH_WORDS = (30, 80)
MIN_PAGE_WORDS = 50


def labelled_texts(data: Path) -> list[Example]:
    """Texts of good and poor quality, each a run of 20 to 200 words, so that length tells little."""
    source = random.Random(1)
    answer = []
    for name in GOOD:
        for number, row in enumerate(json_lines(data / "text" / f"{name}.jsonl.gz")):
            text = crops(row["text"], source, MIN_WORDS, MAX_WORDS)
            answer.append(Example(text, "good", f"{name}:{number}", name))
    for name in POOR:
        folder = "toxicity" if name == "davidson" else "spam"
        for number, row in enumerate(json_lines(data / folder / f"{name}.jsonl.gz")):
            bad = row.get("label", "spam") in ("spam", "hate", "offensive")
            if bad and len(row["text"].split()) >= MIN_WORDS:
                text = crops(row["text"], source, MIN_WORDS, MAX_WORDS)
                answer.append(Example(text, "poor", f"{name}:{number}", name))
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
    """Lines for the card: the bundled model on texts whose set or site is not among `examples`."""
    if not (data / "text").is_dir():
        return ["", f"Texts outside of the training were not at hand ({data}/text)."]
    sets, sites = {example.source for example in examples}, {example.group for example in examples}
    texts = [each for each in labelled_texts(data) if each.source not in sets]
    lines = ["", "## Outside of its training", ""]
    lines.append(
        f"Texts of sets that it was not trained on, runs of {MIN_WORDS} to {MAX_WORDS} words: edited prose "
        f"({', '.join(name for name in GOOD if name not in sets)}) against spam and abuse ({', '.join(POOR)})."
    )
    lines += ["", f"Good above poor: {_told(model, texts)}."]
    if "wikitext2_valid" not in sets:
        poor = [each for each in texts if each.label == "poor"]
        lines.append(
            f"Paragraphs of WikiText of {PARAGRAPH_WORDS[0]} to {PARAGRAPH_WORDS[1]} words above the same poor texts: "
            f"{_told(model, [*paragraphs(data), *poor])}."
        )
    lines += ["", "| set | quality | texts | median score |", "|---|---|---|---|"]
    lines += _medians(model, texts)
    good, _ = reliable_sites(data)
    pages = [
        Example(page["text"], page["page_type"], site(page["url"]), page["page_type"])
        for page in wcxb_pages(data)
        if len(page["text"].split()) >= MIN_PAGE_WORDS and site(page["url"]) not in sites
    ]
    articles = [each for each in pages if each.label == "article"]
    listed = [Example(e.text, "good" if e.group in good else "poor", e.group, e.source) for e in articles]
    lines += ["", f"Pages of WCXB (another collection, English) of other sites than the training's, {len(pages)}:"]
    lines.append(
        f"articles of sites that Wikipedia's editors list above the other articles: {_told(model, listed)}. By type:"
    )
    lines += ["", "| page type | | pages | median score |", "|---|---|---|---|"]
    return lines + _medians(model, pages)


def _told(model: FastTextModel, texts: Sequence[Example]) -> str:
    truth = np.array([each.label == "good" for each in texts])
    scores = model.scores([each.text for each in texts])
    low, high = bootstrap_auc(scores, truth, [each.group for each in texts], 1)
    length = auc(np.array([float(len(each.text)) for each in texts]), truth)
    return (
        f"AUC {auc(scores, truth):.3f} [{low:.3f}, {high:.3f}] ({int(truth.sum())} and {int((~truth).sum())} texts); "
        f"length alone {max(length, 1 - length):.3f}"
    )


def _medians(model: FastTextModel, texts: Sequence[Example]) -> list[str]:
    lines = []
    for name in sorted({each.source for each in texts}):
        inside = [each for each in texts if each.source == name]
        kind = inside[0].label if inside[0].label != name else ""
        lines.append(f"| {name} | {kind} | {len(inside)} | {np.median(model.scores([e.text for e in inside])):.3f} |")
    return lines
