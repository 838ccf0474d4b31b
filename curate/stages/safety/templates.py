"""`template_spam`: pages spun from one template over many hosts, with the place, the trade or the brand exchanged.

Of each sentence only a frame is looked at: its short words, with whatever stands between them left open. A frame that
many hosts fill in as many different ways is spun; equal sentences, such as a press release or a licence, have one
filling and do not count. A page goes by the share of its words that stand in spun sentences. Counting is exact but for
frames with one 64-bit hash. Scripts that put no space between words have no such frames: their pages stay.
"""

from __future__ import annotations

import re
from functools import partial
from typing import Any, cast

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
    as_text,
    parameter,
)
from curate.stages.dedup.clusters import ROW_VERDICTS
from curate.stages.dedup.references import SortedReader, column, empty, partition_of, partitions_for
from curate.stages.safety.terms import sentences_of
from curate.urls import url_host

MAX_FRAME_WORD = 3
"""Letters of a word that belongs to the frame: articles, prepositions, pronouns; what is exchanged is longer."""
MIN_FRAME_WORDS = 5
"""Of a frame that says something: `* is a * of the *` is everybody's."""
MAX_SENTENCES = 200
"""Of a page looked at."""
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")

FRAMES = pa.schema(
    [
        ("partition", pa.int32()),
        ("key", pa.uint64()),
        ("host", pa.uint64()),
        ("filling", pa.uint64()),
        ("shard", pa.int32()),
        ("row", pa.int64()),
        ("words", pa.int32()),
    ]
)
FRAME_BYTES = 44.0
SPUN = pa.schema([("shard", pa.int32()), ("row", pa.int64()), ("words", pa.int32())])
KEYS = pa.schema([("key", pa.uint64())])

U64 = NDArray[np.uint64]


class TemplateSpamParameters(FilterParameters):
    """Parameters of `template_spam`."""

    min_hosts: int = parameter(
        5, "hosts that fill a sentence's frame, each way of filling it counted too, before it counts as spun", ge=2
    )
    max_share: float = parameter(
        0.5, "share of a page's words in spun sentences above which it goes", role="decide", ge=0, le=1
    )


class TemplateSpam(GlobalStage):
    """Signal: `score`, the share of a page's words that stand in sentences spun over many hosts."""

    name = "template_spam"
    Parameters = TemplateSpamParameters
    reads = ("text", "url")

    def writes(self) -> tuple[str, ...]:
        return (self.label,)

    def run(self, documents: Collection, context: GlobalContext) -> GlobalOutcome:
        asked = cast(TemplateSpamParameters, self.parameters)
        # A sentence for every 100 bytes of text, which is compressed about threefold in its files.
        partitions = partitions_for(int(3 * documents.n_bytes / 100) + 1, FRAME_BYTES, context, documents.n_shards)
        frames = documents.exchange(
            "frames",
            partial(_frames, partitions=partitions),
            by="partition",
            partitions=partitions,
            sort=["key"],
            columns=["row", "text", "url"],
        )
        wide = frames.map("wide", partial(_wide, min_hosts=asked.min_hosts))
        spun = frames.exchange("spun", _told, by="shard", partitions=documents.n_shards, sort=["row"], zipped=[wide])
        measure = partial(_measured, label=self.label)
        measured = documents.map("measured", measure, columns=["row", "text"], zipped=[spun])
        verdicts = None
        if asked.mode == "filter":
            verdicts = measured.map("verdicts", partial(_verdicts, label=self.label, most=asked.max_share))
        return GlobalOutcome(verdicts=verdicts, columns=measured, summary={"spun_frames": wide.n_rows})


def frame_of(sentence: str) -> str | None:
    """The sentence's frame: short words in lower case, `*` for each run of others; None if it says too little."""
    frame: list[str] = []
    kept = 0
    for place, word in enumerate(_WORD.findall(sentence)):
        named = place > 0 and not word.islower() and word != "I"
        if len(word) <= MAX_FRAME_WORD and word.isalpha() and not named:
            frame.append(word.lower())
            kept += 1
        elif frame[-1:] != ["*"]:
            frame.append("*")
    return " ".join(frame) if kept >= MIN_FRAME_WORDS and "*" in frame else None


def _hash(text: str) -> int:
    return xxhash.xxh3_64_intdigest(text.encode("utf-8", "surrogatepass"))


