"""Near-duplicates by banded MinHash: signatures to buckets, buckets to pairs, pairs to clusters, clusters to verdicts.

Every step is an exchange of narrow rows between sorted partitions in files. A document's text is read for its
signature, and again only if it is in a candidate pair. Nothing depends on which shard a document came from: the
centre of a bucket is its least hashed id.
"""

from __future__ import annotations

import json
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

from curate.kernels.components import bucket_edges
from curate.kernels.minhash import band_keys, permutations, signatures
from curate.kernels.units import find_units
from curate.stage import Batches, Collection, Files, GlobalContext, GlobalOutcome, as_text
from curate.stages.dedup.band_index import band_index, earlier_matches, first_matches
from curate.stages.dedup.clusters import (
    DUPLICATES,
    MEMBERS,
    ROW_VERDICTS,
    candidate_columns,
    candidate_order,
    candidate_rows,
    cluster_columns,
    earlier_rows,
    members_of,
    summary_of,
    verdict_rows,
)
from curate.stages.dedup.components import components
from curate.stages.dedup.curve import curve_table
from curate.stages.dedup.earlier import earlier_files, index_files
from curate.stages.dedup.keeping import Term, keep_columns, resolve_keep
from curate.stages.dedup.pairs import measured_pairs, sampled_pairs, texts_of_pairs
from curate.stages.dedup.parameters import MinhashParameters
from curate.stages.dedup.references import (
    U64,
    SortedReader,
    column,
    empty,
    partition_of,
    partitions_for,
    references,
    rows_of,
    scatter,
    shards_of,
)
from curate.stages.words import utf8_buffers

VERIFIED_CENTRES = 4
"""With `verify`, each member of a bucket is compared with the first four of it: a bucket may mix clusters whose
centre is not that of all. All pairs of buckets of up to five are compared."""

BAND_ROW_BYTES = 28.0
EDGE_BYTES = 20.0

EVIDENCE = pa.schema(
    [
        ("shard", pa.int32()),
        ("row", pa.int64()),
        ("distance", pa.float64()),
        ("joined_to", pa.string()),
        ("jaccard_estimate", pa.float64()),
        ("jaccard_exact", pa.float64()),
    ]
)
JOINED = pa.schema([*MEMBERS, ("joined_to", pa.string()), *list(EVIDENCE)[-2:]])


def deduplicate_minhash(
    documents: Collection, parameters: MinhashParameters, context: GlobalContext, label: str
) -> GlobalOutcome:
    """Drops all but one of each cluster of near-duplicates."""
    schema = documents.schema
    terms = resolve_keep(parameters.keep, schema)
    bands, rows = parameters.bands_and_rows()
    buckets = band_buckets(documents, parameters, context)
    edges = candidate_edges(buckets, parameters, context)
    matches = []
    if parameters.against:
        files = earlier_files(parameters.against, parameters.settings(), context.recipe_hash)
        matches = [earlier_matches(buckets, files, documents.n_shards)]
    pairs, samples = edges, []
    if parameters.audit:
        texts = texts_of_pairs(documents, edges, context)
        pairs = measured_pairs(texts, parameters.ngram, bands * rows, parameters.seed, parameters.verify)
        samples = sampled_pairs(texts, pairs)
    clustered = components(pairs, context, documents.n_shards)
    labelled = clustered.n_rows + sum(each.n_rows for each in matches)
    partitions = partitions_for(labelled, 120, context, documents.n_shards)
    columns = [*candidate_columns(parameters, terms, schema), *keep_columns(terms, schema)]
    candidates = documents.exchange(
        "clusters",
        partial(_clustered, partitions=partitions, terms=terms, parameters=parameters),
        by="partition",
        partitions=partitions,
        sort=candidate_order(terms),
        columns=list(dict.fromkeys(columns)),
        zipped=[clustered, *matches],
    )
    drops = parameters.mode == "filter"
    members = members_of(candidates, documents.n_shards, drops)
    evidence = pairs.exchange(
        "evidence",
        partial(_evidence, audit=parameters.audit),
        by="shard",
        partitions=documents.n_shards,
        sort=["row", "distance", "joined_to"],
    )
    joined = members.map("joined", _joined, zipped=[evidence, *matches])
    threshold = as_text(parameters.verify) if parameters.verify is not None else f"{bands}x{rows}"
    published, artifacts = [Files(f"duplicates/{label}", joined.map("duplicates", _duplicates))], {}
    artifacts[f"{label}.samples.json"] = json.dumps(samples, ensure_ascii=False, indent=1).encode()
    if parameters.index:
        index = band_index(documents, buckets, members)
        folder, artifacts[f"index/{label}.json"] = index_files(index, parameters.settings(), label, context.recipe_hash)
        published.append(folder)
    present = [name for name in ("row", "id", "cluster_size") if name in schema.names]
    return GlobalOutcome(
        verdicts=joined.map("verdicts", partial(_verdicts, threshold=threshold)) if drops else None,
        columns=documents.map("columns", cluster_columns, columns=present, zipped=[members]),
        files=published,
        artifacts=artifacts,
        summary=summary_of(documents, members, terms)
        | {"bands": bands, "rows": rows, "chance_found": curve_table(bands, rows)}
        | {"candidate_pairs": edges.n_rows, "pairs": pairs.n_rows, "joins": _similarities(joined)},
    )


