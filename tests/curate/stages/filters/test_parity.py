"""The four reference filters decide as datatrove 0.10 does: on real pages, and on text made to be odd."""

from __future__ import annotations

import gzip
import json
from functools import cache

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from curate.kernels.characters import character_classes
from curate.kernels.words import english_tables, find_words
from curate.stage import MapStage, Shared
from curate.stages.filters.c4 import C4Quality, C4QualityParameters
from curate.stages.filters.fineweb import FineWebQuality, FineWebQualityParameters
from curate.stages.filters.gopher import (
    GopherQuality,
    GopherQualityParameters,
    GopherRepetition,
    GopherRepetitionParameters,
)
from curate.stages.unspaced import split_unspaced
from curate.stages.words import utf8_buffers

pytest.importorskip("datatrove", reason="datatrove is not installed (the extra `datatrove`)")
pytest.importorskip("spacy", reason="spaCy is not installed (the extra `datatrove`)")

PAGES_PER_FILE = 8

REASONS = {
    "duplicate_paragraph_fraction": "dup_para_frac",
    "duplicate_paragraph_character_fraction": "dup_para_char_frac",
    "duplicate_line_fraction": "dup_line_frac",
    "duplicate_line_character_fraction": "dup_line_char_frac",
    **{f"top_{n}_gram_character_fraction": f"top_{n}_gram" for n in (2, 3, 4)},
    **{f"duplicate_{n}_gram_character_fraction": f"duplicated_{n}_n_grams" for n in range(5, 11)},
    "too_few_words": "gopher_short_doc",
    "too_many_words": "gopher_long_doc",
    "short_words": "gopher_below_avg_threshold",
    "long_words": "gopher_above_avg_threshold",
    "too_many_hashes": "gopher_too_many_hashes",
    "too_many_ellipses": "gopher_too_many_ellipsis",
    "too_many_bullets": "gopher_too_many_bullets",
    "too_many_ellipsis_lines": "gopher_too_many_end_ellipsis",
    "too_few_alphabetic_words": "gopher_below_alpha_threshold",
    "too_few_stop_words": "gopher_enough_stop_words",
    "too_few_punctuated_lines": "line_punct_ratio",
    "short_lines": "short_line_ratio",
    "duplicate_lines": "char_dup_ratio",
    "list": "list_ratio",
}
"""Our name of a rule → datatrove's name of the reason; others are the same in both."""


def of_unspaced_script(text: str) -> bool:
    """Whether the text is of a script whose words we find by dictionaries, and datatrove's English filters do not."""
    batch = pa.record_batch({"text": pa.array([text], pa.string())})
    data, offsets = utf8_buffers(batch.column("text"))
    uncut = find_words(data, offsets, character_classes(), english_tables())
    return len(split_unspaced(data, uncut).start) != len(uncut.start)


@cache
def stages() -> dict[str, tuple[MapStage, object]]:
    """Each filter, and datatrove's with the same thresholds."""
    from datatrove.pipeline.filters import (
        C4QualityFilter,
        FineWebQualityFilter,
        GopherQualityFilter,
        GopherRepetitionFilter,
    )

    return {
        "gopher_repetition": (GopherRepetition(GopherRepetitionParameters()), GopherRepetitionFilter()),
        "gopher_quality": (GopherQuality(GopherQualityParameters()), GopherQualityFilter()),
        "c4_quality": (C4Quality(C4QualityParameters()), C4QualityFilter()),
        "c4_as_in_fineweb": (
            C4Quality(C4QualityParameters(terminal_punctuation=False)),
            C4QualityFilter(filter_no_terminal_punct=False),
        ),
        "c4_by_sentence": (C4Quality(C4QualityParameters(unit="sentence")), C4QualityFilter(split_paragraph=False)),
        "fineweb_quality": (FineWebQuality(FineWebQualityParameters()), FineWebQualityFilter()),
    }


def ours(stage: MapStage, texts: list[str]) -> list[tuple[str | None, str]]:
    """(datatrove's name of the reason or None, the text afterwards) of each text."""
    shared = Shared()
    outcome = stage.process(pa.record_batch({"text": texts}), shared)
    rules = outcome.verdicts["rule"].to_pylist()
    kept = pa.array([rule is None for rule in rules])
    shared.filter(kept)
    after = iter(stage.edit(outcome.batch.filter(kept), shared)["text"].to_pylist())
    return [
        (REASONS.get(rule, rule), next(after) if rule is None else text)
        for rule, text in zip(rules, texts, strict=True)
    ]


