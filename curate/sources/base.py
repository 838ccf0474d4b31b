"""What a source is asked for and what it answers: shards in, events out.

A `Shard` is the unit of work: a byte range of a WARC, a row-group range of a Parquet file, a whole JSONL file or
a group of HTML files. Reading one yields `Event`s: batches of documents, records that are no documents with the
reason, failures, and at its end the `Extent` by which neighbouring ranges are checked against each other.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, NamedTuple, TypeAlias

import pyarrow as pa


class InputError(ValueError):
    """The `input:` of a recipe is wrong: it names the pattern or key, what was found and what is allowed."""


@dataclass(frozen=True)
class Shard:
    """A piece of the input that one task reads; picklable, and JSON by `to_json`."""

    kind: str
    """`warc`, `wet`, `arc`, `parquet`, `jsonl` or `html`."""
    path: str
    """File path or fsspec URL; for a group of HTML files the first of them."""
    start: int
    """First byte of the range (WARC), or first row group (Parquet)."""
    end: int
    """One past the last byte, or past the last row group."""
    size: int
    """Bytes of the file, or of the group of files."""
    options: tuple[tuple[str, Any], ...] = ()
    """What the recipe says about this input, such as the name of the text column."""
    exact: bool = False
    """Whether `start` is known to be the first byte of a record; otherwise the reader looks for the next one."""
    version: str = ""
    """Modification time or ETag, so that a changed file is read anew."""
    paths: tuple[str, ...] = ()
    """A group's files (HTML)."""

    def option(self, name: str, default: Any = None) -> Any:
        """What the recipe says about this input, or the default."""
        return dict(self.options).get(name, default)

    def to_json(self) -> dict[str, Any]:
        """The shard as plain JSON."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Shard:
        """The shard that `to_json` wrote."""
        options = tuple((str(name), _frozen(option)) for name, option in value["options"])
        return cls(**{**value, "options": options, "paths": tuple(value["paths"])})


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value


@dataclass(frozen=True)
class Documents:
    """A batch: schema PAGE from web sources; TEXT and whatever columns the input carries from others."""

    batch: pa.RecordBatch


class SkippedRecord(NamedTuple):
    """A record that was read and is no document, and why."""

    source: str
    offset: int | None
    length: int | None
    url: str | None
    record_type: str
    reason: str
    """Such as `warcinfo`, `request`, `revisit`, `status_404`, `mime_image/png`, `empty_body`."""


@dataclass(frozen=True)
class Skipped:
    """Records that are no documents."""

    rows: Sequence[SkippedRecord]


@dataclass(frozen=True)
class Failure:
    """A dead letter: a record, a stretch of bytes or a whole file that cannot be read."""

    source: str
    offset: int | None
    length: int | None
    url: str | None
    id: str | None
    """The id that the document would have had; None for a stretch of bytes that is no record."""
    error: str


@dataclass(frozen=True)
class Extent:
    """Where a shard's first record begins, and where the first record after its last one does. A range in which
    no record begins has both at the place of the next one (the size of the file at its end)."""

    first_offset: int
    next_offset: int


Event: TypeAlias = Documents | Skipped | Failure | Extent
Events: TypeAlias = Iterator[Event]


def chain(extents: Sequence[tuple[Shard, Extent | None]]) -> list[tuple[int, Shard]]:
    """Shards to be read again, each with its place in `extents`: at most one a file, the first whose range began
    elsewhere than its predecessor ended. Call again with what that gives until the answer is empty.

    A range starts at the next gzip member that begins a WARC record, and a page that is itself a `.warc.gz` can
    hold such a member, stored without compression. The reader of the range before, who came from a true start,
    knows better: so its `next_offset` rules.
    """
    wrong: dict[str, tuple[int, Shard]] = {}
    before: dict[str, int] = {}
    for place, (shard, extent) in enumerate(extents):
        if extent is None or shard.path in wrong:
            continue
        expected = before.get(shard.path)
        if expected is not None and extent.first_offset != expected:
            wrong[shard.path] = (place, replace(shard, start=expected, exact=True))
        before[shard.path] = extent.next_offset
    return list(wrong.values())


def fingerprint(shards: Sequence[Shard]) -> str:
    """A hash of what would be read: kind, path, range, size and version of every shard, in order."""
    digest = hashlib.sha256()
    for shard in shards:
        digest.update(json.dumps(shard.to_json(), sort_keys=True).encode())
        digest.update(b"\n")
    return digest.hexdigest()
