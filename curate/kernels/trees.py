"""Sums the trees of a gradient-boosted model over rows of float32 features, without a branch for each node.

No tree is walked, since where a step of a walk leads cannot be foreseen by a processor. Instead every node says which
leaves a value above its threshold rules out, a bit each, and of those that no node rules out the leftmost is the row's
(QuickScorer: Lucchese et al., SIGIR 2015). All nodes are asked, for many rows at once, several in one vector
instruction (V-QuickScorer: Lucchese et al., SIGIR 2016). Thresholds are rounded down to float32, which changes no
comparison with a float32 value, and leaves are summed in the order of the trees, as the model's own library does it.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from curate.kernels.compiled import allocating_kernel, kernel

MOST_LEAVES = 64
"""Of a tree: a bit each."""
LANES, STEP = 64, 32
"""Rows that are asked together: their features (60 KB) stay in the second-level cache. Of the last rows, so many as
fill whole vectors."""
_DE_BRUIJN = 0x03F79D71B4CB0A89
_PLACE = np.zeros(64, np.uint8)
"""Of a lone bit its place, by the upper six bits of its product with a de Bruijn sequence (Leiserson, Prokop and
Randall 1998)."""
for _place in range(64):
    _PLACE[(_DE_BRUIJN << _place & 0xFFFFFFFFFFFFFFFF) >> 58] = _place


class BitTrees(NamedTuple):
    """Trees as bits, one a leaf, the leftmost the lowest."""

    first: npt.NDArray[np.uint32]
    """Per tree, and one more: its nodes are first[t] … first[t + 1] − 1."""
    feature: npt.NDArray[np.uint32]
    threshold: npt.NDArray[np.float32]
    not_left: npt.NDArray[Any]
    """Per node: all leaves but those to its left, which are left over for a value above the threshold. Of uint32, or of
    uint64 if a tree has more than 32 leaves."""
    value: npt.NDArray[np.float64]
    """[trees, leaves], from left to right."""


class _Nodes(NamedTuple):
    """Nodes of all trees. A child below zero is the leaf −1 − child."""

    roots: npt.NDArray[np.int32]
    leaf_starts: npt.NDArray[np.int32]
    """Per tree: where its nodes and its leaves begin. A tree without nodes has root −1."""
    feature: npt.NDArray[np.int32]
    threshold: npt.NDArray[np.float32]
    left: npt.NDArray[np.int32]
    right: npt.NDArray[np.int32]
    value: npt.NDArray[np.float64]


class Trees(_Nodes):
    """The trees as their library writes them."""

    @cached_property
    def bits(self) -> BitTrees:
        """The same trees in the form in which they are summed. Raises ValueError on a tree of too many leaves."""
        ends = np.append(self.leaf_starts[1:], len(self.value))
        most = int((ends - self.leaf_starts).max(initial=1))
        if most > MOST_LEAVES:
            raise ValueError(f"a tree has {most} leaves, of at most {MOST_LEAVES}: train with a lower num_leaves")
        word = np.uint32 if most <= 32 else np.uint64
        not_left, value = np.zeros(len(self.feature), word), np.zeros((len(self.roots), most))
        for tree, (root, leaf_start) in enumerate(zip(self.roots.tolist(), self.leaf_starts.tolist(), strict=True)):
            found: list[int] = []
            _visit(self, root, 0 if root >= 0 else -1, found, not_left)
            value[tree, : len(found)] = self.value[leaf_start + np.array(found)]
        nodes = np.where(self.roots >= 0, ends - self.leaf_starts - 1, 0)
        first = np.append(0, np.cumsum(nodes)).astype(np.uint32)
        return BitTrees(first, self.feature.astype(np.uint32), self.threshold, not_left, value)


def _visit(trees: Trees, root: int, node: int, found: list[int], not_left: npt.NDArray[Any]) -> None:
    """Adds the leaves below a node to `found`, from left to right, and fills `not_left` of the nodes."""
    if node < 0:
        found.append(-1 - node)
        return
    begun = len(found)
    _visit(trees, root, int(trees.left[root + node]), found, not_left)
    not_left[root + node] = int(np.iinfo(not_left.dtype).max) & ~((1 << len(found)) - (1 << begun))
    _visit(trees, root, int(trees.right[root + node]), found, not_left)


@kernel
def _sum_lanes(lanes, width, left, total, first, feature, threshold, not_left, value):
    """Sets `total` to the sums over all trees for the first `width` rows of lanes[feature, row]; `left` is room for the
    leaves that are left of a tree."""
    for row in range(width):
        total[row] = 0
    for tree in range(len(first) - 1):
        for row in range(width):
            left[row] = ~left[row] | left[row]  # all bits of either type
        for node in range(first[tree], first[tree + 1]):
            values, limit, others = lanes[feature[node]], threshold[node], not_left[node]
            for row in range(width):
                left[row] = left[row] if values[row] <= limit else left[row] & others
        leaves = value[tree]
        for row in range(width):
            bits = np.uint64(left[row])
            lowest = bits & (~bits + np.uint64(1))
            total[row] += leaves[_PLACE[(lowest * np.uint64(_DE_BRUIJN)) >> np.uint64(58)]]


@allocating_kernel
def _score(rows, asked, first, feature, threshold, not_left, value):
    out = np.zeros(len(rows))
    lanes = np.zeros((rows.shape[1], LANES), np.float32)
    left, total = np.zeros(LANES, not_left.dtype), np.zeros(LANES)
    for begin in range(0, len(asked), LANES):
        number = min(LANES, len(asked) - begin)
        for row in range(number):
            of_row = rows[asked[begin + row]]
            for j in range(len(of_row)):
                lanes[j, row] = of_row[j]
        width = (number + STEP - 1) // STEP * STEP
        _sum_lanes(lanes, width, left, total, first, feature, threshold, not_left, value)
        for row in range(number):
            out[asked[begin + row]] = total[row]
    return out


def score(
    trees: Trees, rows: npt.NDArray[np.float32], asked: npt.NDArray[np.int64] | None = None
) -> npt.NDArray[np.float64]:
    """The sum of the trees' leaves for each row [n, features], before any link function; 0 for rows not `asked`."""
    return _score(rows, np.arange(len(rows)) if asked is None else asked, *trees.bits)  # type: ignore[no-any-return]


