"""Small inputs for the engine's tests: WARCs of our own, and stages that misbehave on purpose."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from curate.sources.write import WarcFile

WORDS = (
    "river mill stone bridge winter market harbour copper letter garden signal paper engine valley orchard "
    "the of and to that with have be"
).split()


DATE = "2025-01-01T00:00:00Z"


def page(seed: int) -> str:
    """An HTML page with a heading and some paragraphs."""
    source = random.Random(seed)
    sentences = [" ".join(source.choices(WORDS, k=14)).capitalize() + "." for _ in range(24)]
    paragraphs = "".join(f"<p>{' '.join(sentences[i : i + 4])}</p>" for i in range(0, 24, 4))
    return f"<html lang=en><head><title>Page {seed}</title></head><body><h1>Page {seed}</h1>{paragraphs}</body></html>"


@pytest.fixture
def crawl(tmp_path: Path) -> Path:
    """A folder with two WARCs of forty pages each; pages 10 and 50 are the
    same, page 60 is a 404."""
    folder = tmp_path / "crawl"
    folder.mkdir()
    for number in range(2):
        with (folder / f"{number}.warc.gz").open("wb") as file:
            warc = WarcFile(file)
            warc.info(f"{number}.warc.gz", {"software": "tests"}, record_id=f"<urn:uuid:info-{number}>", date=DATE)
            for seed in range(number * 40, number * 40 + 40):
                warc.response(
                    f"http://site{seed % 7}.example/page/{seed}",
                    404 if seed == 60 else 200,
                    [("Content-Type", "text/html; charset=utf-8")],
                    page(10 if seed == 50 else seed).encode(),
                    record_id=f"<urn:uuid:page-{seed}>",
                    date=DATE,
                )
    return folder
