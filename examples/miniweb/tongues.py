"""Prose in fourteen languages beside English, about the same world: what the writer says is what the world holds."""

from __future__ import annotations

import functools
from pathlib import Path
from random import Random
from typing import Any

import yaml

from examples.miniweb.names import cyrillic, katakana
from examples.miniweb.prose import CHOICE, SLOT
from examples.miniweb.world import Fact, World

SCRIPTS = {"cyrillic": cyrillic, "katakana": katakana}
UNSPACED = ("ja", "zh")


@functools.cache
def tongues() -> dict[str, dict[str, Any]]:
    """`tongues.yaml`, parsed once."""
    loaded: dict[str, dict[str, Any]] = yaml.load(
        (Path(__file__).parent / "tongues.yaml").read_text("utf-8"), Loader=yaml.CSafeLoader
    )
    return loaded


class ForeignWriter:
    """Writes one page in one language."""

    def __init__(self, world: World, rng: Random, language: str) -> None:
        self.world, self.rng, self.language = world, rng, language
        self.words = tongues()[language]
        self.transcribe = SCRIPTS.get(self.words.get("script", ""), str)
        self.stated: list[Fact] = []
        self.said: set[str] = set()

    def name(self, name: str) -> str:
        """A name as this language writes it; figures stay."""
        return name if name[0].isdigit() else self.transcribe(name)

    def fill(self, pattern: str, **slots: str) -> str:
        rng = self.rng
        pattern = CHOICE.sub(lambda match: rng.choice(match.group(1).split("|")), pattern)

        def value(slot: str) -> str:
            if slot in slots:
                return self.name(slots[slot])
            if slot == "n":
                return str(rng.randint(3, 40))
            if slot == "year":
                return str(rng.randint(1890, 2024))
            return self.name(self.world.draw(slot, rng).name)

        return SLOT.sub(lambda match: value(match.group(1)), pattern)

    def sentences(self, count: int) -> list[str]:
        """About half of them facts; none said twice."""
        out: list[str] = []
        relations = list(self.words["facts"])
        while len(out) < count:
            if self.rng.random() < 0.5:
                relation = self.rng.choice(relations)
                kind, attribute = relation.split(".")
                entity = self.world.draw(kind, self.rng)
                fact = Fact(entity.name, relation, entity.attributes[attribute], relation)
                text = self.fill(self.words["facts"][relation], s=fact.subject, o=fact.object)
                self.stated.append(fact)
            else:
                text = self.fill(self.rng.choice(self.words["colour"]))
            if text not in self.said:
                self.said.add(text)
                out.append(text[0].upper() + text[1:])
        return out

    def paragraphs(self, count: int) -> list[str]:
        """`count` sentences in paragraphs of three to five."""
        glue = "" if self.language in UNSPACED else " "
        sentences, out = self.sentences(count), []
        while sentences:
            size = self.rng.randint(3, 5)
            out.append(glue.join(sentences[:size]))
            sentences = sentences[size:]
        return out

    def title(self) -> str:
        """A short title: a sentence's first words, or names joined."""
        town, person = self.world.draw("town", self.rng), self.world.draw("person", self.rng)
        return f"{self.name(town.name)} · {self.name(person.name)} ({self.rng.randint(1890, 2024)})"
