"""What `boilerplate` takes out of a real crawl, to be read line by line.

    python -m benchmarks.boilerplate --input 'data/crawl-sample/*.warc.gz'

Pages are extracted and deduplicated by URL and by MinHash, then the stage runs with its defaults, once with
`keep_code` and once without. Printed are how many pages and lines there are on hosts of enough pages, how many lines
go, and each line that goes from a host, with the number of its pages.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import Counter
from pathlib import Path

import pyarrow.dataset as ds

from curate.cli import main as curate
from curate.stages.extract.boilerplate import BoilerplateParameters
from curate.urls import url_host

RECIPE = """
name: boilerplate
input: {{warc: {input}}}
stages:
  - extract
  - deduplicate: {{by: url}}
  - deduplicate: {{by: minhash}}
{last}
output: {output}
"""
WAYS = {
    "before": "",
    "every line": "  - boilerplate: {min_words: 0, keep_code: false}",
    "code kept": "  - boilerplate: {min_words: 0}",
}


def texts(folder: Path, given: str, way: str) -> dict[str, tuple[str, Counter[str]]]:
    """id → host and lines of each document."""
    output = folder / way.replace(" ", "-")
    recipe = output.with_suffix(".yaml")
    recipe.write_text(RECIPE.format(input=json.dumps(given), last=WAYS[way], output=output))
    if curate(["run", str(recipe), "--inline", "--quiet"]):
        raise SystemExit(1)
    rows = ds.dataset(output / "documents").to_table(columns=["id", "url", "text"]).to_pylist()
    return {
        row["id"]: (url_host(row["url"]), Counter(line for line in row["text"].split("\n") if line.strip()))
        for row in rows
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", default="data/crawl-sample/*.warc.gz")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        found = {way: texts(Path(scratch), args.input, way) for way in WAYS}
    before = found.pop("before")
    pages = Counter(host for host, _ in before.values())
    least = BoilerplateParameters().min_pages
    large = {id: lines for id, (host, lines) in before.items() if host and pages[host] >= least}
    print(f"{len(large)} pages, {sum(map(Counter.total, large.values()))} lines on hosts of {least} pages or more")
    for way, after in found.items():
        gone: Counter[tuple[str, str]] = Counter()
        changed = 0
        for id, lines in large.items():
            left = lines - after[id][1]
            changed += bool(left)
            for line in left:
                gone[before[id][0], line] += left[line]
        print(f"\n{way}: {gone.total()} lines leave {changed} pages")
        for (host, line), count in sorted(gone.items()) if way == "code kept" else ():
            print(f"{count:5} of {pages[host]:3} {host:30} {line[:100]}")


if __name__ == "__main__":
    main()
