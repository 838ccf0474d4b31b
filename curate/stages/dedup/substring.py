"""Runs of words that several documents share, found whole and removed from all but one.

Guarantee: a word is removed if and only if it lies in a run of at least `length` words that also stands in an
earlier document (in the order of hashed ids), save for two windows with one 64-bit hash. Rather than every window
of every document, only those around a winnowed anchor that two documents share are counted: a repeated window
selects a repeated anchor, so none is missed, and a text that repeats nothing costs a few rows.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from curate.kernels.units import find_units
from curate.kernels.windows import anchored_windows, covered_runs, winnow
from curate.stage import Batches, Collection, GlobalContext, GlobalOutcome
from curate.stages.dedup.lines import edited_outcome, edited_rows
from curate.stages.dedup.parameters import SubstringParameters
from curate.stages.dedup.references import (
    SortedReader,
    column,
    partitions_for,
    references,
)
from curate.stages.dedup.repeats import PIECE_BYTES, PIECE_ORDER, id_orders, pieces, repeats
from curate.stages.words import utf8_buffers

WORD_BYTES = 6
"""Bytes of text a word, about."""


def deduplicate_substring(
    documents: Collection, parameters: SubstringParameters, context: GlobalContext, label: str
) -> GlobalOutcome:
    """Removes repeated runs, then documents left with too few words."""
    length, gram = parameters.length, parameters.length // 2
    words = 3 * documents.n_bytes / WORD_BYTES
    names = ["row", "id", "text"]
    partitions = partitions_for(int(2 * words / (length - gram)) + 1, PIECE_BYTES, context, documents.n_shards)
    anchors = documents.exchange(
        "anchors",
        partial(_anchors, partitions=partitions, gram=gram, length=length),
        by="partition",
        partitions=partitions,
        sort=PIECE_ORDER,
        columns=names,
    )
    shared = repeats(anchors, "shared-anchors", documents.n_shards, 2, keep_first=False)
    partitions = partitions_for(shared.n_rows * (length - gram), PIECE_BYTES, context, documents.n_shards)
    windows = documents.exchange(
        "windows",
        partial(_windows, partitions=partitions, gram=gram, length=length),
        by="partition",
        partitions=partitions,
        sort=PIECE_ORDER,
        columns=names,
        zipped=[shared],
    )
    marked = repeats(windows, "repeats", documents.n_shards, 2, keep_first=parameters.keep == "first")
    edited = documents.map(
        "edited", partial(_edited, length=length, label=label), columns=["row", "text"], zipped=[marked]
    )
    return edited_outcome(edited, label, "too_short_without_repeats", parameters.min_words, parameters.mode)


def _anchors(batches: Batches, shard: int, *, partitions: int, gram: int, length: int) -> Batches:
    for batch in batches:
        units = find_units(*utf8_buffers(batch.column("text")))
        owners, keys = winnow(units.hashes, units.first, gram, length)
        orders = id_orders(batch.column("id").to_pylist())[owners]
        refs = references(shard, column(batch, "row"))[owners]
        yield pieces(keys, orders, refs, np.zeros(len(keys), dtype=np.int64), partitions)


def _windows(batches: Batches, shard: int, shared: Batches, *, partitions: int, gram: int, length: int) -> Batches:
    reader = SortedReader(shared)
    nothing = np.empty(0, dtype=np.uint64)
    yield pieces(nothing, nothing, nothing, np.empty(0, dtype=np.int64), partitions)
    for batch in batches:
        rows = column(batch, "row")
        known = reader.until(int(rows[-1])) if len(rows) else None
        if known is None or known.num_rows == 0:
            continue
        units = find_units(*utf8_buffers(batch.column("text")))
        orders, refs = id_orders(batch.column("id").to_pylist()), references(shard, rows)
        for document, asked in _by_document(rows, known, "key"):
            low, high = units.first[document], units.first[document + 1]
            places, keys = anchored_windows(units.hashes, low, high, gram, length, np.sort(asked))
            n = len(places)
            yield pieces(keys, np.repeat(orders[document], n), np.repeat(refs[document], n), places, partitions)


def _by_document(rows: NDArray[np.int64], known: pa.Table, name: str) -> list[tuple[int, NDArray[Any]]]:
    """(document's place in the batch, its values) of rows sorted by document."""
    owners, starts = np.unique(column(known, "row"), return_index=True)
    parts = np.split(column(known, name), starts[1:])
    return list(zip(np.searchsorted(rows, owners).tolist(), parts, strict=True))


def _edited(batches: Batches, shard: int, marked: Batches, *, length: int, label: str) -> Batches:
    reader = SortedReader(marked)
    for batch in batches:
        rows, texts = column(batch, "row"), batch.column("text").to_pylist()
        counts = [0] * len(texts)
        known = reader.until(int(rows[-1])) if len(rows) else None
        if known is not None and known.num_rows:
            octets, offsets = utf8_buffers(batch.column("text"))
            units = find_units(octets, offsets)
            for document, places in _by_document(rows, known, "place"):
                first, end = units.first[document], offsets[document + 1]
                kept, position = [], offsets[document]
                runs = covered_runs(np.unique(places), length)
                for low, high in runs:
                    kept.append(octets[position : units.start[first + low]].tobytes())
                    last = first + high == units.first[document + 1]
                    # What follows a run up to the next word goes with it: its punctuation and its blank.
                    position = end if last else units.start[first + high]
                kept.append(octets[position:end].tobytes())
                texts[document] = b"".join(kept).decode("utf-8")
                counts[document] = int((runs[:, 1] - runs[:, 0]).sum())
        yield edited_rows(batch, texts, counts, "words_removed", label)
