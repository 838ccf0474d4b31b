"""The shipped recipes on the mini-web, whose truth is known."""

from __future__ import annotations

from pathlib import Path

import pytest

from curate.cli import main
from examples.miniweb.build import build
from examples.miniweb.score import score

PIPELINES = Path(__file__).parents[2] / "pipelines"


@pytest.fixture(scope="module")
def shares(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, float]]:
    """Recipe → what is measured → its share."""
    folder = tmp_path_factory.mktemp("pipelines")
    build(folder / "web", seed=3, pages=900)
    found = {}
    for name in ("fineweb_like", "full"):
        recipe = ["run", str(PIPELINES / f"{name}.yaml"), "--inline", "--quiet", "--output", str(folder / name)]
        settings = [f"input.warc={folder}/web/*.warc.gz", "tokenize.vocabulary=1000"]
        assert main([*recipe, *(part for setting in settings for part in ("--set", setting))]) == 0
        measures = score(folder / name)["measures"]
        found[name] = {f"{each['part']}: {each['what']}": each["share"] for each in measures}
    return found


def test_the_full_recipe_keeps_documentation_that_filters_for_prose_would_drop(
    shares: dict[str, dict[str, float]],
) -> None:
    assert shares["fineweb_like"]["good: kept: documentation"] < 0.1
    assert shares["full"]["good: kept: documentation"] > 0.7


def test_the_full_recipe_keeps_more_of_what_is_good_and_no_more_junk(shares: dict[str, dict[str, float]]) -> None:
    good = "good: kept, one of each group of duplicates"
    assert shares["full"][good] > shares["fineweb_like"][good]
    assert shares["full"]["junk: dropped"] >= shares["fineweb_like"]["junk: dropped"]


@pytest.mark.parametrize("name", ["fineweb_like", "full"])
def test_a_shipped_recipe_leaves_no_personal_data_that_was_planted(
    shares: dict[str, dict[str, float]], name: str
) -> None:
    assert shares[name]["personal data: removed"] == 1.0
