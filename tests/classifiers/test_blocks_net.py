"""The network of `engine: blocks`: its gradient is the loss's, what is stored says the same, and it learns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from classifiers import blocks_net
from classifiers.blocks_net import PageInput, fit_net, write_net
from curate.kernels import markup
from curate.kernels.block_feature_names import HINTS
from curate.kernels.block_features import features
from curate.kernels.block_net import Net, groups, net_odds, weights
from curate.kernels.html import Page, scan
from curate.kernels.html_measure import C_WORDS

HINT_VALUES = np.zeros(len(HINTS), np.float32)


def pages(number: int) -> list[tuple[Page, PageInput]]:
    """Pages on which a paragraph is content if its words are `content`, and a list's items never are."""
    random = np.random.default_rng(5)
    found = []
    for _ in range(number):
        parts = [
            f"<p class=text>{'Content of the page, and more of it. ' * int(random.integers(1, 6))}</p>"
            if random.random() < 0.5
            else f"<ul class=menu><li><a href=x>Link {'more ' * int(random.integers(0, 3))}</a></ul>"
            for _ in range(int(random.integers(4, 30)))
        ]
        source = f"<body><h1>Title</h1><div>{''.join(parts)}</div></body>".encode()
        page = scan(source)
        rows = features(page, HINT_VALUES, len(source))
        words = np.maximum(page.counts[:, C_WORDS], 0.2).astype(np.float32)
        labels = (page.tag[page.node] == markup.CODE["p"]).astype(np.float32)
        path, above = groups(page)
        tags = page.tag[page.node].astype(np.int64)
        found.append((page, PageInput(rows, tags, path, above, weights(page), words, labels, words / words.sum(), 1.0)))
    return found


def loss(odds: np.ndarray, page: PageInput) -> float:
    p = 1 / (1 + np.exp(-odds))
    w, y = page.words.astype(float), page.labels.astype(float)
    logistic = -(page.importance * (y * np.log(p) + (1 - y) * np.log(1 - p))).sum()
    return float(1 - 2 * (w * p * y).sum() / ((w * p).sum() + (w * y).sum() + 1) + logistic)


def test_the_gradient_is_the_slope_of_the_loss_that_the_kernel_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks_net, "DROPPED_INPUTS", 0.0)
    monkeypatch.setattr(blocks_net, "DROPPED_HIDDEN", 0.0)
    found = pages(5)
    inputs = [page for _, page in found]
    random = np.random.default_rng(1)
    center, rest, mean, spread = blocks_net._scales(inputs)
    parameters = blocks_net._start(random, len(center))
    parameters["tags"] += random.normal(0, 0.1, parameters["tags"].shape).astype(np.float32)
    gradient = blocks_net._gradient(parameters, blocks_net._join(inputs, center, mean, spread), random)

    def mean_loss(values: dict[str, np.ndarray]) -> float:
        net = blocks_net._as_net(values, center, rest, mean, spread)
        return float(np.mean([loss(net_odds(net, page, given.rows), given) for page, given in found]))

    for name in parameters:
        # Along the gradient itself the loss rises by its squared length.
        step = 1e-2 / np.linalg.norm(gradient[name])
        up = mean_loss({**parameters, name: parameters[name] + step * gradient[name]})
        down = mean_loss({**parameters, name: parameters[name] - step * gradient[name]})
        assert (up - down) / (2 * step) == pytest.approx(np.linalg.norm(gradient[name]) ** 2, rel=0.05), name


def test_it_learns_what_is_content_and_one_seed_gives_one_network(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(blocks_net, "BLOCKS_A_STEP", 50)
    found = pages(40)
    net = fit_net([page for _, page in found[:30]])
    again = fit_net([page for _, page in found[:30]])
    assert all(np.array_equal(a, b) for a, b in zip(net, again, strict=True))
    for page, given in found[30:]:
        paragraph_or_item = given.tags != markup.CODE["h1"]
        odds = net_odds(net, page, given.rows)
        assert np.array_equal((odds > 0)[paragraph_or_item], (given.labels > 0.5)[paragraph_or_item])
    write_net(net, tmp_path / "net.npz")
    with np.load(tmp_path / "net.npz") as arrays:
        stored = Net(*(arrays[name].astype(np.float32) for name in Net._fields))
    page, given = found[0]
    assert net_odds(stored, page, given.rows) == pytest.approx(net_odds(net, page, given.rows), abs=0.1)


def test_a_page_without_blocks_has_no_odds() -> None:
    page = scan(b"<div></div>")
    net = fit_net([page for _, page in pages(3)])
    assert len(net_odds(net, page, features(page, HINT_VALUES, 11))) == 0
