"""The report's part on privacy and safety: every finding counted by type, none shown but by its form."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from curate.commands.run import job_of
from curate.engine.executor import InlineExecutor
from curate.engine.progress import Progress
from curate.engine.run import run as carry_out
from curate.engine.store import Store
from curate.recipe import load
from curate.report.page import render
from curate.report.safety import masked, safety, wilson

RECIPE = """
name: safe
input: {{parquet: {folder}/data.parquet}}
stages:
  - spam: {{model: none}}
  - pii: {{mode: annotate}}
output: {folder}/run
"""
TEXTS = [
    "Write to jane.doe@firma-site.de or to joe@firma-site.de, or call +49 30 901820 on a day of the week.",
    "The mill by the river is open in summer. Its wheel turns, and the miller tells how flour was made.",
    "Mail jane.doe@firma-site.de about the tickets for the summer concert by the river.",
    "Situs slot gacor online terpercaya. Daftar slot gacor, bonus deposit, judi slot online maxwin. " * 8,
]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Store:
    folder = tmp_path_factory.mktemp("safe")
    rows = {"id": [f"{n:032x}" for n in range(4)], "url": [f"https://a.test/{n}" for n in range(4)], "text": TEXTS}
    pq.write_table(pa.table(rows), folder / "data.parquet")
    (folder / "recipe.yaml").write_text(RECIPE.format(folder=folder))
    carry_out(job_of(load(folder / "recipe.yaml", [], None)), InlineExecutor, Progress(True))
    return Store(str(folder / "run"))


def test_findings_are_counted_by_type_and_shown_by_form_alone(run: Store) -> None:
    import yaml

    recipe = yaml.safe_load(run.read_bytes("recipe.yaml").decode())
    found = safety(run, run.read_json("manifest.json"), recipe, 100)
    assert found is not None
    emails, phones = found["personal"][0]["types"]
    assert (emails["type"], emails["findings"], emails["documents"]) == ("EMAIL_ADDRESS", 3, 2)
    assert emails["forms"] == ["xxxx.xxx@xxxxx-xxxx.xx", "xxx@xxxxx-xxxx.xx"]
    assert (phones["type"], phones["forms"]) == ("PHONE_NUMBER", ["+00 00 000000"])
    assert found["categories"] == [{"label": "spam", "rule": "spam_words", "count": 1}]
    assert all(row["recall_interval"][0] <= row["recall"] <= row["recall_interval"][1] for row in found["filter_rates"])
    assert {row["name"] for row in found["personal_rates"]} >= {"EMAIL_ADDRESS", "PHONE_NUMBER", "CREDIT_CARD"}
    page = render(run)
    part = page[page.index("Privacy and safety") :]
    part = part[: part.index("<h2>", 10)]
    assert "xxxx.xxx@xxxxx-xxxx.xx" in part and "jane.doe" not in part


def test_a_form_tells_no_letter_and_no_digit() -> None:
    assert masked("Jané-7@x.de") == "xxxx-0@x.xx"
    assert masked("<EMAIL_ADDRESS>") == "<EMAIL_ADDRESS>"
    assert len(masked("a" * 100)) == 40


def test_an_interval_holds_its_share_and_is_not_empty_at_the_ends() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    low, high = wilson(0, 100)
    assert low == 0 and 0.03 < high < 0.04
    assert wilson(50, 100)[0] < 0.5 < wilson(50, 100)[1]
