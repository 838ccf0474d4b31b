"""deduplicate by lines, paragraphs and substrings: what is shared goes, the rest stays byte for byte."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import xxhash

from tests.curate.dedup.test_exact import deduplicate


def site(host: str, n: int, seed: int = 0) -> list[dict[str, Any]]:
    draw = random.Random(f"{host}{seed}")
    rows = []
    for page in range(n):
        body = "\n".join(" ".join(f"word{draw.randrange(9999)}" for _ in range(12)) for _ in range(4))
        text = f"Home | About\n\n{body}\nHOME  |  about\nCopyright {host}"
        rows.append({"id": f"{host}-{page}", "url": f"http://{host}/{page}", "text": text, "body": body})
    return rows


def test_menus_go_from_a_host_that_repeats_them_and_stay_elsewhere() -> None:
    rows = site("a.example", 6) + site("b.example", 3)
    answer = deduplicate(rows, 3, by="lines", min_documents=4)
    for row in rows:
        text = answer.kept[row["id"]]["text"]
        if row["url"].startswith("http://a."):
            assert text == "\n" + row["body"]
            assert answer.kept[row["id"]]["deduplicate_lines"] == {"lines_removed": 3, "words_left": 48}
        else:
            assert text == row["text"]


def test_a_line_counts_once_a_document() -> None:
    rows = [{"id": str(i), "url": "http://a.example/", "text": "same line\n" * 9 + f"own {i}"} for i in range(3)]
    answer = deduplicate(rows, 2, by="lines", min_documents=4, min_words=0)
    assert all(answer.kept[row["id"]]["text"] == row["text"] for row in rows)


def test_documents_left_too_short_are_dropped_with_that_reason() -> None:
    rows = [{"id": str(i), "url": "http://a.example/", "text": f"Shared by all\nown {i}"} for i in range(5)]
    rows.append({"id": "short", "url": "http://b.example/", "text": "one"})
    answer = deduplicate(rows, 2, by="lines")
    assert set(answer.kept) == {"short"}
    assert {(v["rule"], v["value"], v["threshold"]) for v in answer.dropped.values()} == {
        ("too_short_without_lines", "2", "20")
    }
    annotated = deduplicate(rows, 2, by="lines", mode="annotate")
    assert annotated.kept["0"]["text"] == "own 0"


def test_paragraphs_are_counted_in_the_whole_collection() -> None:
    notice = "We use cookies to improve\nyour experience on this site."
    rows = [
        {"id": str(i), "url": f"http://h{i}.example/", "text": f"Story {i} " * 15 + f"\n\n{notice}\n \nEnd {i}."}
        for i in range(5)
    ]
    answer = deduplicate(rows, 2, by="paragraphs")
    assert all(answer.kept[str(i)]["text"] == f"Story {i} " * 15 + f"\n\nEnd {i}." for i in range(5))


def brute_force(texts: dict[str, str], length: int) -> dict[str, str]:
    """Words (split at blanks) less those in a window of `length` that an earlier document has."""
    out, seen = {}, set()
    for id in sorted(texts, key=lambda id: xxhash.xxh3_64_intdigest(id.encode())):
        words = texts[id].split()
        windows = [tuple(words[i : i + length]) for i in range(len(words) - length + 1)]
        gone = np.zeros(len(words), dtype=bool)
        for place, window in enumerate(windows):
            if window in seen:
                gone[place : place + length] = True
        seen |= set(windows)
        out[id] = " ".join(word for word, g in zip(words, gone, strict=True) if not g)
    return out


@pytest.mark.parametrize("length", [8, 13, 50])
def test_every_repeated_run_is_found_and_nothing_else(length: int) -> None:
    draw = random.Random(length)
    runs = [[f"r{draw.randrange(10**6)}" for _ in range(length + draw.choice([-1, 0, 1, 40]))] for _ in range(25)]
    texts = {}
    for document in range(120):
        words: list[str] = []
        for _ in range(draw.randrange(1, 5)):
            words += [f"w{draw.randrange(40)}" for _ in range(draw.randrange(0, 3 * length))]
            words += draw.choice(runs)
        texts[f"d{document}"] = " ".join(words)
    expected = brute_force(texts, length)
    assert sum(expected[id] != texts[id] for id in texts) > 30
    for shards, batch_rows in ((1, 1000), (5, 7)):
        rows = [{"id": id, "text": text} for id, text in texts.items()]
        draw.shuffle(rows)
        answer = deduplicate(rows, shards, batch_rows, by="substring", length=length, min_words=0)
        assert {id: row["text"].strip() for id, row in answer.kept.items()} == expected


def test_runs_are_cut_at_their_words_and_can_go_everywhere() -> None:
    run = "Das ist, wie man so sagt, ein langer und schöner Satz."
    rows = [{"id": str(i), "text": f"Anfang {i}: {run} {i} Ende!"} for i in range(3)]
    answer = deduplicate(rows, 2, by="substring", length=10, keep="none", min_words=0)
    assert {row["text"] for row in answer.kept.values()} == {f"Anfang {i}: {i} Ende!" for i in range(3)}
