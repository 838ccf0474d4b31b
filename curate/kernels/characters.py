"""What each character is: one table of bit flags, indexed by code point, that every kernel reads.

Classes come from the running Python's Unicode database, so that `str.isspace` and the kernels agree. The bits
below WORD_CHARACTERS follow what spaCy's blank English tokenizer and datatrove's filters look at (see
curate.kernels.words); they are stated as ranges and categories, not as a copy of their lists.
"""

from __future__ import annotations

import functools
import unicodedata
from collections import defaultdict

import numpy as np
from numpy.typing import NDArray

from curate.kernels.tables import stored

SPACE = 1 << 0  # str.isspace
LETTER = 1 << 1  # str.isalpha
LINE_BREAK = 1 << 2  # str.splitlines
SYMBOL = 1 << 3  # datatrove's PUNCTUATION_SET: a word of these alone is no word for Gopher
TERMINAL = 1 << 4  # datatrove's TERMINAL_PUNCTUATION: a line that ends in one is a sentence for FineWeb
PUNCTUATION = 1 << 5  # category P
SENTENCE_END = 1 << 6  # spaCy's sentencizer
ALPHA = 1 << 7  # the letters that spaCy's rules know
LOWER = 1 << 8
UPPER = 1 << 9
ICON = 1 << 10  # category So, as of Unicode 11
QUOTE = 1 << 11
PREFIX = 1 << 12  # split off the front of a word
SUFFIX = 1 << 13  # split off its end, whatever stands before
CURRENCY = 1 << 14  # split off its end after a digit
BEFORE_STOP = 1 << 15  # a full stop after one of these is split off
HOST = 1 << 16  # may begin a label of a host name
DIGIT = 1 << 17  # \d
WORD = 1 << 18  # \w
PLAIN = 1 << 19  # ASCII letters and digits: never a place to split
INNER = 1 << 20  # may split a word that it stands in
CONTROL = 1 << 21  # category Cc, but for tab and line breaks, and noncharacters
PRIVATE = 1 << 22  # category Co
UNSPACED = 1 << 23  # letters and marks of scripts that put no space between words

N_CODE_POINTS = 0x110000