def band_buckets(documents: Collection, parameters: MinhashParameters, context: GlobalContext) -> Collection:
    """A row for each band of each document, those that share a key together, in partitions by ranges of keys."""
    bands, rows = parameters.bands_and_rows()
    partitions = partitions_for(documents.n_rows * bands, BAND_ROW_BYTES, context, documents.n_shards)
    keyed = partial(_banded, partitions=partitions, ngram=parameters.ngram, bands=bands, rows=rows)
    return documents.exchange(
        "bands",
        partial(keyed, seed=parameters.seed),
        by="partition",
        partitions=partitions,
        sort=["key", "order", "ref"],
        columns=["row", "id", "text"],
    )


def candidate_edges(buckets: Collection, parameters: MinhashParameters, context: GlobalContext) -> Collection:
    """Candidate pairs (a the centre, b) of documents that share a band, sorted; a pair may come more than once."""
    centres = VERIFIED_CENTRES if parameters.verify is not None else 1
    # Every band row may be a pair at worst; there are no more.
    partitions = partitions_for(buckets.n_rows * centres, EDGE_BYTES, context, buckets.n_shards)
    paired = partial(_paired, partitions=partitions, centres=centres)
    return buckets.exchange("edges", paired, by="partition", partitions=partitions, sort=["a", "b"])


def _banded(batches: Batches, shard: int, *, partitions: int, ngram: int, bands: int, rows: int, seed: int) -> Batches:
    multipliers, addends = permutations(bands * rows, seed)
    for batch in batches:
        units = find_units(*utf8_buffers(batch.column("text")))
        signature = signatures(units.hashes, units.first, ngram, multipliers, addends)
        has_words = units.first[1:] > units.first[:-1]
        keys = band_keys(signature[has_words], bands, rows).reshape(-1)
        ids = batch.column("id").to_pylist()
        order = np.array([xxhash.xxh3_64_intdigest(id.encode()) for id in ids], dtype=np.uint64)[has_words]
        refs = references(shard, column(batch, "row"))[has_words]
        arrays = [partition_of(keys, partitions), keys, np.repeat(order, bands), np.repeat(refs, bands)]
        yield pa.RecordBatch.from_arrays([pa.array(a) for a in arrays], names=["partition", "key", "order", "ref"])


def _paired(batches: Batches, shard: int, *, partitions: int, centres: int) -> Batches:
    open_key, seen = np.zeros(1, dtype=np.uint64), np.zeros(1, dtype=np.int64)
    open_refs = np.zeros(centres, dtype=np.uint64)
    yield _edges(np.empty(0, dtype=np.uint64), np.empty(0, dtype=np.uint64), partitions)
    for batch in batches:
        pairs = bucket_edges(column(batch, "key"), column(batch, "ref"), centres, open_key, open_refs, seen)
        yield _edges(pairs[0], pairs[1], partitions)


def _edges(a: U64, b: U64, partitions: int) -> pa.RecordBatch:
    arrays = [pa.array(partition_of(scatter(a), partitions)), pa.array(a), pa.array(b)]
    return pa.RecordBatch.from_arrays(arrays, names=["partition", "a", "b"])


def _clustered(
    batches: Batches,
    shard: int,
    labels: Batches,
    *earlier: Batches,
    partitions: int,
    terms: tuple[Term, ...],
    parameters: MinhashParameters,
) -> Batches:
    """What is known of each document that has a component or an earlier document, to be sorted within it."""
    reader = SortedReader(labels)
    matches = SortedReader(earlier[0]) if earlier else None
    for batch in batches:
        rows = column(batch, "row")
        known = reader.until(int(rows[-1])) if len(rows) else None
        # A document without an edge is a component of its own.
        component = references(shard, rows)
        wanted = np.zeros(len(rows), dtype=bool)
        if known is not None:
            places = np.searchsorted(rows, column(known, "row"))
            component[places], wanted[places] = column(known, "component"), True
        found = first_matches(matches, int(rows[-1])) if matches is not None and len(rows) else None
        matched = np.searchsorted(rows, column(found, "row")) if found is not None else np.empty(0, dtype=np.int64)
        wanted[matched] = True
        target = partition_of(scatter(component), partitions)
        made = candidate_rows(
            batch, shard, component, np.zeros_like(component), target=target, terms=terms, parameters=parameters
        )
        yield made.filter(pa.array(wanted))
        if found is not None and found.num_rows:
            yield earlier_rows(made.take(pa.array(matched)), found.column("earlier").to_pylist())


