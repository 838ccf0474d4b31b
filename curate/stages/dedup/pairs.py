"""The Jaccard similarity of candidate pairs, estimated and exact, without a random access.

Each side of a pair asks its shard for its text; texts travel to the pair's partition, where they stand sorted
behind their centre and are compared as they stream by. Pairs of one centre are cut into chunks, so that the
partition of a huge cluster's centre holds no more than others.
"""

from __future__ import annotations

import heapq
import json
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import xxhash

from curate.kernels.minhash import measure_pairs, permutations, signatures
from curate.kernels.units import find_units
from curate.stage import Batches, Collection, GlobalContext
from curate.stages.dedup.references import (
    U64,
    SortedReader,
    column,
    empty,
    partition_of,
    partitions_for,
    rows_of,
    scatter,
    shards_of,
)
from curate.stages.words import utf8_buffers

CHUNK = 256
"""Pairs of one centre that go to one partition."""
TAKE = 256
"""Texts copied at a time: a centre's text is repeated once a chunk."""
READ = 1024
"""Texts compared at a time."""
SAMPLES = 24
"""Pairs shown side by side in the report."""
SAMPLE_CHARACTERS = 2000

REQUESTS = pa.schema(
    [
        ("shard", pa.int32()),
        ("row", pa.int64()),
        ("centre", pa.uint64()),
        ("chunk", pa.int64()),
        ("side", pa.int8()),
        ("member", pa.uint64()),
    ]
)

PAIRS = pa.schema(
    [
        ("a", pa.uint64()),
        ("b", pa.uint64()),
        ("id_a", pa.string()),
        ("id_b", pa.string()),
        ("jaccard_estimate", pa.float64()),
        ("jaccard_exact", pa.float64()),
    ]
)


def texts_of_pairs(documents: Collection, edges: Collection, context: GlobalContext) -> Collection:
    """For each distinct edge (a, b), sorted by a then b, the texts of both, centre first, in sorted partitions."""
    requests = edges.exchange(
        "pair-requests", _requested, by="shard", partitions=documents.n_shards, sort=["row", "centre", "chunk"]
    )
    text_bytes = 3 * documents.n_bytes / max(1, documents.n_rows)  # compressed about threefold in its files
    partitions = partitions_for(requests.n_rows, text_bytes + 80, context, documents.n_shards)
    return documents.exchange(
        "pair-texts",
        partial(_answered, partitions=partitions),
        by="partition",
        partitions=partitions,
        sort=["centre", "chunk", "side", "member"],
        columns=["row", "id", "text"],
        zipped=[requests],
    )


def _requested(batches: Batches, shard: int) -> Batches:
    last_a, last_b, counted = None, None, 0
    yield empty(REQUESTS)
    for batch in batches:
        a, b = column(batch, "a"), column(batch, "b")
        if len(a) == 0:
            continue
        fresh = np.ones(len(a), dtype=bool)
        fresh[1:] = (a[1:] != a[:-1]) | (b[1:] != b[:-1])
        fresh[0] = (a[0], b[0]) != (last_a, last_b)
        last_a, last_b, previous_a = a[-1], b[-1], last_a
        a, b = a[fresh], b[fresh]
        if len(a) == 0:
            continue
        starts = np.flatnonzero(np.concatenate([[True], a[1:] != a[:-1]]))
        place = np.arange(len(a)) - np.repeat(starts, np.diff(np.append(starts, len(a))))
        place[a == previous_a] += counted
        counted = int(place[-1]) + 1
        chunk, opens = place // CHUNK, place % CHUNK == 0
        yield _requests(a[opens], a[opens], chunk[opens], 0)
        yield _requests(b, a, chunk, 1)


def _requests(refs: U64, centres: U64, chunks: Any, side: int) -> pa.RecordBatch:
    arrays = [shards_of(refs), rows_of(refs), centres, chunks, np.full(len(refs), side, dtype=np.int8), refs]
    return pa.RecordBatch.from_arrays([pa.array(array) for array in arrays], schema=REQUESTS)


