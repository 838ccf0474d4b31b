"""What a recipe does to pages of each kind: the labelled pages of the test data's crawl, by where they end.

    python -m benchmarks.labels pipelines/full.yaml [RECIPE …]

Pages that the recipe's language stages drop are left out, for they say nothing of kinds; so are labelled pages that
are no longer at their address (duplicates by URL have one label each). Printed is, for each recipe, a line a label:
pages, kept, dropped as duplicates of others, dropped otherwise, and the stages that drop most.
"""

from __future__ import annotations

import argparse
import tempfile
from collections import Counter, defaultdict
from pathlib import Path

import pyarrow.dataset as ds

from benchmarks import test_data
from curate.cli import main as curate


def ends(recipe: str, folder: Path) -> dict[str, Counter[str]]:
    """label → stage that dropped the page, or `kept` → pages."""
    output = folder / Path(recipe).stem
    crawl = test_data.folder() / "crawl"
    given = [f"input={{warc: {crawl}/*.warc.gz}}", f"store={folder}/store"]
    command = ["run", recipe, "--inline", "--quiet", "--output", str(output)]
    if curate([*command, *(part for change in given for part in ("--set", change))]):
        raise SystemExit(1)
    label = {(row["file"], row["url"]): row["label"] or "unknown" for row in test_data.rows("crawl/labels")}
    found: dict[str, Counter[str]] = defaultdict(Counter)
    columns = ["source", "url", "verdict", "stage"]
    for row in ds.dataset(output / "ledger").to_table(columns=columns).to_pylist():
        key = (row["source"].rsplit("/", 1)[-1], row["url"])
        if key in label:
            found[label[key]]["kept" if row["verdict"] == "kept" else row["stage"]] += 1
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipes", nargs="+", metavar="RECIPE")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        for recipe in args.recipes:
            print(f"\n{recipe}\n| pages | number | kept | duplicates | dropped otherwise | most by |")
            print("|---|---|---|---|---|---|")
            for label, counts in sorted(ends(recipe, Path(scratch)).items()):
                judged = Counter({stage: n for stage, n in counts.items() if not stage.startswith("language")})
                kept = judged.pop("kept", 0)
                twins = sum(judged.pop(stage) for stage in list(judged) if stage.startswith("deduplicate"))
                most = ", ".join(f"{stage} {n}" for stage, n in judged.most_common(3))
                number = kept + twins + judged.total()
                print(f"| {label} | {number} | {kept} | {twins} | {judged.total()} | {most} |")


if __name__ == "__main__":
    main()