def _evidence(batches: Batches, shard: int, *, audit: bool) -> Batches:
    """Each pair as seen from both of its documents."""
    yield empty(EVIDENCE)
    for batch in batches if audit else ():
        for own, other in (("a", "id_b"), ("b", "id_a")):
            refs, exact = column(batch, own), batch.column("jaccard_exact")
            arrays = [
                pa.array(shards_of(refs)),
                pa.array(rows_of(refs)),
                pc.subtract(1.0, exact),
                batch.column(other),
                batch.column("jaccard_estimate"),
                exact,
            ]
            yield pa.RecordBatch.from_arrays(arrays, schema=EVIDENCE)


def _joined(batches: Batches, shard: int, evidence: Batches, *earlier: Batches) -> Batches:
    """Members with what joins them: a match with an earlier document, whose text is not at hand to be measured, or
    else of all of a document's pairs the most similar. JOINED."""
    reader = SortedReader(evidence)
    matches = SortedReader(earlier[0]) if earlier else None
    yield empty(JOINED)
    for batch in batches:
        if batch.num_rows == 0:
            continue
        rows = column(batch, "row")
        extra = [pa.nulls(len(rows), field.type) for field in list(JOINED)[-3:]]
        known = reader.until(int(rows[-1]))
        if known is not None and known.num_rows:
            _, first = np.unique(column(known, "row"), return_index=True)
            best = known.take(pa.array(first))
            places = np.minimum(np.searchsorted(column(best, "row"), rows), best.num_rows - 1)
            absent = batch.column("is_keeper").to_numpy(zero_copy_only=False) | (column(best, "row")[places] != rows)
            chosen = pa.array(places, mask=absent)
            extra = [best.column(field.name).combine_chunks().take(chosen) for field in list(JOINED)[-3:]]
        found = first_matches(matches, int(rows[-1])) if matches is not None else None
        if found is not None and found.num_rows:
            mask = pa.array(np.isin(rows, column(found, "row")))
            extra[0] = pc.replace_with_mask(extra[0], mask, found.column("earlier").combine_chunks())
            extra[1:] = [pc.if_else(mask, pa.scalar(None, pa.float64()), values) for values in extra[1:]]
        yield pa.RecordBatch.from_arrays([*batch.columns, *extra], schema=JOINED)


def _duplicates(batches: Batches, shard: int) -> Batches:
    yield empty(DUPLICATES)
    for batch in batches:
        arrays = [batch.column("keeper" if name == "cluster" else name) for name in DUPLICATES.names]
        yield pa.RecordBatch.from_arrays(arrays, schema=DUPLICATES)


def _verdicts(batches: Batches, shard: int, *, threshold: str | None) -> Batches:
    def value(dropped: pa.RecordBatch) -> pa.Array:
        return pa.array([as_text(exact) for exact in dropped.column("jaccard_exact").to_pylist()], pa.string())

    yield empty(ROW_VERDICTS)
    for batch in batches:
        yield verdict_rows("near_duplicate", threshold, batch, value)


BINS = 20


def _similarities(joined: Collection) -> dict[str, Any]:
    """How similar the joining pairs are: counts by exact Jaccard similarity in bins of 0.05, and the share at or
    above 0.7, 0.75 and 0.8 (the precision of the joins, were that the definition of a duplicate)."""
    counts = np.zeros(BINS + 1, dtype=np.int64)
    for batch in joined.map("join-counts", _binned).batches():
        np.add.at(counts, column(batch, "bin"), column(batch, "n"))
    total = int(counts.sum())
    share = {f"{low / BINS:.2f}": round(float(counts[low:].sum()) / total, 4) for low in (14, 15, 16) if total}
    return {"n": total, "exact_histogram": counts.tolist(), "share_at_least": share}


def _binned(batches: Batches, shard: int) -> Batches:
    counts = np.zeros(BINS + 1, dtype=np.int64)
    for batch in batches:
        exact = pc.drop_null(batch.column("jaccard_exact")).to_numpy()
        counts += np.bincount((exact * BINS + 1e-9).astype(np.int64), minlength=BINS + 1)
    yield pa.RecordBatch.from_pydict({"bin": pa.array(np.arange(BINS + 1)), "n": pa.array(counts)})