def _answered(batches: Batches, shard: int, requests: Batches, *, partitions: int) -> Batches:
    reader = SortedReader(requests)
    names = ["partition", "centre", "chunk", "side", "member", "id", "text"]
    kinds = [pa.int32(), pa.uint64(), pa.int64(), pa.int8(), pa.uint64(), pa.string(), pa.large_string()]
    schema = pa.schema(list(zip(names, kinds, strict=True)))
    yield empty(schema)
    for batch in batches:
        if batch.num_rows == 0:
            continue
        rows = column(batch, "row")
        asked = reader.until(int(rows[-1]))
        for low in range(0, asked.num_rows if asked is not None else 0, TAKE):
            part = asked.slice(low, TAKE).combine_chunks()  # type: ignore[union-attr]
            places = pa.array(np.searchsorted(rows, column(part, "row")))
            centre, chunk = column(part, "centre"), column(part, "chunk").astype(np.uint64)
            target = partition_of(scatter(centre + scatter(chunk)), partitions)
            arrays = [
                pa.array(target),
                *(part.column(name).combine_chunks() for name in ("centre", "chunk", "side", "member")),
                batch.column("id").cast(pa.string()).take(places),
                batch.column("text").cast(pa.large_string()).take(places),
            ]
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)


def measured_pairs(texts: Collection, ngram: int, hashes: int, seed: int, verify: float | None) -> Collection:
    """PAIRS of the texts; those below `verify` are left out."""
    measure = partial(_measured, ngram=ngram, hashes=hashes, seed=seed, verify=verify)
    return texts.map("pair-similarities", measure)


def _paired(batches: Batches) -> Any:
    """(batch, centre of each row): a batch that begins with the centre of the rows before."""
    centre: pa.RecordBatch | None = None
    for batch in (large.slice(low, READ) for large in batches for low in range(0, large.num_rows, READ)):
        if centre is not None:
            table = pa.Table.from_batches([centre, batch]).combine_chunks()
            batch = table.to_batches()[0]
        side = column(batch, "side")
        centres = np.maximum.accumulate(np.where(side == 0, np.arange(len(side)), 0))
        centre = batch.slice(int(centres[-1]), 1)
        yield batch, centres, side


def _measured(batches: Batches, shard: int, *, ngram: int, hashes: int, seed: int, verify: float | None) -> Batches:
    multipliers, addends = permutations(hashes, seed)
    yield empty(PAIRS)
    for batch, centres, side in _paired(batches):
        units = find_units(*utf8_buffers(batch.column("text")))
        signature = signatures(units.hashes, units.first, ngram, multipliers, addends)
        estimates, exact = measure_pairs(units.hashes, units.first, centres, signature, ngram)
        rows = np.flatnonzero((side == 1) & (exact >= (verify if verify is not None else 0.0)))
        places = pa.array(centres[rows])
        rows_ = pa.array(rows)
        arrays = [
            batch.column("centre").take(rows_),
            batch.column("member").take(rows_),
            batch.column("id").take(places),
            batch.column("id").take(rows_),
            pa.array(estimates[rows]),
            pa.array(exact[rows]),
        ]
        yield pa.RecordBatch.from_arrays(arrays, schema=PAIRS)


def sampled_pairs(texts: Collection, pairs: Collection) -> list[dict[str, Any]]:
    """A sample of the pairs that stood, with the beginnings of their texts: always the same ones."""
    found: list[dict[str, Any]] = []
    for batch in texts.map("pair-samples", _sampled, zipped=[pairs]).batches():
        found += batch.to_pylist()
    found.sort(key=lambda row: (row["rank"], row["pair"]))
    return [json.loads(row["pair"]) for row in found[:SAMPLES]]


def _sampled(batches: Batches, shard: int, pairs: Batches) -> Batches:
    least: list[tuple[int, str]] = []
    similarities = ((row["a"], row["b"], row) for batch in pairs for row in batch.to_pylist())
    following = next(similarities, None)
    for batch, centres, side in _paired(batches):
        texts, members, heads = batch.column("text"), column(batch, "member"), column(batch, "centre")
        for row in np.flatnonzero(side == 1):
            # both streams are in the same order, and pairs that were not verified are missing from one
            if following is None or (int(heads[row]), int(members[row])) != following[:2]:
                continue
            pair = following[2]
            following = next(similarities, None)
            rank = xxhash.xxh3_64_intdigest("\0".join(sorted((pair["id_a"], pair["id_b"]))).encode())
            if len(least) == SAMPLES and -least[0][0] <= rank:
                continue
            shown = {name: pair[name] for name in ("id_a", "id_b", "jaccard_estimate", "jaccard_exact")}
            shown["text_a"] = texts[int(centres[row])].as_py()[:SAMPLE_CHARACTERS]
            shown["text_b"] = texts[int(row)].as_py()[:SAMPLE_CHARACTERS]
            entry = (-rank, json.dumps(shown, ensure_ascii=False))
            heapq.heappush(least, entry) if len(least) < SAMPLES else heapq.heapreplace(least, entry)
    ranks = pa.array([-rank for rank, _ in least], pa.uint64())
    yield pa.RecordBatch.from_arrays([ranks, pa.array([pair for _, pair in least], pa.string())], ["rank", "pair"])
