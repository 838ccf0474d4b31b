"""The four reference filters beside datatrove's: the same documents, the same process, CPU time.

`python -m benchmarks.filters` prints a table and writes .bench/filters.json. Documents are English pages of the
test data (CURATE_TEST_DATA or ../shared/data), extracted once into .bench/; cost is also shown per byte for
documents that grow in size, of shapes that a quadratic step would betray, and for a fresh process until its first
document is done.
"""

from __future__ import annotations

import argparse
import gzip
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import test_data
from curate.stage import MapStage, Shared
from curate.stages.filters.c4 import C4Quality, C4QualityParameters
from curate.stages.filters.fineweb import FineWebQuality, FineWebQualityParameters
from curate.stages.filters.gopher import (
    GopherQuality,
    GopherQualityParameters,
    GopherRepetition,
    GopherRepetitionParameters,
)

CACHE = Path(".bench")
TARGET_MS, TARGET_BYTES, TARGET_RATIO = 0.25, 5000, 100


def pages() -> list[str]:
    """Text of the English pages of the test data's WARCs, as FineWeb extracts it; kept in .bench/pages.parquet."""
    kept = CACHE / "pages.parquet"
    if kept.exists():
        return list(pq.read_table(kept)["text"].to_pylist())
    texts = list(_extracted(test_data.folder() / "crawl"))
    CACHE.mkdir(exist_ok=True)
    pq.write_table(pa.table({"text": texts}), kept)
    return texts


def _extracted(folder: Path) -> Iterator[str]:
    import trafilatura
    from fastwarc.warc import ArchiveIterator, WarcRecordType

    with gzip.open(folder / "labels.jsonl.gz", "rt") as file:
        labels = {label["record_id"]: label for label in map(json.loads, file)}
    for path in sorted(folder.glob("*.warc.gz")):
        with path.open("rb") as stream:
            for record in ArchiveIterator(stream, record_types=WarcRecordType.response):
                label = labels.get(record.headers.get("WARC-Record-ID"))
                language = (label or {}).get("language") or (label or {}).get("html_lang") or "en"
                if not label or label["status"] != 200 or language[:2] != "en":
                    continue
                page = record.reader.read().decode(label["charset"] or "utf-8", "replace")
                text = trafilatura.extract(page, favor_precision=True)
                if text:
                    yield text


def stages() -> list[MapStage]:
    return [
        GopherRepetition(GopherRepetitionParameters()),
        GopherQuality(GopherQualityParameters()),
        C4Quality(C4QualityParameters()),
        FineWebQuality(FineWebQualityParameters()),
    ]


def ours(texts: list[str], batch_rows: int = 1024) -> dict[str, float]:
    """CPU seconds of each stage; the first pays for finding the words."""
    table = pa.table({"text": texts})
    seconds: dict[str, float] = {}
    for batch in table.to_batches(max_chunksize=batch_rows):
        shared = Shared()
        for stage in stages():
            began = time.thread_time()
            outcome = stage.process(batch, shared)
            stage.edit(outcome.batch, shared)
            seconds[stage.name] = seconds.get(stage.name, 0.0) + time.thread_time() - began
    return seconds


def theirs(texts: list[str]) -> dict[str, float]:
    """CPU seconds of datatrove's filters, each over all documents, so that none finds another's words in a cache."""
    from datatrove.data import Document
    from datatrove.pipeline.filters import (
        C4QualityFilter,
        FineWebQualityFilter,
        GopherQualityFilter,
        GopherRepetitionFilter,
    )

    seconds: dict[str, float] = {}
    filters = (GopherRepetitionFilter(), GopherQualityFilter(), C4QualityFilter(), FineWebQualityFilter())
    for stage, filter_ in zip(stages(), filters, strict=True):
        filter_.filter(Document(text=texts[0], id=""))  # spaCy loads
        documents = [Document(text=text, id="") for text in texts]
        began = time.thread_time()
        for document in documents:
            filter_.filter(document)
        seconds[stage.name] = time.thread_time() - began
    return seconds


