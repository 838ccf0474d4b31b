"""The score of a run says what the run did: made-up runs whose verdicts are known are scored."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from examples.miniweb.__main__ import main
from examples.miniweb.build import build
from examples.miniweb.score import ScoreError, score

LEDGER = ["id", "url", "source", "offset", "verdict", "stage", "rule", "value", "threshold", "duplicate_of"]
Decide = Callable[[dict], tuple[str | None, str | None, str | None]]


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("scored")
    build(out, seed=7, pages=400)
    return out


def make_run(web: Path, run: Path, decide: Decide, text: Callable[[dict], str] = lambda row: row["text"]) -> dict:
    """A run's folder in which each record of status 200 has the verdict (stage, rule, duplicate_of) that `decide`
    gives it; no stage: kept."""
    ledger, documents, dropped = [], [], []
    for number, row in enumerate(pq.read_table(web / "truth.parquet").to_pylist()):
        if row["status"] != 200:
            continue
        stage, rule, duplicate_of = decide(row)
        name = f"{number:032x}"
        place = {"source": str(web / Path(row["file"]).name), "offset": row["offset"]}
        verdict = "kept" if stage is None else "dropped"
        entry = {"id": name, "url": row["url"], "verdict": verdict, "stage": stage, "rule": rule}
        ledger.append(dict.fromkeys(LEDGER) | place | entry | {"duplicate_of": duplicate_of})
        (documents if stage is None else dropped).append(
            {
                "id": name,
                "text": text(row),
                "language": row["language"],
                "pii": {"spans": [{"type": "x"}] * bool(row["pii"])},
            }
        )
    for folder, rows in (("ledger", ledger), ("documents", documents), ("dropped/any", dropped)):
        (run / folder).mkdir(parents=True)
        if rows:
            pq.write_table(pa.Table.from_pylist(rows), run / folder / "00000.parquet")
    recipe = {"stages": [{"language": {"keep": ["en"]}}, "pii", "decontaminate"]}
    (run / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    return score(run)


def shares(answer: dict) -> dict[tuple[str, str], float | None]:
    return {(each["part"], each["what"]): each["share"] for each in answer["measures"]}


def test_a_run_that_keeps_everything_finds_nothing(web: Path, tmp_path: Path) -> None:
    found = shares(make_run(web, tmp_path, lambda row: (None, None, None)))
    assert found["language", "told right"] == 1 and found["language", "pages of other languages dropped"] == 0
    assert found["junk", "dropped"] == 0 and found["good", "kept, one of each group of duplicates"] == 1
    assert found["duplicates", "found: mirrors"] == 0 and found["personal data", "removed"] == 0
    assert found["benchmark questions", "pages with one dropped or cut"] == 0
    assert found["extraction", "word F1 against the gold text, mean"] == 1


def test_a_run_that_knows_the_truth_has_full_marks(web: Path, tmp_path: Path) -> None:
    def decide(row: dict) -> tuple[str | None, str | None, str | None]:
        if row["language"] != "en":
            return "language", "not_kept", None
        if row["duplicate_kind"] not in (None, "original"):
            return "deduplicate", "duplicate", "f" * 32
        if row["quality"] == "junk":
            return "quality", "low", None
        return None, None, None

    def clean(row: dict) -> str:
        text = row["text"]
        for span in row["pii"]:
            text = text.replace(span["value"], "<gone>")
        return text.replace("wants to check one detail before the journey begins", "")

    answer = make_run(web, tmp_path, decide, clean)
    for (part, what), share in shares(answer).items():
        if what == "pages without any where some was seen" or what == "unique good pages taken for duplicates":
            assert share == 0, (part, what)
        elif part != "extraction":
            assert share in (1, None), (part, what)
    assert answer["lost_good_pages"] == {}
    assert json.loads((tmp_path / "truth_score.json").read_text())["markdown"] == answer["markdown"]


def test_good_pages_lost_and_unique_ones_taken_for_duplicates_are_counted(web: Path, tmp_path: Path) -> None:
    def decide(row: dict) -> tuple[str | None, str | None, str | None]:
        if row["kind"] == "forum":
            return "gopher_quality", "too_few_words", None
        if row["kind"] == "lecture":
            return "deduplicate", "duplicate", "f" * 32
        return None, None, None

    answer = make_run(web, tmp_path, decide)
    found = shares(answer)
    assert found["good", "kept: forum"] == 0 and found["good", "kept: blog"] == 1
    assert list(answer["lost_good_pages"]) == ["gopher_quality: too_few_words"]
    assert 0 < (found["duplicates", "unique good pages taken for duplicates"] or 0) < 0.3


def test_what_is_no_run_over_the_mini_web_is_said(
    web: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ScoreError, match="no ledger"):
        score(tmp_path)
    assert main(["score", str(tmp_path)]) == 2 and "no ledger" in capsys.readouterr().err
    make_run(web, tmp_path / "run", lambda row: (None, None, None))
    build(tmp_path / "other", seed=8, pages=200)
    table = pq.read_table(tmp_path / "other/truth.parquet")
    empty = table.slice(0, 0)
    pq.write_table(empty, tmp_path / "empty.parquet")
    with pytest.raises(ScoreError, match="something else"):
        score(tmp_path / "run", tmp_path / "empty.parquet")
