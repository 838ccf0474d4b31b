"""From token shards to batches: `Schedule` lays the documents of a `TokenDataset` out as one endless stream and cuts it
into rows, `batch_at` gives the rows of step s. A batch is a function of (data, mix, seed, step) alone, so world size,
loader workers and resuming cannot change it; the loader's state is the next step.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np

from model.shards import DataError, TokenDataset

BLOCK_TOKENS = (1 << 17, 1 << 24)
"""Rows are met in random order within blocks of the stream: an epoch of the scarcest domain, but at least and at most
so many tokens. A web document is longer than a row: rows in the order of the stream make a small model's batch of one
or two documents, and a short run's whole training of a few hundred, which differ from seed to seed by more than data
choices do."""

IGNORE = -100
"""Target of a position that is not scored."""


@dataclass(frozen=True)
class Batch:
    """One step's rows. `inputs`, `targets`, `domain`, `document`: (rows, sequence length)."""

    inputs: np.ndarray
    targets: np.ndarray
    """`inputs` one token later: rows overlap by one, so that every token of the stream is predicted once."""
    domain: np.ndarray
    """Domain of each target, index into `TokenDataset.domains`."""
    document: np.ndarray
    """Which document of the stream each input belongs to: for document masking."""


def _hashes(ids: np.ndarray, seed: int, epoch: int) -> np.ndarray:
    """64 bits of each document's id, another for every seed and epoch."""
    key = hashlib.blake2b(digest_size=8, key=f"{seed}/{epoch}".encode())
    hashes = np.empty(len(ids), np.uint64)
    for i, document in enumerate(ids.tolist()):
        h = key.copy()
        h.update(document)
        hashes[i] = int.from_bytes(h.digest(), "big")
    return hashes