SHAPES: dict[str, Callable[[int], str]] = {
    "prose": lambda size: ("The river ran by the old mill, and that was all there was to see.\n" * (size // 66 + 1))[
        :size
    ],
    "one word": lambda size: "a" * size,
    "one line": lambda size: ("word (so): " * (size // 11 + 1))[:size],
    "newlines": lambda size: "\n" * size,
    "distinct words": lambda size: " ".join(f"{i:x}y" for i in range(size // 6)),
    "one word repeated": lambda size: "word " * (size // 5),
    "prefixes": lambda size: "(" * size,
    "hosts": lambda size: "a@b." * (size // 4),
}


def growth(largest: int) -> dict[str, dict[int, float]]:
    """CPU nanoseconds a byte by shape and size, all four filters."""
    found: dict[str, dict[int, float]] = {}
    for shape, make in SHAPES.items():
        size = 400_000
        while size <= largest:
            text = make(size)
            found.setdefault(shape, {})[size] = sum(ours([text]).values()) / len(text) * 1e9
            size *= 5
    return found


FIRST_DOCUMENT = """
from curate.engine.lean import without_pandas

without_pandas()
import pyarrow as pa
from curate.registry import stage_class
from curate.stage import Shared

text = "The river ran by the old mill, and that was all there was to see.\\n" * 70
batch, shared = pa.record_batch({"text": [text]}), Shared()
for name in ("gopher_repetition", "gopher_quality", "c4_quality", "fineweb_quality"):
    stage = stage_class(name)(stage_class(name).Parameters())
    stage.edit(stage.process(batch, shared).batch, shared)
"""


def warm_start() -> tuple[float, float]:
    """Wall and CPU seconds of a fresh process, its kernels compiled before, from start to end: the interpreter,
    imports as in a run's worker, kernels and tables loaded, and one document of 5 KB through the four filters."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, "-c", FIRST_DOCUMENT], check=True)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=300, help="documents that datatrove is given too")
    parser.add_argument("--largest", type=int, default=50_000_000, help="bytes of the largest document")
    args = parser.parse_args()
    texts = pages()
    ours(texts[:50])  # kernels load
    fast = [ours(texts) for _ in range(3)]
    best = {name: min(run[name] for run in fast) for name in fast[0]}
    sample = texts[:: max(1, len(texts) // args.documents)]
    reference, same = theirs(sample), min((ours(sample) for _ in range(3)), key=lambda run: sum(run.values()))
    size = sum(len(text.encode()) for text in texts) / len(texts)
    total = sum(best.values()) / len(texts) * 1e3
    result: dict[str, Any] = {
        "documents": len(texts),
        "mean_bytes": round(size),
        "ms_a_document": {name: seconds / len(texts) * 1e3 for name, seconds in best.items()},
        "ms_at_5000_bytes": total * TARGET_BYTES / size,
        "datatrove_ms": {name: seconds / len(sample) * 1e3 for name, seconds in reference.items()},
        "ratio": sum(reference.values()) / sum(same.values()),
    }
    print(f"{len(texts)} English pages of {size:.0f} bytes on average; datatrove on {len(sample)} of them; CPU time\n")
    print(f"{'ms a document':20} {'ours':>8} {'datatrove':>10}")
    for name in best:
        print(f"{name:20} {result['ms_a_document'][name]:8.4f} {result['datatrove_ms'][name]:10.2f}")
    print(f"{'all four':20} {total:8.4f} {sum(result['datatrove_ms'].values()):10.2f}   × {result['ratio']:.0f}")
    print(f"at 5000 bytes: {result['ms_at_5000_bytes']:.3f} ms (target {TARGET_MS}); ratio target {TARGET_RATIO}\n")
    warm_start()
    wall, cpu = min(warm_start() for _ in range(3))
    result["warm_start"] = {"wall_seconds": wall, "cpu_seconds": cpu}
    print(f"a fresh process has done its first document after {wall:.2f} s ({cpu:.2f} s of CPU; target 1 s)\n")
    result["ns_a_byte"] = growth(args.largest)
    for shape, sizes in result["ns_a_byte"].items():
        print(f"{shape:20} " + "  ".join(f"{size / 1e6:g} MB: {cost:5.1f} ns/byte" for size, cost in sizes.items()))
    CACHE.mkdir(exist_ok=True)
    (CACHE / "filters.json").write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
