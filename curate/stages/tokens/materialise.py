"""The mix as shards: each training document as often as its domain's epochs say, all of them in one shuffled order.

Whole epochs take every document; of the last, part one, documents are taken in the order of a seeded hash of their
ids as long as they fit, so that no document is cropped and a domain lacks less than one document of its allocation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa

from curate.stage import Batches, Collection
from curate.stages.tokens.shards import row_groups
from curate.stages.tokens.splits import hash64

Portions = Mapping[str, tuple[int, int]]
"""Domain → (whole epochs, hash under which a document is taken once more)."""

BYTES_PER_TOKEN = 4


def materialise(
    shards: Collection, train: Sequence[int], taken: Mapping[str, int], seed: int, file_mb: float
) -> tuple[Collection, dict[str, int]]:
    """(shards in shuffled order, tokens of each domain in them). `train`: which of `shards` are of the train split;
    `taken`: the allocation in tokens by domain."""
    index = shards.map("mix_index", partial(_index, train=frozenset(train), seed=seed))
    portions, written = portions_of(index, taken)
    files = max(1, -(-sum(written.values()) * BYTES_PER_TOKEN // max(1, int(file_mb * 1e6))))
    repeat = partial(_repeat, train=frozenset(train), portions=portions, seed=seed, files=files)
    mixed = shards.exchange("mix_shuffle", repeat, by="file", partitions=files, sort=["order", "id"])
    return mixed.map("mix_shards", row_groups), written


def portions_of(index: Collection, taken: Mapping[str, int]) -> tuple[dict[str, tuple[int, int]], dict[str, int]]:
    """What is taken of each domain: its portion, and the tokens that this makes."""
    found: dict[str, list[tuple[Any, Any]]] = {}
    for batch in index.batches():
        domains = batch.column("domain").to_numpy(zero_copy_only=False)
        for domain in np.unique(domains.astype(str)):
            rows = domains == domain
            pair = (batch.column("order").to_numpy()[rows], batch.column("n_tokens").to_numpy()[rows])
            found.setdefault(str(domain), []).append(pair)
    portions: dict[str, tuple[int, int]] = {}
    written: dict[str, int] = {}
    for domain, pairs in sorted(found.items()):
        order = np.concatenate([each for each, _ in pairs])
        place = np.argsort(order, kind="stable")
        tokens = np.concatenate([each for _, each in pairs])[place].astype(np.int64)
        available = int(tokens.sum())
        epochs, rest = divmod(taken.get(domain, 0), available)
        fit = int(np.searchsorted(np.cumsum(tokens), rest, side="right"))
        cut = int(order[place[fit]]) if fit < len(place) else 2**64 - 1
        portions[domain] = (epochs, cut)
        written[domain] = epochs * available + int(tokens[:fit].sum())
    return portions, written


def _index(batches: Batches, shard: int, train: frozenset[int], seed: int) -> Batches:
    for batch in batches:
        batch = batch if shard in train else batch.slice(0, 0)
        orders = [hash64(seed, "mix", each) for each in batch.column("id").to_pylist()]
        columns = [batch.column("domain"), pa.array(orders, pa.uint64()), batch.column("n_tokens")]
        yield pa.RecordBatch.from_arrays(columns, names=["domain", "order", "n_tokens"])


def _repeat(batches: Batches, shard: int, train: frozenset[int], portions: Portions, seed: int, files: int) -> Batches:
    for batch in batches:
        rows: list[int] = []
        orders: list[int] = []
        if shard in train:
            names = zip(batch.column("id").to_pylist(), batch.column("domain").to_pylist(), strict=True)
            for row, (document, domain) in enumerate(names):
                epochs, cut = portions[domain]
                times = epochs + (hash64(seed, "mix", document) < cut)
                rows += [row] * times
                orders += [hash64(seed, "shuffle", str(epoch), document) for epoch in range(times)]
        files_of = [(order * files) >> 64 for order in orders]
        out = batch.take(pa.array(rows, pa.int64()))
        out = out.append_column("file", pa.array(files_of, pa.int32()))
        yield out.append_column("order", pa.array(orders, pa.uint64()))
