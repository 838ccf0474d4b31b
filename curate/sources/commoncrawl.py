"""Common Crawl: which dumps there are, which files a dump has, and a seeded sample of it on the local disk.

A sample is the beginning of several files, each cut where its last whole record ends. Every record's digest is
checked; one that fails is asked for again and, if it stays wrong, is left out and named in the manifest.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from curate.sources.base import InputError
from curate.sources.members import members, next_record
from curate.sources.mirror import Mirror, MirrorError, open_mirror

BASE = "https://data.commoncrawl.org"
COLLECTIONS = "https://index.commoncrawl.org/collinfo.json"
"""The dump list lives on the index server; a mirror may hold its own copy as `collinfo.json`."""
CHUNK = 8 << 20
"""Bytes a request: large enough for the line, small enough to lose little when it breaks."""

Progress = Callable[[str, int, int], None]
"""Called with a file's name, its bytes so far, and the bytes that are wanted of it."""


@dataclass(frozen=True)
class Dump:
    """A monthly crawl."""

    id: str
    name: str = ""
    cdx_api: str | None = None


def dumps(mirror: Mirror) -> list[Dump]:
    """All dumps, newest first, as `collinfo.json` lists them. MirrorError if the list is not readable."""
    path = COLLECTIONS if mirror.base == BASE else "collinfo.json"
    raw = mirror.fetch(path)
    try:
        return [Dump(entry["id"], entry.get("name", ""), entry.get("cdx-api")) for entry in json.loads(raw)]
    except (ValueError, TypeError, KeyError) as error:
        raise MirrorError(f"{mirror.url(path)}: not a list of dumps ({error!r}): {raw[:80]!r}") from error


def find_dump(mirror: Mirror, wanted: str) -> Dump:
    """The dump of that id, or the newest for `latest`. InputError names the newest ones if there is none such."""
    listed = dumps(mirror)
    if wanted == "latest" and listed:
        return listed[0]
    for dump in listed:
        if dump.id == wanted:
            return dump
    known = ", ".join(dump.id for dump in listed[:5]) or "none"
    raise InputError(f"dump {wanted!r} is not on {mirror.base}; allowed: latest, or an id such as {known}")


def listing(mirror: Mirror, dump: str, kind: str) -> list[str]:
    """The paths in `crawl-data/DUMP/KIND.paths.gz`: kind is warc, wet, cc-index-table, …"""
    path = f"crawl-data/{dump}/{kind}.paths.gz"
    raw = mirror.fetch(path)
    try:
        text = gzip.decompress(raw).decode("utf-8")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise MirrorError(f"{mirror.url(path)}: not a gzipped list of paths: {error}") from error
    return [line.strip() for line in text.splitlines() if line.strip()]


def choose(paths: list[str], count: int, seed: int) -> list[str]:
    """`count` of the paths, the same for the same seed, in the order of the list."""
    chosen = set(Random(f"commoncrawl {seed}").sample(paths, min(count, len(paths))))
    return [path for path in paths if path in chosen]


INPUT_KEYS = {"dump": "latest", "files": 1, "seed": 1, "mirror": BASE}
"""What `input: {commoncrawl: {…}}` may say, with its defaults."""


def shard_urls(spec: Any) -> dict[str, list[str]]:
    """The files that a recipe's `input: {commoncrawl: {dump: …, files: 100}}` names, as `{"warc": [URL, …]}`: the
    WARC reader streams them by ranges, without a local copy. InputError on an unknown key or value."""
    if not isinstance(spec, Mapping):
        raise InputError(f"input.commoncrawl is {spec!r}; allowed: a map of {', '.join(INPUT_KEYS)}")
    for key in spec:
        if key not in INPUT_KEYS:
            raise InputError(f"input.commoncrawl.{key} is not known; allowed: {', '.join(INPUT_KEYS)}")
    values = {**INPUT_KEYS, **spec}
    if not isinstance(values["files"], int) or isinstance(values["files"], bool) or values["files"] < 1:
        raise InputError(
            f"input.commoncrawl.files is {values['files']!r}; allowed: a whole number of files, at least 1"
        )
    mirror = open_mirror(str(values["mirror"]))
    dump = find_dump(mirror, str(values["dump"]))
    paths = choose(listing(mirror, dump.id, "warc"), values["files"], int(values["seed"]))
    if not paths:
        raise MirrorError(f"{mirror.url(f'crawl-data/{dump.id}/')}: the dump lists no WARC files")
    return {"warc": [mirror.url(path) for path in paths]}


# ---------------------------------------------------------------------------------------- a sample on disk


@dataclass
class SampledFile:
    """What came of one file of the dump."""

    path: str
    name: str
    bytes_wanted: int
    size_on_mirror: int
    bytes: int = 0
    """Kept: the sum of whole, sound records."""
    records: int = 0
    responses: int = 0
    sha256: str = ""
    failed: list[dict[str, Any]] = field(default_factory=list)
    """Records or stretches of bytes that are not in the sample, and why."""


