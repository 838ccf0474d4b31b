"""Recipes for the block model: which blocks are known to be ingredients and steps, and that only these teach."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from classifiers import blocks
from classifiers.blocks import evaluate_scores
from classifiers.blocks_data import RECIPES, GoldPage, Source, prepare
from classifiers.blocks_recipes import known_blocks

LIST, MENU, COMMENT = 0, 1, 2


def known(page: list[tuple[str, int]], *lines: str) -> list[int]:
    path = np.array([kind for _, kind in page])
    return np.flatnonzero(
        known_blocks([text.split() for text, _ in page], [line.split() for line in lines], path)
    ).tolist()


def test_a_line_that_stands_once_says_what_its_block_is() -> None:
    page = [("recipes", MENU), ("two large eggs", LIST), ("stir the two eggs well and serve", LIST)]
    assert known(page, "two large eggs", "three eggs", "") == [1]
    assert known([*page, ("two large eggs", MENU)], "two large eggs") == []


def test_a_word_says_nothing_of_a_long_block() -> None:
    page = [("i would take less salt next time", COMMENT), ("pepper", LIST)]
    assert known(page, "salt", "pepper") == [1]
    assert known([("i would stir the two eggs well before", COMMENT)], "stir the two eggs well") == [0]


def test_a_line_may_have_its_amount_in_a_block_of_its_own() -> None:
    assert known([("for four", LIST), ("200 g", LIST), ("flour", MENU), ("shop", MENU)], "200 g flour") == [1, 2]


def test_what_a_list_has_between_two_ingredients_is_one() -> None:
    page = [("salt", MENU), ("two eggs", LIST), ("salt", LIST), ("buy", MENU), ("some flour", LIST), ("print", LIST)]
    assert known(page, "two eggs", "salt", "some flour") == [1, 2, 4]


def recipe(number: int, collection: str = RECIPES) -> GoldPage:
    html = f"""<body><ul class=menu><li><a href=/a>Home</a><li><a href=/b>Recipes</a></ul><h1>Cake {number}</h1>
    <p>My grandmother made it, and {"very " * (number % 5)}often.</p>
    <ul class=list><li>{number} eggs from the farm<li>{number + 1} cups of flour</ul>
    <p>Stir cake {number} for an hour, then bake it.</p><p class=note>All rights reserved.</p></body>"""
    gold = f"{number} eggs from the farm\n{number + 1} cups of flour\nStir cake {number} for an hour, then bake it."
    return prepare(Source(str(number), collection, "prose", f"{number}.example", "https://a.example", html, gold, "de"))


def test_of_a_recipe_only_known_blocks_weigh_and_count() -> None:
    page = recipe(3)
    assert page.partial and not recipe(3, "fundus").partial
    assert [" ".join(page.words[b]) for b in np.flatnonzero(page.weights)] == [
        "3 eggs from the farm", "4 cups of flour", "stir cake 3 for an hour then bake it",
    ]  # fmt: skip
    assert np.array_equal(page.labels > 0, page.weights > 0)
    assert page.kept(page.labels > 0) == 1
    assert page.kept((page.labels > 0) & (np.arange(len(page.labels)) < np.flatnonzero(page.labels)[-1])) == 9 / 18
    odds = np.where(page.labels > 0, 9.0, -9.0)
    assert evaluate_scores([page], [odds]) == {"recipes": 1, "recipes de": 1}


def test_only_the_network_learns_from_recipes_and_only_what_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "TREES", 3)
    monkeypatch.setitem(blocks.PARAMETERS, "min_data_in_leaf", 5)
    pages = [recipe(number, RECIPES if number % 3 else "fundus") for number in range(30)]
    wrong = [
        replace(page, labels=np.where(page.weights > 0, page.labels, 1).astype(np.float32)) if page.partial else page
        for page in pages
    ]
    trees, net = blocks._fit(pages, range(len(pages)))
    same_trees, same_net = blocks._fit(wrong, range(len(pages)))
    assert trees == same_trees
    assert all(np.array_equal(a, b) for a, b in zip(net, same_net, strict=True))
    fewer = [page for page in pages if not page.partial]
    same_trees, other_net = blocks._fit(fewer, range(len(fewer)))
    assert trees == same_trees
    assert not np.array_equal(net.last, other_net.last)
