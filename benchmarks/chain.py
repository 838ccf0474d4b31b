"""The whole FineWeb chain beside datatrove's own, on the same WARCs, one process each, start-up included.

    python -m benchmarks.chain --input 'data/crawl-sample/*.warc.gz'

Both sides read, filter URLs, extract, decide the language and apply the Gopher, C4 and FineWeb filters, in FineWeb's
order and with its thresholds, each in a fresh process; CPU seconds are those of the process and its children. Not in
either: MinHash. datatrove's LanguageFilter needs a fastText model that it downloads, so py3langid stands in for it
there, as a function at the same place of the chain; its URL filter's lists are the same that ours reads.
"""

from __future__ import annotations

import argparse
import glob
import importlib.metadata
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

RECIPE = """
name: chain
input: {{warc: {files}}}
stages:
  - url_filter
  - language_prescreen: {{keep: [en]}}
  - extract: {{engine: {engine}, favor: {favor}}}
  - language: {{keep: [en], min_score: 0.65}}
  - gopher_repetition
  - gopher_quality
  - c4_quality: {{terminal_punctuation: false}}
  - fineweb_quality
output: {output}
"""

DATATROVE = """
import sys
from pathlib import Path
from datatrove.executor import LocalPipelineExecutor
from datatrove.pipeline.extractors import Trafilatura
from datatrove.pipeline.filters import (
    C4QualityFilter, FineWebQualityFilter, GopherQualityFilter, GopherRepetitionFilter, LambdaFilter, URLFilter)
from datatrove.pipeline.readers import WarcReader
from datatrove.pipeline.writers.jsonl import JsonlWriter
from py3langid.langid import MODEL_FILE, LanguageIdentifier

identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)

def english(document):
    language, score = identifier.classify(document.text)
    return language == "en" and score >= 0.65

folder, output = sys.argv[1], sys.argv[2]
LocalPipelineExecutor(
    pipeline=[
        WarcReader(folder, glob_pattern="*.warc.gz"),
        URLFilter(),
        Trafilatura(favour_precision=True, timeout=30),
        LambdaFilter(english),
        GopherRepetitionFilter(),
        GopherQualityFilter(),
        C4QualityFilter(filter_no_terminal_punct=False),
        FineWebQualityFilter(),
        JsonlWriter(output + "/out"),
    ],
    tasks=1,
    logging_dir=output + "/logs",
).run()
"""


def spent(command: list[str]) -> dict[str, float]:
    """CPU and wall seconds of a command and its children. RuntimeError if it fails."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode:
        raise RuntimeError(f"{command[:3]}: {done.stderr[-2000:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"cpu_seconds": cpu, "wall_seconds": time.perf_counter() - start}


def ours(files: list[str], scratch: Path, engine: str, favor: str) -> dict[str, Any]:
    """Our chain, in process, with what each stage took."""
    output = scratch / f"ours-{engine}-{favor}"
    recipe = scratch / f"{output.name}.yaml"
    recipe.write_text(RECIPE.format(files=json.dumps(files), engine=engine, favor=favor, output=output / "run"))
    answer: dict[str, Any] = spent([sys.executable, "-m", "curate", "run", str(recipe), "--inline", "--quiet"])
    counts = json.loads((output / "run" / "manifest.json").read_text())["counts"]
    answer |= {"documents": counts["read"], "kept": counts["kept"]}
    answer["ms_a_page"] = {k: 1e3 * v / counts["read"] for k, v in counts["cpu_seconds"].items()}
    return answer


def datatrove(files: list[str], scratch: Path) -> dict[str, Any]:
    """datatrove's chain."""
    folder = scratch / "warcs"
    folder.mkdir()
    for file in files:
        (folder / Path(file).name).symlink_to(Path(file).resolve())
    script = scratch / "datatrove_chain.py"
    script.write_text(DATATROVE)
    answer: dict[str, Any] = spent([sys.executable, str(script), str(folder), str(scratch / "datatrove")])
    stats = json.loads((scratch / "datatrove/logs/stats.json").read_text())
    reader = next(step for step in stats if "Warc" in step["name"])
    answer |= {"documents": reader["stats"]["documents"]["total"]}
    return answer


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", default="data/crawl-sample/*.warc.gz")
    parser.add_argument("--json", metavar="FILE", help="write the figures there")
    args = parser.parse_args()
    files = sorted(glob.glob(args.input, recursive=True))  # noqa: PTH207
    if not files:
        parser.error(f"--input {args.input}: no such files; make crawl-sample writes some")
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        rows = {
            "curate, blocks": ours(files, scratch, "blocks", "balanced"),
            "curate, trafilatura precision": ours(files, scratch, "trafilatura", "precision"),
            "datatrove": datatrove(files, scratch),
        }
    base = rows["datatrove"]["cpu_seconds"] / rows["datatrove"]["documents"]
    versions = {
        n: importlib.metadata.version(n) for n in ("datatrove", "trafilatura", "resiliparse", "numba", "pyarrow")
    }
    print(f"{'chain':<32}{'pages':>8}{'CPU s':>9}{'ms/page':>9}{'ratio':>8}")
    for name, row in rows.items():
        each = row["cpu_seconds"] / row["documents"]
        row["ratio"] = base / each
        print(f"{name:<32}{row['documents']:>8}{row['cpu_seconds']:>9.1f}{1e3 * each:>9.2f}{row['ratio']:>7.1f}×")
    for name, seconds in sorted(rows["curate, blocks"]["ms_a_page"].items(), key=lambda item: -item[1]):
        print(f"  {name:<30}{seconds:>9.3f} ms a page read")
    print(" ".join(f"{name} {version}" for name, version in versions.items()))
    if args.json:
        Path(args.json).write_text(json.dumps({"rows": rows, "versions": versions}, indent=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
