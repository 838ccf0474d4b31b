"""Documentation with code and lecture notes with formulas: programs that could run, sums that are right."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

import yaml

from examples.miniweb.page import Block
from examples.miniweb.prose import Writer

Draft = tuple[str, list[Block], str | None]

CLASSES = ["Reader", "Client", "Session", "Queue", "Table", "Scanner", "Store", "Pool"]
TOPICS = ["Getting started", "Configuration", "Errors and retries", "Reading in batches", "Upgrading", "Deployment",
          "Performance notes", "Testing"]  # fmt: skip
SLOT = re.compile(r"<(\w+)>")


@functools.cache
def samples() -> dict[str, Any]:
    """`samples.yaml`, parsed once."""
    loaded: dict[str, Any] = yaml.load(
        (Path(__file__).parent / "samples.yaml").read_text("utf-8"), Loader=yaml.CSafeLoader
    )
    return loaded


def fill(text: str, slots: dict[str, object]) -> str:
    """The text with <name> replaced where the name is a slot; <iostream> stays."""
    return SLOT.sub(lambda match: str(slots.get(match.group(1), match.group(0))), text)


def documentation(writer: Writer, number: int) -> Draft:
    """A page on one topic of one library, with a program in the library's language."""
    rng = writer.rng
    entity = writer.world.draw("library", rng)
    name, port, topic = entity.name, entity.attributes["port"], rng.choice(TOPICS)
    cls, n = rng.choice(CLASSES), rng.randint(5, 200)
    code = fill(
        samples()["code"][entity.attributes["language"]].rstrip("\n"), {"lib": name, "cls": cls, "n": n, "port": port}
    )
    paragraphs = [Block("p", text) for text in writer.paragraphs(writer.about(entity, "docs", rng.randint(12, 22)))]
    options = (
        f"port | where the server listens | {port}",
        f"limit | rows read at once | {n}",
        f"retries | attempts before giving up | {rng.randint(1, 9)}",
    )
    half = max(1, len(paragraphs) // 2)
    blocks = [
        *paragraphs[:half],
        Block("h2", "Example"),
        Block("pre", code),
        *paragraphs[half:],
        Block("h2", "Options"),
        Block("table", items=options),
    ]
    return f"{name}: {topic}", blocks, "good"


def lecture(writer: Writer, number: int) -> Draft:
    """Notes with worked formulas; every number in them is computed."""
    rng = writer.rng
    a, b, n = rng.randint(2, 9), rng.randint(2, 9), rng.randint(5, 40)
    values: dict[str, object] = {
        "a": a, "b": b, "n": n, "triangle": n * (n + 1) // 2, "sum": a + b, "product": a * b,
        "slope": a * b ** (a - 1), "next": a + 1, "squares": a * a + b * b,
    }  # fmt: skip
    topic = rng.choice(list(samples()["lectures"]))
    blocks: list[Block] = []
    for text, formula in samples()["lectures"][topic]:
        blocks.append(Block("p", f"{writer.colour('lecture')} {fill(text, values)} {writer.colour('lecture')}"))
        blocks.append(Block("tex", fill(formula, values)))
    history = writer.paragraphs(writer.about(writer.world.draw("person", rng), "lecture", rng.randint(8, 16)))
    blocks.append(Block("h2", "A word on history"))
    blocks += [Block("p", text) for text in history]
    blocks.append(Block("p", f"{writer.colour('lecture')} {writer.colour('lecture')}"))
    return f"Lecture {number + 1}: {topic}", blocks, "good"
