"""Obscene, hateful and spam text, and opt-outs: what falls, and above all what must not."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from curate.stage import MapStage, Shared
from curate.stages.quality.fasttext_model import MODELS
from curate.stages.safety.opt_out import OptOut, OptOutParameters, statements
from curate.stages.safety.spam import Spam, SpamParameters
from curate.stages.safety.text_safety import Nsfw, NsfwParameters, Toxic, ToxicParameters

# Counter-examples, written for this test: plain text of groups that word lists tend to remove.
COUNTER_EXAMPLES = {
    "medical": [
        "The rectum and anus were examined; the patient reported anal pain and bleeding after intercourse.",
        "Breast self-examination: look at both breasts and nipples, and feel the tissue of each breast in circles.",
        "Vaginal dryness, painful sex and loss of orgasm are common after menopause. Talk with your doctor.",
        "Semen analysis counts sperm and their movement; erection and ejaculation problems are noted as well.",
    ],
    "news": [
        "The court sentenced the rapist to nine years. Rape and sexual assault were proven by the witnesses.",
        "Police raided a pornography ring; prosecutors charged four men with incest and child abuse.",
        "The minister called the report bullshit and refused to resign over the escort scandal.",
    ],
    "lgbtq": [
        "My wife and I are a lesbian couple; our queer choir meets in a gay bar on Tuesdays.",
        "She came out as transgender at forty, and the dykes on bikes led the parade for her.",
        "Bisexual and homosexual teenagers said that the school's group made them feel safe.",
    ],
    "dialect": [
        "That ain't no damn joke, my cousin nem was mad as hell and they ass left early.",
        "Yon daft bugger left his bloody fags in the pub again, the soft bastard.",
        "Dat dude be trippin, he crazy as shit but he family, you feel me.",
    ],
}


def dropped(stage: MapStage, texts: list[str], language: str = "en") -> list[bool]:
    stage.open()
    batch = pa.RecordBatch.from_pydict({"text": texts, "language": [language] * len(texts)})
    verdicts = stage.process(batch, Shared()).verdicts
    assert verdicts is not None
    return [rule is not None for rule in verdicts.column("rule").to_pylist()]


@pytest.mark.parametrize("group", sorted(COUNTER_EXAMPLES))
@pytest.mark.parametrize("stage", [Nsfw(NsfwParameters()), Toxic(ToxicParameters())])
def test_plain_text_of_the_group_stays(stage: MapStage, group: str) -> None:
    assert not any(dropped(stage, COUNTER_EXAMPLES[group]))


def test_obscene_text_falls_and_one_curse_in_a_novel_stays() -> None:
    obscene = "cumshot gangbang milf blowjob videos, hot deepthroat and bukkake, free fuck clips every day " * 3
    novel = "The ship went on through the grey morning and nobody spoke of the captain. " * 40 + "Fuck, he said."
    assert dropped(Nsfw(NsfwParameters()), [obscene, novel]) == [True, False]


def test_lists_follow_the_language_of_the_document() -> None:
    text = "fitta kuk knulla runka hora " * 4
    assert dropped(Nsfw(NsfwParameters()), [text], "sv") == [True]
    assert dropped(Nsfw(NsfwParameters()), [text], "en") == [False]


def test_terms_of_scripts_without_spaces_are_found() -> None:
    from curate.stages.safety.terms import DATA, read_table

    terms = [term for language, term in read_table(DATA / "ldnoobw.tsv") if language == "ja" and len(term) > 2][:20]
    assert dropped(Nsfw(NsfwParameters()), ["今日は" + "、".join(terms) + "です"], "ja") == [True]


def test_sentence_level_removes_the_sentence_and_nothing_else() -> None:
    stage = Nsfw(NsfwParameters(level="sentence", max_score=0.3, model="none"))
    stage.open()
    bad = "Free blowjob gangbang milf bukkake deepthroat creampie cumshot here! "
    text = f"A fine first sentence.\n{bad}And a last one. 🙂"
    batch = pa.RecordBatch.from_pydict({"text": [text]})
    outcome = stage.process(batch, Shared())
    assert outcome.verdicts is None
    assert stage.edit(outcome.batch, Shared()).column("text").to_pylist() == [
        "A fine first sentence.\nAnd a last one. 🙂"
    ]


def test_sentences_are_scored_once_for_signals_and_edit_and_follow_the_rows_that_stay() -> None:
    stage = Nsfw(NsfwParameters(level="sentence", max_score=0.3))
    stage.open()
    bad = "Free blowjob gangbang milf bukkake deepthroat creampie cumshot here! "
    batch = pa.RecordBatch.from_pydict({"text": [f"One. {bad}", "Plain words.", None, f"{bad}Last."]})
    shared, calls = Shared(), []
    asked = stage._judge.scores
    stage._judge.scores = lambda texts: calls.append(len(texts)) or asked(texts)  # type: ignore[method-assign]
    outcome = stage.process(batch, shared)
    mask = pa.array([False, True, True, True])
    shared.filter(mask)
    assert stage.edit(outcome.batch.filter(mask), shared).column("text").to_pylist() == ["Plain words.", None, "Last."]
    assert calls == [4, 5]


def test_there_are_word_lists_of_28_languages_and_a_variety_has_those_of_its_language() -> None:
    stage = Nsfw(NsfwParameters(model="none"))
    lists = stage.weights()
    assert len(lists) == 28 and all(lists.values())
    assert set(lists["fr"]) < set(lists["fr-CA"]) and "tabarnak" not in lists["fr"]
    curses = "tabarnak crisse osti viarge noune " * 4
    assert dropped(stage, [curses], "fr-CA") == [True] and dropped(stage, [curses], "fr") == [False]
    german = " ".join(sorted(lists["de"])[:20])
    assert dropped(stage, [german], "de-AT") == dropped(stage, [german], "de") == [True]


def test_doorways_fall_and_an_article_about_casinos_stays() -> None:
    doorway = "Situs slot gacor online terpercaya. Daftar slot gacor, bonus deposit, judi slot online maxwin. " * 8
    article = (
        "The town's old casino closed in 1974. Its owner had built it after the war, when visitors came by train, "
        "and the ballroom was known for its concerts. The council now wants to turn the house into a library, with "
        "reading rooms on the first floor and a small museum of the region's history where the tables stood."
    )
    assert dropped(Spam(SpamParameters()), [doorway, article, ""]) == [True, False, False]


PAGE = '<html><head><META content="NOAI, nofollow" name=robots><link rel="license" href="https://l.test/by?a&amp;b">'


@pytest.mark.parametrize(
    ("page", "header", "expected"),
    [
        (PAGE, None, {"noai": True, "noindex": False, "license": "https://l.test/by?a&b", "robots": "noai,nofollow"}),
        ("<p>x", {"x_robots_tag": "googlebot: noindex, noai"}, {"noai": True, "noindex": True}),
        ("<meta name='tdm-reservation' content='1'>", {}, {"tdm_reservation": True}),
        ("<meta name='tdm-reservation' content='0'>", {}, {"tdm_reservation": False}),
        ("", {"tdm_reservation": "1", "tdm_policy": "https://p.test"}, {"tdm_policy": "https://p.test"}),
        ("", {"link": '<https://l.test>; rel="license"'}, {"license": "https://l.test"}),
        (
            '<meta name="robots" content="max-snippet:-1, none">',
            None,
            {"noindex": True, "robots": "max-snippet:-1,none"},
        ),
        ('<meta name="description" content="noai">', None, {"noai": False, "robots": None}),
        ('<meta name="gptbot" content="noml">', None, {"noml": True, "noai": False}),
        ('<a itemprop="license" href="https://l.test/a">', None, {"license": "https://l.test/a"}),
        ('<meta name="DCTERMS.license" content="https://l.test/d">', None, {"license": "https://l.test/d"}),
        ('<script>{"@type": "Article", "license" : "https://l.test/j"}</script>', {}, {"license": "https://l.test/j"}),
        (None, None, {"noai": False, "tdm_reservation": False, "license": None}),
    ],
)
def test_a_page_states_what_may_be_done_with_it(
    page: str | None, header: dict[str, str] | None, expected: dict[str, object]
) -> None:
    found = statements(page, header)
    assert {key: found[key] for key in expected} == expected


def test_opt_outs_are_acted_on_as_the_recipe_says() -> None:
    pages = [PAGE, "<meta name=robots content=noindex>", "<p>"]
    batch = pa.RecordBatch.from_pydict({"html": pages})
    for drop, expected in ((("noai",), ["noai", None, None]), (("noindex",), [None, "noindex", None])):
        verdicts = OptOut(OptOutParameters(drop=drop)).process(batch, Shared()).verdicts
        assert verdicts is not None and verdicts.column("rule").to_pylist() == expected
    with pytest.raises(ValueError, match="nofollow not known; allowed: noindex"):
        OptOut(OptOutParameters(drop=("nofollow",)))


def test_the_model_finds_what_no_list_has_and_says_so() -> None:
    mail = "Dear friend, I am the widow of a general and have 25 million dollars for you; send your bank account. " * 3
    alone, both = Spam(SpamParameters(model="none")), Spam(SpamParameters())
    assert dropped(alone, [mail]) == [False]
    both.open()
    outcome = both.process(pa.RecordBatch.from_pydict({"text": [mail, "", None]}), Shared())
    signals = outcome.batch.column("spam").to_pylist()
    assert outcome.verdicts is not None
    assert outcome.verdicts.column("rule").to_pylist() == ["spam_model", None, None]
    assert signals[0]["score"] == signals[0]["model"] > both.rules()[1].threshold
    assert signals[1]["model"] is None and signals[1]["score"] == signals[1]["words"]


def test_a_higher_precision_asks_for_a_higher_score() -> None:
    limits = [Toxic(ToxicParameters(precision=p)).rules()[1].threshold for p in (0.5, 0.8)]
    assert limits == sorted(limits)
    assert Toxic(ToxicParameters(max_model_score=0.25)).rules()[1].threshold == 0.25
    assert Toxic(ToxicParameters(max_model_score=0.25)).rules()[1].parameter == "max_model_score"
    assert [rule.name for rule in Toxic(ToxicParameters(model="none")).rules()] == ["toxic_words"]


def test_a_model_without_what_is_asked_for_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"precision: 0.77 is not in the description of nsfw.ftz; allowed: 0.5, 0.8"):
        Nsfw(NsfwParameters(precision=0.77))
    bare = tmp_path / "own.ftz"
    bare.write_bytes((MODELS / "nsfw.ftz").read_bytes())
    with pytest.raises(ValueError, match="no description that says which score gives which precision"):
        Nsfw(NsfwParameters(model=str(bare)))
    Nsfw(NsfwParameters(model=str(bare), max_model_score=0.9)).open()
    with pytest.raises(ValueError, match="no model 'nothing'"):
        Nsfw(NsfwParameters(model="nothing"))


def test_sentences_go_by_the_model_too_and_the_rest_of_the_text_stays() -> None:
    bad = "You are all a bunch of dirty stupid bitches and hoes! "
    text = f"The museum opens at ten.\n{bad}Tickets are sold at the door. 🙂"
    stage = Toxic(ToxicParameters(level="sentence", max_model_score=0.8, max_score=1.0))
    stage.open()
    outcome = stage.process(pa.RecordBatch.from_pydict({"text": [text]}), Shared())
    signals = outcome.batch.column("toxic")[0].as_py()
    assert outcome.verdicts is None and signals["removed_sentences"] == 1 and signals["worst_sentence"] > 0.8
    assert stage.edit(outcome.batch, Shared()).column("text").to_pylist() == [text.replace(bad, "")]
    annotating = Toxic(ToxicParameters(level="sentence", mode="annotate"))
    annotating.open()
    batch = annotating.process(pa.RecordBatch.from_pydict({"text": [text]}), Shared()).batch
    assert annotating.edit(batch, Shared()).column("text").to_pylist() == [text]
