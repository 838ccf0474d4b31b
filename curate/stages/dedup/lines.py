"""Lines or paragraphs that many documents share: headers, footers, menus, cookie notices.

A line counts once a document, within its host or in the whole collection, after folding case and whitespace.
Counting is exact but for two lines with one 64-bit hash. Lines that too many documents share leave the text, and
documents of which too little is left leave the collection.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import pyarrow as pa
import xxhash
from numpy.typing import NDArray

from curate.kernels.units import find_units
from curate.stage import Batches, Collection, GlobalContext, GlobalOutcome
from curate.stages.code_lines import are_code, code_column, known_code
from curate.stages.dedup.clusters import ROW_VERDICTS
from curate.stages.dedup.parameters import LinesParameters, ParagraphsParameters
from curate.stages.dedup.references import (
    SortedReader,
    column,
    empty,
    partitions_for,
    references,
)
from curate.stages.dedup.repeats import PIECE_BYTES, PIECE_ORDER, id_orders, pieces, repeats
from curate.stages.words import utf8_buffers
from curate.urls import url_host

_SPLITS = {"lines": re.compile(r"(\n)"), "paragraphs": re.compile(r"(\n[^\S\n]*\n\s*)")}
HOST = -1
"""The place of the piece that stands for a document's host; it occurs in all documents of the host."""


@dataclass(frozen=True)
class SharedPieces:
    """Which pieces go."""

    by: Literal["lines", "paragraphs"]
    within: Literal["host", "collection"]
    min_documents: int
    min_characters: int
    min_share: float | None = None
    """If given, also only those in at least this share of the host's documents; documents without a host keep all."""
    spares_code: bool = False
    """Whether lines of code stay, whatever other documents have."""


def split_pieces(text: str, by: str) -> list[str]:
    """Pieces at even places, what separates them at odd ones; joined, they are the text."""
    return _SPLITS[by].split(text)


def deduplicate_lines(
    documents: Collection, parameters: LinesParameters | ParagraphsParameters, context: GlobalContext, label: str
) -> GlobalOutcome:
    """Removes shared lines, then documents left with too few words."""
    spares_code = isinstance(parameters, LinesParameters) and parameters.keep_code
    wanted = SharedPieces(
        parameters.by, parameters.within, parameters.min_documents, parameters.min_characters, spares_code=spares_code
    )
    edited = without_shared(documents, wanted, context, label)
    return edited_outcome(edited, label, f"too_short_without_{parameters.by}", parameters.min_words, parameters.mode)


def without_shared(documents: Collection, wanted: SharedPieces, context: GlobalContext, label: str) -> Collection:
    """For each document `row`, the `text` without shared pieces, and the signals of `edited_rows`."""
    code = code_column(documents.schema) if wanted.spares_code else None
    names = ["row", "id", "text", *(["url"] if wanted.within == "host" else []), *([code] if code else [])]
    # Web text has a line for every 100 bytes or so, and is compressed about threefold in its files.
    partitions = partitions_for(int(3 * documents.n_bytes / 100) + 1, PIECE_BYTES, context, documents.n_shards)
    split = partial(_split, partitions=partitions, wanted=wanted)
    found = documents.exchange("pieces", split, by="partition", partitions=partitions, sort=PIECE_ORDER, columns=names)
    shared = repeats(found, "repeats", documents.n_shards, wanted.min_documents, keep_first=False)
    return documents.map(
        "edited", partial(_edited, wanted=wanted, label=label), columns=["row", "text"], zipped=[shared]
    )


def _split(batches: Batches, shard: int, *, partitions: int, wanted: SharedPieces) -> Batches:
    for batch in batches:
        found: list[tuple[int, int, int]] = []
        urls = batch.column("url").to_pylist() if wanted.within == "host" else None
        texts = batch.column("text").to_pylist()
        code = known_code(batch, len(texts)) if wanted.spares_code else None
        for row, text in enumerate(texts):
            host = url_host(urls[row]) if urls is not None else ""
            if wanted.min_share is not None:
                if not host:
                    continue
                found.append((_key(host), row, HOST))
            scope = f"{host}\n" if urls is not None else ""
            units = split_pieces(text or "", wanted.by)[::2]
            spared = are_code(units, code[row]) if code else [False] * len(units)
            for place, (piece, stays) in enumerate(zip(units, spared, strict=True)):
                folded = " ".join(piece.casefold().split())
                if len(folded) >= wanted.min_characters and not stays:
                    found.append((_key(scope + folded), row, place))
        keys, owners, places = zip(*found, strict=True) if found else ((), (), ())
        owner = np.array(owners, dtype=np.int64)
        orders = id_orders(batch.column("id").to_pylist())[owner]
        refs = references(shard, column(batch, "row"))[owner]
        yield pieces(np.array(keys, dtype=np.uint64), orders, refs, np.array(places, dtype=np.int64), partitions)


