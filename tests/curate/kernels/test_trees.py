"""Sums of trees: those of the library that made them, whatever the number of leaves and of rows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from curate.kernels.trees import LANES, Trees, parse_lightgbm, score


def walked(trees: Trees, row: npt.NDArray[np.float32]) -> float:
    """The sum of the leaves to which a walk from each root leads."""
    total = 0.0
    for root, leaves in zip(trees.roots, trees.leaf_starts, strict=True):
        node = 0 if root >= 0 else -1
        while node >= 0:
            at = root + node
            node = trees.left[at] if row[trees.feature[at]] <= trees.threshold[at] else trees.right[at]
        total += trees.value[leaves - 1 - node]
    return total


@pytest.mark.parametrize("leaves", [2, 3, 32, 33, 64])
def test_a_row_gets_the_sum_of_its_leaves(leaves: int) -> None:
    lightgbm = pytest.importorskip("lightgbm")
    random = np.random.default_rng(leaves)
    rows = random.normal(0, 3, (3 * LANES + 5, 7)).astype(np.float32).round(1)
    target = np.sin(rows).sum(1) + random.normal(0, 0.1, len(rows))
    parameters = {"num_leaves": leaves, "min_data_in_leaf": 1, "verbose": -1, "num_threads": 1, "use_missing": False}
    booster = lightgbm.train(parameters, lightgbm.Dataset(rows, label=target), 9)
    trees = parse_lightgbm(booster.model_to_string())
    found = score(trees, rows)
    assert found.tolist() == [walked(trees, row) for row in rows], "to the last bit: leaves are summed tree by tree"
    assert np.allclose(found, booster.predict(rows, raw_score=True), rtol=0, atol=1e-9)
    for number in (0, 1, LANES - 1, LANES, LANES + 1):
        asked = np.sort(random.permutation(len(rows))[:number])
        some = score(trees, rows, asked)
        assert np.array_equal(some[asked], found[asked])
        assert not np.delete(some, asked).any(), "a row that is not asked for has 0"


def test_a_tree_that_is_a_leaf_adds_its_value() -> None:
    nothing = np.zeros(0, np.int32)
    stumps = Trees(
        np.array([-1, -1], np.int32), np.array([0, 1], np.int32), nothing, np.zeros(0, np.float32), nothing, nothing,
        np.array([0.5, 0.25]),
    )  # fmt: skip
    assert score(stumps, np.zeros((2, 3), np.float32)).tolist() == [0.75, 0.75]


def test_a_tree_of_too_many_leaves_is_refused() -> None:
    chain = np.arange(64, dtype=np.int32)
    right = np.append(chain[1:], -65).astype(np.int32)
    trees = Trees(
        np.zeros(1, np.int32), np.zeros(1, np.int32), np.zeros(64, np.int32), np.zeros(64, np.float32), -1 - chain,
        right, np.zeros(65),
    )  # fmt: skip
    with pytest.raises(ValueError, match="65 leaves, of at most 64"):
        score(trees, np.zeros((1, 1), np.float32))
