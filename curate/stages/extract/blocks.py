"""The engine `blocks`: a small model over a page's blocks says which of them are its content.

A page is scanned once into blocks; boosted trees judge each block by itself and a small network judges all of them
together; then those blocks are chosen that make the expected word-F1 of the page largest, and of these a passage that
stands there twice is kept once.
"""

from __future__ import annotations

import hashlib
import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from curate.kernels.block_choice import choose_units, even_out, said_before
from curate.kernels.block_features import features
from curate.kernels.block_net import Net, groups, net_odds
from curate.kernels.element_roles import R_HEADING, R_ITEM, R_PREFORMATTED
from curate.kernels.html import Page, scan
from curate.kernels.html_measure import C_CJK, C_CODE, C_WORDS
from curate.kernels.html_segments import BREAK, LITERAL, TEXT
from curate.kernels.trees import Trees, parse_lightgbm, score
from curate.stages.extract.engines import DATA, JSON_LD, MARKUP, Extracted, Options
from curate.stages.extract.hints import read_hints
from curate.stages.extract.metadata import read_head, read_metadata
from curate.stages.extract.page_data import body_in_data
from curate.stages.extract.structure import Written, escaped_markup, write_text
from curate.stages.extract.units import Structure, structure_of

MODELS = Path(__file__).parents[3] / "classifiers" / "models"
"""Where `python -m classifiers train blocks` writes."""
TREES_FILE, NET_FILE = "blocks.txt", "blocks.npz"
NET_SHARE = 0.25
"""What the network's log-odds count; the trees' count the rest."""
PATH_SHARE = 0.4
"""How far a block's log-odds are drawn to the mean of all blocks of its path (tags and classes of all elements above):
what one template wrote is content or is not."""
RULED_OUT, BY_TREES = -8.0, -5.0
"""Of a block that the network gives less than the first the trees are not asked: their part is then the second, which
is the median of what they give to such blocks (a third of all)."""
NEVER = -40.0
"""Log-odds of what is not to be chosen."""
MIN_DESCRIPTION = 80
"""Characters; a shorter JSON-LD description adds nothing to a page."""
MAX_SHOWN = 300
"""Characters; a page with more of text is taken for what it shows, and the data of its scripts is not looked into."""
MAX_LOOKED_UP = 100
"""Words of a description that are looked up one by one in the text; for more, the text's words are listed."""
_WORD = re.compile(r"\w+")
_TAGS = re.compile(r"<[^>]*>")