# Letters with case, then scripts without it, that spaCy's alphabet covers.
_CASED = (
    "41-5A 61-7A C0-D6 D8-F6 F8-1BF 1C4-2AF 386 388-38A 38C 38E-38F 391-3A9 3AC-3AF 3B1-3C9 3CC-3CE 400-401 "
    "403-40A 40C-40D 410-451 453-45A 45C-45D 490-491 496-497 4A2-4A3 4AE-4AF 4BA-4BB 4D8-4D9 4E8-4E9 1D00-1D25 "
    "1D6B-1D77 1D79-1D9A 1E00-1EFF 2C60-2C7B 2C7E-2C7F A722-A76F A771-A787 A78B-A78E A790-A7B9 A7FA AB30-AB5A "
    "AB60-AB64 FF21-FF3A FF41-FF5A"
)
_UNCASED = (
    "591-5F4 620-64A 66E-6D5 6E5-6FF 750-77F 8A0-8BD 900-9FF B80-CFF D80-DFF 1100-137F 2E80-2FDF 2FF0-30FF "
    "31C0-31EF 3200-4DBF 4E00-9FFF AC00-D7AF F900-FAFF FB1D-FBB1 FBD3-FD3D FD50-FDC7 FDF0-FDFB FE30-FE4F "
    "FE70-FEFC 1EE00-1EEBB 1F200-1F2FF 20000-2A6DF 2A700-2EBEF 2F800-2FA1F"
)
# So-characters younger than Unicode 11, which spaCy's icon list does not know.
_NEW_ICONS = (
    "166D 2B97 2BC9 2BFF 2E50-2E51 32FF FD40-FD4F FDCF FDFE-FDFF 1019C 11FD5-11FDC 11FE1-11FF1 1CF50-1CFC3 "
    "1D1E9-1D1EA 1E14F 1ED2E 1F10D-1F10F 1F16C-1F16F 1F1AD 1F6D5-1F6DF 1F6FA-1F6FF 1F774-1F77F 1F7D9-1F7FF "
    "1F8B0-1F8FF 1F90C-1F90F 1F93F 1F971-1F972 1F977-1F979 1F97B 1F9A3-1F9AF 1F9BA-1F9BF 1F9C3-1F9CF "
    "1FA00-1FA5F 1FA6E-1FBFF"
)
# Sentence-final marks of the world's scripts, for FineWeb's line rule; the sentencizer knows all but _LATE.
_TERMINAL = (
    "21 2E 3F 589 61D-61F 6D4 700-702 7F9 837 839 83D-83E 964-965 104A-104B 1362 1367-1368 166E 1735-1736 "
    "17D4-17D6 17D9-17DA 1803 1809 1944-1945 1AA8-1AAB 1B5A-1B5B 1B5E-1B5F 1B7D-1B7E 1C3B-1C3C 1C7E-1C7F "
    "203C-203D 2047-2049 2E2E 2E3C 2E53-2E54 3002 A4FF A60E-A60F A6F3 A6F7 A876-A877 A8CE-A8CF A92F A9C8-A9C9 "
    "AA5D-AA5F AAF0-AAF1 ABEB FE52 FE56-FE57 FF01 FF0E FF1F FF61 10A56-10A57 10F55-10F59 10F86-10F89 11047-11048 "
    "110BE-110C1 11141-11143 111C5-111C6 111CD 111DE-111DF 11238-11239 1123B-1123C 112A9 1144B-1144C 115C2-115C3 "
    "115C9-115D7 11641-11642 1173C-1173E 11944 11946 11A42-11A43 11A9B-11A9C 11C41-11C42 11EF7-11EF8 11F43-11F44 "
    "16A6E-16A6F 16AF5 16B37-16B38 16B44 16E98 1BC9F 1DA88"
)
_LATE = (
    "61D-61E 837 839 83D-83E 17D4-17D6 17D9-17DA 1B7D-1B7E 2E53-2E54 10F55-10F59 10F86-10F89 11944 11946 "
    "11EF7-11EF8 11F43-11F44 16E98"
)
# Control characters, ASCII punctuation and the fullwidth and typographic marks of crawled text.
_SYMBOL = (
    "0-8 B-1F 21-2F 3A-40 5B-60 7B-9F AB B4 BB 2013-2014 2019 201C-201E 2026 2236 2501 25BA 3001-3002 3008-300D "
    "3010-3011 FF01 FF05 FF08-FF09 FF0C FF0E FF11 FF1A-FF1B FF1F FF5E"
)

# Han, kana, Thai, Lao, Burmese, Khmer.
_UNSPACED = (
    "3005-3007 3041-309F 30A1-30FA 30FC-30FF 31F0-31FF 3400-4DBF 4E00-9FFF F900-FAFF FF66-FF9F 20000-323AF "
    "E01-E3A E40-E4E E81-EDF 1000-103F 1050-109F A9E0-A9FE AA60-AA7F 1780-17D3"
)

_PUNCT = "…,:;!?¿؟¡()[]{}<>_#*&。？！，、；：～·।،۔؛٪"
_QUOTES = "'\"”“`‘´’‚,„»«「」『』（）〔〕【】《》〈〉\u2329\u232a⟦⟧"
_CURRENCY = "$£€¥฿₽﷼₴" + "".join(map(chr, range(0x20A0, 0x20C0)))
_PREFIX = "§%=—–+" + _PUNCT + _QUOTES + _CURRENCY
_SUFFIX = _PUNCT + _QUOTES + "—–"
_BEFORE_STOP = "0123456789%²-+|()?:" + _PUNCT + _QUOTES
_INNER = ".…+-*^,:<>=/–—~"
_LINE_BREAKS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"