def download_sample(
    mirror: Mirror,
    dump: str,
    out: Path,
    *,
    megabytes: int,
    files: int,
    seed: int,
    connections: int = 4,
    progress: Progress = lambda name, done, wanted: None,
) -> dict[str, Any]:
    """Writes the beginning of `files` seeded files, `megabytes` (1e6 bytes) in all, below `out`; returns what is
    also written as `out/manifest.json`. A download that was cut goes on where it stopped; a finished file is not
    asked for again."""
    out.mkdir(parents=True, exist_ok=True)
    paths = choose(listing(mirror, dump, "warc"), files, seed)
    if not paths:
        raise MirrorError(f"{mirror.url(f'crawl-data/{dump}/warc.paths.gz')}: lists no files")
    share = megabytes * 1_000_000 // len(paths)
    with ThreadPoolExecutor(max_workers=connections) as pool:
        sampled = list(pool.map(lambda path: _sample_file(mirror, path, out, share, progress), paths))
    manifest = {
        "source": "commoncrawl", "mirror": mirror.base, "dump": dump, "seed": seed, "megabytes": megabytes,
        "files": [asdict(each) for each in sampled],
        "records": sum(each.records for each in sampled),
        "responses": sum(each.responses for each in sampled),
        "bytes": sum(each.bytes for each in sampled),
        "failed": sum(len(each.failed) for each in sampled),
    }  # fmt: skip
    _forget_earlier(out, {each.name for each in sampled})
    write_json(out / "manifest.json", manifest)
    return manifest


def _forget_earlier(out: Path, names: set[str]) -> None:
    """Removes the files of an earlier sample in the folder that are not of this one, by its manifest."""
    try:
        before = json.loads((out / "manifest.json").read_text("utf-8"))["files"]
    except (OSError, ValueError, KeyError):
        return
    for entry in before:
        if entry["name"] not in names:
            (out / entry["name"]).unlink(missing_ok=True)
            (out / f"{entry['name']}.json").unlink(missing_ok=True)


def _sample_file(mirror: Mirror, path: str, out: Path, share: int, progress: Progress) -> SampledFile:
    """Downloads, verifies and commits one file; `NAME.part` holds what has come, `NAME.json` says it is done."""
    name = path.rsplit("/", 1)[1]
    size = mirror.size(path)
    wanted = min(share, size)
    done = out / f"{name}.json"
    if done.exists() and (out / name).exists():
        before = SampledFile(**json.loads(done.read_text("utf-8")))
        if (before.path, before.bytes_wanted, before.size_on_mirror) == (path, wanted, size):
            progress(name, wanted, wanted)
            return before
    part = out / f"{name}.part"
    with part.open("ab") as stream:
        at = stream.tell()
        if at > wanted:
            stream.truncate(wanted)
            at = wanted
        while at < wanted:
            data = mirror.read(path, at, min(CHUNK, wanted - at))
            if not data:
                raise MirrorError(f"{mirror.url(path)}: ended at byte {at:,} though it is said to have {size:,}")
            stream.write(data)
            stream.flush()
            at += len(data)
            progress(name, at, wanted)
    result = SampledFile(path, name, wanted, size)
    temporary = out / f"{name}.tmp"
    with temporary.open("wb") as kept:
        digest = hashlib.sha256()
        for data, headers in _sound(mirror, path, part.read_bytes(), wanted == size, result):
            kept.write(data)
            digest.update(data)
            result.records += 1
            result.responses += headers.get("warc-type") == "response"
            result.bytes += len(data)
    if not result.records:
        raise MirrorError(
            f"{mirror.url(path)}: no whole WARC record in its first {wanted:,} bytes; {result.failed[:1]}"
        )
    result.sha256 = digest.hexdigest()
    temporary.replace(out / name)
    write_json(done, asdict(result))
    part.unlink()
    return result


def _sound(mirror: Mirror, path: str, data: bytes, whole: bool, result: SampledFile) -> Any:
    """Yields (bytes, headers) of each record that is what it says; the rest goes to `result.failed`."""
    at = 0
    while at < len(data):
        trouble: str | None = None
        try:
            for member in members(data, at):
                at = member.offset + member.length
                stored = data[member.offset : at]
                if member.problem is None:
                    yield stored, member.headers
                    continue
                again = mirror.read(path, member.offset, member.length)
                second = next(members(again), None) if again != stored else None
                if second is not None and second.problem is None:
                    yield again[: second.length], second.headers
                else:
                    result.failed.append({"offset": member.offset, "length": member.length, "url": member.url,
                                          "error": member.problem})  # fmt: skip
        except ValueError as error:
            trouble = str(error)
        if trouble is None:
            # The rest is the beginning of a record; at the end of a file that is a loss, before it the cut.
            if whole and at < len(data):
                trouble = f"byte {at}: the file ends within a record"
                result.failed.append({"offset": at, "length": len(data) - at, "url": None, "error": trouble})
            return
        follows = next_record(data, at + 1)
        again = mirror.read(path, at, follows - at)
        if again != data[at:follows]:
            data = data[:at] + again + data[follows:]
            continue
        result.failed.append({"offset": at, "length": follows - at, "url": None, "error": trouble})
        at = follows


def write_json(path: Path, value: Any) -> None:
    """Whole or not at all."""
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_text(json.dumps(value, indent=2) + "\n", "utf-8")
    temporary.replace(path)