class BlockModel(NamedTuple):
    """What judges blocks."""

    trees: Trees
    net: Net

    def odds(self, page: Page, rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """Log-odds that each block is content, from the page and its features [blocks, FEATURES]."""
        found = groups(page)
        by_net = net_odds(self.net, page, rows, found)
        asked = by_net >= RULED_OUT
        by_trees = np.where(asked, score(self.trees, rows, np.flatnonzero(asked)), BY_TREES)
        by_both = (1 - NET_SHARE) * by_trees + NET_SHARE * by_net
        return even_out(by_both, found[0], PATH_SHARE)  # type: ignore[no-any-return]


@cache
def load_model(folder: Path = MODELS) -> BlockModel:
    """The model, read once in a process."""
    with np.load(folder / NET_FILE) as arrays:
        net = Net(*(arrays[name].astype(np.float32) for name in Net._fields))
    return BlockModel(parse_lightgbm((folder / TREES_FILE).read_text()), net)


def model_fingerprint() -> str:
    """SHA-256 of the model files."""
    return hashlib.sha256(b"".join((MODELS / name).read_bytes() for name in (TREES_FILE, NET_FILE))).hexdigest()


def extract_blocks(html: str, options: Options, model: BlockModel | None = None) -> Extracted:
    """The page's text by learned choice of blocks, by the model that comes with the package or by `model`."""
    source = html.encode("utf-8", "replace")
    head = read_head(source)
    said = read_metadata(head)
    page = scan(source)
    odds = (model or load_model()).odds(page, features(page, read_hints(head), len(source)))
    odds[escaped_markup(source, page)] = NEVER
    structure = structure_of(page)
    keep = choose_blocks(odds, page, structure)
    markdown = options.format == "markdown"
    text, code = write_text(source, page, structure, np.flatnonzero(keep), markdown)
    origins = [MARKUP] if text else []
    if said.structured and len(said.structured) >= MIN_DESCRIPTION:
        shown, text = text, _with_description(text, said.structured)
        origins += [JSON_LD] if text != shown else []
    if len(text) < MAX_SHOWN and (body := body_in_data(source, said)):
        more, more_code = _whole_text(body, markdown)
        text, code = f"{text}\n{more}".lstrip("\n"), [*code, *more_code]
        origins.append(DATA)
    return Extracted(text, said, int(keep.sum()), code, origins)


MIN_WORDS = 0.2
"""What a block without words weighs when blocks are chosen."""


SHIFTS = np.array([-1.9, -1.2, -0.8, -0.45, -0.15, 0.15, 0.45, 0.8, 1.2, 1.9]) / 1.03
"""Ten values of equal weight in place of a normal distribution of standard deviation 1."""
SPREAD, SHARPNESS = 2.0, 1.5
"""Standard deviation of a page's common shift in log-odds, and what the rest is multiplied by, so that the mean
probability stays about the same (√(1 + π·SPREAD²/8) = 1.6; Bishop 2006, 4.5.2)."""
FACTORS = np.exp(-SPREAD * SHIFTS)


def choose(
    odds: npt.NDArray[np.float64], weights: npt.NDArray[np.float64], units: npt.NDArray[np.int64]
) -> npt.NDArray[np.bool_]:
    """The blocks that make the expected F1 largest: those of the k most probable units, for the best k.

    The blocks of a page are not judged wrongly one by one: all cards of a list are content or none is. So the
    expectation is also over a shift that all log-odds of the page share. `units` says which blocks are kept or left
    together.
    """
    if not len(odds):
        return np.zeros(0, np.bool_)
    return choose_units(odds, weights, units, FACTORS, SHARPNESS)  # type: ignore[no-any-return]


MIN_REPEATED = 20
"""Words of a run of blocks: a shorter one may be said again on purpose, as a label or a refrain is."""


MIN_BARE_HEADINGS, MIN_BODY, MAX_HEADING = 3, 3, 15
"""So many headings in a row, at the end of a text that has so many times their words, head nothing: they are tags, or
titles of other pages. In a list, or with one of more words than the last, they are text that is set as headings."""


def choose_blocks(odds: npt.NDArray[np.float64], page: Page, structure: Structure) -> npt.NDArray[np.bool_]:
    """The blocks of a page that make its text: those that `choose` finds, but what is said again, and headings at the
    end that head nothing.

    Pages hold a passage twice for wide and for narrow screens, as a preview and in full, as a post and as its
    quotation. Tables, code and blocks with formulas are left as they are: cells repeat on purpose, and two formulas
    may stand in the same words.
    """
    keep = choose(odds, np.maximum(page.counts[:, C_WORDS], MIN_WORDS), structure.units)
    words = np.maximum(page.counts[:, C_WORDS], page.counts[:, C_CJK] // 2)
    chosen = np.flatnonzero(keep & (words > 0))
    again = chosen[said_before(page.text_hash[chosen], words[chosen], MIN_REPEATED)]
    if len(again):
        formulas = np.cumsum(np.append(0, (page.kind != TEXT) & (page.kind != BREAK) & (page.kind != LITERAL)))
        bare = formulas[page.first_segment[again + 1]] == formulas[page.first_segment[again]]
        code = (page.counts[again, C_CODE] > 0) | (structure.roles[page.node[again], R_PREFORMATTED] > 0)
        loose = (structure.tables[again] == 0) & (structure.listings[again] == 0)
        keep[again[bare & loose & ~code]] = False
        chosen = np.flatnonzero(keep & (words > 0))
    keep[_heading_nothing(chosen, words, structure.roles[page.node[chosen]])] = False
    return keep


def _heading_nothing(
    chosen: npt.NDArray[np.int64], words: npt.NDArray[np.int32], roles: npt.NDArray[np.int32]
) -> npt.NDArray[np.int64]:
    """Of the blocks `chosen`, whose elements have `roles`, the headings at the end that head nothing."""
    text = np.flatnonzero((roles[:, R_HEADING] == 0) | (roles[:, R_ITEM] > 0))
    headings = chosen[text[-1] + 1 :] if len(text) else chosen[:0]
    of_each = words[headings]
    bare = (
        len(headings) >= MIN_BARE_HEADINGS
        and of_each.max() <= MAX_HEADING
        and words[chosen[text]].sum() >= MIN_BODY * of_each.sum()
    )
    return headings if bare else headings[:0]


def _whole_text(html: str, markdown: bool) -> Written:
    """The text of all blocks of a piece of HTML."""
    source = html.encode("utf-8", "replace")
    page = scan(source)
    return write_text(source, page, structure_of(page), np.arange(len(page.node)), markdown)


def _with_description(text: str, description: str) -> str:
    """The text, and after it the description of the page's JSON-LD where the text says less than half of it."""
    plain = " ".join(_TAGS.sub(" ", description).split())
    words = _WORD.findall(plain.lower())
    said = text.lower()
    known = set(_WORD.findall(said)) if len(words) > MAX_LOOKED_UP else None
    missing = sum(word not in known if known is not None else not _has_word(said, word) for word in words)
    return f"{text}\n{plain}".lstrip() if words and missing > len(words) / 2 else text


def _has_word(text: str, word: str) -> bool:
    """Whether `word` is one of the words of a text, found without listing them all."""
    at = text.find(word)
    while at >= 0:
        around = text[max(at - 1, 0) : at] + text[at + len(word) : at + len(word) + 1]
        if not any(sign.isalnum() or sign == "_" for sign in around):
            return True
        at = text.find(word, at + 1)
    return False
