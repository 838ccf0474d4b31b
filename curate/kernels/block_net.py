"""A small network over a page's blocks: each block is judged together with its neighbours and with those of its shape.

In go a scanned page and its feature matrix, out come log-odds per block. A layer adds to a block what it learns from
itself, from a block before and after it, and from the means over blocks of the same path, of the same parent and of the
page. Sums are made in one order, so the same page gives the same answer.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from curate.kernels.block_feature_names import FEATURES
from curate.kernels.block_groups import count_keys
from curate.kernels.compiled import allocating_kernel, kernel
from curate.kernels.html import Page
from curate.kernels.html_measure import C_WORDS

PAGE_FEATURES = len(FEATURES) - FEATURES.index("page_characters")
"""The last features say the same of all blocks of a page, so their part of the first layer is computed once."""
STEPS = (1, 4)
"""How many blocks before and after a block each layer looks."""
SOURCES = 6
"""What a layer reads: the block, the one before, the one after, the means by path, by parent and over the page."""
MIN_WEIGHT = 0.2
"""What a block without words weighs in means, where others weigh as many words as they have; the square root counts."""


class Net(NamedTuple):
    """The network's numbers, float32. F features, H hidden values, L layers."""

    center: npt.NDArray[np.float32]
    """[F] A feature x enters as x / (|x| + center) − rest, so that none is far from 0."""
    rest: npt.NDArray[np.float32]
    """[F]"""
    first: npt.NDArray[np.float32]
    """[F, H]"""
    tags: npt.NDArray[np.float32]
    """[elements' codes, H]"""
    bias: npt.NDArray[np.float32]
    """[H]"""
    mixing: npt.NDArray[np.float32]
    """[L, SOURCES · H, H]"""
    mixing_bias: npt.NDArray[np.float32]
    """[L, H]"""
    last: npt.NDArray[np.float32]
    """[H + 1], the last of them added to all"""


@allocating_kernel
def _groups(tag, parent, signature, block_node):
    """Per block: the first block of the same path (tags and classes of all elements above), and of the same parent."""
    path = np.zeros(len(tag), np.int64)
    for e in range(1, len(tag)):
        path[e] = (path[parent[e]] * 1000003 + signature[e]) & 0xFFFFFFFFFFFF
    keys = np.empty((2, len(block_node)), np.int64)
    for b in range(len(block_node)):
        keys[0, b] = path[block_node[b]]
        keys[1, b] = parent[block_node[b]]
    return count_keys(keys[0])[0], count_keys(keys[1])[0]


Groups = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]


def groups(page: Page) -> Groups:
    """For each block the first block of its path, and the first of its parent."""
    return _groups(page.tag, page.parent, page.signature, page.node)  # type: ignore[no-any-return]


def weights(page: Page) -> npt.NDArray[np.float32]:
    """What each block weighs in means."""
    return np.sqrt(np.maximum(page.counts[:, C_WORDS], MIN_WEIGHT)).astype(np.float32)


@kernel
def _add(total, values, matrix, start, places, found):
    """total += values @ matrix[start : start + len(values)], by what is not 0 in `values`, four at a time.

    `places` and `found` are room for len(values) + 4 numbers.
    """
    number = 0
    for k in range(len(values)):
        places[number], found[number] = start + k, values[k]
        number += np.int64(values[k] != 0)
    for k in range(number, number + 4):
        places[k], found[k] = start, 0
    for k in range(0, number, 4):
        value, value1, value2, value3 = found[k], found[k + 1], found[k + 2], found[k + 3]
        row, row1, row2, row3 = (
            matrix[places[k]], matrix[places[k + 1]], matrix[places[k + 2]], matrix[places[k + 3]],
        )  # fmt: skip
        for i in range(len(total)):
            total[i] += (value * row[i] + value1 * row1[i]) + (value2 * row2[i] + value3 * row3[i])


@allocating_kernel
def _mean_part(hidden, weight, group, matrix, start, places, found):
    """Per group of blocks: the mean of their hidden values times a part of the layer's matrix."""
    width, most = hidden.shape[1], group.max() + 1
    mean, out = np.zeros((most, width), np.float32), np.zeros((most, width), np.float32)
    total = np.zeros(most, np.float32)
    for b in range(len(hidden)):
        total[group[b]] += weight[b]
        for i in range(width):
            mean[group[b], i] += weight[b] * hidden[b, i]
    for b in range(most):
        if group[b] == b:
            for i in range(width):
                mean[b, i] /= total[b]
            _add(out[b], mean[b], matrix, start, places, found)
    return out


@allocating_kernel
def _odds(
    rows, block_tag, path, above, weight, steps,
    center, rest, first, tags, bias, mixing, mixing_bias, last,
):  # fmt: skip
    n, width = len(rows), len(bias)
    hidden, before = np.empty((n, width), np.float32), np.empty((n, width), np.float32)
    values = np.empty(rows.shape[1], np.float32)
    room = max(len(values), width) + 4
    places, found = np.empty(room, np.int64), np.empty(room, np.float32)
    own = rows.shape[1] - PAGE_FEATURES
    for j in range(len(values)):
        x = rows[0, j]
        values[j] = x / (abs(x) + center[j]) - rest[j]
    base = bias.copy()
    _add(base, values[own:], first, own, places, found)
    for b in range(n):
        for j in range(own):
            x = rows[b, j]
            values[j] = x / (abs(x) + center[j]) - rest[j]
        hidden[b] = base + tags[block_tag[b]]
        _add(hidden[b], values[:own], first, 0, places, found)
        for i in range(width):
            hidden[b, i] = max(hidden[b, i], np.float32(0))
    whole = np.zeros(n, np.int64)
    for layer in range(len(mixing)):
        matrix, step = mixing[layer], steps[layer]
        before[:] = hidden
        by_path = _mean_part(before, weight, path, matrix, 3 * width, places, found)
        by_parent = _mean_part(before, weight, above, matrix, 4 * width, places, found)
        by_page = _mean_part(before, weight, whole, matrix, 5 * width, places, found)
        total = np.empty(width, np.float32)
        for b in range(n):
            for i in range(width):
                total[i] = mixing_bias[layer, i] + by_path[path[b], i] + by_parent[above[b], i] + by_page[0, i]
            _add(total, before[b], matrix, 0, places, found)
            if b >= step:
                _add(total, before[b - step], matrix, width, places, found)
            if b + step < n:
                _add(total, before[b + step], matrix, 2 * width, places, found)
            for i in range(width):
                hidden[b, i] += max(total[i], np.float32(0))
    out = np.empty(n, np.float64)
    for b in range(n):
        odds = last[width]
        for i in range(width):
            odds += hidden[b, i] * last[i]
        out[b] = odds
    return out


def net_odds(
    net: Net, page: Page, rows: npt.NDArray[np.float32], found: Groups | None = None
) -> npt.NDArray[np.float64]:
    """Log-odds of each block [blocks], from a page and its features [blocks, F]; `found` are its `groups`, where they
    are known."""
    if not len(rows):
        return np.zeros(0)
    path, above = found or groups(page)
    return _odds(  # type: ignore[no-any-return]
        rows, page.tag[page.node], path, above, weights(page), np.array(STEPS), *net
    )
