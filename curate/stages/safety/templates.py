"""`template_spam`: pages spun from one template over many hosts, with the place, the trade or the brand exchanged.

Of each sentence only a frame is looked at: its short words, with whatever stands between them left open. A frame that
many hosts fill in as many different ways is spun; equal sentences, such as a press release or a licence, have one
filling and do not count. A page goes by the share of its words that stand in spun sentences. Counting is exact but for
frames with one 64-bit hash. Scripts that put no space between words have no such frames: their pages stay.
"""

from __future__ import annotations

import re
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
    parameter,
)
from curate.stages.dedup.references import empty, partitions_for
from curate.stages.safety.spread import measured, occurrences, placed, told, verdicts, wide_keys
from curate.stages.safety.terms import sentences_of
from curate.urls import url_host

MAX_FRAME_WORD = 3
"""Letters of a word that belongs to the frame: articles, prepositions, pronouns; what is exchanged is longer."""
MIN_FRAME_WORDS = 5
"""Of a frame that says something: `* is a * of the *` is everybody's."""
MAX_SENTENCES = 200
"""Of a page looked at."""
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")

FRAMES = occurrences(("host", "filling"))
FRAME_BYTES = 44.0


class TemplateSpamParameters(FilterParameters):
    """Parameters of `template_spam`."""

    min_hosts: int = parameter(
        5, "hosts that fill a sentence's frame, each way of filling it counted too, before it counts as spun", ge=2
    )
    max_share: float = parameter(
        0.5, "share of a page's words in spun sentences above which it goes", role="decide", ge=0, le=1
    )


class TemplateSpam(GlobalStage):
    """Drops pages of one template spun over many hosts.

    Signal: `score`, the share of a page's words that stand in sentences spun over many hosts."""

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
        wide = frames.map("wide", partial(wide_keys, values=("host", "filling"), least=asked.min_hosts))
        spun = frames.exchange("spun", told, by="shard", partitions=documents.n_shards, sort=["row"], zipped=[wide])
        measure = partial(measured, label=self.label, weigh=_words)
        scored = documents.map("measured", measure, columns=["row", "text"], zipped=[spun])
        fallen = None
        if asked.mode == "filter":
            judge = partial(verdicts, label=self.label, rule="template_over_hosts", most=asked.max_share)
            fallen = scored.map("verdicts", judge)
        return GlobalOutcome(verdicts=fallen, columns=scored, summary={"spun_frames": wide.n_rows})


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
        yield placed(FRAMES, hashed[0], hashed[1:], shard, owners, lengths, partitions)


def _words(batch: pa.RecordBatch) -> NDArray[np.int64]:
    return np.array([len(_WORD.findall(text or "")) for text in batch.column("text").to_pylist()])
