"""decontaminate: planted questions are found, common phrases are not; report by benchmark and question."""

from __future__ import annotations

import gzip
import json
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from curate.stage import GlobalContext, Shared, with_column
from curate.stages.dedup.decontaminate import (
    DecideContamination,
    Decontaminate,
    DecontaminateParameters,
    MeasureContamination,
)
from tests.curate.stages.collection import Applied, apply, collection

QUESTIONS = [
    "A farmer keeps seventeen goats and sells all but nine of them at the spring market; how many goats does he keep?",
    "Which gas do green plants take in from the air while they make sugar in the light of the sun?",
    "Why is the sky blue at noon but red at dusk?",
    "Too short to tell.",
]


@pytest.fixture
def benchmark(tmp_path: Path) -> Path:
    path = tmp_path / "toy.jsonl"
    template = "Answer the following question with one letter and give no explanation of any kind whatsoever at all: "
    lines = [{"id": f"q{i}", "text": q} for i, q in enumerate(QUESTIONS)]
    lines += [{"benchmark": "templated", "id": i, "text": f"{template} {i} plus {i}, {i} minus 3?"} for i in range(40)]
    path.write_text("\n".join(map(json.dumps, lines)), encoding="utf-8")
    return path


def decontaminate(rows: list[dict[str, Any]], path: Path, **given: Any) -> tuple[Applied, dict[str, Any]]:
    stage = Decontaminate(DecontaminateParameters(benchmarks=(str(path),), **given))
    measure, decide = stage.parts()
    assert isinstance(measure, MeasureContamination) and isinstance(decide, DecideContamination)
    batch = pa.RecordBatch.from_pylist(rows)
    outcome = measure.process(batch, Shared())
    assert outcome.verdicts is None
    edited = measure.edit(outcome.batch, Shared())
    documents = collection(pa.Table.from_batches([edited]), 2)
    decided = decide.run(documents, GlobalContext(memory_mb=512, workers=1, recipe_hash=""))
    return apply(documents, decided), json.loads(decided.artifacts["decontaminate.json"])


def test_planted_questions_are_found_in_spite_of_case_and_punctuation(benchmark: Path) -> None:
    padding = "Some words of a page that has nothing to do with anything. " * 5
    rows = [
        {"id": "clean", "text": padding},
        {"id": "goats", "text": f"{padding}{QUESTIONS[0].upper().replace(';', ' --')}\n{padding}"},
        {"id": "sky", "text": f"{padding} why is the sky BLUE at noon, but red at dusk {padding}"},
        {"id": "part", "text": f"{padding} a farmer keeps seventeen goats and sells all but nine {padding}"},
        {"id": "short", "text": QUESTIONS[3]},
        {"id": "template", "text": padding + "Answer the following question with one letter and give no explanation of "
         "any kind whatsoever at all: what is your name?"},
    ]  # fmt: skip
    answer, report = decontaminate(rows, benchmark)
    assert set(answer.dropped) == {"goats", "sky"}
    assert answer.dropped["sky"] | {"row": 0} == {
        "row": 0, "rule": "contaminated", "value": "1", "threshold": "0.5", "duplicate_of": None
    }  # fmt: skip
    assert report["toy"]["questions"] == 2
    assert {each["item"]: each["example"] for each in report["toy"]["by_question"]} == {"q0": "goats", "q2": "sky"}


def test_spans_go_and_the_rest_stays(benchmark: Path) -> None:
    rows = [
        {"id": "a", "text": f"Before. {QUESTIONS[1]} After, as it was."},
        {"id": "b", "text": "Nothing here."},
    ]
    answer, report = decontaminate(rows, benchmark, remove="span")
    assert not answer.dropped
    assert answer.kept["a"]["text"] == "Before. After, as it was."
    assert answer.kept["b"]["text"] == "Nothing here."
    assert report["toy"]["hits"] == 1
    untouched, _ = decontaminate(rows, benchmark, remove="span", mode="annotate")
    assert untouched.kept["a"]["text"] == rows[0]["text"]


def test_the_fingerprint_follows_the_files_and_missing_ones_are_named(benchmark: Path, tmp_path: Path) -> None:
    parameters = DecontaminateParameters(benchmarks=(str(benchmark),))
    before = Decontaminate(parameters).fingerprint()
    benchmark.write_text(json.dumps({"text": "other"}), encoding="utf-8")
    assert Decontaminate(parameters).fingerprint() != before
    with pytest.raises(ValueError, match=r"nowhere"):
        Decontaminate(DecontaminateParameters(benchmarks=(str(tmp_path / "nowhere*.jsonl"),))).fingerprint()
    benchmark.write_text("[]", encoding="utf-8")
    with pytest.raises(ValueError, match="line 1"):
        MeasureContamination(parameters).open()


PHRASES = [
    "all rights reserved no part of this publication may be reproduced stored in a retrieval system or transmitted",
    "we use cookies to ensure that we give you the best experience on our website if you continue to use this site",
    "the quick brown fox jumps over the lazy dog and the five boxing wizards jump quickly over it again and again",
    "once upon a time there was a little girl who lived with her mother in a small house at the edge of the forest",
    "please enable javascript in your browser to view the comments powered by and click here to read more about this",
]


def test_real_benchmarks_are_found_and_literature_and_boilerplate_are_not(shared_data: Path) -> None:
    patterns = [str(shared_data / "benchmarks" / f"{name}.jsonl.gz") for name in ("arc_easy", "gsm8k", "boolq", "piqa")]
    stage = MeasureContamination(DecontaminateParameters(benchmarks=tuple(patterns)))
    stage.open()
    draw = random.Random(5)
    questions = []
    for pattern in patterns:
        with gzip.open(pattern, "rt", encoding="utf-8") as lines:
            texts = [json.loads(line)["text"] for line in lines]
            questions += draw.sample([text for text in texts if len(text.split()) > 10], 40)
    clean = [f"{phrase}. " * 3 for phrase in PHRASES]
    for name in ("brown", "inaugural", "wikitext2_valid"):
        with gzip.open(shared_data / "text" / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
            clean += [json.loads(line)["text"] for line in lines]
    planted = [f"{draw.choice(PHRASES)} {question} {draw.choice(PHRASES)}" for question in questions]

    def covered(texts: list[str]) -> list[float]:
        batch = pa.RecordBatch.from_pydict({"text": pa.array(texts, pa.string())})
        signals = stage.measure(batch, Shared())
        return with_column(batch, "s", signals).column("s").field("covered_fraction").to_pylist()  # type: ignore[no-any-return]

    assert min(covered(planted)) >= 0.5
    assert sum(value >= 0.5 for value in covered(clean)) == 0
