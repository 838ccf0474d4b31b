"""Trains the network of `engine: blocks` on whole pages: it sees what is scored, a page's soft word-F1.

In go pages with gold text, out comes a `curate.kernels.block_net.Net`. Gradients are written out by hand in numpy, so
training needs no further library; one seed gives the same numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy import sparse

from classifiers.blocks_data import GoldPage
from curate.kernels import markup
from curate.kernels.block_net import SOURCES, STEPS, Net, groups, weights
from curate.kernels.html_measure import C_WORDS

HIDDEN = 32
EPOCHS = 12
BLOCKS_A_STEP = 3000
LEARNING_RATE, WARM_UP = 3e-3, 50
"""The highest rate, reached after so many steps; from there it falls to 0 as half a cosine."""
DECAY = 0.02
"""Weight decay, apart from the gradient (AdamW: Loshchilov and Hutter 2019)."""
DROPPED_INPUTS, DROPPED_HIDDEN = 0.1, 0.2
MAX_NORM = 1.0
"""Longer gradients are cut to this norm."""
MIN_SPREAD = 0.05
"""A feature of less standard deviation than this is treated as if it had this, lest a rare flag drown the others."""
Array = npt.NDArray[np.float32]


class PageInput(NamedTuple):
    """What training needs of a page. Arrays are [blocks, …]."""

    rows: Array
    tags: npt.NDArray[np.int64]
    path: npt.NDArray[np.int64]
    above: npt.NDArray[np.int64]
    weights: Array
    words: Array
    labels: Array
    importance: Array
    """Of a block in the logistic loss."""
    page_weight: float


def page_input(page: GoldPage, page_weight: float, min_words: float) -> PageInput:
    """A page's arrays; `min_words` is what a block without words weighs in the soft F1. A page of which only some
    blocks are known has no F1, so it has only the logistic loss of these."""
    path, above = groups(page.page)
    return PageInput(
        page.rows, page.page.tag[page.page.node].astype(np.int64), path, above, weights(page.page),
        np.maximum(page.page.counts[:, C_WORDS], min_words).astype(np.float32) * (not page.partial), page.labels,
        page.weights.astype(np.float32), page_weight,
    )  # fmt: skip


def fit_net(pages: Sequence[PageInput], seed: int = 1) -> Net:
    """Trains on pages that have blocks."""
    pages = [page for page in pages if len(page.labels)]
    random = np.random.default_rng(seed)
    center, rest, mean, spread = _scales(pages)
    parameters = _start(random, len(center))
    first_moment = {name: np.zeros_like(array) for name, array in parameters.items()}
    second_moment = {name: np.zeros_like(array) for name, array in parameters.items()}
    total = EPOCHS * sum(1 for _ in _batches(pages, np.arange(len(pages))))
    step = 0
    for _ in range(EPOCHS):
        for batch in _batches(pages, random.permutation(len(pages))):
            gradient = _gradient(parameters, _join(batch, center, mean, spread), random)
            norm = float(np.sqrt(sum(float((array.astype(np.float64) ** 2).sum()) for array in gradient.values())))
            rate = LEARNING_RATE * min(1.0, (step + 1) / WARM_UP) * 0.5 * (1 + np.cos(np.pi * step / total))
            step += 1
            for name, array in parameters.items():
                slope = gradient[name] * np.float32(min(1.0, MAX_NORM / (norm + 1e-9)))
                first_moment[name] += np.float32(0.1) * (slope - first_moment[name])
                second_moment[name] += np.float32(0.001) * (slope * slope - second_moment[name])
                direction = (first_moment[name] / (1 - 0.9**step)) / (
                    np.sqrt(second_moment[name] / (1 - 0.999**step)) + 1e-8
                )
                array -= (rate * (direction + DECAY * array)).astype(np.float32)
    return _as_net(parameters, center, rest, mean, spread)


def _scales(pages: Sequence[PageInput]) -> tuple[Array, Array, Array, Array]:
    """Per feature: the center of its squashing, and the median, the mean and the standard deviation after it."""
    rows = np.concatenate([page.rows for page in pages])
    center = np.maximum(np.abs(rows).mean(0, dtype=np.float64), 1e-3).astype(np.float32)
    np.divide(rows, np.abs(rows) + center, out=rows)
    mean = rows.mean(0, dtype=np.float64).astype(np.float32)
    spread = np.maximum(rows.std(0, dtype=np.float64), MIN_SPREAD).astype(np.float32)
    rest = np.median(rows, axis=0).astype(np.float32)
    return center, rest, mean, spread


def _start(random: np.random.Generator, features: int) -> dict[str, Array]:
    """Small random matrices (He et al. 2015)."""

    def matrix(*shape: int) -> Array:
        return (random.normal(0, np.sqrt(1 / shape[-2]), shape)).astype(np.float32)

    return {
        "first": matrix(features, HIDDEN),
        "tags": np.zeros((len(markup.NAMES), HIDDEN), np.float32),
        "bias": np.zeros(HIDDEN, np.float32),
        "mixing": matrix(len(STEPS), SOURCES * HIDDEN, HIDDEN),
        "mixing_bias": np.zeros((len(STEPS), HIDDEN), np.float32),
        "last": np.append(matrix(HIDDEN, 1)[:, 0], np.float32(0)),
    }


def _batches(pages: Sequence[PageInput], order: npt.NDArray[np.int64]) -> Iterator[list[PageInput]]:
    """Pages in this order, as many at a time as have BLOCKS_A_STEP blocks."""
    batch: list[PageInput] = []
    blocks = 0
    for i in order:
        batch.append(pages[i])
        blocks += len(pages[i].labels)
        if blocks >= BLOCKS_A_STEP:
            yield batch
            batch, blocks = [], 0
    if batch:
        yield batch


class Batch(NamedTuple):
    """Pages joined. Means are matrices [groups, blocks]; `members` are the groups' indicators."""

    inputs: Array
    tags: npt.NDArray[np.int64]
    page: npt.NDArray[np.int64]
    group: list[npt.NDArray[np.int64]]
    means: list[sparse.csr_matrix]
    members: list[sparse.csr_matrix]
    words: Array
    labels: Array
    importance: Array
    page_weight: Array