def _mixed(values: np.ndarray) -> np.ndarray:
    """SplitMix64's finalizer (Steele, Lea and Flood 2014): neighbouring numbers become unrelated ones."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


class Schedule:
    """The order in which text is met: documents concatenated, then cut into rows, the rows shuffled within blocks of
    `block_tokens` (default: see `BLOCK_TOKENS`; 0: not shuffled); nothing is cropped.

    Each domain is a queue: its documents in the order of their hashed ids, another for every epoch. With shares w,
    domain d's document that begins after c of the domain's tokens is placed at stream time c / w_d, so after t tokens
    each domain has had w_d·t of them, to within a document and a block. Without shares all documents form a single
    queue. A row's place in its block is the hash of the document it begins in and of how far in, so that arms that
    share documents meet the same text in matching order. Nothing depends on the length of the run: a longer run begins
    with the shorter one.
    """

    def __init__(
        self,
        data: TokenDataset,
        tokens: int,
        seed: int,
        mix: str | Mapping[str, float] = "dataset",
        split: str = "train",
        block_tokens: int | None = None,
    ) -> None:
        self.documents = data.split(split)
        self.domains = data.domains
        weights = data.weights(mix)
        if weights is None:
            queues = [(np.arange(len(self.documents)), 1.0)]
        else:
            queues = [
                (np.flatnonzero(self.documents.domain == data.domains.index(d)), w) for d, w in sorted(weights.items())
            ]
        held = [int(self.documents.n_tokens[members].sum()) for members, _ in queues]
        if block_tokens is None:
            scarcest = min(available / share for available, (_, share) in zip(held, queues, strict=True))
            block_tokens = int(min(max(scarcest, BLOCK_TOKENS[0]), BLOCK_TOKENS[1]))
        self.block_tokens = block_tokens
        tokens += block_tokens  # the last block is laid out whole, however little of it is met
        docs, hashed, times = [], [], []
        for available, (members, share) in zip(held, queues, strict=True):
            # One document more than the share needs, so that the stream cannot end early.
            epochs = math.ceil((tokens * share + int(self.documents.n_tokens[members].max()) + 1) / available)
            hashes = [_hashes(self.documents.ids[members], seed, e) for e in range(epochs)]
            orders = [np.argsort(h, kind="stable") for h in hashes]
            order = np.concatenate([members[o] for o in orders])
            lengths = self.documents.n_tokens[order]
            docs.append(order)
            hashed.append(np.concatenate([h[o] for h, o in zip(hashes, orders, strict=True)]))
            times.append((np.cumsum(lengths) - lengths) / share)
        merged = np.argsort(np.concatenate(times), kind="stable")
        self.order = np.concatenate(docs)[merged]
        lengths = self.documents.n_tokens[self.order]
        self.ends = np.cumsum(lengths)
        keep = int(np.searchsorted(self.ends, tokens + 1)) + 1
        self.order, self.ends = self.order[:keep], self.ends[:keep]
        self.hashes = np.concatenate(hashed)[merged][:keep]
        self.starts = self.ends - self.documents.n_tokens[self.order]
        self._rows_of_block: dict[tuple[int, int, int], np.ndarray] = {}

    def batch_at(self, step: int, rows: int, length: int, rank: int = 0, world: int = 1) -> Batch:
        """Step `step`: `rows` sequences of `length` tokens; `rank` of `world` gets its contiguous share of rows."""
        mine = rows // world
        first = step * rows + rank * mine
        parts = [self._stream(start, length + 1) for start in self._starts_of(first, mine, length)]
        stream, where = (np.stack(arrays) for arrays in zip(*parts, strict=True))
        domain = self.documents.domain[self.order[where]]
        return Batch(stream[:, :-1], stream[:, 1:], domain[:, 1:], where[:, :-1])

    def _starts_of(self, first: int, count: int, length: int) -> list[int]:
        """Where rows first, …, first + count - 1 begin in the stream."""
        a_block = max(1, self.block_tokens // length)
        return [int(self._block(row // a_block, a_block, length)[row % a_block]) for row in range(first, first + count)]

    def _block(self, block: int, rows: int, length: int) -> np.ndarray:
        """Where a block's rows begin in the stream, in the order in which they are met; of one row, that row."""
        key = (block, rows, length)
        found = self._rows_of_block.get(key)
        if found is None:
            found = np.arange(block * rows, (block + 1) * rows) * length
            if found[-1] >= self.ends[-1]:
                raise DataError(f"the schedule was laid out for {self.ends[-1]} tokens; block {block} goes beyond them")
            if rows > 1:
                place = np.searchsorted(self.ends, found, side="right")
                part = ((found - self.starts[place]) // length).astype(np.uint64)
                found = found[np.argsort(_mixed(self.hashes[place] + part), kind="stable")]
            # Loader threads ask for neighbouring blocks; older ones are not met again. The dict is replaced whole.
            kept = {k: v for k, v in self._rows_of_block.items() if k[0] >= block - 1}
            self._rows_of_block = {**kept, key: found}
        return found

    def _stream(self, first: int, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Tokens [first, first + count) of the stream, as int64, and the place in `order` of the document of each."""
        lo = int(np.searchsorted(self.ends, first, side="right"))
        hi = int(np.searchsorted(self.ends, first + count - 1, side="right"))
        if hi >= len(self.order):
            raise DataError(
                f"step asks for tokens up to {first + count}, the schedule was laid out for {self.ends[-1]}"
            )
        tokens, source = np.empty(count, np.int64), self.documents
        for place in range(lo, hi + 1):
            a, b = max(int(self.starts[place]), first), min(int(self.ends[place]), first + count)
            at = int(source.start[self.order[place]]) - int(self.starts[place])
            tokens[a - first : b - first] = source.tokens[at + a : at + b]
        places = np.arange(lo, hi + 1)
        return tokens, np.repeat(
            places, np.minimum(self.ends[places], first + count) - np.maximum(self.starts[places], first)
        )

    def document_ids(self, step: int, rows: int, length: int) -> list[str]:
        """Ids of the documents of a step, in order."""
        batch = self.batch_at(step, rows, length)
        return [self.documents.ids[self.order[p]].decode() for p in np.unique(batch.document)]

    def epochs(self, tokens: int) -> dict[str, float]:
        """Times each domain's tokens have been read after `tokens` tokens of the stream; within the last block, whose
        rows are met in random order, what is expected."""
        whole = tokens // self.block_tokens * self.block_tokens if self.block_tokens else tokens
        had = self._had(whole)
        if whole < tokens:
            had = had + (self._had(whole + self.block_tokens) - had) * ((tokens - whole) / self.block_tokens)
        held = np.bincount(self.documents.domain, weights=self.documents.n_tokens, minlength=len(self.domains))
        return {d: round(float(had[i] / held[i]), 6) for i, d in enumerate(self.domains) if held[i]}

    def _had(self, tokens: int) -> np.ndarray:
        """Tokens of each domain among the first `tokens` of the stream."""
        seen = np.minimum(self.ends, tokens) - np.minimum(self.starts, tokens)
        return np.bincount(self.documents.domain[self.order], weights=seen, minlength=len(self.domains))


@dataclass(frozen=True)
class LoaderState:
    """All that is needed to go on: the step whose batch comes next."""

    step: int = 0


def batches(
    schedule: Schedule,
    rows: int,
    length: int,
    steps: int,
    state: LoaderState,
    rank: int = 0,
    world: int = 1,
    workers: int = 1,
) -> Iterator[tuple[Batch, LoaderState]]:
    """Yield `(batch, state after it)` up to `steps`, `workers` threads ahead; 0 loads in the caller's thread."""
    if workers == 0:
        for step in range(state.step, steps):
            yield schedule.batch_at(step, rows, length, rank, world), LoaderState(step + 1)
        return
    with ThreadPoolExecutor(workers) as pool:
        ahead = [
            pool.submit(schedule.batch_at, s, rows, length, rank, world)
            for s in range(state.step, min(steps, state.step + 2 * workers))
        ]
        for step in range(state.step, steps):
            batch = ahead.pop(0).result()
            if (following := step + 2 * workers) < steps:
                ahead.append(pool.submit(schedule.batch_at, following, rows, length, rank, world))
            yield batch, LoaderState(step + 1)
