"""Exact duplicates: equal canonical URLs, or equal normalised texts, by 128-bit keys.

Keys go to partitions by hash and are sorted there; equal ones stand together. Two different documents meet in one
128-bit key with a chance of n² / 2¹²⁹: one in 10²⁰ for three billion documents.
"""

from __future__ import annotations

import unicodedata
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import xxhash

from curate.stage import Batches, Collection, Files, GlobalContext, GlobalOutcome
from curate.stages.dedup.clusters import (
    ROW_VERDICTS,
    candidate_columns,
    candidate_order,
    candidate_rows,
    cluster_columns,
    duplicate_rows,
    index_rows,
    members_of,
    summary_of,
    verdict_rows,
    with_earlier,
)
from curate.stages.dedup.earlier import earlier_files, index_files
from curate.stages.dedup.keeping import Term, keep_columns, resolve_keep
from curate.stages.dedup.parameters import TextParameters, UrlParameters
from curate.stages.dedup.references import SortedReader, column, empty, partition_of, partitions_for
from curate.urls import canonical_url

ExactParameters = UrlParameters | TextParameters


def normalized_text(text: str, normalize: str) -> str:
    """The text less what `normalize` says does not matter (see TextParameters)."""
    if normalize == "none":
        return text
    text = " ".join(unicodedata.normalize("NFC", text).split())
    return unicodedata.normalize("NFC", text.casefold()) if normalize == "case" else text


def deduplicate_exact(
    documents: Collection, parameters: ExactParameters, context: GlobalContext, label: str
) -> GlobalOutcome:
    """Drops all but one of the documents with one URL or one text."""
    schema = documents.schema
    terms = resolve_keep(parameters.keep, schema)
    columns = [*candidate_columns(parameters, terms, schema), parameters.by, *keep_columns(terms, schema)]
    partitions = partitions_for(documents.n_rows, 120, context, documents.n_shards)
    candidates = documents.exchange(
        "keys",
        partial(_keyed, partitions=partitions, terms=terms, parameters=parameters),
        by="partition",
        partitions=partitions,
        sort=candidate_order(terms),
        columns=list(dict.fromkeys(columns)),
    )
    if parameters.against:
        files = earlier_files(parameters.against, parameters.settings(), context.recipe_hash)
        candidates = candidates.map("earlier", partial(with_earlier, files=files, schema=candidates.schema))
    drops = parameters.mode == "filter"
    members = members_of(candidates, documents.n_shards, drops)
    verdicts = None
    if drops and isinstance(parameters, UrlParameters):
        verdicts = documents.map(
            "verdicts",
            partial(_url_verdicts, without=parameters.without_rules),
            columns=["row", "url"],
            zipped=[members],
        )
    elif drops:
        verdicts = members.map("verdicts", _text_verdicts)
    published, artifacts = [Files(f"duplicates/{label}", members.map("duplicates", duplicate_rows))], {}
    if parameters.index:
        index = candidates.map("index", index_rows)
        folder, described = index_files(index, parameters.settings(), label, context.recipe_hash)
        published, artifacts = [*published, folder], {f"index/{label}.json": described}
    present = [name for name in ("row", "id", "cluster_size") if name in schema.names]
    return GlobalOutcome(
        verdicts=verdicts,
        columns=documents.map("columns", cluster_columns, columns=present, zipped=[members]),
        files=published,
        artifacts=artifacts,
        summary=summary_of(documents, members, terms),
    )


def _keyed(
    batches: Batches, shard: int, *, partitions: int, terms: tuple[Term, ...], parameters: ExactParameters
) -> Batches:
    for batch in batches:
        values = batch.column(parameters.by).to_pylist()
        rows = [index for index, value in enumerate(values) if value is not None]  # what has no URL has no twin
        if isinstance(parameters, UrlParameters):
            keys = [canonical_url(values[row], parameters.without_rules) for row in rows]
        else:
            keys = [normalized_text(values[row], parameters.normalize) for row in rows]
        hashed = [xxhash.xxh3_128_intdigest(key.encode("utf-8", "surrogatepass")) for key in keys]
        high = np.array([key >> 64 for key in hashed], dtype=np.uint64)
        low = np.array([key & (2**64 - 1) for key in hashed], dtype=np.uint64)
        present = batch.take(pa.array(rows, type=pa.int64())) if len(rows) < len(values) else batch
        target = partition_of(high, partitions)  # ranges of keys, as indexes of earlier runs are cut
        yield candidate_rows(present, shard, high, low, target=target, terms=terms, parameters=parameters)


def _url_verdicts(batches: Batches, shard: int, members: Batches, *, without: tuple[str, ...]) -> Batches:
    reader = SortedReader(members)
    yield empty(ROW_VERDICTS)
    for batch in batches:
        if batch.num_rows == 0:
            continue
        known = reader.until(int(batch.column("row")[-1].as_py()))
        if known is None:
            continue
        urls, rows = batch.column("url"), column(batch, "row")

        def canonical(dropped: pa.RecordBatch, urls: pa.Array = urls, rows: Any = rows) -> pa.Array:
            places = np.searchsorted(rows, column(dropped, "row"))
            return pa.array([canonical_url(urls[place].as_py(), without) for place in places], type=pa.string())

        for part in known.to_batches():
            yield verdict_rows("duplicate_url", None, part, canonical)


def _text_verdicts(batches: Batches, shard: int) -> Batches:
    def digest(dropped: pa.RecordBatch) -> pa.Array:
        keys = zip(column(dropped, "high").tolist(), column(dropped, "low").tolist(), strict=True)
        return pa.array([f"{high:016x}{low:016x}" for high, low in keys], type=pa.string())

    yield empty(ROW_VERDICTS)
    for batch in batches:
        yield verdict_rows("duplicate_text", None, batch, digest)
