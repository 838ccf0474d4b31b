"""How noisy the weak labels of a model are: `specs/NAME_checked.tsv` holds what a reader said of some of its training
pages (a hash of the URL, a label; no text), and the card tells how often the weak labels and the held-out model agree.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from classifiers.corpora import Example
from curate.report.safety import wilson


def url_hash(url: str) -> str:
    """The name of a page in the file: 16 hexadecimal digits of BLAKE2b of its URL."""
    return hashlib.blake2b(url.encode(), digest_size=8).hexdigest()


def judgements(folder: Path, name: str) -> dict[str, str]:
    """URL hash → the reader's label; empty for a model whose pages nobody has read."""
    path = folder / f"{name}_checked.tsv"
    if not path.is_file():
        return {}
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line and not line.startswith("#")]
    return dict(line.split("\t") for line in lines)


def agreement(folder: Path, name: str, examples: Sequence[Example], found: Sequence[str]) -> list[str]:
    """Lines for the card; `found` is what the model says of each example, held out."""
    read = judgements(folder, name)
    if not read:
        return []
    pages = {url_hash(example.url): (example.label, said) for example, said in zip(examples, found, strict=True)}
    rows = [(read[key], *pages[key]) for key in sorted(read) if key in pages]
    left = len(read) - len(rows)
    lines = ["", "## What a reader says", ""]
    lines.append(
        f"{len(read)} training pages, chosen by hash, at most two of a site, were read by one reader who saw address "
        f"and text and neither the weak label nor the model's answer (`specs/{name}_checked.tsv`). {left} of them have "
        f"no weak label any more. The reader's label is "
        f"{_share([weak == told for told, weak, _ in rows])} the weak one, "
        f"{_share([said == told for told, _, said in rows])} the held-out model's."
    )
    wrong = Counter((weak, told) for told, weak, _ in rows if weak != told)
    lines += ["", "| weak label | the reader's | pages |", "|---|---|---|"]
    lines += [f"| {weak} | {told} | {n} |" for (weak, told), n in sorted(wrong.items(), key=lambda i: (-i[1], i[0]))]
    return lines


def _share(right: Sequence[bool]) -> str:
    low, high = wilson(sum(right), len(right))
    return f"in {sum(right)} of {len(right)} ({sum(right) / max(len(right), 1):.0%} [{low:.0%}, {high:.0%}])"
