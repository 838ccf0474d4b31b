"""Pages with gold text for the block model: who they are, what their blocks are, which of these are content.

In go the benchmark's development pages, the crawl's pages with gold text and its recipes, out come `GoldPage`s: scanned
once, with a label and a weight for each block.
"""

from __future__ import annotations

import gzip
import html as entities
import json
import re
import tarfile
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
import numpy.typing as npt
import tldextract

from classifiers.blocks_recipes import known_blocks
from curate.kernels.block_features import features
from curate.kernels.block_net import groups
from curate.kernels.html import Page, scan
from curate.kernels.html_measure import C_WORDS
from curate.kernels.html_text import AS_MARKED_UP, emit
from curate.stages.extract.hints import read_hints
from curate.stages.extract.metadata import read_head

CRAWL_SETS = ("chinese_wced", "fundus", "readability", "newspaper", "llm_webkit")
"""Crawl sets whose gold is a page's whole text (human, or a site's own parser)."""
RECIPES = "recipe_scrapers"
"""The crawl set whose gold is a recipe's title, ingredients and steps, a line each, and nothing else of the page."""
FOLDS = 5
_WORD = re.compile(r"\w+")
_DOMAIN = tldextract.TLDExtract(suffix_list_urls=())


@dataclass(frozen=True)
class Source:
    """A page and its gold text."""

    name: str
    collection: str
    kind: str
    """The benchmark's page type, or the crawl's label."""
    domain: str
    """Registrable domain: pages of one are never on both sides of a split."""
    url: str
    html: str
    gold: str
    language: str


@dataclass(frozen=True)
class GoldPage:
    """A page ready for training. Arrays are [blocks, …]."""

    name: str
    collection: str
    kind: str
    domain: str
    language: str
    page: Page
    rows: npt.NDArray[np.float32]
    labels: npt.NDArray[np.float32]
    weights: npt.NDArray[np.float64]
    words: list[list[str]]
    gold: list[str]

    @property
    def partial(self) -> bool:
        """Whether only some blocks' labels are known: those with a weight."""
        return self.collection == RECIPES

    @property
    def fold(self) -> int:
        return fold_of(self.domain)

    def f1(self, keep: npt.NDArray[np.bool_]) -> float:
        """Word-F1 of the chosen blocks."""
        return word_f1([word for b in np.flatnonzero(keep) for word in self.words[b]], self.gold)

    def kept(self, keep: npt.NDArray[np.bool_]) -> float:
        """The share of the words of blocks known to be content that stands in the chosen blocks."""
        sizes = np.array([len(words) for words in self.words]) * (self.labels >= 0.5)
        return float((sizes * keep).sum() / sizes.sum())


def fold_of(domain: str) -> int:
    """The fold in which the pages of a registrable domain are scored, not trained on."""
    return zlib.crc32(domain.encode()) % FOLDS


def words_of(text: str) -> list[str]:
    """Lower-case word tokens, as the benchmark counts them."""
    return _WORD.findall(text.lower())


def word_f1(found: Sequence[str], gold: Sequence[str]) -> float:
    """F1 of two multisets of words."""
    if not gold or not found:
        return float(not gold and not found)
    shared = sum((Counter(found) & Counter(gold)).values())
    return 2 * shared / (len(found) + len(gold))


def benchmark_sources(data: Path) -> Iterator[Source]:
    """The development half of the seven-type benchmark (WCXB)."""
    pages: dict[str, str] = {}
    golds: dict[str, dict[str, object]] = {}
    kinds: dict[str, str] = {}
    with tarfile.open(data / "extraction" / "wcxb-dev.tar.xz") as archive:
        for member in archive:
            file = archive.extractfile(member) if member.isfile() else None
            if file is None:
                continue
            stem, parent = Path(member.name).stem, Path(member.name).parent.name
            if parent == "html":
                pages[stem] = file.read().decode("utf-8", "replace")
            elif parent == "ground-truth":
                golds[stem] = json.load(file)
            elif stem == "metadata":
                kinds = {name: entry["page_type"] for name, entry in json.load(file)["files"].items()}
    for name in sorted(golds):
        gold, url = golds[name]["ground_truth"], str(golds[name]["url"])
        assert isinstance(gold, dict)
        yield Source(name, "wcxb", kinds[name], registrable(url), url, pages[name], str(gold["main_content"]), "en")


