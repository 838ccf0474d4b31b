"""What-if gives, document for document, what a real rerun gives."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curate.cli import main
from curate.commands.what_if import sweep_values
from curate.engine.executor import InlineExecutor
from curate.engine.progress import Progress
from curate.engine.run import Job, run
from curate.engine.store import Store
from curate.recipe import load
from curate.report.whatif import WhatIfError, ask

RECIPE = """
name: whatif
input: {{jsonl: {folder}/texts.jsonl}}
stages:
  - gopher_repetition: {{max_top_2_gram_character_fraction: 0.2}}
  - gopher_quality: {{min_words: 30}}
  - c4_quality: {{terminal_punctuation: false, min_sentences: 4}}
  - gopher_quality: {{label: after_c4, min_words: 40, min_stop_words: 3}}
  - custom: {{label: ours, rule: "after_c4.words >= 45 or gopher_repetition.duplicate_line_fraction < 0.1"}}
  - fineweb_quality: {{where: "after_c4.words < 60"}}
output: {folder}/out
"""
WORDS = (
    "the of and to be with have that river mill stone bridge winter market harbour copper letter # ... 12 42 ab".split()
)


def texts(seed: int, n: int = 120) -> list[str]:
    source = random.Random(seed)
    found = []
    for _ in range(n):
        lines = []
        for _ in range(source.randint(1, 12)):
            line = " ".join(source.choices(WORDS, k=source.randint(1, 14)))
            lines.append(line + source.choice([".", "", "!", " [1]", "...", ". Uses cookies."]))
        lines += lines[: source.choice([0, 0, 1, 4])]
        found.append("\n".join(lines))
    return found


def carry_out(folder: Path, output: str, changes: list[str]) -> Store:
    recipe = load(folder / "recipe.yaml", changes, str(folder / output))
    job = Job(
        "whatif", recipe.header.input, recipe.stages, recipe.header.output, recipe.store, recipe.to_yaml(),
        recipe.hash(), 30.0, 512,
    )  # fmt: skip
    run(job, InlineExecutor, Progress(quiet=True))
    return Store(recipe.header.output)


def fates(store: Store) -> dict[str, str]:
    """Id → `kept`, or the stage and rule that dropped it."""
    found = {}
    for name in store.names("ledger"):
        with store.open(f"ledger/{name}") as file:
            for row in pq.read_table(file).to_pylist():
                found[row["id"]] = "kept" if row["verdict"] == "kept" else f"{row['stage']}: {row['rule']}"
    return found


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> tuple[Path, Store]:
    folder = tmp_path_factory.mktemp("whatif")
    lines = [json.dumps({"id": f"{i:032x}", "url": f"http://a.example/{i}", "text": t}) for i, t in enumerate(texts(1))]
    (folder / "texts.jsonl").write_text("\n".join(lines) + "\n")
    (folder / "recipe.yaml").write_text(RECIPE.format(folder=folder))
    return folder, carry_out(folder, "out", [])


CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "gopher_repetition.max_top_2_gram_character_fraction": st.sampled_from([0.05, 0.15, 0.5]),
        "gopher_repetition.max_duplicate_line_fraction": st.sampled_from([0.05, 0.2, 1.0]),
        "gopher_quality.min_words": st.sampled_from([0, 10, 25, 45, 70]),
        "gopher_quality.max_hashes_per_word": st.sampled_from([0.02, 0.2]),
        "gopher_quality.mode": st.sampled_from(["annotate"]),
        "c4_quality.min_sentences": st.sampled_from([0, 2, 8]),
        "after_c4.min_words": st.sampled_from([10, 60]),
        "after_c4.min_stop_words": st.sampled_from([0, 6]),
        "ours.rule": st.sampled_from(['"after_c4.words > 55"', '"after_c4.words > 0"']),
        "fineweb_quality.max_newlines_per_word": st.sampled_from([0.05, 0.9]),
        "fineweb_quality.mode": st.sampled_from(["annotate"]),
    },
)


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(CHANGES)
def test_what_if_is_what_a_rerun_gives(finished, changes):
    folder, store = finished
    sets = [f"{key}={value}" for key, value in changes.items()]
    path = Path(store.root) / "recipe.yaml"
    answer = ask(store, load(path), load(path, sets))
    predicted = fates(store) | {row["id"]: row["after"] for row in answer.moved}
    assert predicted == fates(carry_out(folder, "rerun", sets))
    assert answer.after["kept"] == sum(fate == "kept" for fate in predicted.values())


def test_what_changes_the_measuring_is_refused(finished):
    _, store = finished
    path = Path(store.root) / "recipe.yaml"
    with pytest.raises(WhatIfError, match=r"short_line_characters changes what is measured.*min_punctuated"):
        ask(store, load(path), load(path, ["fineweb_quality.short_line_characters=20"]))


def test_the_command_answers_and_sweeps(finished, capsys):
    _, store = finished
    assert main(["what-if", store.root, "--set", "gopher_quality.min_words=0", "--json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["changed"] == ["gopher_quality"] and answer["moved"]
    assert main(["what-if", store.root, "--sweep", "gopher_quality.min_words=10:90:20", "--json"]) == 0
    curve = [point["documents"] for point in json.loads(capsys.readouterr().out)["curve"]]
    assert len(curve) == 5 and curve == sorted(curve, reverse=True) and curve[0] > curve[-1]
    assert main(["what-if", store.root, "--set", "gopher_quality.min_words=0"]) == 0
    assert "gopher_quality: too_few_words → " in capsys.readouterr().out
    assert main(["what-if", store.root]) == 2


def test_a_sweep_includes_both_ends():
    assert sweep_values("a.b=10:30:10") == ("a.b", [10, 20, 30])
    assert sweep_values("a.b=0.1:0.3:0.1")[1] == pytest.approx([0.1, 0.2, 0.3])
