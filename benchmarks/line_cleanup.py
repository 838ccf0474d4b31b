"""How often `line_cleanup` is right: lines that it takes out of whole pages, beside what people marked as content.

`python -m benchmarks.line_cleanup` prints a table and writes .bench/line_cleanup.json. Pages are the development
half of WCXB (the test data), all text of each as resiliparse gives it, with menus and footers. A line that is taken
out is wrong where the gold text has a line that reads the same, without regard to case and marks around it.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from benchmarks import test_data
from classifiers.blocks_data import benchmark_sources
from curate.stages.filters.line_cleanup import PHRASES, LineCleanup, LineCleanupParameters

CACHE = Path(".bench")


def bare(line: str) -> str:
    return " ".join(line.split()).strip(" |·•*-–—[]()").lower()


def main() -> None:
    from resiliparse.extract.html2text import extract_plain_text

    stage = LineCleanup(LineCleanupParameters())
    kinds = {kind: LineCleanup(LineCleanupParameters(kinds=(kind,))) for kind in PHRASES}
    removed: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    pages, lines = 0, 0
    for source in benchmark_sources(test_data.folder()):
        pages += 1
        gold = {bare(line) for line in source.gold.splitlines()}
        for line in extract_plain_text(source.html, main_content=False).split("\n"):
            lines += bool(line.strip())
            if not stage.is_boilerplate(line):
                continue
            kind = next(kind for kind, alone in kinds.items() if alone.is_boilerplate(line))
            for name in (kind, "all"):
                removed[name] += 1
                wrong[name] += bare(line) in gold
    print(f"{pages} pages, {lines} lines that are not blank")
    for name, count in removed.most_common():
        right = 1 - wrong[name] / count
        print(f"{name:12} {count:7} taken out, {wrong[name]:5} of them in the gold: precision {right:.3f}")
    CACHE.mkdir(exist_ok=True)
    found = {"pages": pages, "lines": lines, "removed": dict(removed), "wrong": dict(wrong)}
    (CACHE / "line_cleanup.json").write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
