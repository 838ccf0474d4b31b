"""Tables of the extraction benchmark beyond its engines: paired differences, the worst pages, what a page costs.

In go pages with gold and functions from a page to its text, out come rows of Markdown. Differences are of word-F1 on
the same pages, with a bootstrap over registrable domains, because pages of one site fail together.
"""

from __future__ import annotations

import json
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from classifiers.blocks_data import Source, prepare, word_f1, words_of
from curate.stages.extract.blocks import extract_blocks
from curate.stages.extract.engines import Options

TextOf = Callable[[Source], str]
DRAWS = 4000
MIN_SITES = 4
"""With fewer sites no interval is given."""
WORST = 24


def cached(text_of: TextOf, file: Path | None) -> TextOf:
    """The same engine, its answers kept in a file of JSON lines: `name` and `text`."""
    if file is None:
        return text_of
    known: dict[str, str] = {}
    if file.exists():
        with file.open() as lines:
            known = {line["name"]: line["text"] for line in map(json.loads, lines)}

    def answer(source: Source) -> str:
        if source.name not in known:
            known[source.name] = text_of(source)
            with file.open("a") as lines:
                lines.write(json.dumps({"name": source.name, "text": known[source.name]}) + "\n")
        return known[source.name]

    return answer


def group_of(source: Source) -> str:
    """The benchmark's page type, or the language of a crawl page."""
    return source.kind if source.collection == "wcxb" else f"crawl, {source.language}"


def paired(ours: TextOf, theirs: TextOf, sources: Sequence[Source]) -> Iterator[str]:
    """By page type and language: both engines' mean word-F1, and the difference with its 95 % interval."""
    groups: dict[str, list[tuple[float, float, str]]] = defaultdict(list)
    for source in sources:
        gold = words_of(source.gold)
        row = (word_f1(words_of(ours(source)), gold), word_f1(words_of(theirs(source)), gold), source.domain)
        groups[group_of(source)].append(row)
        if source.collection == "wcxb":
            groups[" all of the benchmark"].append(row)
    yield "| pages | number (domains) | blocks | trafilatura default | difference | 95 % interval |"
    yield "|---|---|---|---|---|---|"
    for name, rows in sorted(groups.items(), key=lambda group: (group[0].startswith("crawl"), group[0])):
        scores = np.array([row[:2] for row in rows])
        difference, low, high, sites = interval(scores[:, 0] - scores[:, 1], [row[2] for row in rows])
        shown = f"{low:+.3f} … {high:+.3f}" if sites >= MIN_SITES else "too few sites"
        mean = scores.mean(0)
        yield (
            f"| {name.strip()} | {len(rows)} ({sites}) | {mean[0]:.3f} | {mean[1]:.3f} | {difference:+.3f} | {shown} |"
        )


def interval(differences: np.ndarray, domains: Sequence[str]) -> tuple[float, float, float, int]:
    """Mean difference, its 95 % bootstrap interval over domains, and the number of domains."""
    by: dict[str, list[float]] = defaultdict(list)
    for difference, domain in zip(differences.tolist(), domains, strict=True):
        by[domain].append(difference)
    sums, sizes = np.array([sum(v) for v in by.values()]), np.array([len(v) for v in by.values()])
    draws = np.random.default_rng(0).integers(0, len(sums), (DRAWS, len(sums)))
    low, high = np.percentile(sums[draws].sum(1) / sizes[draws].sum(1), [2.5, 97.5])
    return float(differences.mean()), float(low), float(high), len(sums)


def gallery(ours: TextOf, sources: Sequence[Source]) -> Iterator[str]:
    """The worst pages of the benchmark, and what their figures say went wrong."""
    rows = []
    for source in sources:
        if source.collection != "wcxb":
            continue
        words, gold = words_of(ours(source)), words_of(source.gold)
        shared = sum((Counter(words) & Counter(gold)).values())
        rows.append((word_f1(words, gold), shared / max(len(words), 1), shared / max(len(gold), 1), len(words), source))
    yield "| page | type | F1 | precision | recall | perfect choice | words | what went wrong |"
    yield "|---|---|---|---|---|---|---|---|"
    for f1, precision, recall, number, source in sorted(rows, key=lambda row: (row[0], row[4].name))[:WORST]:
        page = prepare(source)
        perfect = page.f1(page.labels > 0.5)
        if perfect < 0.6:
            why = "most of the gold is not in the page"
        elif precision < 0.35 and recall < 0.35:
            why = "the wrong part is chosen"
        else:
            why = "more is kept than the gold has" if recall > precision else "little of the content is chosen"
        yield (
            f"| {source.name}, {source.domain} | {source.kind} | {f1:.2f} | {precision:.2f} | {recall:.2f} "
            f"| {perfect:.2f} | {number} / {len(page.gold)} | {why} |"
        )


COST_HEADER = """
| pages | number | KB median | ms mean | median | 99th percentile | slowest |
|---|---|---|---|---|---|---|"""


def cost(name: str, pages: Iterable[str]) -> str:
    """What a page costs by the model of the package: CPU time, each page once."""
    milliseconds, sizes = [], []
    for html in pages:
        started = time.process_time_ns()
        extract_blocks(html, Options())
        milliseconds.append((time.process_time_ns() - started) / 1e6)
        sizes.append(len(html) / 1e3)
    found = np.array(milliseconds)
    return (
        f"| {name} | {len(found)} | {np.median(sizes):.0f} | {found.mean():.2f} | {np.median(found):.2f} "
        f"| {np.percentile(found, 99):.1f} | {found.max():.0f} |"
    )


def crawl_pages(data: Path) -> Iterator[str]:
    """The pages of the crawl that were answered with status 200, decoded as UTF-8: enough to measure cost."""
    from fastwarc.warc import ArchiveIterator, WarcRecordType

    for path in sorted((data / "crawl").glob("*.warc.gz")):
        for record in ArchiveIterator(path.open("rb"), record_types=WarcRecordType.response, parse_http=True):
            if record.http_headers and record.http_headers.status_code == 200:
                yield record.reader.read().decode("utf-8", "replace")