def _join(pages: Sequence[PageInput], center: Array, mean: Array, spread: Array) -> Batch:
    starts = np.cumsum([0, *(len(page.labels) for page in pages)])
    rows = np.concatenate([page.rows for page in pages])
    inputs = (rows / (np.abs(rows) + center) - mean) / spread
    number = np.repeat(np.arange(len(pages)), np.diff(starts))
    weight = np.concatenate([page.weights for page in pages])
    n = len(rows)
    group, means, members = [], [], []
    for keys in (
        np.concatenate([page.path + start for page, start in zip(pages, starts, strict=False)]),
        np.concatenate([page.above + start for page, start in zip(pages, starts, strict=False)]),
        starts[number],
    ):
        of = np.unique(keys, return_inverse=True)[1]
        total = np.bincount(of, weight)
        shape = (len(total), n)
        group.append(of)
        means.append(sparse.csr_matrix(((weight / total[of]).astype(np.float32), (of, np.arange(n))), shape))
        members.append(sparse.csr_matrix((np.ones(n, np.float32), (of, np.arange(n))), shape))
    return Batch(
        inputs, np.concatenate([page.tags for page in pages]), number, group, means, members,
        np.concatenate([page.words for page in pages]), np.concatenate([page.labels for page in pages]),
        np.concatenate([page.importance for page in pages]),
        np.array([page.page_weight for page in pages], np.float32),
    )  # fmt: skip


def _slope(odds: Array, batch: Batch) -> Array:
    """Gradient by log-odds of the mean over pages of 1 − soft F1 + weighted logistic loss.

    Soft F1 = 2 Σ w·p·y / (Σ w·p + Σ w·y + 1) with w the words, y the labels and p the probabilities of a page.
    """
    p = 1 / (1 + np.exp(-np.clip(odds, -30, 30)))

    def over_page(values: Array) -> Array:
        return np.bincount(batch.page, values).astype(np.float32)[batch.page]

    w, y = batch.words, batch.labels
    shared, size = over_page(w * p * y), over_page(w * p) + over_page(w * y) + 1
    by_f1 = -2 * w * (y * size - shared) / size**2 * p * (1 - p)
    by_logistic = batch.importance * (p - (y >= 0.5))
    slope: Array = (by_f1 + by_logistic) * (batch.page_weight / batch.page_weight.sum())[batch.page]
    return slope.astype(np.float32)


