"""Word segmenters for scripts without spaces: how far they agree with ours, and how fast they are.

`python -m benchmarks.segmenters` prints a table and writes .bench/segmenters.json. Texts are the sentences of the test
data in Chinese, Japanese, Thai and Khmer. There is no gold segmentation among them, so the figures are agreements
between tools, not accuracies: F1 over the places inside a sentence where each cuts. What is not installed is left out
(`pip install rjieba budoux pythainlp`).
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pyarrow as pa

from benchmarks import test_data
from curate.stage import Shared
from curate.stages.words import words_of

CACHE = Path(".bench")
ROUNDS = 3
Segment = Callable[[str], list[str]]


def peers() -> dict[tuple[str, str], Segment]:
    """Language and name → segmenter, of those that are installed."""
    found: dict[tuple[str, str], Segment] = {}

    def add(module: str, build: Callable[[Any], dict[str, Segment]]) -> None:
        try:
            imported = import_module(module)
        except ImportError:
            print(f"{module} is not installed")
            return
        found.update({(language, module): segment for language, segment in build(imported).items()})

    add("rjieba", lambda it: {"zh": it.cut})
    add("pythainlp.tokenize", lambda it: {"th": lambda text: list(it.word_tokenize(text, engine="newmm"))})
    add(
        "budoux",
        lambda it: {
            "zh": it.load_default_simplified_chinese_parser().parse,
            "ja": it.load_default_japanese_parser().parse,
            "th": it.load_default_thai_parser().parse,
        },
    )
    return found


def ours(texts: list[str]) -> list[list[str]]:
    words = words_of(pa.record_batch({"text": pa.array(texts, pa.string())}), Shared())
    data = words.data.tobytes()
    return [
        [data[words.start[i] :][: words.length[i]].decode() for i in range(first, last)]
        for first, last in zip(words.first, words.last, strict=True)
    ]


def cuts(words: list[str]) -> set[int]:
    """Places between two words, counted in characters that are no whitespace."""
    places, at = set(), 0
    for word in words:
        at += len("".join(word.split()))
        places.add(at)
    return places - {0, at}


def agreement(left: list[list[str]], right: list[list[str]]) -> tuple[float, float]:
    """F1 of the cuts of two segmentations, and the share of the right one's that the left has too."""
    pairs = [(cuts(a), cuts(b)) for a, b in zip(left, right, strict=True)]
    both, in_left, in_right = (sum(len(part) for part in parts) for parts in zip(
        *((a & b, a, b) for a, b in pairs), strict=True))  # fmt: skip
    return 2 * both / max(in_left + in_right, 1), both / max(in_right, 1)


def seconds(run: Callable[[], Any]) -> float:
    """CPU seconds, the least of some rounds after one that loads."""
    run()
    times = []
    for _ in range(ROUNDS):
        began = time.process_time()
        run()
        times.append(time.process_time() - began)
    return min(times)


def main() -> None:
    texts: dict[str, list[str]] = {}
    for row in test_data.rows("language/sentences"):
        texts.setdefault(row["language"], []).append(row["text"])
    rows: list[dict[str, Any]] = []
    others = peers()
    for language in ("zh", "ja", "th", "km"):
        own, many = ours(texts[language]), texts[language] * 10
        batch = pa.record_batch({"text": pa.array(many, pa.string())})
        taken = seconds(lambda batch=batch: words_of(batch, Shared()))  # type: ignore[misc]
        rows.append({"language": language, "segmenter": "ours", "words_per_second": 10 * sum(map(len, own)) / taken})
        for (its_language, name), segment in others.items():
            if its_language == language:
                their = [segment(text) for text in texts[language]]
                taken = seconds(lambda segment=segment, many=many: [segment(text) for text in many])  # type: ignore[misc]
                f1, covered = agreement(own, their)
                rows.append({"language": language, "segmenter": name, "f1": f1, "their_cuts_that_are_ours": covered,
                             "words_per_second": 10 * sum(map(len, their)) / taken})  # fmt: skip
    for row in rows:
        agreed = (
            f"F1 {row['f1']:.3f}, {row['their_cuts_that_are_ours']:.3f} of its cuts are ours" if "f1" in row else ""
        )
        print(f"{row['language']}  {row['segmenter']:20} {row['words_per_second']:>11,.0f} words/s  {agreed}")
    CACHE.mkdir(exist_ok=True)
    (CACHE / "segmenters.json").write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
