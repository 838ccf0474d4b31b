"""Builds the training set of `wikipedia_reference` as LLaMA did it: pages that Wikipedia cites, as the crawl has them,
against random pages of the crawl. The dump of links and a mirror of Common Crawl in; a Parquet file of examples out.

    python -m classifiers build wikipedia_reference --links enwiki-latest-externallinks.sql.gz --sites 20000
    python -m classifiers train wikipedia_reference --examples .bench/classifiers/wikipedia/examples.parquet

Negatives are matched with the positives for language and length, so that neither can be what the model learns.
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from classifiers.corpora import Example, site
from classifiers.external_links import Cited, balanced, links, refused
from curate.sources import Documents, plan, read
from curate.sources.commoncrawl import Dump, download_sample, find_dump
from curate.sources.crawl_index import Query, Row, cdx, columnar, download_rows
from curate.sources.mirror import Mirror, open_mirror
from curate.stage import Shared
from curate.stages.extract.stage import Extract, ExtractParameters
from curate.stages.language.stage import Language, LanguageParameters
from curate.stages.quality.fasttext_model import ModelError
from curate.urls import canonical_url, url_host

MIN_CHARACTERS = 200
MAX_ROWS = 5_000
"""Lines of the columnar index that are looked through for the cited pages of one host."""


@dataclass(frozen=True)
class BuildOptions:
    """What a build may be told."""

    links: str
    """The dump: a path or URL of …-externallinks.sql.gz."""
    mirror: str
    crawl: str
    """Id of a dump of Common Crawl, or `latest`."""
    index: str
    """`cdx`: one question a page; `columnar`: one look through the table a host, for mirrors with few files."""
    sites: int
    per_site: int
    negatives_mb: int
    """Megabytes of the crawl from which negatives are drawn."""
    seed: int


def build(options: BuildOptions, out: Path) -> dict[str, Any]:
    """Writes `examples.parquet` and `build.json` (all counts) below `out`; returns the latter. What was fetched stays
    there, and a build that was interrupted goes on from it."""
    out.mkdir(parents=True, exist_ok=True)
    cited = balanced(links(options.links), options.sites, options.per_site, options.seed)
    if not cited.by_site:
        raise ModelError(f"{options.links}: none of its {cited.counts['links']} links can be a positive")
    mirror = open_mirror(options.mirror)
    crawl = find_dump(mirror, options.crawl)
    failed: list[dict[str, Any]] = []
    rows = list(_rows(mirror, crawl, cited, options.index, failed))
    if not rows:
        raise ModelError(f"none of {cited.counts['used']} cited pages is in the index of {crawl.id} on {mirror.base}")
    fetched = download_rows(mirror, crawl.id, rows, out / "cited", failed=failed)
    download_sample(
        mirror, crawl.id, out / "random", megabytes=options.negatives_mb, files=max(1, options.negatives_mb // 20),
        seed=options.seed,
    )  # fmt: skip
    positives = [page for page in _pages(out / "cited") if refused(page.url) is None]
    others = [page for page in _pages(out / "random") if page.home not in cited.by_site]
    negatives = matched(positives, others, options.seed)
    _write(out / "examples.parquet", positives, negatives)
    report = {
        "options": asdict(options),
        "crawl": crawl.id,
        "links": cited.counts,
        "sites": len(cited.by_site),
        "in_the_index": len(rows),
        "fetched": fetched["records"],
        "not_fetched": len(failed),
        "positives": len(positives),
        "sites_of_positives": len({page.home for page in positives}),
        "random_pages": len(others),
        "negatives": len(negatives),
        "languages": dict(Counter(page.language for page in positives).most_common(20)),
    }
    (out / "build.json").write_text(json.dumps(report, indent=1) + "\n")
    return report


def _rows(mirror: Mirror, crawl: Dump, cited: Cited, index: str, failed: list[dict[str, Any]]) -> Iterator[Row]:
    """The captures of the cited pages, one a page."""
    for number, (home, urls) in enumerate(cited.by_site.items()):
        if number and number % 1000 == 0:
            print(f"{number} of {len(cited.by_site)} sites looked up", file=sys.stderr)
        wanted = {canonical_url(url): url for url in urls}
        found: dict[str, Row] = {}
        for row in _captures(mirror, crawl, urls, index, failed):
            name = canonical_url(row.url)
            if name in wanted and site(row.url) == home:
                found.setdefault(name, row)
        yield from (found[name] for name in sorted(found))


def _captures(
    mirror: Mirror, crawl: Dump, urls: Sequence[str], index: str, failed: list[dict[str, Any]]
) -> Iterator[Row]:
    if index == "cdx":
        for url in urls:
            yield from cdx(mirror, crawl, Query(url=url, mime="text/html"), failed)
        return
    for host in sorted({url_host(url) for url in urls}):
        for number, row in enumerate(columnar(mirror, crawl.id, Query(host, mime="text/html"), failed)):
            if number >= MAX_ROWS:
                break
            yield row


@dataclass(frozen=True)
class Page:
    """An extracted page."""

    url: str
    home: str
    text: str
    language: str

    @property
    def cell(self) -> tuple[str, int]:
        """What a negative must share: the language, and the length to a factor of √2."""
        return self.language, round(2 * math.log2(len(self.text)))


def _pages(folder: Path) -> list[Page]:
    """Texts of the WARCs of a folder, by our own pipeline; pages with too little text are left out."""
    extract, language = Extract(ExtractParameters()), Language(LanguageParameters(mode="annotate"))
    extract.open()
    language.open()
    pages = []
    for shard in plan({"warc": f"{folder}/*.warc.gz"}):
        for event in read(shard):
            if isinstance(event, Documents):
                shared = Shared()
                batch = language.process(extract.process(event.batch, shared).batch, Shared()).batch
                columns = (batch.column(name).to_pylist() for name in ("url", "text", "language"))
                for url, text, found in zip(*columns, strict=True):
                    if text and len(text) >= MIN_CHARACTERS:
                        pages.append(Page(url, site(url), text, found))
    return sorted(pages, key=lambda page: page.url)


def matched(positives: Sequence[Page], others: Sequence[Page], seed: int) -> list[Page]:
    """For each positive a random page of its language and length; where its cell is used up, of the nearest length of
    that language; none where the language is used up, so that no language tells the label."""
    cells: dict[str, dict[int, list[Page]]] = defaultdict(lambda: defaultdict(list))
    for page in sorted(others, key=lambda page: _hash(seed, page.url)):
        cells[page.language][page.cell[1]].append(page)
    chosen = []
    for page in sorted(positives, key=lambda page: _hash(seed, page.url)):
        lengths = {length: rest for length, rest in cells[page.language].items() if rest}
        if lengths:
            nearest = min(lengths, key=lambda length: (abs(length - page.cell[1]), length))
            chosen.append(lengths[nearest].pop())
    return chosen


def _hash(seed: int, text: str) -> str:
    return hashlib.blake2b(f"{seed}:{text}".encode(), digest_size=8).hexdigest()


def _write(path: Path, positives: Sequence[Page], negatives: Sequence[Page]) -> None:
    rows = [(page, "cited") for page in positives] + [(page, "other") for page in negatives]
    columns = {
        "url": [page.url for page, _ in rows],
        "site": [page.home for page, _ in rows],
        "text": [page.text for page, _ in rows],
        "language": [page.language for page, _ in rows],
        "label": [label for _, label in rows],
    }
    pq.write_table(pa.table(columns), path)


def stored(path: Path) -> list[Example]:
    """The examples of a build. ModelError if the file has not its columns."""
    try:
        table = pq.read_table(path, columns=["text", "label", "site", "language", "url"])
    except (pa.ArrowException, KeyError, ValueError) as error:
        raise ModelError(f"{path}: not a file of `classifiers build wikipedia_reference`: {error}") from error
    return [
        Example(row["text"], row["label"], row["site"], "common crawl", language=row["language"], url=row["url"])
        for row in table.to_pylist()
    ]
