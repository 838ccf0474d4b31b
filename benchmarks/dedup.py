"""Deduplication measured: MinHash signatures beside peers, and whole near-deduplications of planted collections.

    python -m benchmarks.dedup signatures                      # ours beside four others, one core, one run
    python -m benchmarks.dedup whole --documents 100000 1000000

Prints tables and, with `--json FILE`, writes what it measured. `whole` generates documents with planted clusters
(sizes heavy-tailed, the largest a twentieth of all documents), runs a recipe over them, and compares what was
dropped with what was planted.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

HASHES, BANDS, ROWS, NGRAM = 112, 14, 8, 5
WORDS_A_DOCUMENT = 150
CLUSTERED = 0.3
"""Share of the documents that are in planted clusters."""
LARGEST = 0.05
"""Share of the documents in the largest cluster."""
FILE_ROWS = 50_000


# ---------------------------------------------------------------------------------------- planted collections


def cluster_sizes(documents: int, draw: np.random.Generator) -> np.ndarray[Any, np.dtype[np.int64]]:
    """One cluster of LARGEST × documents, then Pareto sizes (exponent 1.5) from 2 up, then single documents."""
    sizes = [int(LARGEST * documents)]
    left = int(CLUSTERED * documents) - sizes[0]
    while left > 1:
        size = min(left, 1 + int(np.ceil(draw.pareto(1.5) + 0.001)), max(2, sizes[0] // 2))
        sizes.append(size)
        left -= size
    return np.array(sizes + [1] * (documents - sum(sizes)), dtype=np.int64)


def planted(documents: int, seed: int) -> Iterator[pa.Table]:
    """Tables of FILE_ROWS documents: id, url, date, text, planted (the cluster). A member is its cluster's text with
    0 to 3 words replaced; members are spread over all files."""
    draw = np.random.default_rng(seed)
    sizes = cluster_sizes(documents, draw)
    owner = np.repeat(np.arange(len(sizes)), sizes)
    draw.shuffle(owner)
    letters = np.array(list("abcdefghijklmnopqrstuvwxyz"))
    words = pa.array(["".join(draw.choice(letters, size=draw.integers(2, 10))) for _ in range(60_000)])
    for low in range(0, documents, FILE_ROWS):
        clusters = owner[low : low + FILE_ROWS]
        n = len(clusters)
        tokens = np.empty((n, WORDS_A_DOCUMENT), dtype=np.int32)
        for row, cluster in enumerate(clusters):
            own = np.random.Generator(np.random.SFC64([seed, int(cluster)]))
            # Zipf-like: small indices are frequent
            tokens[row] = (60_000 ** own.random(WORDS_A_DOCUMENT)).astype(np.int32) - 1
        for edit in range(3):
            rows = np.flatnonzero(draw.integers(0, 4, n) > edit)
            tokens[rows, draw.integers(0, WORDS_A_DOCUMENT, len(rows))] = draw.integers(0, 60_000, len(rows))
        offsets = pa.array(np.arange(n + 1) * WORDS_A_DOCUMENT, pa.int32())
        texts = pc.binary_join(pa.ListArray.from_arrays(offsets, words.take(pa.array(tokens.reshape(-1)))), " ")
        raw = draw.bytes(16 * n).hex()
        numbers = range(low, low + n)
        yield pa.table(
            {
                "id": [raw[32 * i : 32 * i + 32] for i in range(n)],
                "url": [f"http://h{i % 997}.example/{i}" for i in numbers],
                "date": [f"2025-01-{i % 28 + 1:02d}T00:00:00Z" for i in numbers],
                "text": texts,
                "planted": clusters,
            }
        )


# ---------------------------------------------------------------------------------------- a whole run


class PeakMemory:
    """Peak resident memory of the workers of a run, by reading /proc every half second."""

    def __init__(self) -> None:
        self.peak_mb: dict[str, float] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stop.wait(0.5):
            for process in Path("/proc").glob("[0-9]*"):
                try:
                    command = (process / "cmdline").read_bytes().split(b"\0")[0]
                    if command.startswith(b"ray::"):
                        status = (process / "status").read_text()
                        peak = float(status.split("VmHWM:")[1].split()[0]) / 1024
                        self.peak_mb[process.name] = max(peak, self.peak_mb.get(process.name, 0))
                except (OSError, IndexError):
                    continue


RECIPE = """\
name: near_dedup_{documents}
input: {{parquet: {data}/*.parquet}}
stages:
  - deduplicate: {{by: minhash, ngram: 5, bands: 14, rows: 8, keep: best{more}}}
output: {output}
limits: {{memory_mb: {memory_mb}}}
"""


def whole_run(documents: int, workers: int, memory_mb: int, more: str, folder: Path) -> dict[str, Any]:
    """Generates, runs, compares with what was planted."""
    folder = folder.resolve()
    data, output = folder / f"data-{documents}", folder / f"run-{documents}"
    data.mkdir(parents=True)
    text_bytes = 0
    for number, table in enumerate(planted(documents, seed=7)):
        text_bytes += pc.sum(pc.binary_length(table.column("text"))).as_py()
        pq.write_table(table, data / f"{number:04d}.parquet", compression="zstd", row_group_size=FILE_ROWS // 2)
    recipe = folder / f"recipe-{documents}.yaml"
    recipe.write_text(
        RECIPE.format(documents=documents, data=data, output=output, memory_mb=memory_mb, more=more), encoding="utf-8"
    )
    with PeakMemory() as memory:
        started = time.perf_counter()
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        how = ["--workers", str(workers)] if workers else ["--inline"]
        command = [sys.executable, "-m", "curate", "run", str(recipe), "--quiet", *how]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        seconds = time.perf_counter() - started
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    manifest = json.loads((output / "manifest.json").read_text(encoding="utf-8"))
    operations: dict[str, int] = {}
    for phase in manifest["phases"]:
        for path in (folder / ".phases" / phase["key"]).glob("operations/*/scatter/*.arrow"):
            name = path.parts[-3].rsplit("-", 1)[0]
            operations[name] = operations.get(name, 0) + path.stat().st_size
    exchanged = sum(operations.values())
    return {
        "documents": documents,
        "text_mb": round(text_bytes / 1e6),
        "seconds": round(seconds, 1),
        "documents_per_second": round(documents / seconds),
        # Ray's workers are nobody's children: processor time is known of a run without it alone.
        "cpu_seconds": None if workers else round(_cpu(after) - _cpu(before), 1),
        "shuffled_mb": round(exchanged / 1e6),
        "shuffled_bytes_per_document": round(exchanged / documents),
        "worker_peak_mb": round(max(memory.peak_mb.values(), default=0) if workers else after.ru_maxrss / 1024),
        **compared(data, output),
        "shuffled_bytes_by_operation": operations,
    }


def _cpu(usage: resource.struct_rusage) -> float:
    return usage.ru_utime + usage.ru_stime


def compared(data: Path, output: Path) -> dict[str, Any]:
    """What was dropped, beside what was planted: clusters left with more than one document are missed pairs; a
    cluster without a document, or two clusters in one, are wrong."""
    truth = pq.read_table(data, columns=["id", "planted"])
    planted_of = dict(zip(truth.column("id").to_pylist(), truth.column("planted").to_pylist(), strict=True))
    kept = pq.read_table(output / "documents", columns=["id", "planted"])
    left = np.bincount(kept.column("planted").to_numpy(), minlength=max(planted_of.values()) + 1)
    rows = pq.read_table(output / "duplicates", columns=["id", "keeper", "size"]).to_pylist()
    mixed = sum(planted_of[row["id"]] != planted_of[row["keeper"]] for row in rows)
    extra = len(planted_of) - len(left)
    return {
        "extra_documents_planted": extra,
        "extra_documents_left": int((left - 1).clip(min=0).sum()),
        "clusters_lost": int((left == 0).sum()),
        "wrongly_joined": mixed,
        "largest_cluster": max((row["size"] for row in rows), default=1),
    }


# ---------------------------------------------------------------------------------------- signatures


def signature_makers() -> dict[str, tuple[Callable[[list[str]], object], int]]:
    """Name → (texts to signatures, number of texts to time): the slow ones get fewer."""
    from curate.kernels.minhash import permutations, signatures
    from curate.kernels.units import find_units

    multipliers, addends = permutations(HASHES, 1)

    def ours(texts: list[str]) -> object:
        encoded = [text.encode() for text in texts]
        offsets = np.concatenate([[0], np.cumsum([len(each) for each in encoded])]).astype(np.int64)
        units = find_units(np.frombuffer(b"".join(encoded), dtype=np.uint8), offsets)
        return signatures(units.hashes, units.first, NGRAM, multipliers, addends)

    def shingles(text: str) -> list[str]:
        words = text.lower().split()
        return [" ".join(words[i : i + NGRAM]) for i in range(max(1, len(words) - NGRAM + 1))]

    makers: dict[str, tuple[Callable[[list[str]], object], int]] = {"curate": (ours, 2000)}
    try:
        from rensa import RMinHash

        def with_rensa(texts: list[str]) -> object:
            made = []
            for text in texts:
                signature = RMinHash(num_perm=HASHES, seed=1)
                signature.update(shingles(text))
                made.append(signature.digest())
            return made

        makers["rensa"] = (with_rensa, 1000)
    except ImportError:
        print("rensa is not installed", file=sys.stderr)
    from datasketch import MinHash

    def with_datasketch(texts: list[str]) -> object:
        made = []
        for text in texts:
            signature = MinHash(num_perm=HASHES, seed=1)
            signature.update_batch([each.encode() for each in shingles(text)])
            made.append(signature.hashvalues)
        return made

    makers["datasketch"] = (with_datasketch, 300)
    try:
        from datatrove.pipeline.dedup.minhash import MinhashConfig, MinhashDedupSignature
        from datatrove.utils.hashing import HashConfig

        config = MinhashConfig(
            n_grams=NGRAM, num_buckets=BANDS, hashes_per_bucket=ROWS, hash_config=HashConfig(precision=64)
        )
        theirs = MinhashDedupSignature(output_folder=tempfile.gettempdir(), config=config)

        def with_datatrove(texts: list[str]) -> object:
            return [theirs.get_signature(theirs.get_shingles(text)) for text in texts]

        makers["datatrove"] = (with_datatrove, 60)
    except ImportError:
        print("datatrove is not installed", file=sys.stderr)
    try:
        makers["text-dedup"] = (_text_dedup(), 60)
    except ImportError:
        print("text-dedup is not: pip install --no-deps text-dedup==0.4.0 click-option-group", file=sys.stderr)
    return makers


def _text_dedup() -> Callable[[list[str]], object]:
    """text-dedup's `embed_func` as its `minhash` calls it by default: xxh3 in 32 bits."""
    from text_dedup.minhash import embed_func
    from text_dedup.utils import xxh3_32hash

    prime, draw = np.uint32((1 << 32) - 5), np.random.RandomState(42)
    permutations = (draw.randint(1, prime, size=HASHES), draw.randint(0, prime, size=HASHES))
    settings = {
        "num_perm": HASHES, "ngram_size": NGRAM, "min_length": 5, "permutations": permutations, "dtype": np.uint32,
        "hashranges": [(band * ROWS, (band + 1) * ROWS) for band in range(BANDS)], "hash_func": xxh3_32hash,
        "max_hash": np.uint32((1 << 32) - 1), "modulo_prime": prime,
    }  # fmt: skip
    return lambda texts: [embed_func(text, number, **settings) for number, text in enumerate(texts)]


def signature_table(words: int, rounds: int) -> list[dict[str, Any]]:
    """Milliseconds of processor time a document, the best of the rounds, all in one process and one run."""
    draw = np.random.default_rng(3)
    vocabulary = ["".join(draw.choice(list("etaoinshrdlu"), size=draw.integers(2, 10))) for _ in range(20_000)]
    texts = [" ".join(draw.choice(vocabulary, size=words)) for _ in range(2000)]
    makers = signature_makers()
    best = dict.fromkeys(makers, float("inf"))
    for _ in range(rounds):
        for name, (make, n) in makers.items():
            make(texts[:5])
            started = time.process_time()
            make(texts[:n])
            best[name] = min(best[name], (time.process_time() - started) / n * 1e3)
    size = round(sum(map(len, texts)) / len(texts))
    return [
        {"tool": name, "bytes": size, "ms_per_document": round(ms, 4), "times_ours": round(ms / best["curate"], 1)}
        for name, ms in best.items()
    ]


def print_table(rows: list[dict[str, Any]]) -> None:
    """Columns as wide as they need."""
    names = list(rows[0])
    widths = [max(len(name), *(len(str(row[name])) for row in rows)) for name in names]
    for line in (names, *([str(row[name]) for name in names] for row in rows)):
        print("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)), flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description="Deduplication measured, beside peers and beside the truth.")
    kinds = parser.add_subparsers(dest="kind", required=True)
    signature = kinds.add_parser("signatures")
    signature.add_argument("--words", type=int, default=750, help="words a document")
    signature.add_argument("--rounds", type=int, default=3)
    whole = kinds.add_parser("whole")
    whole.add_argument("--documents", type=int, nargs="+", default=[100_000])
    whole.add_argument("--workers", type=int, default=2, help="0: without Ray, which tells processor time too")
    whole.add_argument("--memory-mb", type=int, default=1024)
    whole.add_argument("--parameters", default="", help="further ones, such as ', verify: 0.7'")
    whole.add_argument("--folder", type=Path, help="keep data and runs there")
    for each in (signature, whole):
        each.add_argument("--json", type=Path)
    given = parser.parse_args()
    if given.kind == "signatures":
        rows = signature_table(given.words, given.rounds)
    else:
        rows = []
        with tempfile.TemporaryDirectory() as temporary:
            folder = given.folder or Path(temporary)
            for documents in given.documents:
                rows.append(whole_run(documents, given.workers, given.memory_mb, given.parameters, folder))
                print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
    print_table([{name: value for name, value in row.items() if not isinstance(value, dict)} for row in rows])
    if given.json:
        given.json.write_text(json.dumps(rows, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
