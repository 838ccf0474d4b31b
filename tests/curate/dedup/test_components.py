"""Connected components: union-find and the star exchanges agree with each other and with a plain search."""

from __future__ import annotations

import itertools
import random

import numpy as np
import pyarrow as pa
import pytest

from curate.stage import GlobalContext
from curate.stages.dedup.components import components
from curate.stages.dedup.references import references
from tests.curate.stages.collection import MemoryCollection

CONTEXT = GlobalContext(memory_mb=512, workers=1, recipe_hash="")


def graph(kind: str) -> list[tuple[int, int]]:
    draw = random.Random(kind)
    if kind == "path":  # the worst case of the star exchanges
        nodes = list(range(300))
        draw.shuffle(nodes)
        return list(itertools.pairwise(nodes))
    if kind == "star":
        return [(17, node) for node in range(400) if node != 17]
    if kind == "random":
        return [pair for pair in ((draw.randrange(900), draw.randrange(900)) for _ in range(500)) if pair[0] != pair[1]]
    return [(a, b) for low in range(0, 200, 20) for a in range(low, low + 20) for b in range(a)[low:]] + [(0, 199)] * 3


def labels_by_search(edges: list[tuple[int, int]]) -> dict[int, int]:
    neighbours: dict[int, set[int]] = {}
    for a, b in edges:
        neighbours.setdefault(a, set()).add(b)
        neighbours.setdefault(b, set()).add(a)
    labels: dict[int, int] = {}
    for node in sorted(neighbours):
        todo = [node]
        while todo:
            here = todo.pop()
            if here not in labels:
                labels[here] = node
                todo += neighbours[here]
    return labels


@pytest.mark.parametrize("kind", ["path", "star", "random", "cliques"])
@pytest.mark.parametrize("in_memory", [True, False])
@pytest.mark.parametrize(("shards", "batch_rows"), [(1, 1000), (3, 5)])
def test_both_ways_find_the_components(kind: str, in_memory: bool, shards: int, batch_rows: int) -> None:
    edges = graph(kind)
    random.Random(0).shuffle(edges)
    refs = np.array([references(node % 3, np.array([node // 3]))[0] for node in range(1000)])
    node_of = {int(ref): node for node, ref in enumerate(refs)}
    table = pa.table({"a": refs[[a for a, _ in edges]], "b": refs[[b for _, b in edges]]})
    cut = np.linspace(0, len(edges), shards + 1).astype(int)
    collection = MemoryCollection([table.slice(cut[i], cut[i + 1] - cut[i]) for i in range(shards)], batch_rows)
    answer = components(collection, CONTEXT, 3, in_memory)
    found = {}
    for shard, part in enumerate(answer.shards):  # type: ignore[attr-defined]
        rows = part.column("row").to_pylist()
        assert rows == sorted(rows)
        for row, component in zip(rows, part.column("component").to_pylist(), strict=True):
            found[row * 3 + shard] = component
    by_label: dict[int, set[int]] = {}
    for node, component in found.items():
        by_label.setdefault(component, set()).add(node)
    expected: dict[int, set[int]] = {}
    for node, label in labels_by_search(edges).items():
        expected.setdefault(label, set()).add(node)
    assert sorted(map(sorted, by_label.values())) == sorted(map(sorted, expected.values()))
    # both ways name a component by its least reference
    assert all(int(refs[min(nodes, key=lambda n: refs[n])]) == label for label, nodes in by_label.items())
    assert set(by_label) <= set(node_of)
