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
def _enter(row, center, rest, values):
    """The features as they enter the network; np.divide, since a test for a zero before `/` would stop vectorizing."""
    for j in range(len(values)):
        values[j] = np.divide(row[j], np.abs(row[j]) + center[j]) - rest[j]


@kernel
def _pack(values, places, found):
    """Writes what is not 0 in `values` and where it stands, and zeros up to a multiple of eight; how many there are."""
    number = 0
    for k in range(len(values)):
        places[number], found[number] = k, values[k]
        number += np.int64(values[k] != 0)
    for k in range(number, number + 8):
        places[k], found[k] = 0, 0
    return number


@kernel
def _add_packed(total, matrix, places, found, number):
    """total += values @ matrix, by what `_pack` has left of the values, in sums of four."""
    for k in range(0, number, 8):
        value, value1, value2, value3 = found[k], found[k + 1], found[k + 2], found[k + 3]
        value4, value5, value6, value7 = found[k + 4], found[k + 5], found[k + 6], found[k + 7]
        row, row1, row2, row3, row4, row5, row6, row7 = (
            matrix[places[k]], matrix[places[k + 1]], matrix[places[k + 2]], matrix[places[k + 3]],
            matrix[places[k + 4]], matrix[places[k + 5]], matrix[places[k + 6]], matrix[places[k + 7]],
        )  # fmt: skip
        for i in range(len(total)):
            four = total[i] + ((value * row[i] + value1 * row1[i]) + (value2 * row2[i] + value3 * row3[i]))
            total[i] = four + ((value4 * row4[i] + value5 * row5[i]) + (value6 * row6[i] + value7 * row7[i]))


@kernel
def _enter_all(rows, block_tag, center, rest, first, tags, bias, hidden, values, places, found):
    """Sets `hidden` to what the first layer makes of each block; its last row is for the part that all have."""
    own = rows.shape[1] - PAGE_FEATURES
    of_block = values[:own]
    _enter(rows[0], center, rest, values)
    number = _pack(values[own:], places, found)
    base = hidden[len(rows)]
    for i in range(len(base)):
        base[i] = bias[i]
    _add_packed(base, first[own:], places, found, number)
    for b in range(len(rows)):
        _enter(rows[b], center, rest, of_block)
        block, of_tag = hidden[b], tags[block_tag[b]]
        for i in range(len(block)):
            block[i] = base[i] + of_tag[i]
        _add_packed(block, first, places, found, _pack(of_block, places, found))
        for i in range(len(block)):
            block[i] = max(block[i], np.float32(0))


@kernel
def _add_means(hidden, weight, group, matrix, mean, total, places, found, out):
    """Sets out[g], for each group of blocks by its first, to the mean of their hidden values times a part of a layer's
    matrix."""
    for b in range(len(group)):
        of_group, own, share = mean[group[b]], hidden[b], weight[b]
        if group[b] == b:
            total[b] = 0
            for i in range(len(own)):
                of_group[i] = out[b, i] = 0
        total[group[b]] += share
        for i in range(len(own)):
            of_group[i] += share * own[i]
    for b in range(len(group)):
        if group[b] == b:
            of_group = mean[b]
            for i in range(len(of_group)):
                of_group[i] = np.divide(of_group[i], total[b])
            _add_packed(out[b], matrix, places, found, _pack(of_group, places, found))


@kernel
def _mix(hidden, step, matrix, bias, path, above, by_path, by_parent, by_page, total, places, found, number):
    """Adds to each block what a layer learns from it, from those `step` blocks away and from the means."""
    width, n = hidden.shape[1], len(path)
    before, after = matrix[width : 2 * width], matrix[2 * width : 3 * width]
    for b in range(n):
        number[b] = _pack(hidden[b], places[b], found[b])
    for b in range(n):
        of_path, of_parent = by_path[path[b]], by_parent[above[b]]
        for i in range(width):
            total[i] = bias[i] + of_path[i] + of_parent[i] + by_page[i]
        _add_packed(total, matrix, places[b], found[b], number[b])
        if b >= step:
            _add_packed(total, before, places[b - step], found[b - step], number[b - step])
        if b + step < n:
            _add_packed(total, after, places[b + step], found[b + step], number[b + step])
        block = hidden[b]
        for i in range(width):
            block[i] += max(total[i], np.float32(0))


@allocating_kernel
def _odds(
    rows, block_tag, path, above, weight, steps,
    center, rest, first, tags, bias, mixing, mixing_bias, last,
):  # fmt: skip
    n, width = len(rows), len(bias)
    hidden, mean = np.empty((n + 1, width), np.float32), np.empty((n, width), np.float32)
    by_path, by_parent = np.empty((n, width), np.float32), np.empty((n, width), np.float32)
    by_page, whole = np.empty((1, width), np.float32), np.zeros(n, np.int64)
    weights, total = np.empty(n, np.float32), np.empty(width, np.float32)
    values = np.empty(rows.shape[1], np.float32)
    places, found = np.empty(len(values) + 8, np.uint32), np.empty(len(values) + 8, np.float32)
    all_places, all_found = np.empty((n, width + 8), np.uint32), np.empty((n, width + 8), np.float32)
    number = np.empty(n, np.int64)
    _enter_all(rows, block_tag, center, rest, first, tags, bias, hidden, values, places, found)
    for layer in range(len(mixing)):
        matrix = mixing[layer]
        _add_means(hidden, weight, path, matrix[3 * width :], mean, weights, places, found, by_path)
        _add_means(hidden, weight, above, matrix[4 * width :], mean, weights, places, found, by_parent)
        _add_means(hidden, weight, whole, matrix[5 * width :], mean, weights, places, found, by_page)
        _mix(
            hidden, steps[layer], matrix, mixing_bias[layer], path, above, by_path, by_parent, by_page[0], total,
            all_places, all_found, number,
        )  # fmt: skip
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
