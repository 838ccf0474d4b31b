"""English words that are not split where the rules would split them, or are split where no rule would.

Contractions (`don't` is `do` + `n't`), clock times, abbreviations that keep their full stop, emoticons: the
families of spaCy's blank English tokenizer, stated as rules. They become two hash tables that the word kernel
reads.
"""

from __future__ import annotations

from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from curate.kernels.hashing import hash_bytes

MAX_SPECIAL_CHARACTERS = 13
"""No special word is longer; the kernel looks up nothing that is."""
TABLE_SIZE = 8192
"""Slots of each table, a power of two, filled to a fifth."""

_ABBREVIATIONS = r"""
    Mt. Ak. Ala. Apr. Ariz. Ark. Aug. Calif. Colo. Conn. Dec. Del. Feb. Fla. Ga. Ia. Id. Ill. Ind. Jan. Jul. Jun.
    Kan. Kans. Ky. La. Mar. Mass. Mich. Minn. Miss. N.C. N.D. N.H. N.J. N.M. N.Y. Neb. Nebr. Nev. Nov. Oct. Okla.
    Ore. Pa. S.C. Sep. Sept. Tenn. Va. Wash. Wis. a.m. p.m. Adm. Bros. co. Co. Corp. D.C. Dr. e.g. E.g. E.G. Gen.
    Gov. i.e. I.e. I.E. Inc. Jr. Ltd. Md. Messrs. Mo. Mont. Mr. Mrs. Ms. Ph.D. Prof. Rep. Rev. Sen. St. vs. v.s. ä.
    ö. ü. C++ and/or w/o <space> \t \n \") ' ''
""".split()
_APOSTROPHES = """
    'd 's 'S ‘s ‘S 're 'em em 'll ll 'nuff nuff 'Cause 'cause 'cos 'Cos 'coz 'Coz 'cuz 'Cuz 'bout ma'am Ma'am
    o'clock O'clock lovin' Lovin' lovin Lovin havin' Havin' havin Havin doin' Doin' doin Doin goin' Goin' goin Goin
    nothin' Nothin' nothin Nothin nuthin' Nuthin' nuthin Nuthin ol' Ol' ol Ol somethin' Somethin' somethin Somethin
""".split()
_EMOTICONS = r"""
    :) :-) :)) :-)) :))) :-))) (: (-: =) (= :] :-] [: [-: [= =] :o) (o: :} :-} 8) 8-) (-8 ;) ;-) (; (-; :( :-( :((
    :-(( :((( :-((( ): )-: =( >:( :') :'-) :'( :'-( :/ :-/ =/ =| :| :-| ]= =[ :1 :P :-P :p :-p :O :-O :o :-o :0 :-0
    :() >:o :* :-* :3 :-3 =3 :> :-> :X :-X :x :-x :D :-D ;D ;-D =D xD XD xDD XDD 8D 8-D ^_^ ^__^ ^___^ >.< >.> <.<
    ._. ;_; -_- -__- v.v V.V v_v V_V o_o o_O O_o O_O 0_o o_0 0_0 o.O O.o O.O o.o 0.0 o.0 0.o @_@ <3 <33 <333 </3
    (^_^) (-_-) (._.) (>_<) (*_*) (¬_¬) ಠ_ಠ ಠ︵ಠ (ಠ_ಠ) ¯\(ツ)/¯ (╯°□°）╯︵┻━┻ ><(((*>
""".split()
_SPLIT = """
    y'+all y+all how+'d+'y How+'d+'y not+'ve not+ve Not+'ve Not+ve can+not Can+not gon+na Gon+na got+ta Got+ta
    let+'s Let+'s c'm+on C'm+on
""".split()
# Words in their own right, though a pronoun and a clitic would spell them too.
_WORDS = """
    Ill ill Its its Hell hell Shell shell Shed shed were Were Well well Whore whore
""".split()