def _key(piece: str) -> int:
    return xxhash.xxh3_64_intdigest(piece.encode("utf-8", "surrogatepass"))


def _edited(batches: Batches, shard: int, shared: Batches, *, wanted: SharedPieces, label: str) -> Batches:
    reader = SortedReader(shared)
    for batch in batches:
        rows, texts = column(batch, "row"), batch.column("text").to_pylist()
        known = reader.until(int(rows[-1])) if len(rows) else None
        removed: dict[int, set[int]] = {}
        if known is not None and known.num_rows:
            owners, places = np.searchsorted(rows, column(known, "row")), column(known, "place")
            goes = places != HOST
            if wanted.min_share is not None:
                pages = np.ones(len(rows))
                pages[owners[~goes]] = column(known, "documents")[~goes]
                goes &= column(known, "documents") / pages[owners] >= wanted.min_share
            for owner, place in zip(owners[goes].tolist(), places[goes].tolist(), strict=True):
                removed.setdefault(owner, set()).add(place)
        for row, gone in removed.items():
            parts = split_pieces(texts[row], wanted.by)
            kept = [index for index in range(0, len(parts), 2) if index // 2 not in gone]
            # Each piece that stays keeps the separator behind it, the last none.
            texts[row] = "".join(parts[i] + (parts[i + 1] if i + 1 < len(parts) else "") for i in kept).rstrip("\n")
        counts = [len(removed.get(row, ())) for row in range(len(texts))]
        yield edited_rows(batch, texts, counts, f"{wanted.by}_removed", label)


def edited_rows(
    batch: pa.RecordBatch, texts: list[str | None], counts: list[int], field: str, label: str
) -> pa.RecordBatch:
    """`row`, the new `text`, and the signals: how many pieces went, and the words left."""
    text = pa.array(texts, type=batch.schema.field("text").type)
    words = np.diff(find_units(*utf8_buffers(text)).first)
    signals = pa.StructArray.from_arrays([pa.array(counts, pa.int64()), pa.array(words)], [field, "words_left"])
    return pa.RecordBatch.from_arrays(
        [batch.column("row").cast(pa.int64()), text, signals], names=["row", "text", label]
    )


def edited_outcome(edited: Collection, label: str, rule: str, min_words: int, mode: str) -> GlobalOutcome:
    """Joins the edited texts and drops those of which too little is left."""
    totals = {"documents_changed": 0, "pieces_removed": 0, "dropped": 0}
    for batch in edited.map("edit-counts", partial(_tally, label=label, min_words=min_words)).batches():
        for name in totals:
            totals[name] += int(column(batch, name).sum())
    verdicts = None
    if mode == "filter":
        verdicts = edited.map(
            "verdicts", partial(_too_short, label=label, rule=rule, min_words=min_words), columns=["row", label]
        )
    else:
        totals["dropped"] = 0
    return GlobalOutcome(verdicts=verdicts, columns=edited, summary=totals)


def _signals(batch: pa.RecordBatch, label: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    removed, words = batch.column(label).flatten()
    return removed.to_numpy(), words.to_numpy()


def _tally(batches: Batches, shard: int, *, label: str, min_words: int) -> Batches:
    changed = pieces_removed = dropped = 0
    for batch in batches:
        removed, words = _signals(batch, label)
        changed += int((removed > 0).sum())
        pieces_removed += int(removed.sum())
        dropped += int(((removed > 0) & (words < min_words)).sum())
    names = ("documents_changed", "pieces_removed", "dropped")
    yield pa.RecordBatch.from_pydict(
        {name: pa.array([n], pa.int64()) for name, n in zip(names, (changed, pieces_removed, dropped), strict=True)}
    )


def _too_short(batches: Batches, shard: int, *, label: str, rule: str, min_words: int) -> Batches:
    """Only documents that lost something are judged: what was short before is the business of other stages."""
    yield empty(ROW_VERDICTS)
    for batch in batches:
        removed, words = _signals(batch, label)
        rows = np.flatnonzero((removed > 0) & (words < min_words))
        arrays = [
            batch.column("row").take(pa.array(rows)),
            pa.array([rule] * len(rows), pa.string()),
            pa.array([str(n) for n in words[rows]], pa.string()),
            pa.array([str(min_words)] * len(rows), pa.string()),
            pa.nulls(len(rows), pa.string()),
        ]
        yield pa.RecordBatch.from_arrays(arrays, schema=ROW_VERDICTS)
