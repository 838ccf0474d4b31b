"""Which blocks of a page are chosen, once they are judged."""

from __future__ import annotations

import numpy as np
import pytest

from curate.kernels.block_choice import said_before
from curate.kernels.html import scan
from curate.stages.extract.blocks import (
    SHARPNESS,
    SHIFTS,
    SPREAD,
    choose,
    choose_blocks,
)
from curate.stages.extract.structure import write_text
from curate.stages.extract.units import structure_of
from tests.curate.extract.paragraph import PARAGRAPH


def test_the_choice_is_that_of_its_formula() -> None:
    """The kernel against arrays of [shifts, units], on random pages."""
    random = np.random.default_rng(2)
    for _ in range(200):
        n = int(random.integers(1, 60))
        odds, weights = random.normal(-2, 4, n), random.integers(1, 60, n).astype(float)
        units = np.unique(random.integers(0, n, n), return_inverse=True)[1]
        weight = np.bincount(units, weights)
        p = 1 / (1 + np.exp(-(SHARPNESS * odds + SPREAD * SHIFTS[:, None])))
        content = np.stack([np.bincount(units, row) for row in p * weights])
        order = np.argsort(-content.sum(0) / weight, kind="stable")
        size = np.cumsum(weight[order]) + content.sum(1, keepdims=True)
        best = int(np.argmax((2 * np.cumsum(content[:, order], axis=1) / size).sum(0)))
        assert np.array_equal(choose(odds, weights, units), np.isin(units, order[: best + 1]))


def test_chosen_blocks_maximise_expected_f1() -> None:
    keep = choose(np.array([4.0, -3.0, 1.0]), np.array([10.0, 100.0, 10.0]), np.arange(3))
    assert keep.tolist() == [True, False, True]
    assert choose(np.zeros(0), np.zeros(0), np.arange(0)).tolist() == []


def likely_text(html: str) -> list[str]:
    """The lines of a page's text if each of its blocks is judged to be content."""
    source = html.encode()
    page = scan(source)
    structure = structure_of(page)
    keep = choose_blocks(np.full(len(page.node), 9.0), page, structure)
    return write_text(source, page, structure, np.flatnonzero(keep)).text.split("\n")


def test_a_passage_that_stands_twice_is_kept_once() -> None:
    card = f"<div><h3>The mill</h3><p>{PARAGRAPH}</p><p>By the editor</p></div>"
    once = ["Harvest", "The mill", PARAGRAPH.strip(), "By the editor"]
    assert likely_text(f"<h1>Harvest</h1><main>{card}</main><section class=mobile>{card}</section>") == once
    quoted = f"<p>First</p><p>{PARAGRAPH}</p><blockquote><p>{PARAGRAPH.upper()}</p></blockquote><p>I agree</p>"
    assert likely_text(quoted) == ["First", PARAGRAPH.strip(), "I agree"]


def test_what_repeats_on_purpose_stays() -> None:
    labels = "<p>Add to basket</p><p>Read more about it</p>"
    assert likely_text(f"<h2>One</h2>{labels}<h2>Two</h2>{labels}").count("Add to basket") == 2
    rows = f"<tr><td>a<td>{PARAGRAPH}" * 2
    assert len(likely_text(f"<table>{rows}</table>")) == 2
    listing = "<pre>" + "x = first(second, third)\n" * 10 + "</pre>"
    assert len(likely_text(listing * 2)) == 20
    formulas = [f"<p>{PARAGRAPH}<math><mi>{name}</mi></math></p>" for name in "ab"]
    assert len(likely_text("".join(formulas))) == 2


TAGS = "".join(f"<h3><a href=/t/{tag}>{tag}</a></h3>" for tag in ["harvest", "barns", "valley"])


def test_headings_at_the_end_that_head_nothing_are_left() -> None:
    text = f"<h1>Harvest</h1><p>{PARAGRAPH}</p>"
    assert likely_text(text + TAGS) == ["Harvest", PARAGRAPH.strip()]
    assert likely_text(f"{text}<h2>Outlook</h2>{TAGS}") == ["Harvest", PARAGRAPH.strip()]


@pytest.mark.parametrize(
    "html",
    [
        f"<p>{PARAGRAPH}</p>{TAGS.replace('<h3>', '<p>')}",
        f"<p>{PARAGRAPH}</p><h2>Outlook</h2><h2>Questions</h2>",
        f"<p>{PARAGRAPH}</p>{TAGS}<p>{PARAGRAPH.upper()}the end</p>",
        f"<p>{PARAGRAPH * 3}</p>{TAGS}<h3>{' '.join(PARAGRAPH.split()[:20])}</h3>",
        f"<p>{PARAGRAPH}</p><ul>{TAGS.replace('<h3>', '<li><h3>')}</ul>",
        "<p>Three talks in all.</p>" + "".join(f"<h3>On {name} and its place in the world</h3>" for name in "ABC"),
        TAGS,
    ],
)
def test_other_headings_stay(html: str) -> None:
    assert len(likely_text(html)) == html.count("<p>") + html.count("<h")


def test_runs_said_before_are_found_as_defined() -> None:
    """The kernel against the definition: each longest run from its first new block on, compared with the first place
    of that block."""
    random = np.random.default_rng(3)
    for _ in range(300):
        n = int(random.integers(0, 40))
        keys, words = random.integers(0, 12, n), random.integers(1, 9, n)
        expected, begin = np.zeros(n, bool), 0
        while begin < n:
            origin = keys.tolist().index(keys[begin])
            length = 0
            while origin < begin and begin + length < n and keys[begin + length] == keys[origin + length]:
                length += 1
            expected[begin : begin + length] = words[begin : begin + length].sum() >= 15
            begin += max(length, 1)
        assert np.array_equal(said_before(keys, words, 15), expected)
