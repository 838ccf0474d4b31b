"""Block lists of URLs: found, compiled once into hashed lookups, memory-mapped afterwards.

Lists come from where the user has them: the `datatrove` package, which carries the UT1 lists merged into one
(4.6 million domains), or a folder in the layout of UT1 (`adult/domains`, `adult/urls`, or `adult.domains.txt.gz`).
None is shipped here: UT1 is CC-BY-SA-4.0. What comes out is a `UrlLists`, which answers a batch of URLs.
"""

from __future__ import annotations

import gzip
import hashlib
import importlib.metadata
import importlib.util
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from curate.kernels import url_match
from curate.kernels.tables import Arrays, derived
from curate.stages.safety.sparse import Sparse
from curate.stages.words import utf8_buffers

UT1_ADDRESS = "https://dsi.ut-capitole.fr/blacklists/"
COMPILED_VERSION = 1
"""Raised when the layout of the compiled files or the hashing changes."""
UNLABELLED = "ut1"
"""The category of an entry whose list does not say one."""

_ARRAYS = ("domains", "domain_starts", "domain_category", "urls", "url_starts", "url_category")


class ListsError(ValueError):
    """The lists that a recipe asks for are not there, or are not lists."""


@dataclass(frozen=True)
class ListFile:
    """One list: the category of its entries, whether they are URLs (else domains), and where to read it."""

    category: str
    urls: bool
    path: Path
    member: str | None = None
    """Its name inside the archive `path`."""

    def read(self) -> bytes:
        if self.member is not None:
            with tarfile.open(self.path, "r:gz") as archive:
                content = archive.extractfile(self.member)
                if content is None:
                    raise ListsError(f"{self.path}: {self.member} is not a file")
                return content.read()
        data = self.path.read_bytes()
        return gzip.decompress(data) if self.path.suffix == ".gz" else data


def datatrove_assets() -> Path | None:
    """The folder of word and block lists in the installed datatrove, or None."""
    found = importlib.util.find_spec("datatrove")
    if found is None or found.origin is None:
        return None
    folder = Path(found.origin).parent / "assets"
    return folder if folder.is_dir() else None


def datatrove_lists() -> list[ListFile]:
    """The UT1 lists that datatrove carries. ListsError if it is not installed or carries none."""
    assets = datatrove_assets()
    archives = sorted(assets.glob("url_filterblacklists*.tar.gz")) if assets else []
    if not archives:
        raise ListsError(
            "the UT1 lists were asked for from datatrove, which is not installed: install the extra "
            "`curate-pretraining-data[datatrove]`, or name a folder of UT1 lists (" + UT1_ADDRESS + ")"
        )
    archive = archives[-1]
    return [ListFile(UNLABELLED, False, archive, "domains"), ListFile(UNLABELLED, True, archive, "urls")]


def folder_lists(folder: Path, categories: Sequence[str] | None = None) -> list[ListFile]:
    """The lists of a folder, those of `categories` alone where they are given. ListsError if there are none."""
    found: list[ListFile] = []
    for path in sorted(folder.glob("*")) + sorted(folder.glob("*/*")):
        if not path.is_file():
            continue
        parts = path.name.removesuffix(".gz").removesuffix(".txt").split(".")
        if path.parent != folder and parts[0] in ("domains", "urls") and len(parts) == 1:
            parts = [path.parent.name, parts[0]]
        if len(parts) == 2 and parts[1] in ("domains", "urls"):
            found.append(ListFile(parts[0], parts[1] == "urls", path))
    there = sorted({file.category for file in found})
    if categories is not None:
        found = [file for file in found if file.category in categories]
    if not found:
        asked = f" of {', '.join(categories)}" if categories is not None else ""
        raise ListsError(
            f"no URL lists{asked} in {folder}: expected CATEGORY/domains or CATEGORY.domains.txt(.gz), "
            f"as UT1 has them ({UT1_ADDRESS}); categories there: {', '.join(there) or 'none'}"
        )
    return found


def content_hash(files: Sequence[ListFile]) -> str:
    """32 hex digits that name the content of the lists and how they are compiled."""
    digest = hashlib.blake2b(str(COMPILED_VERSION).encode(), digest_size=16)
    seen: dict[Path, str] = {}
    for file in files:
        if file.path not in seen:
            seen[file.path] = hashlib.sha256(file.path.read_bytes()).hexdigest()
        digest.update(f"{file.category}\0{file.urls}\0{file.member}\0{seen[file.path]}\n".encode())
    return digest.hexdigest()


@dataclass(frozen=True)
class Matches:
    """What the lists said of a batch: the rows that are listed, with their category, and the part of the URL that
    a domain entry or a URL entry matched."""

    category: Sparse
    domain: Sparse
    url: Sparse


class UrlLists:
    """Compiled lists, ready to be asked."""

    def __init__(self, files: Sequence[ListFile], order: Sequence[str] = ()) -> None:
        """`order`: which category an entry of several has; those not named come after, by name."""
        rest = sorted({file.category for file in files} - set(order))
        self.categories = [name for name in order if any(file.category == name for file in files)] + rest
        if len(self.categories) > 256:
            raise ListsError(f"at most 256 categories of URL lists; found {len(self.categories)}")
        named = hashlib.blake2b(digest_size=16)
        named.update(content_hash(files).encode() + "\0".join(self.categories).encode())
        self.arrays = derived("url-lists", named.hexdigest(), lambda: self._compile(files))

    def _compile(self, files: Sequence[ListFile]) -> Arrays:
        arrays: Arrays = {}
        for kind, urls in (("domain", False), ("url", True)):
            hashes = [np.empty(0, dtype=np.uint64)]
            numbers = [np.empty(0, dtype=np.uint8)]
            for file in files:
                if file.urls == urls:
                    hashes.append(url_match.hash_entries(np.frombuffer(file.read(), dtype=np.uint8), urls))
                    number = self.categories.index(file.category)
                    numbers.append(np.full(len(hashes[-1]), number, dtype=np.uint8))
            together, category = np.concatenate(hashes), np.concatenate(numbers)
            order = np.lexsort((category, together))
            together, category = together[order], category[order]
            first = np.ones(len(together), dtype=bool)
            first[1:] = together[1:] != together[:-1]
            arrays[f"{kind}s"], arrays[f"{kind}_category"] = together[first], category[first]
            arrays[f"{kind}_starts"] = url_match.bucket_starts(together[first])
        return arrays

    def __len__(self) -> int:
        return len(self.arrays["domains"]) + len(self.arrays["urls"])

    def match(self, column: pa.Array) -> Matches:
        """What the lists say of a column of URLs."""
        data, offsets = utf8_buffers(column)
        kind, number, span = url_match.match_urls(data, offsets, *(self.arrays[name] for name in _ARRAYS))
        answer = Matches({}, {}, {})
        for row in np.flatnonzero(kind != url_match.NOTHING).tolist():
            answer.category[row] = self.categories[number[row]]
            text = data[span[row, 0] : span[row, 1]].tobytes().decode("utf-8", "replace").lower()
            (answer.domain if kind[row] == url_match.DOMAIN else answer.url)[row] = text
        return answer


def read_words(path: Path) -> Iterator[str]:
    """The entries of a word list: one a line, `#` begins a comment line."""
    for line in path.read_text("utf-8").splitlines():
        word = line.strip()
        if word and not word.startswith("#"):
            yield word


def datatrove_version() -> str:
    return importlib.metadata.version("datatrove")