def _frames(batches: Batches, shard: int, *, partitions: int) -> Batches:
    yield empty(FRAMES)
    for batch in batches:
        found: list[tuple[int, int, int, int, int]] = []
        rows, texts, urls = (batch.column(name).to_pylist() for name in ("row", "text", "url"))
        for row, text, url in zip(rows, texts, urls, strict=True):
            host = url_host(url)
            if not host:
                continue
            for sentence in sentences_of(text or "")[:MAX_SENTENCES]:
                frame = frame_of(sentence)
                if frame is not None:
                    words = _WORD.findall(sentence)
                    found.append((_hash(frame), _hash(host), _hash(" ".join(words).casefold()), row, len(words)))
        if not found:
            continue
        keys, hosts, fillings, owners, lengths = zip(*found, strict=True)
        hashed = [np.array(values, dtype=np.uint64) for values in (keys, hosts, fillings)]
        columns = [partition_of(hashed[0], partitions), *hashed, np.full(len(keys), shard), owners, lengths]
        yield pa.RecordBatch.from_arrays(
            [pa.array(values, field.type) for values, field in zip(columns, FRAMES, strict=True)], schema=FRAMES
        )


def _wide(batches: Batches, shard: int, *, min_hosts: int) -> Batches:
    """The keys of frames that at least `min_hosts` hosts fill in at least as many ways, ascending."""
    held = [np.empty(0, dtype=np.uint64)] * 3
    yield empty(KEYS)
    for batch in batches:
        if batch.num_rows == 0:
            continue
        now = [np.concatenate([old, column(batch, name)]) for old, name in zip(held, FRAMES.names[1:4], strict=True)]
        done = now[0] != now[0][-1]
        yield _keys(now[0][done], now[1][done], now[2][done], min_hosts)
        # The last key may go on in the next batch; as many of its rows stay as can make a difference.
        key, host, filling = (values[~done] for values in now)
        few = [np.unique(values, return_index=True)[1][:min_hosts] for values in (host, filling)]
        chosen = np.unique(np.concatenate(few))
        held = [values[chosen] for values in (key, host, filling)]
    yield _keys(held[0], held[1], held[2], min_hosts)


def _keys(keys: U64, hosts: U64, fillings: U64, least: int) -> pa.RecordBatch:
    found = np.intersect1d(_with(keys, hosts, least), _with(keys, fillings, least))
    return pa.RecordBatch.from_arrays([pa.array(found, pa.uint64())], schema=KEYS)


def _with(keys: U64, values: U64, least: int) -> U64:
    """The keys that have at least `least` different values."""
    order = np.lexsort((values, keys))
    keys, values = keys[order], values[order]
    new = np.ones(len(keys), dtype=bool)
    new[1:] = (keys[1:] != keys[:-1]) | (values[1:] != values[:-1])
    found, counts = np.unique(keys[new], return_counts=True)
    return found[counts >= least]


def _told(batches: Batches, shard: int, wide: Batches) -> Batches:
    """The sentences whose frame is wide."""
    reader = SortedReader(wide, "key")
    known = np.empty(0, dtype=np.uint64)
    yield empty(SPUN)
    for batch in batches:
        if batch.num_rows == 0:
            continue
        keys = column(batch, "key")
        more = reader.until(keys[-1])
        new = np.empty(0, dtype=np.uint64) if more is None else column(more, "key")
        known = np.concatenate([known[known >= keys[0]], new])
        yield batch.filter(pa.array(np.isin(keys, known))).select(SPUN.names)


def _measured(batches: Batches, shard: int, spun: Batches, *, label: str) -> Batches:
    reader = SortedReader(spun)
    schema = pa.schema([("row", pa.int64()), (label, pa.struct([("score", pa.float64())]))])
    yield empty(schema)
    for batch in batches:
        if batch.num_rows == 0:
            continue
        rows = column(batch, "row")
        n_words = np.array([len(_WORD.findall(text or "")) for text in batch.column("text").to_pylist()])
        told = reader.until(int(rows[-1]))
        spun_words = np.zeros(len(rows))
        if told is not None and told.num_rows:
            np.add.at(spun_words, np.searchsorted(rows, column(told, "row")), column(told, "words"))
        scores = pa.array(spun_words / np.maximum(n_words, 1))
        struct = pa.StructArray.from_arrays([scores], names=["score"])
        yield pa.RecordBatch.from_arrays([batch.column("row"), struct], schema=schema)


def _verdicts(batches: Batches, shard: int, *, label: str, most: float) -> Batches:
    yield empty(ROW_VERDICTS)
    for batch in batches:
        scores = batch.column(label).field("score").to_numpy(zero_copy_only=False)
        gone = np.flatnonzero(scores > most)
        table: dict[str, Any] = {
            "row": column(batch, "row")[gone],
            "rule": ["template_over_hosts"] * len(gone),
            "value": [as_text(float(scores[place])) for place in gone],
            "threshold": [as_text(most)] * len(gone),
            "duplicate_of": [None] * len(gone),
        }
        yield pa.RecordBatch.from_pydict(table, schema=ROW_VERDICTS)
