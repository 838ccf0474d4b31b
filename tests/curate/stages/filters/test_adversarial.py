"""Texts made to be slow: the four reference filters measure them rightly, at a cost that grows as the text does."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from curate.stage import Shared
from curate.stages.filters.c4 import C4Quality, C4QualityParameters
from curate.stages.filters.fineweb import FineWebQuality, FineWebQualityParameters
from curate.stages.filters.gopher import (
    GopherQuality,
    GopherQualityParameters,
    GopherRepetition,
    GopherRepetitionParameters,
)

GROWTH = 16
LARGE = 1_000_000
"""Of what a text is made of."""
SLOWER = 6
"""How much more a part may cost in the large text, which does not fit the caches; a quadratic step costs 16 times."""

SHAPES: dict[str, Callable[[int], str]] = {
    "distinct words": lambda n: " ".join(f"{i:x}y" for i in range(n)),
    "one word many times": lambda n: "word " * n,
    "one word": lambda n: "a" * n,
    "one line": lambda n: "(so): " * (n // 4),
    "newlines": lambda n: "\n" * n,
    "blank lines": lambda n: " \n" * n,
    "other line breaks": lambda n: "a\u2028" * (n // 2),
    "paragraphs": lambda n: "a\n\n" * (n // 2),
    "opening brackets": lambda n: "(" * n,
    "full stops": lambda n: "." * n,
    "special words": lambda n: "°C." * (n // 3),
    "citations": lambda n: "a[1]" * (n // 4),
    "open citations": lambda n: "[1" * (n // 2),
    "hosts": lambda n: "a@b." * (n // 4),
    "combining marks": lambda n: "e" + "\u0301" * n,
}


def measured(text: str) -> tuple[dict[str, dict[str, Any]], float]:
    """Signals by filter, and CPU seconds."""
    batch, shared = pa.record_batch({"text": [text]}), Shared()
    found: dict[str, dict[str, Any]] = {}
    began = time.thread_time()
    for stage in (
        GopherRepetition(GopherRepetitionParameters()),
        GopherQuality(GopherQualityParameters()),
        C4Quality(C4QualityParameters()),
        C4Quality(C4QualityParameters(unit="sentence"), label="by_sentence"),
        FineWebQuality(FineWebQualityParameters()),
    ):
        outcome = stage.process(batch, shared)
        stage.edit(outcome.batch, shared)
        found[stage.label] = outcome.batch[stage.label][0].as_py()
    return found, time.thread_time() - began


@pytest.mark.parametrize("shape", SHAPES)
def test_cost_grows_as_the_text_does(shape: str) -> None:
    make = SHAPES[shape]
    measured(make(1000))  # kernels load
    small = min(measured(make(LARGE // GROWTH))[1] for _ in range(3))
    found, large = measured(make(LARGE))
    assert large <= GROWTH * SLOWER * small + 0.5, f"{small:.4f} s, and {large:.4f} s for {GROWTH} times as much"
    assert found["gopher_repetition"]["characters"] == len(make(LARGE))


def test_a_million_words_are_counted() -> None:
    found, _ = measured(SHAPES["distinct words"](LARGE))
    assert found["gopher_quality"]["words"] == LARGE and found["gopher_quality"]["stop_words"] == 0
    assert found["gopher_repetition"]["duplicate_5_gram_character_fraction"] == 0
    found, _ = measured(SHAPES["one word many times"](LARGE))
    assert found["gopher_quality"]["words"] == LARGE
    assert found["gopher_repetition"]["top_2_gram_character_fraction"] == pytest.approx(9 * (LARGE - 1) / (5 * LARGE))
    assert found["gopher_repetition"]["duplicate_5_gram_character_fraction"] == pytest.approx(0.8, abs=1e-5)


def test_a_million_newlines_are_lines() -> None:
    found, _ = measured(SHAPES["newlines"](LARGE))
    assert found["c4_quality"]["lines"] == LARGE and found["fineweb_quality"]["lines"] == 0
    assert found["gopher_repetition"]["duplicate_line_fraction"] == 0.5  # nothing before them, nothing behind
    assert found["gopher_quality"]["words"] == 0
