"""Lay out the pages of a labelled extraction benchmark (WCXB) for an ablation: HTML of most hosts joins the training
pool, the human-reviewed text of the remaining hosts becomes the held-out web set, chosen by no arm's filter.

    python examples/ablation_pool.py ../shared/data/extraction/wcxb-dev.tar.xz data/ablation
"""

from __future__ import annotations

import argparse
import hashlib
import json
import sys
import tarfile
from pathlib import Path
from typing import Any

HELD_OUT = 0.15
"""Share of hosts that are held out, by the hash of the host."""


def held_out(host: str) -> bool:
    return int.from_bytes(hashlib.sha256(host.encode()).digest()[:4]) / 2**32 < HELD_OUT


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("archive", type=Path, help="tar of html/ID.html[.gz], ground-truth/ID.json, metadata.json")
    parser.add_argument("output", type=Path)
    args = parser.parse_args()
    pages = args.output / "pages"
    pages.mkdir(parents=True, exist_ok=True)
    html: dict[str, bytes] = {}
    truth: dict[str, dict[str, Any]] = {}
    metadata: dict[str, dict[str, Any]] = {}
    with tarfile.open(args.archive) as tar:
        for member in tar:
            path, file = Path(member.name), tar.extractfile(member)
            if file is None:
                continue
            if path.parent.name == "html":
                html[path.name] = file.read()
            elif path.parent.name == "ground-truth":
                truth[path.stem] = json.loads(file.read())
            elif path.name == "metadata.json":
                metadata = json.loads(file.read())["files"]
    kept = 0
    with (args.output / "web.jsonl").open("w", encoding="utf-8") as held:
        for name in sorted(html):
            key = name.split(".")[0]
            host = metadata[key]["domain"]
            if not held_out(host):
                (pages / name).write_bytes(html[name])
                kept += 1
                continue
            text = truth[key]["ground_truth"]["main_content"]
            line = {"id": key, "host": host, "page_type": metadata[key]["page_type"], "text": text}
            held.write(json.dumps(line, ensure_ascii=False) + "\n")
    print(f"{kept} pages for the pool in {pages}, {len(html) - kept} held out in {args.output / 'web.jsonl'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