def theirs(filter_: object, text: str) -> tuple[str | None, str]:
    from datatrove.data import Document

    document = Document(text=text, id="")
    answer = filter_.filter(document)  # type: ignore[attr-defined]
    reason = None if answer is True else answer[1]
    return reason, document.text if reason is None else text


@pytest.fixture(scope="module")
def english_pages(shared_data) -> list[str]:
    """Text of some pages of each WARC, as FineWeb extracts it."""
    trafilatura = pytest.importorskip("trafilatura")
    from fastwarc.warc import ArchiveIterator, WarcRecordType

    with gzip.open(shared_data / "crawl" / "labels.jsonl.gz", "rt") as file:
        labels = {label["record_id"]: label for label in map(json.loads, file)}
    texts: list[str] = []
    for path in sorted((shared_data / "crawl").glob("*.warc.gz")):
        found = 0
        with path.open("rb") as stream:
            for record in ArchiveIterator(stream, record_types=WarcRecordType.response):
                label = labels.get(record.headers.get("WARC-Record-ID"))
                language = (label or {}).get("language") or (label or {}).get("html_lang") or "en"
                if found == PAGES_PER_FILE or not label or label["status"] != 200 or language[:2] != "en":
                    continue
                page = record.reader.read().decode(label["charset"] or "utf-8", "replace")
                text = trafilatura.extract(page, favor_precision=True)
                if text and not of_unspaced_script(text):
                    texts.append(text)
                    found += 1
    return texts


@pytest.mark.parametrize("name", list(stages()))
def test_decisions_reasons_and_texts_on_real_pages_are_those_of_datatrove(english_pages, name):
    stage, reference = stages()[name]
    answers = ours(stage, english_pages)
    expected = [theirs(reference, text) for text in english_pages]
    differing = [
        (index, answer[0], wanted[0])
        for index, (answer, wanted) in enumerate(zip(answers, expected, strict=True))
        if answer != wanted
    ]
    assert {reason for reason, _ in expected} - {None}, "no page was dropped: the sample shows nothing"
    assert differing == []


LINES = st.sampled_from(
    [
        "the cat sat on the mat and that was it.", "short", "", " ", "- item", "• item", "and so on...", "well…",
        "This site uses cookies.", "Enable JavaScript now.", "Lorem ipsum dolor.", "{ code }",
        "word[1]. And more [edit].",
        "One. Two! Three? Four.", "“Quoted.” he said", "# a # b # c", "ab cd ef gh ij kl", "x" * 1001, "1 2 3 4",
        "to be or not to be that is the question to be", "café — naïve ‘so’ (well): ok", "日本語。テスト。",
        "\u2028", "\r",
    ]
)  # fmt: skip
TEXTS = st.lists(st.one_of(LINES, st.text(max_size=20)), max_size=12).flatmap(
    lambda lines: st.sampled_from(["\n", "\n\n", " ", "\r\n"]).map(lambda joint: joint.join(lines))
)


@pytest.mark.parametrize("name", list(stages()))
@settings(max_examples=150, deadline=None)
@given(text=TEXTS)
@example(text="a[1]. b[2]. c. d. e. f g h.\nfoo. [3]\n  x y z .  [edit]")
def test_odd_texts_are_decided_as_datatrove_decides_them(name, text):
    if not text or (name == "gopher_quality" and not text.split()):
        return  # datatrove divides by zero
    if of_unspaced_script(text):
        return
    stage, reference = stages()[name]
    assert ours(stage, [text])[0] == theirs(reference, text)


@pytest.mark.parametrize("name", list(stages()))
def test_nothing_and_blanks_are_dropped_not_crashed_on(name):
    stage, _ = stages()[name]
    batch = pa.record_batch({"text": pa.array([None, "", " \n\u2028 ", "word"], type=pa.string())})
    rules = stage.process(batch, Shared()).verdicts["rule"].to_pylist()
    assert all(rules[:2])
