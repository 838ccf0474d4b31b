"""`where:` a stage is for some documents: these fare as if they were alone, the others as if it were not there."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from curate.documents import IDENTITY
from curate.engine.chain import Chain, ChainResult
from curate.engine.columns import MissingColumnError, check_columns
from curate.recipe import RecipeError, load
from curate.stage import MapStage
from tests.curate.engine.misbehaving import Poison, PoisonParameters

RECIPE = """name: where
input: {{jsonl: texts.jsonl}}
stages:
{stages}
output: out
"""
PROSE = "The mill by the river is old, and the people that live with it have to be patient. It was a good winter. "
TEXTS = [
    PROSE * 8,
    "one two\nthree. Uses cookies.\n" + PROSE,
    "mail me at jane.doe@example.org, or come to the mill. " + PROSE * 5,
    "### ### 12 42 ...\n" * 9,
    "def f(x):\n    return {x: 1}\n" * 6,
    "",
]
STAGES = [
    "gopher_quality: {{min_words: 30{where}}}",
    "c4_quality: {{terminal_punctuation: false, min_sentences: 3{where}}}",
    "pii: {{mode: replace{where}}}",
    "fix_text: {{{bare}}}",
    'custom: {{rule: "kind != 3"{where}}}',
]


def stages(folder: Path, *lines: str) -> list[MapStage]:
    file = folder / "recipe.yaml"
    file.write_text(RECIPE.format(stages="\n".join(f"  - {line}" for line in lines)))
    return [stage for stage in load(file).stages if isinstance(stage, MapStage)]


def documents(kinds: list[int | None], texts: list[str]) -> pa.RecordBatch:
    n = len(texts)
    columns = {field.name: pa.nulls(n, field.type) for field in IDENTITY}
    columns |= {"id": pa.array([str(i) for i in range(n)]), "text": pa.array(texts, pa.string())}
    return pa.RecordBatch.from_pydict(columns | {"kind": pa.array(kinds, pa.int64())})


def fates(result: ChainResult) -> dict[str, tuple[str, str | None]]:
    """Id → (what became of it, its text)."""
    found = {row["id"]: ("kept", row["text"]) for row in result.kept.to_pylist()}
    for label, rows in result.dropped:
        found |= {row["id"]: (f"{label}: {row['verdict_rule']}", row["text"]) for row in rows.to_pylist()}
    for rows in result.failed:
        found |= {row["id"]: (f"failed: {row['error']}", None) for row in rows.to_pylist()}
    return found


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.sampled_from([0, 1, None]), st.sampled_from(TEXTS)), min_size=0, max_size=12),
    st.sampled_from(STAGES),
)
def test_the_documents_that_a_stage_is_for_fare_as_if_alone_and_the_others_as_if_it_were_not_there(
    tmp_path: Path, drawn: list[tuple[int | None, str]], line: str
) -> None:
    batch = documents([kind for kind, _ in drawn], [text for _, text in drawn])
    (stage,) = stages(tmp_path, line.format(where=', where: "kind == 1"', bare='where: "kind == 1"'))
    (always,) = stages(tmp_path, line.format(where="", bare=""))
    mine = pa.array([kind == 1 for kind, _ in drawn], pa.bool_())
    expected = fates(Chain([always]).run(batch.filter(mine)))
    expected |= {str(i): ("kept", text) for i, (kind, text) in enumerate(drawn) if kind != 1}
    result = Chain([stage]).run(batch)
    assert fates(result) == expected
    kept = [int(id_) for id_ in result.kept.column("id").to_pylist()]
    assert kept == sorted(kept)
    for row in result.kept.to_pylist():
        if row["kind"] != 1 and stage.label in row:
            assert row[stage.label] is None


def test_later_stages_share_nothing_that_belongs_to_other_documents(tmp_path: Path) -> None:
    """Words found for the whole batch, for its documents of one kind, and again for all, are each of the right rows."""
    batch = documents([0, 1, 0, 1], [PROSE * 8, "short", PROSE * 7, PROSE * 6])
    chain = stages(
        tmp_path,
        "gopher_repetition: {mode: annotate}",
        'gopher_quality: {min_words: 50, where: "kind == 1"}',
        "gopher_quality: {label: again, mode: annotate}",
    )
    result = Chain(chain).run(batch)
    rows = {row["id"]: row for row in result.kept.to_pylist()}
    assert sorted(rows) == ["0", "2", "3"]
    assert [rows[i]["again"]["words"] for i in ("0", "2", "3")] == [8 * 23, 7 * 23, 6 * 23]
    assert rows["0"]["gopher_quality"] is None
    assert rows["3"]["gopher_quality"]["words"] == 6 * 23


def test_a_record_that_breaks_the_stage_is_found_among_those_that_it_is_for(tmp_path: Path) -> None:
    stage = Poison(PoisonParameters(crash="never", hang="never"))
    (like,) = stages(tmp_path, 'fix_text: {where: "kind == 1"}')
    stage.where = like.where
    batch = documents([0, 1, 1, None], [""] * 4)
    urls = pa.array([f"https://a.example/page/{n}" for n in (19, 20, 19, 19)])
    result = Chain([stage]).run(batch.set_column(batch.schema.get_field_index("url"), "url", urls))
    assert result.kept.column("id").to_pylist() == ["0", "1", "3"]
    assert [row["id"] for rows in result.failed for row in rows.to_pylist()] == ["2"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('deduplicate: {by: minhash, where: "kind == 1"}', "decides over the whole collection"),
        ('quality: {model: edu, keep_top: 0.5, where: "kind == 1"}', "decides over the whole collection"),
        ('extract: {where: "kind == 1"}', "for all documents"),
        ('gopher_quality: {where: "gopher_quality.words > 3"}', "is what the stage itself writes"),
        ('gopher_quality: {where: "kind + 1"}', "is no condition"),
        ("gopher_quality: {where: 3}", "takes a condition in quotes"),
    ],
)
def test_a_where_that_cannot_be_is_refused_with_its_place(tmp_path: Path, line: str, said: str) -> None:
    with pytest.raises(RecipeError, match=r"recipe\.yaml:4: .*where") as caught:
        stages(tmp_path, line)
    assert said in str(caught.value)


def test_a_where_over_what_nothing_before_has_measured_is_refused_before_any_work(tmp_path: Path) -> None:
    schema = documents([], []).schema
    check_columns(stages(tmp_path, 'gopher_quality: {where: "kind == 1"}'), schema)
    with pytest.raises(MissingColumnError, match="reads the column 'domain', which is not there"):
        check_columns(stages(tmp_path, "gopher_quality: {where: \"domain == 'news'\"}"), schema)
    late = stages(tmp_path, "gopher_quality", 'fineweb_quality: {where: "gopher_quality.word > 1"}')
    with pytest.raises(MissingColumnError, match=r"'gopher_quality.word', which gopher_quality does not have"):
        check_columns(late, schema)


def test_the_condition_is_part_of_the_resolved_recipe_and_of_its_hash(tmp_path: Path) -> None:
    stages(tmp_path, 'gopher_quality: {where: "kind == 1"}')
    recipe = load(tmp_path / "recipe.yaml")
    (tmp_path / "again.yaml").write_text(recipe.to_yaml())
    again = load(tmp_path / "again.yaml")
    assert again.hash() == recipe.hash()
    assert again.stages[0].where is not None and again.stages[0].where.rule == "kind == 1"
    assert load(tmp_path / "recipe.yaml", ["gopher_quality.where=kind == 2"]).hash() != recipe.hash()