def special_words() -> dict[str, tuple[str, ...]]:
    """Each special word and the words that it is made of; one, where it stays whole."""
    found: dict[str, tuple[str, ...]] = {}

    def add(stems: str, endings: str) -> None:
        """Each stem, also capitalised, with each ending, with and without its apostrophes."""
        for stem, ending in product(stems.split(), endings.split()):
            for form, plain in product((stem, stem.title()), (False, True)):
                parts = (form, *(part.replace("'", "") if plain else part for part in ending.split("+")))
                found["".join(parts)] = parts

    add("i", "'m 'm+a")
    add("i you he she it we they", "'ll 'll+'ve 'd 'd+'ve")
    add("i you we they", "'ve")
    add("you we they", "'re")
    add("he she it", "'s")
    add("who what when where why how there that this", "'s")
    add("who what when where why how there that this these those", "'ll 'll+'ve 'd 'd+'ve")
    add("who what when where why how there these those", "'re 've")
    negated = "ca could do does did had may might must need ought sha should wo would"
    add(negated, "n't n't+'ve")
    add("could might must should would", "'ve")
    add("ai are is was were have has dare", "n't")
    for hour, half in product(range(1, 13), ("a.m.", "am", "p.m.", "pm")):
        found[f"{hour}{half}"] = (str(hour), half)
    for parts in (tuple(word.split("+")) for word in _SPLIT):
        found["".join(parts)] = parts
    letters = [f"{letter}." for letter in "abcdefghijklmnopqrstuvwxyz"]
    for word in (*_ABBREVIATIONS, *_APOSTROPHES, *_EMOTICONS, *letters, "—"):
        found[word] = (word,)
    for unit in "cfkCFK":
        found[f"°{unit}."] = ("°", unit, ".")
    for word in _WORDS:
        found.pop(word, None)
    typographic = {
        word.replace("'", "’"): tuple(part.replace("'", "’") for part in parts) for word, parts in found.items()
    }
    found.update(typographic)
    return found


class SpecialWords(NamedTuple):
    """Open-addressed tables of TABLE_SIZE slots; key 0 is an empty slot."""

    keys: NDArray[np.uint64]
    """Hashes of the special words."""
    splits: NDArray[np.uint32]
    """The lengths of a word's parts in characters, eight bits each, the first part lowest; 0 ends them."""
    cuts: NDArray[np.uint32]
    """Where the rules alone would cut the word: bit k for a cut before character k; 0 where they would not."""
    units: NDArray[np.uint64]
    """Hashes of units of measure, which are split off after a digit."""
    shapes: NDArray[np.uint16]
    """uint16[3, 256], what most words are told by that they are not special, before any hash. Bit k of
    shapes[BEGINS, byte] and of shapes[ENDS, byte]: a special word of k characters begins, or ends, with the byte. Bit
    k of shapes[JOINS, byte]: the rules alone would cut one first before character k, which begins with the byte."""


BEGINS, ENDS, JOINS = 0, 1, 2


_UNITS = """
    km km² km³ m m² m³ dm dm² dm³ cm cm² cm³ mm mm² mm³ ha µm nm yd in ft kg g mg µg t lb oz m/s km/h kmh mph hPa Pa
    mbar mb MB kb KB gb GB tb TB T G M K % км км² км³ м м² м³ дм дм² дм³ см см² см³ мм мм² мм³ нм кг г мг м/с км/ч
    кПа Па мбар Кб КБ кб Мб МБ мб Гб ГБ гб Тб ТБ كم² كم³ م م² م³ سم سم² سم³ مم مم² مم³ كم غرام جرام جم كغ ملغ كوب
    اكواب
""".split()
MAX_UNIT_CHARACTERS = 5


def special_tables(words: dict[str, tuple[str, ...]], cuts: dict[str, int]) -> SpecialWords:
    """The tables of these words; `cuts` by word (see SpecialWords)."""
    keys, units = (np.zeros(TABLE_SIZE, dtype=np.uint64) for _ in range(2))
    splits, cut_bits = (np.zeros(TABLE_SIZE, dtype=np.uint32) for _ in range(2))
    shapes = np.zeros((3, 256), dtype=np.uint16)
    for word, parts in words.items():
        slot = _insert(keys, word)
        splits[slot] = sum(len(part) << (8 * index) for index, part in enumerate(parts))
        cut = cuts.get(word, 0)
        cut_bits[slot] = cut
        spelled = word.encode()
        shapes[BEGINS, spelled[0]] |= 1 << len(word)
        shapes[ENDS, spelled[-1]] |= 1 << len(word)
        if cut:
            before = (cut & -cut).bit_length() - 1  # characters before the first cut
            shapes[JOINS, word[before].encode()[0]] |= 1 << before
    for unit in _UNITS:
        _insert(units, unit)
    tables = SpecialWords(keys, splits, cut_bits, units, shapes)
    for table in tables:
        table.setflags(write=False)
    return tables


def _insert(keys: NDArray[np.uint64], word: str) -> int:
    key = hash_bytes(word.encode())
    slot = key & (TABLE_SIZE - 1)
    while keys[slot]:
        slot = (slot + 1) & (TABLE_SIZE - 1)
    keys[slot] = key
    return slot