_LETTER = LETTER | WORD
_BY_CATEGORY: dict[str, int] = defaultdict(
    int,
    Ll=_LETTER | LOWER, Lm=_LETTER | LOWER, Lo=_LETTER | LOWER, Lu=_LETTER | UPPER, Lt=_LETTER,
    Nd=WORD | DIGIT, Nl=WORD, No=WORD, So=ICON, Cc=CONTROL,
    **dict.fromkeys(("Pc", "Pd", "Pe", "Pf", "Pi", "Po", "Ps"), PUNCTUATION),
)  # fmt: skip


@functools.cache
def character_classes() -> NDArray[np.uint32]:
    """The table: uint32[0x110000], read-only."""
    return stored("characters", lambda: {"classes": _built()})["classes"]


def _built() -> NDArray[np.uint32]:
    """The table from the Unicode database, in about a tenth of a second."""
    table = np.zeros(N_CODE_POINTS, dtype=np.uint32)
    # Planes 4 to 13 and the private ones hold no letter, space or punctuation.
    for first, last in ((0, 0xD7FF), (0xE000, 0x3FFFF), (0xE0000, 0xE0FFF)):
        characters = "".join(map(chr, range(first, last + 1)))
        part = table[first : last + 1]
        bits = map(_BY_CATEGORY.__getitem__, map(unicodedata.category, characters))
        part[:] = np.fromiter(bits, dtype=np.uint32, count=len(characters))
        for index, character in enumerate(characters if first == 0 else ""):
            if index > 0x3000:
                break
            if character.isspace():
                part[index] |= SPACE
    _mark(table, _characters("3000"), SPACE)
    cased, uncased = _ranges(_CASED), _ranges(_UNCASED)
    known = np.zeros(N_CODE_POINTS, dtype=bool)
    known[cased] = True
    table[~known] &= ~np.uint32(LOWER | UPPER)
    table[uncased] |= LOWER | UPPER
    table[cased] |= ALPHA
    table[uncased] |= ALPHA
    table[_ranges(_NEW_ICONS)] &= ~np.uint32(ICON)
    table[_ranges(_TERMINAL)] |= TERMINAL | SENTENCE_END | SYMBOL
    table[_ranges(_LATE)] &= ~np.uint32(SENTENCE_END)
    table[_ranges(_SYMBOL)] |= SYMBOL
    table[_ranges(_UNSPACED)] |= UNSPACED
    icons = (table & ICON) != 0
    table[_ranges("9-D 85")] &= ~np.uint32(CONTROL)
    for noncharacters in (slice(0xFDD0, 0xFDF0), slice(0xFFFE, None, 0x10000), slice(0xFFFF, None, 0x10000)):
        table[noncharacters] |= CONTROL
    table[_ranges("E000-F8FF F0000-FFFFD 100000-10FFFD")] |= PRIVATE
    table[icons] |= PREFIX | SUFFIX | INNER
    for marks, bit in (
        (_PREFIX, PREFIX),
        (_SUFFIX, SUFFIX),
        (_QUOTES, QUOTE),
        (_CURRENCY, CURRENCY),
        (_BEFORE_STOP, BEFORE_STOP),
        (_INNER, INNER),
        (_LINE_BREAKS, LINE_BREAK),
        ("_", WORD),
    ):
        _mark(table, marks, bit)
    table[(table & LOWER) != 0] |= BEFORE_STOP
    table[_ranges("30-39 41-5A 61-7A A1-FFFF")] |= HOST
    table[_ranges("30-39 41-5A 61-7A")] |= PLAIN
    return table


def _ranges(text: str) -> NDArray[np.int64]:
    """The code points of "41-5A AB", hexadecimal."""
    parts = [part.split("-") for part in text.split()]
    return np.concatenate([np.arange(int(part[0], 16), int(part[-1], 16) + 1) for part in parts])


def _characters(text: str) -> str:
    return "".join(chr(code) for code in _ranges(text).tolist())


def _mark(table: NDArray[np.uint32], characters: str, bit: int) -> None:
    table[[ord(character) for character in characters]] |= bit
