"""Train, validation and test: which of them a document is in, by a hash, so that it stays there when others join.

What belongs together is split together: documents of one duplicate cluster, else those of one host, else each by
itself. So no near-duplicate of a training document, and no page with its site's furniture, is in the test.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Literal
from urllib.parse import urlsplit

import pyarrow as pa

SPLITS = ("train", "validation", "test")
SplitBy = Literal["host", "document"]


def hash64(seed: int, *parts: str) -> int:
    """A 64-bit hash of words under a seed."""
    data = "\0".join((str(seed), *parts)).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(data, digest_size=8).digest(), "little")


def group_keys(batch: pa.RecordBatch, by: SplitBy) -> list[str]:
    """For each row what it is split with: its cluster where it has others in it, its host, or itself."""
    ids = batch.column("id").to_pylist()
    names = batch.schema.names
    urls: Sequence[str | None] = (
        batch.column("url").to_pylist() if by == "host" and "url" in names else [None] * len(ids)
    )
    clusters: Sequence[str | None] = batch.column("cluster").to_pylist() if "cluster" in names else [None] * len(ids)
    sizes = batch.column("cluster_size").to_pylist() if "cluster_size" in names else [2] * len(ids)
    keys = []
    for document, url, cluster, size in zip(ids, urls, clusters, sizes, strict=True):
        host = _host(url)
        if cluster is not None and (size or 0) > 1:
            keys.append(f"cluster {cluster}")
        else:
            keys.append(f"host {host}" if host else f"document {document}")
    return keys


def _host(url: str | None) -> str | None:
    if not url:
        return None
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def split_of(key: str, seed: int, validation: float, test: float) -> int:
    """Index into SPLITS."""
    place = hash64(seed, "split", key) / 2**64
    return 2 if place < test else 1 if place < test + validation else 0
