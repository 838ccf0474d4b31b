"""From a recipe's `input:` to shards. Only listings are read here: names, sizes and modification times; how a
file is cut follows from its size and name alone, so planning a dump of 90,000 files reads none of them."""

from __future__ import annotations

import contextlib
import glob
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from curate.documents import PAGE, TEXT
from curate.sources.base import InputError, Shard
from curate.sources.store import open_bytes
from curate.storage import reaching

SHARD_BYTES = 64_000_000
"""Default size of a range: a Common Crawl file of 1 GB gives 16, each some minutes of work for one core."""

MAX_PAGE_BYTES = 32 * 1024 * 1024
"""Default limit on a decompressed page; Common Crawl itself cuts pages at 5 MiB."""

PAGE_KINDS = ("warc", "arc", "html", "commoncrawl")
TEXT_KINDS = ("wet", "parquet", "jsonl")
KINDS = PAGE_KINDS + TEXT_KINDS

_OPTIONS: dict[str, tuple[str, ...]] = {
    "warc": ("max_page_bytes",),
    "arc": ("max_page_bytes",),
    "html": ("max_page_bytes",),
    "commoncrawl": ("max_page_bytes",),
    "wet": ("max_page_bytes",),
    "parquet": ("text", "id", "url", "date", "title"),
    "jsonl": ("text", "id", "url", "date", "title"),
}
_HTML_GROUP = 500
"""Files in one shard at most, so that a folder of small pages still keeps every core busy."""


@dataclass(frozen=True)
class _File:
    path: str
    size: int
    version: str


def plan(inputs: Mapping[str, Any]) -> list[Shard]:
    """The shards of a recipe's input, in order: kinds as PAGE_KINDS and TEXT_KINDS list them, paths sorted.

    `inputs` maps a kind to a glob, a path, a URL that fsspec knows, or a list of those; further keys are options:
    `shard_bytes` (ranges of WARC and Parquet), `max_page_bytes`, and the column names `text`, `id`, `url`, `date`,
    `title` of Parquet and JSONL. `commoncrawl: {dump, files, seed, mirror}` stands for the WARC files of a dump that
    it chooses, streamed from the mirror. InputError if a key is unknown, a pattern matches nothing, or pages and texts
    are mixed.
    """
    kinds = _kinds(inputs)
    if "commoncrawl" in kinds:
        from curate.sources.commoncrawl import shard_urls

        spec = inputs["commoncrawl"]
        return plan({name: value for name, value in inputs.items() if name != "commoncrawl"} | shard_urls(spec))
    shard_bytes = _number(inputs, "shard_bytes", SHARD_BYTES)
    _number(inputs, "max_page_bytes", MAX_PAGE_BYTES)
    shards: list[Shard] = []
    for kind in kinds:
        options = tuple((name, inputs[name]) for name in _OPTIONS[kind] if inputs.get(name) is not None)
        files = _files(kind, inputs[kind])
        shards += _groups(files, options, shard_bytes) if kind == "html" else _ranges(kind, files, options, shard_bytes)
    return shards


def schema(inputs: Mapping[str, Any]) -> pa.Schema:
    """The columns that every document of this input has: PAGE or TEXT. Parquet and JSONL may carry more."""
    return PAGE if _kinds(inputs)[0] in PAGE_KINDS else TEXT


def _kinds(inputs: Mapping[str, Any]) -> list[str]:
    kinds = [kind for kind in KINDS if inputs.get(kind) is not None]
    if not kinds:
        found = ", ".join(map(str, inputs)) or "nothing"
        raise InputError(f"input names no source: found {found}; allowed: {', '.join(KINDS)}")
    allowed = {"shard_bytes", *kinds, *(name for kind in kinds for name in _OPTIONS[kind])}
    for key in inputs:
        if key not in allowed and key not in KINDS:
            raise InputError(f"input.{key} is not a key of {' + '.join(kinds)}; allowed: {', '.join(sorted(allowed))}")
    if len({kind in PAGE_KINDS for kind in kinds}) > 1:
        raise InputError(
            f"input mixes pages ({', '.join(PAGE_KINDS)}) and texts ({', '.join(TEXT_KINDS)}): {', '.join(kinds)}; "
            "extract the pages in a recipe of their own, then read its output as parquet"
        )
    return kinds


