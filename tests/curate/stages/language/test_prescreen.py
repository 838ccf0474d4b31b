"""The guess before extraction: only what is surely in another language goes."""

from __future__ import annotations

import pyarrow as pa
import pytest
from pydantic import ValidationError

from curate.stage import Shared
from curate.stages.language.prescreen import LanguagePrescreen, LanguagePrescreenParameters

ENGLISH = "The old mill stands by the river, and in the winter its wheel is held fast by the ice for weeks. " * 4
GERMAN = "Die alte Mühle steht am Fluss, und im Winter hält das Eis ihr Rad für viele Wochen fest umschlossen. " * 4


def page(text: str, menu: str = "") -> str:
    script = "<script>let der = 'und die Mühle ist nicht zu sehen, auch wenn sie da ist';</script>"
    return f"<html><head><title>1</title>{script}</head><body><nav>{menu}</nav><p>{text}</p></body></html>"


def dropped(pages: list[str | None], **settings: object) -> list[bool]:
    stage = LanguagePrescreen(LanguagePrescreenParameters.model_validate({"keep": ["en"], **settings}))
    stage.open()
    batch = pa.RecordBatch.from_pydict({"html": pa.array(pages, pa.string())})
    outcome = stage.process(batch, Shared())
    assert outcome.verdicts is not None
    return [rule is not None for rule in outcome.verdicts.column("rule").to_pylist()]


def test_a_page_surely_in_another_language_goes_and_a_wanted_one_stays() -> None:
    assert dropped([page(ENGLISH), page(GERMAN)]) == [False, True]
    assert dropped([page(ENGLISH), page(GERMAN)], keep=["deu", "eng"]) == [False, False]
    assert dropped([page(ENGLISH), page(GERMAN)], keep=["deu_Latn"]) == [True, False]


def test_scripts_are_not_read_and_pages_with_little_to_see_stay() -> None:
    assert dropped([page(ENGLISH, menu="Startseite Über uns Kontakt"), page("Die Mühle"), "", None]) == [False] * 4


def test_a_guess_below_sure_stays() -> None:
    assert dropped([page(GERMAN + ENGLISH)], sure=1.0) == [False]


def test_no_language_to_keep_is_refused() -> None:
    with pytest.raises(ValidationError, match="keep"):
        LanguagePrescreenParameters.model_validate({"keep": []})
