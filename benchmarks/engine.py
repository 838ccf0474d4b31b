"""What the engine costs beside the stages, and what a second worker gains.

    python -m benchmarks.engine --input 'data/crawl-sample/*.warc.gz' [--joined 4]

The same recipe runs into fresh folders: inline, by Ray with one worker, by Ray with two. With `--joined N`
the input is first made one file, and read N times: shards then have the size that the engine is made for (64 MB), and
the seconds that Ray takes to start weigh as little as in a run of some length. Two inline runs side by side
then show what this machine's cores allow: two workers cannot gain more. The engine's share is CPU time: committing,
ledger, tables and hashes (`write` and what no stage accounts for) over reading and the stages. Opening models is
listed by itself: it is paid once a process, not once a page. All runs must leave the same bytes.
"""

from __future__ import annotations

import argparse
import glob
import json
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.chain import RECIPE as CHAIN

RECIPE = CHAIN.replace(
    "output:",
    """  - deduplicate: {{by: url}}
  - deduplicate: {{by: minhash}}
output:""",
)

WAYS = {"inline": ["--inline"], "1 worker": ["--workers", "1"], "2 workers": ["--workers", "2"]}


def measured(files: list[str], folder: Path, way: list[str]) -> dict[str, Any]:
    """Wall seconds of the whole command, of the run in it, and of what the run does once Ray has started; counts, and
    name → hash of the data files."""
    folder.mkdir()
    recipe = folder / "recipe.yaml"
    recipe.write_text(RECIPE.format(files=json.dumps(files), engine="blocks", favor="balanced", output=folder / "run"))
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "-m", "curate", "run", str(recipe), "--quiet", *way],
        check=True, env=environment, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    wall = time.perf_counter() - start
    manifest = json.loads((folder / "run" / "manifest.json").read_text())
    done = json.loads((folder / "run" / "log.jsonl").read_text().splitlines()[-1])
    return {
        "wall": wall,
        "run": manifest["wall_seconds"],
        "work": manifest["wall_seconds"] - done["start_seconds"],
        "counts": manifest["counts"],
        "hashes": {entry["path"]: entry["sha256"] for entry in manifest["files"]},
    }


def joined(files: list[str], folder: Path, copies: int) -> list[str]:
    """The files one after the other as one, `copies` times. A gzip file may be followed by another."""
    targets = [folder / f"joined-{number}.warc.gz" for number in range(copies)]
    targets[0].write_bytes(b"".join(Path(file).read_bytes() for file in files))
    for target in targets[1:]:
        target.symlink_to(targets[0])
    return [str(target) for target in targets]


def engine_share(counts: dict[str, Any]) -> dict[str, float]:
    """CPU seconds of the shards' tasks: stages with reading, opening, engine; and engine over stages."""
    seconds = dict(counts["cpu_seconds"])
    total, opened, written = seconds.pop("total"), seconds.pop("open"), seconds.pop("write")
    stages = sum(seconds.values())
    engine = total - stages - opened
    return {"stages": stages, "open": opened, "engine": engine, "write": written, "share": engine / stages}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--input", default="data/crawl-sample/*.warc.gz")
    parser.add_argument("--json", metavar="FILE", help="write the figures there")
    parser.add_argument("--joined", type=int, default=0, metavar="N", help="read N copies of all files in one")
    args = parser.parse_args()
    files = sorted(glob.glob(args.input, recursive=True))  # noqa: PTH207
    if not files:
        parser.error(f"--input {args.input}: no such files; make crawl-sample writes some")
    with tempfile.TemporaryDirectory() as scratch:
        if args.joined:
            files = joined(files, Path(scratch), args.joined)
        rows = {name: measured(files, Path(scratch) / str(i), way) for i, (name, way) in enumerate(WAYS.items())}
        with ThreadPoolExecutor(2) as pool:
            beside = list(pool.map(lambda i: measured(files, Path(scratch) / f"beside-{i}", WAYS["inline"]), range(2)))
    share = engine_share(rows["inline"]["counts"])
    hashes = [row.pop("hashes") for row in (*rows.values(), *beside)]
    same = all(each == hashes[0] for each in hashes)
    print(f"pages read: {rows['inline']['counts']['read']}; all runs left {'the same' if same else 'OTHER'} bytes")
    print(
        "CPU seconds, inline: " + ", ".join(f"{name} {value:.2f}" for name, value in share.items() if name != "share")
    )
    print(f"engine over stages: {100 * share['share']:.1f} %")
    for name, row in rows.items():
        print(
            f"{name:<12} wall of the command {row['wall']:6.1f} s, of the run in it {row['run']:6.1f} s, "
            f"once Ray has started {row['work']:6.1f} s"
        )
    for what in ("wall", "run", "work"):
        print(f"two workers over one, {what}: {rows['1 worker'][what] / rows['2 workers'][what]:.2f} ×")
    ceiling = 2 * rows["inline"]["work"] / max(row["work"] for row in beside)
    print(f"two inline runs side by side, pages a second over one's: {ceiling:.2f} ×")
    if args.json:
        Path(args.json).write_text(
            json.dumps({"rows": rows, "engine": share, "ceiling": ceiling, "same_bytes": same}, indent=1)
        )
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