def crawl_sources(data: Path, sets: Sequence[str] | None = CRAWL_SETS) -> Iterator[Source]:
    """Crawl pages of sets with gold, by default those whose gold covers the whole text; without sets, all pages that
    were answered with status 200, and no gold."""
    from fastwarc.warc import ArchiveIterator, WarcRecordType

    labels = {}
    with gzip.open(data / "crawl" / "labels.jsonl.gz", "rt") as lines:
        for line in lines:
            label = json.loads(line)
            if label["status"] == 200 if sets is None else label["set"] in sets and label.get("gold_text"):
                labels[label["record_id"]] = label
    for path in sorted((data / "crawl").glob("*.warc.gz")):
        for record in ArchiveIterator(path.open("rb"), record_types=WarcRecordType.response, parse_http=True):
            label = labels.get(record.record_id) or labels.get(record.record_id.strip("<>"))
            if label is None:
                continue
            payload = record.reader.read()
            text = payload.decode(label["charset"] or "utf-8", "replace")
            language = label["language"] or (label["html_lang"] or "en")[:2].lower()
            yield Source(
                label["record_id"], label["set"], label["label"] or "", registrable(label["url"]), label["url"], text,
                "" if sets is None else label["gold_text"], language,
            )  # fmt: skip


def registrable(url: str) -> str:
    """The registrable domain of a URL, by the public-suffix list that comes with tldextract; the host of one whose
    suffix is not on it."""
    found = _DOMAIN(url)
    return found.top_domain_under_public_suffix or found.fqdn or urlsplit(url).hostname or url


def prepare(source: Source) -> GoldPage:
    """Scans a page and labels its blocks."""
    data = source.html.encode("utf-8", "replace")
    page = scan(data)
    rows = features(page, read_hints(read_head(data)), len(data))
    # Labels are made of words as the markup has them: with inline elements set apart, 791 of 432,606 labels change,
    # and a model trained on those is no better.
    raw, offsets = emit(data, page, np.arange(len(page.node)), np.full(len(page.node), AS_MARKED_UP, np.int8))
    words = [
        words_of(entities.unescape(raw[a:b].decode("utf-8", "replace")))
        for a, b in zip(offsets[:-1].tolist(), offsets[1:].tolist(), strict=True)
    ]
    gold = words_of(source.gold)
    if source.collection == RECIPES:
        known = known_blocks(words, [words_of(line) for line in source.gold.split("\n")], groups(page)[0])
        labels = known.astype(np.float32)
        weights = block_weights(page, sum(len(words[b]) for b in np.flatnonzero(known)), known)
    else:
        labels, weights = label_blocks(words, gold), block_weights(page, len(gold))
    return GoldPage(
        source.name, source.collection, source.kind, source.domain, source.language, page, rows, labels, weights,
        words, gold,
    )  # fmt: skip


LONG = 4
"""Blocks of at least this many words are matched by their word triples."""
MIN_TRIPLES = 0.34
MIN_MATCHED = 0.5


def label_blocks(words: Sequence[Sequence[str]], gold: Sequence[str]) -> npt.NDArray[np.float32]:
    """The share of each block's words that is gold text, each gold word being given out once.

    Long blocks come first, those whose triples of words occur in the gold most; then short ones, nearest to a
    chosen block first, if all of their words are still to be had. So a menu's "Home" is not content because an
    article says "home" somewhere.
    """
    labels = np.zeros(len(words), np.float32)
    left = Counter(gold)

    def spend(counted: Counter[str]) -> None:
        for word, number in counted.items():
            left[word] = max(left[word] - number, 0)

    triples = set(zip(gold, gold[1:], gold[2:], strict=False))
    likeness = {
        b: sum(triple in triples for triple in zip(block, block[1:], block[2:], strict=False)) / (len(block) - 2)
        for b, block in enumerate(words)
        if len(block) >= LONG
    }
    for b in sorted(likeness, key=lambda b: (-round(likeness[b], 1), -len(words[b]) if len(words[b]) > 30 else 0, b)):
        if likeness[b] < MIN_TRIPLES:
            break
        counted = Counter(words[b])
        matched = sum(min(number, left[word]) for word, number in counted.items()) / len(words[b])
        if matched >= MIN_MATCHED:
            labels[b] = matched
            spend(counted)
    chosen = np.flatnonzero(labels)

    def distance(b: int) -> int:
        place = int(np.searchsorted(chosen, b))
        return min((abs(int(other) - b) for other in chosen[max(place - 1, 0) : place + 1]), default=1 << 30)

    for b in sorted((b for b, block in enumerate(words) if 0 < len(block) < LONG), key=lambda b: (distance(b), b)):
        counted = Counter(words[b])
        if all(left[word] >= number for word, number in counted.items()):
            labels[b] = 1
            spend(counted)
    return labels


def block_weights(page: Page, n_gold: int, known: npt.NDArray[np.bool_] | None = None) -> npt.NDArray[np.float64]:
    """A block weighs as many words as it has, in proportion to its page's gold, so that the loss follows a mean
    over pages of word-F1; a page that is nearly all furniture does not outweigh the others. Blocks of which nothing
    is known weigh nothing."""
    if known is None:
        known = np.ones(len(page.node), np.bool_)
    words = np.minimum(page.counts[:, C_WORDS], 400) * known.astype(np.float64)
    gold = max(n_gold, 20)
    return (words / (gold + 0.3 * min(float(words.sum()), 3 * gold)) + 1e-4) * known  # type: ignore[no-any-return]
