"""Names of languages and scripts: ISO 639-1 and 639-3, ISO 15924, and the form `eng_Latn` that joins them."""

from __future__ import annotations

import unicodedata
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

UNDETERMINED = "und"
"""ISO 639's word for no language found, and the language of an empty text."""

_PAIRS = """
aa aar ab abk ae ave af afr ak aka am amh an arg ar ara as asm av ava ay aym az aze ba bak be bel bg bul bi bis bm bam
bn ben bo bod br bre bs bos ca cat ce che ch cha co cos cr cre cs ces cu chu cv chv cy cym da dan de deu dv div dz dzo
ee ewe el ell en eng eo epo es spa et est eu eus fa fas ff ful fi fin fj fij fo fao fr fra fy fry ga gle gd gla gl glg
gn grn gu guj gv glv ha hau he heb hi hin ho hmo hr hrv ht hat hu hun hy hye hz her ia ina id ind ie ile ig ibo ii iii
ik ipk io ido is isl it ita iu iku ja jpn jv jav ka kat kg kon ki kik kj kua kk kaz kl kal km khm kn kan ko kor kr kau
ks kas ku kur kv kom kw cor ky kir la lat lb ltz lg lug li lim ln lin lo lao lt lit lu lub lv lav mg mlg mh mah mi mri
mk mkd ml mal mn mon mr mar ms msa mt mlt my mya na nau nb nob nd nde ne nep ng ndo nl nld nn nno no nor nr nbl nv nav
ny nya oc oci oj oji om orm or ori os oss pa pan pi pli pl pol ps pus pt por qu que rm roh rn run ro ron ru rus rw kin
sa san sc srd sd snd se sme sg sag sh hbs si sin sk slk sl slv sm smo sn sna so som sq sqi sr srp ss ssw st sot su sun
sv swe sw swa ta tam te tel tg tgk th tha ti tir tk tuk tl tgl tn tsn to ton tr tur ts tso tt tat tw twi ty tah ug uig
uk ukr ur urd uz uzb ve ven vi vie vo vol wa wln wo wol xh xho yi yid yo yor za zha zh zho zu zul
""".split()
THREE = dict(zip(_PAIRS[::2], _PAIRS[1::2], strict=True))
"""ISO 639-1 → ISO 639-3 (macrolanguages where the two-letter code means one)."""
TWO = {three: two for two, three in THREE.items()}

_SCRIPTS = {
    "LATIN": "Latn", "CYRILLIC": "Cyrl", "GREEK": "Grek", "ARABIC": "Arab", "HEBREW": "Hebr", "DEVANAGARI": "Deva",
    "BENGALI": "Beng", "GURMUKHI": "Guru", "GUJARATI": "Gujr", "ORIYA": "Orya", "TAMIL": "Taml", "TELUGU": "Telu",
    "KANNADA": "Knda", "MALAYALAM": "Mlym", "SINHALA": "Sinh", "THAI": "Thai", "LAO": "Laoo", "TIBETAN": "Tibt",
    "MYANMAR": "Mymr", "GEORGIAN": "Geor", "HANGUL": "Hang", "ETHIOPIC": "Ethi", "CHEROKEE": "Cher", "KHMER": "Khmr",
    "MONGOLIAN": "Mong", "ARMENIAN": "Armn", "SYRIAC": "Syrc", "THAANA": "Thaa", "NKO": "Nkoo", "TIFINAGH": "Tfng",
    "CANADIAN": "Cans", "YI": "Yiii", "JAVANESE": "Java", "BALINESE": "Bali", "VAI": "Vaii", "OL": "Olck",
    "HIRAGANA": "Jpan", "KATAKANA": "Jpan", "BOPOMOFO": "Bopo", "COPTIC": "Copt", "GOTHIC": "Goth", "SUNDANESE": "Sund",
    "CJK": "Hani", "BATAK": "Batk", "BUGINESE": "Bugi", "CHAKMA": "Cakm", "MEETEI": "Mtei", "TAGALOG": "Tglg",
}  # fmt: skip
"""First word of a character's Unicode name → ISO 15924. Kana are `Jpan`, Japanese writing as a whole."""
SCRIPTS = ("Zyyy", *sorted({*_SCRIPTS.values(), "Hans", "Hant"}))
"""`Zyyy`: digits, signs, and letters of scripts that are not named here."""


@lru_cache(maxsize=1)
def script_table() -> NDArray[np.uint8]:
    """Code point → place in SCRIPTS, for letters and marks.

    Han characters that only the simplified (GB 2312) or only the traditional (Big5) national standard has are Hans or
    Hant, those of both Hani.
    """
    table = np.zeros(0x323B0, dtype=np.uint8)
    place = {name: number for number, name in enumerate(SCRIPTS)}
    table[0x20000:] = place["Hani"]
    for point in range(0x20000):
        character = chr(point)
        if unicodedata.category(character)[0] in "LM":
            word = unicodedata.name(character, "").partition(" ")[0]
            table[point] = place[_SCRIPTS.get(word, "Zyyy")]
    for point in range(0x4E00, 0xA000):
        simplified, traditional = (_encodes(chr(point), name) for name in ("gb2312", "big5"))
        if simplified != traditional:
            table[point] = place["Hans" if simplified else "Hant"]
    return table


def _encodes(character: str, encoding: str) -> bool:
    try:
        character.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def main_scripts(counts: NDArray[np.int64]) -> list[str | None]:
    """The script of each text from its characters by script (texts × SCRIPTS); None where no letter was met.

    Han characters belong to Japanese where a tenth of the text is kana; else they are Hans or Hant, whichever has
    more characters of its own, and Hani where neither has.
    """
    place = {name: number for number, name in enumerate(SCRIPTS)}
    han = counts[:, [place["Hani"], place["Hans"], place["Hant"]]].sum(axis=1)
    merged = counts.copy()
    merged[:, [place["Zyyy"], place["Hans"], place["Hant"]]] = 0
    merged[:, place["Hani"]] = han
    kana = merged[:, place["Jpan"]]
    japanese = (kana > 0) & (10 * kana >= kana + han)
    merged[:, place["Jpan"]] += np.where(japanese, han, 0)
    merged[:, place["Hani"]] -= np.where(japanese, han, 0)
    answer: list[str | None] = []
    for row, best in enumerate(merged.argmax(axis=1) if len(merged) else ()):
        name: str | None = SCRIPTS[best] if merged[row, best] else None
        if name == "Hani":
            simplified, traditional = counts[row, place["Hans"]], counts[row, place["Hant"]]
            name = "Hani" if simplified == traditional else ("Hans" if simplified > traditional else "Hant")
        answer.append(name)
    return answer


def code(language: str, script: str | None) -> str:
    """`eng_Latn` of `en` and `Latn`; without a script, `eng`."""
    three = THREE.get(language, language)
    return f"{three}_{script}" if script else three


def known(language: str) -> str:
    """A language as a recipe may name it (`en`, `eng`, `eng_Latn`) in the form that the columns have: the two-letter
    code where ISO 639-1 has one, with the script where one is given. ValueError if it has no such form."""
    base, _, script = language.partition("_")
    if base in THREE or (len(base) == 3 and base.isalpha() and base.islower()):
        if not script:
            return TWO.get(base, base)
        if script in SCRIPTS:
            return code(base, script)
    raise ValueError(f"{language!r} is no language; allowed: ISO 639-1 (en), 639-3 (eng), or with a script (eng_Latn)")
