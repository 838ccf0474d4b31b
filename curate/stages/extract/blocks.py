"""The engine `blocks`: a small model over a page's blocks says which of them are its content.

A page is scanned once into blocks; boosted trees give each block a probability; then those blocks are
chosen that make the expected word-F1 of the page largest.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from curate.kernels.block_features import features
from curate.kernels.html import C_WORDS, Page, scan
from curate.kernels.trees import Trees, parse_lightgbm, score
from curate.stages.extract.engines import Extracted, Options
from curate.stages.extract.hints import read_hints
from curate.stages.extract.metadata import read_metadata, read_metas
from curate.stages.extract.structure import write_text
from curate.stages.extract.units import units_of

MODEL = Path(__file__).parents[3] / "classifiers" / "models" / "blocks.txt"
"""What `python -m classifiers train blocks` writes."""
MIN_DESCRIPTION = 80
"""Characters; a shorter JSON-LD description adds nothing to a page."""
_WORD = re.compile(r"\w+")


@cache
def load_model(path: Path = MODEL) -> Trees:
    """The model, read once in a process."""
    return parse_lightgbm(path.read_text())


def model_fingerprint() -> str:
    """SHA-256 of the model file."""
    return hashlib.sha256(MODEL.read_bytes()).hexdigest()


def extract_blocks(html: str, options: Options, model: Trees | None = None) -> Extracted:
    """The page's text by learned choice of blocks, by the model that comes with the package or by `model`."""
    source = html.encode("utf-8", "replace")
    metas = read_metas(html)
    said = read_metadata(html, metas)
    page = scan(source)
    probabilities = block_probabilities(page, read_hints(html, metas), len(source), model)
    keep = choose(probabilities, np.maximum(page.counts[:, C_WORDS], MIN_WORDS), units_of(page))
    text = write_text(source, page, np.flatnonzero(keep), options.format == "markdown")
    if said.structured and len(said.structured) >= MIN_DESCRIPTION:
        text = _with_description(text, said.structured)
    return Extracted(text, said, int(keep.sum()))


MIN_WORDS = 0.2
"""What a block without words weighs when blocks are chosen."""


def block_probabilities(
    page: Page, hints: npt.NDArray[np.float32], n_bytes: int, model: Trees | None = None
) -> npt.NDArray[np.float64]:
    """For each block the probability that it is content."""
    return 1 / (1 + np.exp(-score(model or load_model(), features(page, hints, n_bytes))))


def choose(
    probabilities: npt.NDArray[np.float64], weights: npt.NDArray[np.float64], units: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    """The blocks that make the expected F1 largest: those of the k most probable units, for the best k.

    With w the words and p the probability of a unit, F1 = 2 Σ_kept p·w / (Σ_kept w + Σ p·w). `units` says which
    blocks are kept or left together.
    """
    if not len(probabilities):
        return np.zeros(0, np.bool_)
    content, weight = np.bincount(units, probabilities * weights), np.bincount(units, weights)
    order = np.argsort(-content / weight, kind="stable")
    expected = 2 * np.cumsum(content[order]) / (np.cumsum(weight[order]) + content.sum() + 1e-9)
    keep = np.zeros(len(weight), np.bool_)
    keep[order[: int(np.argmax(expected)) + 1]] = True
    kept: npt.NDArray[np.bool_] = keep[units]
    return kept


def _with_description(text: str, description: str) -> str:
    """The text, and after it the description of the page's JSON-LD where the text says less than half of it."""
    plain = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", description)).strip()
    words = _WORD.findall(plain.lower())
    known = set(_WORD.findall(text.lower()))
    missing = sum(word not in known for word in words)
    return f"{text}\n{plain}".lstrip() if words and missing > len(words) / 2 else text
