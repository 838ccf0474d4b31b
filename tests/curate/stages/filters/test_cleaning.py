"""Repairs, boilerplate lines, outlier tokens, machine residue, and rules of the recipe's own."""

from __future__ import annotations

import base64
import unicodedata

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from curate.expressions import parse
from curate.stage import MapStage, Shared
from curate.stages.extract.stage import Extract, ExtractParameters
from curate.stages.filters.custom import Custom, CustomParameters
from curate.stages.filters.fix_text import FixText, FixTextParameters, fix
from curate.stages.filters.gopher import GopherQuality, GopherQualityParameters
from curate.stages.filters.line_cleanup import LineCleanup, LineCleanupParameters
from curate.stages.filters.machine_text import MachineText, MachineTextParameters
from curate.stages.filters.outliers import TokenOutliers, TokenOutliersParameters

PROSE = (
    "The committee met in the old town hall on a wet evening in March. It had been asked to decide whether the bridge "
    "should be closed while the work was going on, and most of those who spoke thought that it should not.\n"
) * 3


def rules(stage: MapStage, *texts: str | None, **columns: list[object]) -> list[str | None]:
    stage.open()
    batch = pa.record_batch({"text": pa.array(texts, pa.string()), **columns})
    return stage.process(batch, Shared()).verdicts["rule"].to_pylist()


def test_damage_is_repaired_and_clean_text_is_left_alone():
    p = FixTextParameters()
    assert fix("The cafÃ© isnâ€™t open", p) == "The café isn’t open"
    assert fix("a &amp; b", p) == "a & b"
    assert fix("e\u0301t\u00e9\u200b a\u00a0 b \r\n\r\n\r\n\r\nc\u00ad", p) == "été a b\n\nc"
    assert fix("“Curly” quotes, ﬁne — as they are…", p) == "“Curly” quotes, ﬁne — as they are…"
    assert fix("می\u200cخواهم", p) == "می\u200cخواهم"


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=60))
def test_fixing_twice_changes_nothing_more(text):
    p = FixTextParameters(mojibake=False)
    once = fix(text, p)
    assert fix(once, p) == once and unicodedata.is_normalized("NFC", once)


def test_fix_text_keeps_every_row_and_null():
    batch = pa.record_batch({"text": pa.array(["Ã© ", None], pa.large_string())})
    edited = FixText(FixTextParameters()).edit(batch, Shared())
    assert edited["text"].to_pylist() == ["é", None] and edited.schema == batch.schema


def test_furniture_goes_and_sentences_about_it_stay():
    stage = LineCleanup(LineCleanupParameters())
    furniture = ("Home", "Share on Facebook", "© 2024 Acme Ltd.", "Read more »")
    text = "The law says when a site may use cookies.\n" + "\n".join(furniture) + "\nWe share bread.\n"
    batch = pa.record_batch({"text": [text, None]})
    outcome = stage.process(batch, Shared())
    assert outcome.batch["line_cleanup"].to_pylist() == [{"removed_lines": 4}, {"removed_lines": 0}]
    edited = stage.edit(outcome.batch, Shared())["text"].to_pylist()
    assert edited == ["The law says when a site may use cookies.\nWe share bread.", None]
    with pytest.raises(ValueError, match="no kind 'cookie'; allowed: cookies"):
        LineCleanup(LineCleanupParameters(kinds=("cookie",)))


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        (PROSE, None),
        (PROSE.replace(" t", " \ufffd"), "replacement"),
        (
            "Größe, Übermaß, Füße, schön, für über Ärger läßt grüßen".encode().decode("cp1252", "replace") * 3,
            "mojibake",
        ),
        ("ab\x01\x02 cd\x03 \ue000\ue001 ef " * 9, "control"),
        (base64.b64encode(bytes(range(256))).decode() + " is the key", "encoded"),
        ("if (a[i] == b[j]) { x += y; } " * 20, "code"),
        ("zxqv wkrr plonk frum vrelt " * 40, "unknown_word"),
    ],
    ids=["prose", "replacement", "mojibake", "control", "encoded", "code", "unknown words"],
)
def test_outliers_are_named_for_what_they_are(text, rule):
    assert rules(TokenOutliers(TokenOutliersParameters()), text) == [rule]


def test_words_are_compared_with_english_only_where_the_page_is_not_known_to_be_other():
    gibberish = "zxqv wkrr plonk frum vrelt " * 40
    found = rules(TokenOutliers(TokenOutliersParameters()), gibberish, gibberish, None, language=["cs", "en", None])
    assert found == [None, "unknown_word", None]


