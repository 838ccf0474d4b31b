"""Dead links in the docs: every relative link of a Markdown file must lead to a file, and to a heading in it.

python -m tests.docs_links
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")


def dead_links(root: Path) -> list[str]:
    """`FILE: TARGET` for each link that leads nowhere."""
    listed = subprocess.run(["git", "ls-files", "*.md"], cwd=root, capture_output=True, text=True, check=True).stdout
    dead = []
    for name in listed.split():
        file = root / name
        text = re.sub(r"```.*?```|`[^`]*`", "", file.read_text(encoding="utf-8"), flags=re.DOTALL)
        for match in LINK.finditer(text):
            target = match[1] or match[2]
            if "://" in target or target.startswith("mailto:"):
                continue
            path, _, anchor = target.partition("#")
            where = (file.parent / path).resolve() if path else file
            if not where.exists() or (anchor and where.suffix == ".md" and anchor not in headings(where)):
                dead.append(f"{name}: {target}")
    return dead


def headings(file: Path) -> set[str]:
    """Anchors of a Markdown file's headings, as code hosts make them."""
    titles = re.findall(r"^#+\s+(.*)$", file.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles}


if __name__ == "__main__":
    found = dead_links(Path(__file__).resolve().parents[1])
    print("\n".join(found) if found else "no dead links")
    sys.exit(bool(found))
