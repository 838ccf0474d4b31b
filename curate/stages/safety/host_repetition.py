"""`host_repetition`: pages that say what other pages of their host say, with a name or a number exchanged.

Generated filler (a page a town, a page a product code) shares its runs of words with its neighbours on the host. A page
goes by the share of its runs of `n` words that stand on at least `min_pages` pages of the host. Unlike `boilerplate`,
which takes furniture out of pages that have a text of their own, this drops pages that have none; and unlike
near-deduplication it sees pages of which no two are alike. One run in four is looked at, chosen by its hash and so the
same on every page; counting is exact but for runs with one 64-bit hash.
"""

from __future__ import annotations

from functools import partial
from typing import cast

import numpy as np
import pyarrow as pa
import xxhash
from numpy.typing import NDArray

from curate.stage import (
    Batches,
    Collection,
    FilterParameters,
    GlobalContext,
    GlobalOutcome,
    GlobalStage,
    Shared,
    parameter,
)
from curate.stages.dedup.references import empty, partitions_for
from curate.stages.safety.spread import measured, occurrences, placed, told, verdicts, wide_keys
from curate.stages.words import words_of
from curate.urls import url_host

RUNS = occurrences(("page",))
RUN_BYTES = 36.0
ONE_IN = 4
"""Runs of words looked at: those whose hash this number divides."""
MIN_RUNS = 10
"""Runs looked at without which a page is too short to be judged: some fifty words."""

U64 = NDArray[np.uint64]


class HostRepetitionParameters(FilterParameters):
    """Parameters of `host_repetition`."""

    n: int = parameter(8, "words of a run", ge=3, le=32)
    min_pages: int = parameter(5, "pages of the host on which a run stands before it counts as repeated", ge=2)
    max_share: float = parameter(
        0.5, "share of a page's runs that are repeated over the host above which it goes", role="decide", ge=0, le=1
    )


class HostRepetition(GlobalStage):
    """Drops pages filled in from their host's own text.

    Signal: `score`, the share of a page's runs of words that stand on other pages of its host."""

    name = "host_repetition"
    Parameters = HostRepetitionParameters
    reads = ("text", "url")

    def writes(self) -> tuple[str, ...]:
        return (self.label,)

    def run(self, documents: Collection, context: GlobalContext) -> GlobalOutcome:
        asked = cast(HostRepetitionParameters, self.parameters)
        # A word for every six bytes of text, which is compressed about threefold in its files.
        partitions = partitions_for(int(3 * documents.n_bytes / 6 / ONE_IN) + 1, RUN_BYTES, context, documents.n_shards)
        runs = documents.exchange(
            "runs",
            partial(_runs, n=asked.n, partitions=partitions),
            by="partition",
            partitions=partitions,
            sort=["key"],
            columns=["row", "text", "url"],
        )
        wide = runs.map("wide", partial(wide_keys, values=("page",), least=asked.min_pages))
        found = runs.exchange("repeated", told, by="shard", partitions=documents.n_shards, sort=["row"], zipped=[wide])
        measure = partial(measured, label=self.label, weigh=partial(_count, n=asked.n))
        scored = documents.map("measured", measure, columns=["row", "text", "url"], zipped=[found])
        fallen = None
        if asked.mode == "filter":
            judge = partial(verdicts, label=self.label, rule="repeats_its_host", most=asked.max_share)
            fallen = scored.map("verdicts", judge)
        return GlobalOutcome(verdicts=fallen, columns=scored, summary={"repeated_runs": wide.n_rows})


def runs_of(words: U64, n: int) -> U64:
    """The hashes of a page's different runs of n words, those that are looked at; none of a page that is too short."""
    if len(words) < n:
        return np.empty(0, dtype=np.uint64)
    runs = np.zeros(len(words) - n + 1, dtype=np.uint64)
    for place in range(n):
        # Rotation and multiplication (FNV's prime), so that the order of the words counts.
        runs = ((runs << np.uint64(7)) | (runs >> np.uint64(57))) * np.uint64(0x100000001B3)
        runs ^= words[place : place + len(runs)]
    runs ^= runs >> np.uint64(29)
    runs = np.unique(runs[runs % np.uint64(ONE_IN) == 0])
    return runs if len(runs) >= MIN_RUNS else runs[:0]


def _of_pages(batch: pa.RecordBatch, n: int) -> list[U64]:
    words = words_of(batch, Shared())
    return [runs_of(words.hashes[a:b], n) for a, b in zip(words.first.tolist(), words.last.tolist(), strict=True)]


def _count(batch: pa.RecordBatch, *, n: int) -> NDArray[np.int64]:
    return np.array([len(runs) for runs in _of_pages(batch, n)], dtype=np.int64)


def _runs(batches: Batches, shard: int, *, n: int, partitions: int) -> Batches:
    yield empty(RUNS)
    for batch in batches:
        rows, urls = (batch.column(name).to_pylist() for name in ("row", "url"))
        keys: list[U64] = []
        pages: list[U64] = []
        owners: list[NDArray[np.int64]] = []
        for row, url, runs in zip(rows, urls, _of_pages(batch, n), strict=True):
            host = url_host(url)
            if not host or not len(runs):
                continue
            keys.append(runs ^ np.uint64(xxhash.xxh3_64_intdigest(host)))
            pages.append(np.full(len(runs), xxhash.xxh3_64_intdigest(f"{shard}/{row}"), dtype=np.uint64))
            owners.append(np.full(len(runs), row, dtype=np.int64))
        if keys:
            key = np.concatenate(keys)
            owner = np.concatenate(owners)
            yield placed(RUNS, key, [np.concatenate(pages)], shard, owner, np.ones(len(key), np.int32), partitions)
