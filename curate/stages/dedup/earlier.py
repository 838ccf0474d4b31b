"""Indexes of earlier runs: what `deduplicate` leaves for later runs, and how those look their documents up.

An index holds the key of every document that a run saw (bands of signatures, hashes of texts or URLs), sorted, each
with the id of the document that stands for it. A later run reads it beside its own sorted keys, range by range, and
puts the earlier document at the head of the cluster that it matches: its own members of that cluster all go.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import xxhash
from numpy.typing import NDArray

from curate.stage import Batches, Collection, Files
from curate.stages.dedup.references import U64, SortedReader, column

FORMAT = 1
"""Version of the index's files and of the hash functions behind its keys."""

INDEX = pa.schema([("high", pa.uint64()), ("low", pa.uint64()), ("id", pa.string())])
"""Sorted by key (high, low), which is there once. Keys of 64 bits have a `low` of 0."""

EARLIER = np.uint64(2**64 - 1)
"""Reference of a document that is not in this run."""

_DIGEST = pa.schema([("rows", pa.int64()), ("first", pa.uint64()), ("last", pa.uint64()), ("digest", pa.string())])


class EarlierRunError(ValueError):
    """`against` names what cannot be looked up in."""


@dataclass(frozen=True)
class IndexFile:
    """One range of keys of an earlier index."""

    url: str
    rows: int
    first: int
    last: int
    """The least and the greatest `high`."""
    digest: str


# ---------------------------------------------------------------------------------------- leaving an index


def index_files(index: Collection, settings: dict[str, Any], label: str, recipe: str) -> tuple[Files, bytes]:
    """The files of an index whose partitions are ascending ranges of keys, and the JSON that describes them."""
    names = [f"{number:05d}.parquet" for number in range(index.n_shards)]
    rows = [row for batch in index.map("index-digest", _digested).batches() for row in batch.to_pylist()]
    files = [{"name": f"{label}/{name}"} | row for name, row in zip(names, rows, strict=True) if row["rows"]]
    described = {"settings": settings, "recipe_hash": recipe, "files": files}
    return Files(f"index/{label}", index, names), json.dumps(described, indent=1).encode()


def _digested(batches: Batches, shard: int) -> Batches:
    digest = xxhash.xxh3_128()
    rows, first, last = 0, 0, 0
    for batch in batches:
        if batch.num_rows:
            high = column(batch, "high")
            first, last = (first if rows else int(high[0])), int(high[-1])
            rows += batch.num_rows
            digest.update(high.tobytes() + column(batch, "low").tobytes())
            digest.update("\n".join(batch.column("id").to_pylist()).encode())
    row = {"rows": rows, "first": first, "last": last, "digest": digest.hexdigest()}
    yield pa.RecordBatch.from_pylist([row], schema=_DIGEST)


# ---------------------------------------------------------------------------------------- finding indexes


def earlier_files(patterns: Sequence[str], settings: dict[str, Any], recipe: str | None = None) -> list[IndexFile]:
    """The index files of the runs that `patterns` (folders, globs or fsspec URLs) name.

    EarlierRunError for a pattern without an index, for a run whose indexes were all made otherwise than with
    `settings`, and for the run of `recipe` itself.
    """
    runs: dict[str, list[dict[str, Any]]] = {}
    for pattern in patterns:
        filesystem, path = fsspec.core.url_to_fs(pattern)
        names = sorted(filesystem.glob(f"{path.rstrip('/')}/index/*.json"))
        if not names:
            raise EarlierRunError(
                f"deduplicate: against: {pattern!r} names no run with an index (index/*.json); "
                "an earlier run leaves one with `index: true` in its deduplicate stage"
            )
        for name in names:
            folder = filesystem.unstrip_protocol(name.rpartition("/")[0])
            runs.setdefault(folder, []).append(json.loads(filesystem.cat_file(name)))
    files: dict[str, IndexFile] = {}
    for folder, indexes in sorted(runs.items()):
        fitting = [index for index in indexes if index["settings"] == settings]
        if not fitting:
            made = "; ".join(json.dumps(index["settings"]) for index in indexes)
            raise EarlierRunError(
                f"deduplicate: against: {folder} was made with {made}; this stage needs {json.dumps(settings)}: "
                "give both runs the same parameters"
            )
        for index in fitting:
            if recipe and index["recipe_hash"] == recipe:
                raise EarlierRunError(
                    f"deduplicate: against: {folder} is this run's own index; name earlier runs alone"
                )
            for file in index["files"]:
                url = f"{folder}/{file['name']}"
                files[url] = IndexFile(url, file["rows"], file["first"], file["last"], file["digest"])
    return list(files.values())


def earlier_digest(patterns: Sequence[str], settings: dict[str, Any]) -> str:
    """Hash of what the indexes hold, wherever they lie: another answer when an earlier run's index changed."""
    digests = sorted(f"{file.digest} {file.rows}" for file in earlier_files(patterns, settings))
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


# ---------------------------------------------------------------------------------------- looking up


class Lookup:
    """Earlier indexes read along with ascending keys: every row group at most once, those out of range never."""

    def __init__(self, files: Sequence[IndexFile]) -> None:
        self._files = files
        self._open: dict[str, _Along] = {}

    def match(self, high: U64, low: U64) -> list[str | None]:
        """For each of the keys, which ascend from call to call: the least id that stands for it, if any."""
        best: list[str | None] = [None] * len(high)
        if not len(high):
            return best
        for file in self._files:
            if file.last < int(high[0]):
                self._open.pop(file.url, None)
            elif file.first <= int(high[-1]):
                along = self._open.setdefault(file.url, _Along(file.url, int(high[0])))
                for place, id in along.match(high, low):
                    known = best[place]
                    best[place] = id if known is None else min(known, id)
        return best


class _Along:
    """One index file, from a key on."""

    def __init__(self, url: str, start: int) -> None:
        self._reader = SortedReader(_from(url, start), "high")
        self._last: pa.Table = INDEX.empty_table()
        """The rows of the last key read: the next keys may begin with it."""

    def match(self, high: U64, low: U64) -> Iterator[tuple[int, str]]:
        more = self._reader.until(int(high[-1]))
        known = self._last if more is None else pa.concat_tables([self._last, more]).combine_chunks()
        if not known.num_rows:
            return
        highs = column(known, "high")
        keys, wanted = _whole(highs, column(known, "low")), _whole(high, low)
        places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        hits = np.flatnonzero(keys[places] == wanted)
        ids = known.column("id").take(pa.array(places[hits])).to_pylist()
        self._last = known.slice(int(np.searchsorted(highs, highs[-1])))
        yield from zip(hits.tolist(), ids, strict=True)


def _whole(high: U64, low: U64) -> NDArray[Any]:
    """Keys as 16 bytes, which sort as the pair (high, low) does."""
    pairs = np.empty((len(high), 2), dtype=">u8")
    pairs[:, 0], pairs[:, 1] = high, low
    return pairs.view("S16").reshape(-1)


def _from(url: str, start: int) -> Batches:
    with fsspec.open(url, "rb") as source:
        file = pq.ParquetFile(source)
        place = file.schema_arrow.get_field_index("high")
        groups = []
        for number in range(file.metadata.num_row_groups):
            known = file.metadata.row_group(number).column(place).statistics
            if known is None or not known.has_min_max or known.max >= start:
                groups.append(number)
        for batch in file.iter_batches(batch_size=1 << 16, row_groups=groups, columns=INDEX.names):
            yield batch.select(INDEX.names)
