"""Sums the trees of a gradient-boosted model over rows of float32 features.

The trees are flat arrays, so the whole of them stays in the cache while rows pass. Thresholds are rounded down to
float32, which changes no comparison with a float32 value: the answer is that of the model's own library.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from curate.kernels.compiled import allocating_kernel


class Trees(NamedTuple):
    """Nodes of all trees. A child below zero is the leaf −1 − child."""

    roots: npt.NDArray[np.int32]
    leaf_starts: npt.NDArray[np.int32]
    """Per tree: where its nodes and its leaves begin. A tree without nodes has root −1."""
    feature: npt.NDArray[np.int32]
    threshold: npt.NDArray[np.float32]
    left: npt.NDArray[np.int32]
    right: npt.NDArray[np.int32]
    value: npt.NDArray[np.float64]


@allocating_kernel
def _score(rows, asked, roots, leaf_starts, feature, threshold, left, right, value):
    out = np.zeros(len(rows))
    for r in asked:
        row, total = rows[r], 0.0
        for t in range(len(roots)):
            root = roots[t]
            node = 0 if root >= 0 else -1
            while node >= 0:
                at = root + node
                node = left[at] if row[feature[at]] <= threshold[at] else right[at]
            total += value[leaf_starts[t] - 1 - node]
        out[r] = total
    return out


def score(
    trees: Trees, rows: npt.NDArray[np.float32], asked: npt.NDArray[np.int64] | None = None
) -> npt.NDArray[np.float64]:
    """The sum of the trees' leaves for each row [n, features], before any link function; 0 for rows not `asked`."""
    return _score(rows, np.arange(len(rows)) if asked is None else asked, *trees)  # type: ignore[no-any-return]


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
