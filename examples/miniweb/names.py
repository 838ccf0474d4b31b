"""Names for an invented world: pronounceable, distinct, and transcribed into other scripts by syllable.

Every name is made of consonant-vowel syllables with an optional final consonant, so that one rule each writes it
in Cyrillic and in katakana.
"""

from __future__ import annotations

from random import Random

ONSETS = "b br d dr f g gr h k kr l m n p pr r s st t tr v vr z".split()
VOWELS = "a e i o u".split()
CODAS = "n r l s m".split()

TOWN_ENDINGS = ["mora", "stede", "wick", "haven", "dale", "burg", "mere", "ford", "holt", "sted", "by", "minster"]
RIVER_ENDINGS = ["na", "ra", "len", "ster", "vo", "sse", "ble", "dor"]
REGION_ENDINGS = ["ia", "land", "mark", "shire", "or", "eth"]
SURNAME_ENDINGS = ["sen", "ova", "ard", "ell", "ini", "eau", "mann", "skar", "wright", "ton", "aro", "ek"]
GIVEN_ENDINGS = ["a", "o", "in", "el", "is", "an", "e", "ia", "us", "ar"]
GENUS_ENDINGS = ["ella", "opsis", "ium", "aria", "idon", "ura", "anthus", "icola"]


class Names:
    """Draws names that have not been drawn before, each at least two letters from any other by construction of
    its stem."""

    def __init__(self, rng: Random) -> None:
        self.rng = rng
        self.stems: set[str] = set()

    def stem(self, syllables: int) -> str:
        """A new stem of that many syllables, the last one closed half of the time."""
        while True:
            parts = [self.rng.choice(ONSETS) + self.rng.choice(VOWELS) for _ in range(syllables)]
            stem = "".join(parts)
            if self.rng.random() < 0.5:
                stem += self.rng.choice(CODAS)
            if stem not in self.stems:
                self.stems.add(stem)
                return stem

    def name(self, endings: list[str], syllables: int = 2) -> str:
        """A capitalised name with one of the endings; a doubled vowel or a harsh cluster at the joint is avoided."""
        while True:
            stem, ending = self.stem(syllables), self.rng.choice(endings)
            closed = stem[-1] not in VOWELS
            if (ending[0] in VOWELS) != closed:
                if closed:
                    stem = stem[:-1]
                else:
                    stem += self.rng.choice(CODAS)
                    if ending[0] in VOWELS:
                        return (stem + ending).capitalize()
                    continue
            return (stem + ending).capitalize()


CYRILLIC = {
    "a": "а", "b": "б", "c": "к", "d": "д", "e": "е", "f": "ф", "g": "г", "h": "х", "i": "и", "j": "й", "k": "к",
    "l": "л", "m": "м", "n": "н", "o": "о", "p": "п", "q": "к", "r": "р", "s": "с", "t": "т", "u": "у", "v": "в",
    "w": "в", "x": "кс", "y": "и", "z": "з",
}  # fmt: skip

KATAKANA_ROWS = {
    "": "アイウエオ", "k": "カキクケコ", "g": "ガギグゲゴ", "s": "サシスセソ", "z": "ザジズゼゾ", "t": "タチツテト",
    "d": "ダヂヅデド", "n": "ナニヌネノ", "h": "ハヒフヘホ", "b": "バビブベボ", "p": "パピプペポ", "m": "マミムメモ",
    "r": "ラリルレロ", "l": "ラリルレロ", "v": "バビブベボ", "w": "ワイウエオ", "f": "ハヒフヘホ", "y": "ヤイユエヨ",
    "c": "カキクケコ", "j": "ジジジジジ", "q": "カキクケコ", "x": "クキクケコ",
}  # fmt: skip


def cyrillic(name: str) -> str:
    """The name letter by letter in Cyrillic, capitals kept."""
    out = "".join(CYRILLIC.get(letter, letter) for letter in name.lower())
    return " ".join(word.capitalize() for word in out.split(" "))


def katakana(name: str) -> str:
    """The name in katakana: a consonant takes the vowel that follows, or u where none does; n closes as ン."""
    words = []
    for word in name.lower().split():
        out, held = "", ""
        for letter in word:
            if letter in "aiueo":
                out += KATAKANA_ROWS[held]["aiueo".index(letter)]
                held = ""
            elif letter in KATAKANA_ROWS:
                out += _closed(held)
                held = letter
        words.append(out + _closed(held))
    return "・".join(words)


def _closed(consonant: str) -> str:
    if not consonant:
        return ""
    return "ン" if consonant == "n" else KATAKANA_ROWS[consonant][2]
