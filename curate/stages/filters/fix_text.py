"""Repairs text: mojibake by ftfy where a cheap test finds some, then NFC, invisible characters and whitespace.

ftfy costs a millisecond a page and most pages have nothing for it (https://ftfy.readthedocs.io); so it is asked
only where the text has a pair of characters that broken UTF-8 leaves behind, a stray C1 control or an escaped
entity.
"""

from __future__ import annotations

import re
import unicodedata
from typing import cast

import pyarrow as pa

from curate.stage import MapStage, Shared, StageParameters, parameter, with_column

# What UTF-8 looks like when read as Latin-1 or Windows-1252 (Ã©, â€™, Â£, ðŸ), C1 controls, escaped entities.
_DAMAGE = re.compile(
    "[ÂÃ][\u0080-\u00bf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ]"
    "|â[€\u0080]|ð[Ÿ\u009f]|[\u0080-\u009f]|&(?:amp|lt|gt|quot|nbsp|#\\d{2,5});"
)
# Zero-width and directional marks that no script needs outside its own text; joiners (U+200C, U+200D) stay.
_INVISIBLE = re.compile("[\u200b\u2060\ufeff\u00ad\u202a-\u202e\u2066-\u2069]")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
# Anything but one plain space, so that the single spaces of clean text are never touched.
_SPACES = re.compile(
    "[ \t\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]{2,}|[\t\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]"
)
_LINE_EDGES = re.compile(" +\n *|\n +")
_NEWLINES = re.compile("\n{3,}")
_BREAKS = re.compile("\r\n?|[\u2028\u2029\u0085]")


class FixTextParameters(StageParameters):
    mojibake: bool = parameter(True, "repair broken encodings by ftfy", role="edit")
    nfc: bool = parameter(True, "compose characters (Unicode NFC)", role="edit")
    invisible: bool = parameter(True, "remove zero-width, directional and control characters", role="edit")
    whitespace: bool = parameter(
        True, "one space between words, at most one empty line, \\n alone between lines", role="edit"
    )


class FixText(MapStage):
    """Repairs encoding damage and makes whitespace uniform; keeps every document."""

    name = "fix_text"
    Parameters = FixTextParameters
    changes_text = True
    distributions = ("ftfy",)

    def edit(self, batch: pa.RecordBatch, shared: Shared) -> pa.RecordBatch:
        p = cast(FixTextParameters, self.parameters)
        texts = [None if text is None else fix(text, p) for text in batch.column("text").to_pylist()]
        return with_column(batch, "text", pa.array(texts, batch.schema.field("text").type))


def fix(text: str, parameters: FixTextParameters) -> str:
    """The text, repaired. Fixing twice changes nothing more, unless text was broken twice over."""
    if parameters.mojibake and _DAMAGE.search(text):
        text = _ftfy(text)
    if parameters.whitespace and _BREAKS.search(text):
        text = _BREAKS.sub("\n", text)
    if parameters.invisible and not (text.isascii() and text.isprintable()):
        text = _CONTROL.sub("", _INVISIBLE.sub("", text))
    if parameters.nfc and not unicodedata.is_normalized("NFC", text):
        text = unicodedata.normalize("NFC", text)
    if parameters.whitespace:
        text = _NEWLINES.sub("\n\n", _LINE_EDGES.sub("\n", _SPACES.sub(" ", text))).strip()
    return text


def _ftfy(text: str) -> str:
    import ftfy

    config = ftfy.TextFixerConfig(
        unescape_html=True,
        uncurl_quotes=False,
        fix_latin_ligatures=False,
        fix_character_width=False,
        normalization=None,
    )
    return str(ftfy.fix_text(text, config))
