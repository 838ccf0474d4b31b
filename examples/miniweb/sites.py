"""Which sites there are: hosts, what they publish, in which language, and how their pages are made."""

from __future__ import annotations

from random import Random

from examples.miniweb.page import Site
from examples.miniweb.world import World

ENGLISH = {"news": 6, "blog": 7, "reference": 5, "forum": 4, "shop": 4, "listing": 2, "documentation": 4, "lecture": 3,
           "recipe": 3, "company": 5, "doorway": 8}  # fmt: skip
OLD_CHARSETS = {
    "en": ["windows-1252"], "de": ["iso-8859-1"], "fr": ["iso-8859-15"], "es": ["windows-1252"], "it": ["iso-8859-1"],
    "pl": ["iso-8859-2", "windows-1250"], "ru": ["windows-1251", "koi8-r"], "tr": ["iso-8859-9"],
    "ja": ["shift_jis", "euc-jp"], "zh": ["gb2312", "gb18030"], "ko": ["euc-kr"], "ar": ["windows-1256"],
}  # fmt: skip
FOREIGN_KINDS = [("news", "blog"), ("blog", "reference"), ("news", "reference")]
TLDS = {"reference": "org.example", "documentation": "dev.example", "lecture": "edu.example", "company": "co.example"}
NAMES = {
    "news": ["{} Courier", "The {} Herald", "{} Today", "Morning {}"],
    "blog": ["Notes from {}", "{} Diary", "Slowly through {}"],
    "reference": ["{} Encyclopaedia", "The {} Handbook"],
    "forum": ["{} Boards", "Ask {}"], "shop": ["{} Store", "Shop {}"],
    "listing": ["{} Directory", "All of {}"], "documentation": ["{} Docs", "{} Manual"],
    "lecture": ["{} College", "University of {}"],
    "recipe": ["The {} Kitchen", "{} Table"], "company": ["{} Works", "{} Group"],
    "doorway": ["{} Deals", "Best {}", "{} Bonus", "{} Online"],
}  # fmt: skip


def sites(world: World, rng: Random, languages: list[str]) -> list[Site]:
    """All sites, English first. Two of each other language, one of them in an old charset where there is one."""
    out: list[Site] = []

    def add(kind: str, language: str, charset: str, number: int) -> None:
        stem = world.names.stem(2)
        title = rng.choice(NAMES[kind]).format(stem.capitalize())
        host = f"{'www.' if rng.random() < 0.3 else ''}{stem}.{TLDS.get(kind, language + '.example')}"
        declared = rng.choice(["header", "meta", "both"])
        flavour = ("gambling", "pills", "adult", "seo")[number % 4] if kind == "doorway" else ""
        malformed = rng.random() < 0.25
        out.append(Site(host, kind, language, title, len(out) % 6, charset, declared, malformed, flavour))

    for kind, count in ENGLISH.items():
        for number in range(count):
            old = number == count - 1 and kind in ("news", "blog", "company", "forum")
            add(kind, "en", OLD_CHARSETS["en"][0] if old else "utf-8", number)
    for at, language in enumerate(languages):
        for number, kind in enumerate(FOREIGN_KINDS[at % 3]):
            old = OLD_CHARSETS.get(language, [])
            charset = old[at % len(old)] if old and number == 1 else "utf-8"
            add(kind, language, charset, number)
    return out