def _number(inputs: Mapping[str, Any], key: str, default: int) -> int:
    value = inputs.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InputError(f"input.{key} is {value!r}; allowed: a whole number of bytes, at least 1")
    return value


# ---------------------------------------------------------------------------------------- listing


def _files(kind: str, patterns: Any) -> list[_File]:
    """The files that the patterns match, each once, sorted by path."""
    if isinstance(patterns, (str, os.PathLike)):
        patterns = [patterns]
    if not isinstance(patterns, Sequence) or not patterns:
        raise InputError(f"input.{kind} is {patterns!r}; allowed: a path, a glob, a URL, or a list of those")
    found: dict[str, _File] = {}
    for pattern in map(os.fspath, patterns):
        with reaching(f"input.{kind}: {pattern!r}"):
            matched = list(_remote(pattern) if "://" in pattern else _local(pattern))
        if not matched:
            raise InputError(
                f"input.{kind}: {pattern!r} matches no file (from {Path.cwd()}); allowed: a path, a glob such as "
                f"data/*.warc.gz (** for any depth), or a URL such as s3://bucket/folder/*.warc.gz"
            )
        found.update((file.path, file) for file in matched)
    return [found[path] for path in sorted(found)]


def _local(pattern: str) -> Iterator[_File]:
    pattern = str(Path(pattern).expanduser())
    paths = [pattern] if Path(pattern).exists() else glob.glob(pattern, recursive=True)  # noqa: PTH207 — paths as given
    for path in paths:
        status = Path(path).stat()
        if Path(path).is_file():
            yield _File(path, status.st_size, str(status.st_mtime_ns))
        elif path == pattern:
            raise InputError(f"{pattern!r} is a folder; name its files with a glob, such as {pattern.rstrip('/')}/*")


def _remote(pattern: str) -> Iterator[_File]:
    if pattern.startswith(("http://", "https://")):
        with contextlib.closing(open_bytes(pattern)) as file:
            yield _File(pattern, file.size, "")
        return
    import fsspec

    try:
        system, path = fsspec.url_to_fs(pattern)
        entries = system.glob(path, detail=True) if glob.has_magic(path) else {path: system.info(path)}
    except FileNotFoundError:
        return
    except (ImportError, ValueError) as error:
        raise InputError(f"{pattern!r} cannot be listed: {error}") from error
    for name, info in entries.items():
        if info.get("type") == "file":
            version = info.get("ETag") or info.get("etag") or info.get("mtime") or info.get("LastModified") or ""
            yield _File(system.unstrip_protocol(name), int(info.get("size") or 0), str(version))


# ---------------------------------------------------------------------------------------- cutting


def can_split(kind: str, path: str) -> bool:
    """Whether a byte range of the file can be read by itself: gzip by record, plain WARC, and Parquet can; a stream
    compressed as a whole (bz2, zst, lz4, xz) and a plain ARC, whose records begin with no fixed word, cannot."""
    name = path.lower()
    if kind in ("warc", "wet", "arc"):
        return name.endswith(".gz") or (kind != "arc" and name.endswith((".warc", ".wet", ".wat")))
    return kind == "parquet"


def _ranges(kind: str, files: list[_File], options: tuple[tuple[str, Any], ...], shard_bytes: int) -> Iterator[Shard]:
    for file in files:
        # Equal parts, none larger than shard_bytes; the last is not a sliver.
        parts = max(1, -(-file.size // shard_bytes)) if can_split(kind, file.path) else 1
        for part in range(parts):
            start, end = file.size * part // parts, file.size * (part + 1) // parts
            yield Shard(kind, file.path, start, end, file.size, options, part == 0, file.version)


def _groups(files: list[_File], options: tuple[tuple[str, Any], ...], shard_bytes: int) -> Iterator[Shard]:
    group: list[_File] = []
    size = 0
    for place, file in enumerate(files):
        group.append(file)
        size += file.size
        if size >= shard_bytes or len(group) == _HTML_GROUP or place == len(files) - 1:
            version = "/".join(f"{each.size}-{each.version}" for each in group)
            paths = tuple(each.path for each in group)
            yield Shard("html", group[0].path, 0, size, size, options, True, version, paths)
            group, size = [], 0
