"""Builds the reference unigram distribution of `token_outliers` from texts.

`python -m curate.stages.filters.reference FILES --out reference.npz`: JSONL (gzip or not) or Parquet files with a
`text` column. A word counts once it occurs in `--min-documents` texts; what is kept is its 64-bit hash and the
logarithm of its probability, from which no text can be read back.
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from curate.kernels.words import HAS_LETTER
from curate.stage import Shared
from curate.stages.words import words_of


def texts(path: Path) -> Iterator[str]:
    if path.suffix == ".parquet":
        yield from filter(None, pq.read_table(path, columns=["text"])["text"].to_pylist())
        return
    data = path.read_bytes()
    for line in (gzip.decompress(data) if path.suffix == ".gz" else data).splitlines():
        yield json.loads(line).get("text") or ""


def build(paths: list[Path], out: Path, min_documents: int, most: int) -> int:
    """Writes the reference; answers how many words it has."""
    tokens: dict[int, int] = {}
    documents: dict[int, int] = {}
    for path in paths:
        batch = pa.record_batch({"text": pa.array(list(texts(path)), pa.large_string())})
        w = words_of(batch, Shared())
        for first, last in zip(w.first, w.last, strict=True):
            lettered = (w.flags[first:last] & HAS_LETTER) != 0
            hashes, counts = np.unique(w.hashes[first:last][lettered], return_counts=True)
            for word, count in zip(hashes.tolist(), counts.tolist(), strict=True):
                tokens[word] = tokens.get(word, 0) + count
                documents[word] = documents.get(word, 0) + 1
    total = sum(tokens.values())
    known = sorted(
        (word for word in tokens if documents[word] >= min_documents), key=lambda word: (-tokens[word], word)
    )
    kept = np.array(sorted(known[:most]), dtype=np.uint64)
    logs = np.log(np.array([tokens[int(word)] for word in kept]) / total).astype(np.float16)
    np.savez_compressed(out, hashes=kept, log_probability=logs)
    return len(kept)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--min-documents", type=int, default=3)
    parser.add_argument("--most", type=int, default=60_000)
    args = parser.parse_args()
    print(f"{args.out}: {build(args.files, args.out, args.min_documents, args.most)} words")