def parse_lightgbm(text: str) -> Trees:
    """The trees of a LightGBM text model of numerical splits without missing values.

    Raises ValueError on a model with categorical splits or missing-value handling, which `score` does not do.
    """
    roots, leaf_starts = [], []
    feature: list[int] = []
    threshold: list[float] = []
    left: list[int] = []
    right: list[int] = []
    value: list[float] = []
    for part in text.split("\nTree=")[1:]:
        keys = dict(line.split("=", 1) for line in part.split("\n\n")[0].split("\n")[1:] if "=" in line)
        leaf_starts.append(len(value))
        value.extend(map(float, keys["leaf_value"].split()))
        if int(keys["num_leaves"]) < 2:
            roots.append(-1)
            continue
        if any(int(kind) & 0b1101 for kind in keys["decision_type"].split()):
            raise ValueError("the model has categorical or missing-value splits; train it with use_missing=false")
        roots.append(len(feature))
        feature.extend(map(int, keys["split_feature"].split()))
        threshold.extend(map(float, keys["threshold"].split()))
        left.extend(map(int, keys["left_child"].split()))
        right.extend(map(int, keys["right_child"].split()))
    exact = np.array(threshold, np.float64)
    rounded = exact.astype(np.float32)
    above = rounded.astype(np.float64) > exact
    rounded[above] = np.nextafter(rounded[above], np.float32(-np.inf))
    return Trees(
        np.array(roots, np.int32),
        np.array(leaf_starts, np.int32),
        np.array(feature, np.int32),
        rounded,
        np.array(left, np.int32),
        np.array(right, np.int32),
        np.array(value, np.float64),
    )
