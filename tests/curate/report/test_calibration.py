"""The calibration section: thresholds in their distributions, and the documents nearest to them."""

from __future__ import annotations

import json

from curate.engine.executor import InlineExecutor
from curate.engine.progress import Progress
from curate.engine.run import Job, run
from curate.engine.store import Store
from curate.recipe import load, load_resolved
from curate.report.calibration import calibration
from curate.report.page import render

RECIPE = """
name: calibrated
input: {{jsonl: {folder}/texts.jsonl}}
stages:
  - gopher_quality: {{min_words: 30}}
output: {folder}/out
"""


def test_thresholds_and_near_misses(tmp_path):
    rows = [
        {"id": f"{n:032x}", "url": f"http://a.example/<{n}>", "text": " ".join(["the", "river", "with"] * 20)[: 5 * n]}
        for n in range(1, 60)
    ]
    (tmp_path / "texts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "recipe.yaml").write_text(RECIPE.format(folder=tmp_path))
    recipe = load(tmp_path / "recipe.yaml")
    what = Job("calibrated", recipe.header.input, recipe.stages, recipe.header.output, recipe.store, recipe.to_yaml(),
               recipe.hash(), 30.0, 512)  # fmt: skip
    run(what, InlineExecutor, Progress(quiet=True))
    store = Store(recipe.header.output)
    stored = load_resolved(store.read_bytes("recipe.yaml").decode(), "recipe.yaml")
    shown = {each["rule"]: each for each in calibration(store, stored, 1000)}
    few = shown["too_few_words"]
    assert few["n"] == 59 and few["condition"].endswith(">= 30") and few["parameter"] == "min_words"
    assert few["low"] <= 30 <= few["high"] and 0 <= few["place"] <= 40
    assert [near["value"] for near in few["stays"]] == [30, 30, 30] or few["stays"][0]["value"] == 30
    assert few["fails"][0]["value"] == 29 and len(few["fails"]) == 3
    assert len(calibration(store, stored, 10)) == len(shown)
    page = render(store)
    assert "just fails: " in page and "http://a.example/&lt;" in page and "http://a.example/<" not in page