def _shifted(values: Array, page: npt.NDArray[np.int64], step: int) -> Array:
    """Each block's values `step` blocks on (before it, if positive), 0 where the page ends."""
    out = np.zeros_like(values)
    if len(values) > abs(step):
        if step > 0:
            out[step:] = values[:-step] * (page[step:] == page[:-step])[:, None]
        else:
            out[:step] = values[-step:] * (page[-step:] == page[:step])[:, None]
    return out


def _gradient(parameters: dict[str, Array], batch: Batch, random: np.random.Generator) -> dict[str, Array]:
    """The gradient of a step's loss, with dropout."""
    n = len(batch.labels)
    inputs = batch.inputs * _kept(random, batch.inputs.shape, DROPPED_INPUTS)
    before = inputs @ parameters["first"] + parameters["tags"][batch.tags] + parameters["bias"]
    hidden = np.maximum(before, 0)
    masks, seen, sums = [], [], []
    for layer, step in enumerate(STEPS):
        mask = _kept(random, hidden.shape, DROPPED_HIDDEN)
        own = hidden * mask
        read = np.concatenate(
            [
                own,
                _shifted(own, batch.page, step),
                _shifted(own, batch.page, -step),
                *((mean @ own)[group] for mean, group in zip(batch.means, batch.group, strict=True)),
            ],
            axis=1,
        )
        total = read @ parameters["mixing"][layer] + parameters["mixing_bias"][layer]
        hidden = hidden + np.maximum(total, 0)
        masks.append(mask)
        seen.append(read)
        sums.append(total)
    slope = _slope(hidden @ parameters["last"][:-1] + parameters["last"][-1], batch)
    gradient = {name: np.zeros_like(array) for name, array in parameters.items()}
    gradient["last"] = np.append(slope @ hidden, slope.sum()).astype(np.float32)
    back = np.outer(slope, parameters["last"][:-1])
    for layer in range(len(STEPS) - 1, -1, -1):
        step, width = STEPS[layer], HIDDEN
        inner = back * (sums[layer] > 0)
        gradient["mixing"][layer] = seen[layer].T @ inner
        gradient["mixing_bias"][layer] = inner.sum(0)
        to = inner @ parameters["mixing"][layer].T
        parts = [to[:, k * width : (k + 1) * width] for k in range(SOURCES)]
        own = parts[0] + _shifted(parts[1], batch.page, -step) + _shifted(parts[2], batch.page, step)
        for mean, member, part in zip(batch.means, batch.members, parts[3:], strict=True):
            own = own + mean.T @ (member @ part)
        back = back + own * masks[layer]
    inner = back * (before > 0)
    gradient["first"] = inputs.T @ inner
    gradient["bias"] = inner.sum(0)
    used = sparse.csr_matrix((np.ones(n, np.float32), (batch.tags, np.arange(n))), (len(markup.NAMES), n))
    gradient["tags"] = used @ inner
    return gradient


def _kept(random: np.random.Generator, shape: tuple[int, ...], dropped: float) -> Array:
    """A mask that keeps the expected sum."""
    kept: Array = (random.random(shape, np.float32) >= dropped).astype(np.float32) / np.float32(1 - dropped)
    return kept


def _as_net(parameters: dict[str, Array], center: Array, rest: Array, mean: Array, spread: Array) -> Net:
    """The trained numbers, with the features' scales inside of the first matrix, and medians for means: a feature at
    its median then is 0 and costs nothing."""
    first = (parameters["first"] / spread[:, None]).astype(np.float32)
    return Net(
        center, rest, first, parameters["tags"], parameters["bias"] + (rest - mean) @ first, parameters["mixing"],
        parameters["mixing_bias"], parameters["last"],
    )  # fmt: skip


def write_net(net: Net, path: Path) -> None:
    """Writes the network; its matrices as float16, which keeps three digits."""
    exact = ("center", "rest")
    arrays = net._asdict().items()
    stored: dict[str, Any] = {name: array if name in exact else array.astype(np.float16) for name, array in arrays}
    np.savez_compressed(path, **stored)
