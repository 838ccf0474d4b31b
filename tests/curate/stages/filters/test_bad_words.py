"""Bad words are found where they stand alone, and the share that is kept follows from the ids."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.stage import Shared
from curate.stages.filters.bad_words import C4BadWords, C4BadWordsParameters

PHRASES = ["darn", "two words", "a.b", "#!"]


@pytest.fixture(scope="module")
def words(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("lists") / "en"
    path.write_text("\n".join([*PHRASES, "", "Darn"]))
    return path


def found(stage: C4BadWords, texts: list[str]) -> list[str | None]:
    batch = pa.record_batch({"id": [f"{i:032x}" for i in range(len(texts))], "text": texts})
    return [row["word"] for row in stage.process(batch, Shared()).batch["c4_bad_words"].to_pylist()]


def test_only_whole_words_count_unless_the_script_has_none(words):
    stage = C4BadWords(C4BadWordsParameters(words=str(words)))
    assert found(stage, ["DARN it", "darned", "(darn)", "two  words", "Two words!", "so #! x", "a.b"]) == [
        "darn", None, "darn", None, "two words", "#!", "a.b",
    ]  # fmt: skip
    assert found(C4BadWords(C4BadWordsParameters(words=str(words), separated=False)), ["undarned"]) == ["darn"]


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.sampled_from([*PHRASES, "Darn", " ", ".", "x", "two", "words", "\n", "é", "_"]), max_size=8).map(
        "".join
    )
)
def test_the_shortcut_misses_nothing(words, text):
    stage = C4BadWords(C4BadWordsParameters(words=str(words)))
    expected = re.search(rf"(?:\W|^)({'|'.join(map(re.escape, PHRASES))})(?:\W|$)", text.lower())
    assert (found(stage, [text])[0] is None) == (expected is None)


def test_the_kept_share_is_as_asked_and_the_same_again(words):
    stage = C4BadWords(C4BadWordsParameters(words=str(words), keep_fraction=0.3))
    batch = pa.record_batch({"id": [f"{i:032x}" for i in range(2000)], "text": ["darn"] * 2000})
    kept = [rule is None for rule in stage.process(batch, Shared()).verdicts["rule"].to_pylist()]
    assert 0.26 < sum(kept) / len(kept) < 0.34
    part = stage.process(batch.slice(500, 100), Shared()).verdicts["rule"].to_pylist()
    assert [rule is None for rule in part] == kept[500:600]


def test_a_list_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"word list .*absent cannot be read"):
        C4BadWords(C4BadWordsParameters(words=str(tmp_path / "absent")))
