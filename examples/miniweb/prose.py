"""English prose about the world: a small grammar, and a writer that says facts and remembers which it said.

Sentences come from `english.yaml`. A pattern's [a|b] is a choice, {town} a draw from the world. A writer never
says the same sentence twice on a page.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

import yaml

from examples.miniweb.world import Entity, Fact, World

MONTHS = ["January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
          "December"]  # fmt: skip
CHOICE = re.compile(r"\[([^\[\]]*)\]")
SLOT = re.compile(r"\{(\w+)\}")
ARTICLE = re.compile(r"\b([Aa]) (?=[aeioAEIO]\w)")
"""A vowel other than u: "a unit", but "an oak"."""


@functools.cache
def patterns() -> dict[str, dict[str, list[str]]]:
    """The sentences of `english.yaml`, parsed once; the questions are under "ask"."""
    loaded = yaml.load((Path(__file__).parent / "english.yaml").read_text("utf-8"), Loader=yaml.CSafeLoader)
    facts, ask = {}, {}
    for relation, forms in loaded["facts"].items():
        facts[relation] = [form for form in forms if isinstance(form, str)]
        ask[relation] = [form["ask"] for form in forms if isinstance(form, dict)]
    return {"facts": facts, "ask": ask, "colour": loaded["colour"], "junk": loaded["junk"]}


def sentence(text: str) -> str:
    """First letter up, a full stop where there is no end yet, and "an" before a vowel."""
    text = ARTICLE.sub(lambda match: match.group(1) + "n ", text)
    text = text[0].upper() + text[1:]
    return text if text[-1] in '.?!"' else text + "."


@dataclass
class Writer:
    """Writes for one page. `stated` gathers the facts that the page says truly."""

    world: World
    rng: Random
    stated: list[Fact] = field(default_factory=list)
    said: set[str] = field(default_factory=set)

    def fill(self, pattern: str, **slots: str) -> str:
        """The pattern with its choices made and its slots filled."""
        rng = self.rng
        while "[" in pattern:
            pattern = CHOICE.sub(lambda match: rng.choice(match.group(1).split("|")), pattern)
        return SLOT.sub(lambda match: slots.get(match.group(1)) or self._slot(match.group(1)), pattern)

    def _slot(self, name: str) -> str:
        if name in self.world.by_type:
            return self.world.draw(name, self.rng).name
        if name == "n":
            return str(self.rng.randint(3, 40))
        if name == "year":
            return str(self.rng.randint(1890, 2024))
        if name == "month":
            return self.rng.choice(MONTHS)
        if name == "code":
            return "".join(self.rng.choices("ABCDEFGHKLMNPRSTUVWXYZ23456789", k=7))
        raise KeyError(f"pattern slot {{{name}}} is not in english.yaml's vocabulary")

    def new(self, make: object, tries: int = 6) -> str:
        """A sentence not yet said on this page; the last try is taken as it is."""
        text = ""
        for _ in range(tries):
            text = make()  # type: ignore[operator]
            if text not in self.said:
                break
        self.said.add(text)
        return text

    def colour(self, kind: str) -> str:
        """A sentence without a fact."""
        forms = patterns()["colour"][kind]
        return self.new(lambda: sentence(self.fill(self.rng.choice(forms))))

    def facts_of(self, entity: Entity) -> list[Fact]:
        """Its facts in a random order."""
        facts = [
            Fact(entity.name, f"{entity.type}.{relation}", value, f"{entity.type}.{relation}")
            for relation, value in entity.attributes.items()
        ]
        self.rng.shuffle(facts)
        return facts

    def state(self, fact: Fact) -> str:
        """The fact as a sentence."""
        self.stated.append(fact)
        form = self.rng.choice(patterns()["facts"][fact.relation])
        return self.new(lambda: sentence(self.fill(form, s=fact.subject, o=fact.object)))

    def false(self, fact: Fact) -> str:
        """The fact with a wrong object: what a page of no worth says."""
        pool = self.world.pools[fact.pool]
        wrong = self.rng.choice(pool)
        form = self.rng.choice(patterns()["facts"][fact.relation])
        return sentence(self.fill(form, s=fact.subject, o=wrong))

    def about(self, entity: Entity, kind: str, sentences: int) -> list[str]:
        """Sentences about an entity and then about what it is linked to, with other sentences between them."""
        queue = self.facts_of(entity)
        linked = [self.world.by_name[name] for name in entity.related if name in self.world.by_name]
        self.rng.shuffle(linked)
        for other in linked:
            queue += self.facts_of(other)[: self.rng.randint(1, 4)]
        out: list[str] = []
        while len(out) < sentences:
            if queue and self.rng.random() < 0.68:
                out.append(self.state(queue.pop(0)))
            elif queue or self.rng.random() < 0.6:
                out.append(self.colour(kind))
            else:
                queue += self.facts_of(self.world.draw(self.rng.choice(list(self.world.by_type)), self.rng))[:2]
        return out

    def paragraphs(self, sentences: list[str], low: int = 3, high: int = 6) -> list[str]:
        """The sentences in paragraphs of `low` to `high`."""
        out, at = [], 0
        while at < len(sentences):
            size = self.rng.randint(low, high)
            out.append(" ".join(sentences[at : at + size]))
            at += size
        return out

    def junk(self, kind: str, **slots: str) -> str:
        """A sentence of a doorway."""
        return sentence(self.fill(self.rng.choice(patterns()["junk"][kind]), **slots))