def test_residue_of_generators_is_found_and_one_mention_in_a_long_text_is_not():
    stage = MachineText(MachineTextParameters())
    residue = "As an AI language model, I cannot browse the internet. Is there anything else I can help with?"
    spun = "{Buy|Get|Order} {cheap|low-cost} shoes {now|today} at %%keyword%%."
    quoted = "People laugh at “as an AI language model”. " + PROSE * 5
    assert rules(stage, PROSE, residue, spun, quoted) == [None, "prompt_residue", "unfilled_template", None]


BATCH = {
    "gopher": pa.array([{"words": 10, "kind": "a"}, {"words": 60, "kind": "b"}, {"words": None, "kind": None}]),
    "quality": pa.array([{"score": 0.5}, {"score": 0.2}, {"score": 0.9}]),
    "language": pa.array(["en", "de", None]),
}


def test_words_with_a_letter_are_counted_among_tokens_or_among_words():
    text = "It had 3 parts, 40 doors, 5 roofs; and (so they say) \u201cthe best\u201d view of the sea. " * 8
    batch, counts = pa.record_batch({"text": [text]}), {}
    for among in ("tokens", "words"):
        stage = GopherQuality(GopherQualityParameters(alphabetic_of=among))
        (signals,) = stage.measure(batch, Shared()).to_pylist()
        verdicts = stage.process(batch, Shared()).verdicts["rule"].to_pylist()
        counts[among] = (signals["alphabetic_word_fraction"], verdicts)
    # A sentence has 15 words with a letter, 3 numbers and 8 marks.
    assert counts == {"tokens": (15 / 26, ["too_few_alphabetic_words"]), "words": (15 / 18, [None])}


def test_braces_in_lines_of_code_are_no_template():
    code = "{{ user }} and {{ item.name }}\n{a|b|c} %TITLE% %%key%%"
    page = "<html><main><h1>Templates</h1><p>" + "How a template is filled in, step by step. " * 20
    page += f"</p><pre><code>{code}</code></pre></main></html>"
    extracted = Extract(ExtractParameters()).process(pa.RecordBatch.from_pydict({"html": [page]}), Shared()).batch
    texts = {"known": extracted, "unknown": extracted.drop_columns(["extract"])}
    stage = MachineText(MachineTextParameters())
    counts = {name: stage.measure(batch, Shared()).field("templates").to_pylist() for name, batch in texts.items()}
    assert counts == {"known": [0], "unknown": [5]}


@pytest.mark.parametrize(
    ("rule", "stays"),
    [
        ("gopher.words >= 50", [False, True, True]),
        ("gopher.words >= 50 and quality.score > 0.3", [False, False, True]),
        ("not (gopher.words < 50) or language in ['en']", [True, True, True]),
        ("5 < gopher.words <= 10", [True, False, True]),
        ("language not in ['en', 'fr'] and gopher.kind != 'a'", [False, True, True]),
        ("gopher.words / 2 + 1 > -quality.score * 100 + 55", [True, False, True]),
    ],
)
def test_a_custom_rule_keeps_where_it_is_true_or_open(rule, stays):
    stage = Custom(CustomParameters(rule=rule))
    outcome = stage.process(pa.record_batch(BATCH), Shared())
    assert [name is None for name in outcome.verdicts["rule"].to_pylist()] == stays


def test_a_custom_rule_says_what_its_signals_were():
    stage = Custom(CustomParameters(rule="gopher.words >= 50"))
    verdicts = stage.process(pa.record_batch(BATCH), Shared()).verdicts
    assert verdicts.to_pylist()[0] == {
        "rule": "rule", "value": "gopher.words=10", "threshold": "gopher.words >= 50", "duplicate_of": None,
    }  # fmt: skip
    assert stage.reads == ("gopher",)


@pytest.mark.parametrize(
    "rule",
    [
        "__import__('os').system('x')", "a.b[0] > 1", "lambda: 1", "gopher.words", "gopher.words and", "x := 3",
        "1 + 1", "a if b > 1 else c", "[x for x in y] == 1", "a is None", "f'{a}' == 'x'", "a in b", "a > 1 and 3",
        "b'x' == a", "",
    ],
)  # fmt: skip
def test_what_is_more_than_a_rule_is_refused(rule):
    if rule == "gopher.words":
        assert parse(rule) is not None  # a signal that is true or false is a rule
        return
    with pytest.raises(ValueError, match="rule"):
        CustomParameters(rule=rule)
