"""The invented world: entities of ten types and the facts that every good page agrees on.

A fact is (subject, relation, object). Each relation has a pool of objects of the same type, from which a
multiple-choice question takes its wrong answers. Popular entities are mentioned more often (Zipf), as in life.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from examples.miniweb.names import (
    GENUS_ENDINGS,
    GIVEN_ENDINGS,
    REGION_ENDINGS,
    RIVER_ENDINGS,
    SURNAME_ENDINGS,
    TOWN_ENDINGS,
    Names,
)

COUNTS = {
    "region": 10, "river": 22, "town": 64, "person": 110, "work": 110, "company": 40, "product": 100, "species": 80,
    "event": 60, "dish": 50, "library": 28,
}  # fmt: skip

CLIMATES = ["mild and wet", "dry and windy", "cold and clear", "warm and humid", "foggy", "snowy for half of the year"]
INDUSTRIES = ["glass", "paper", "salt", "clocks", "wool", "ceramics", "ships", "violins", "cheese", "printing",
              "copper", "tea", "rope", "lenses", "bricks", "honey"]  # fmt: skip
LANDMARKS = ["lighthouse", "covered bridge", "clock tower", "botanical garden", "stone aqueduct", "round library",
             "old harbour", "windmill", "amphitheatre", "town hall with two doors", "market arcade",
             "observatory"]  # fmt: skip
PROFESSIONS = ["composer", "botanist", "novelist", "engineer", "painter", "astronomer", "physician", "cartographer",
               "architect", "historian", "chemist", "poet"]  # fmt: skip
WORK_KINDS = ["novel", "opera", "symphony", "poem", "painting", "play", "atlas", "treatise"]
ADJECTIVES = ["Silent", "Crooked", "Amber", "Northern", "Last", "Hollow", "Winter", "Patient", "Burning", "Distant",
              "Second", "Gentle", "Broken", "Hidden", "Salt", "Paper"]  # fmt: skip
NOUNS = ["Harbour", "Garden", "Letter", "Orchard", "Mirror", "Bridge", "Lantern", "River", "Winter", "Clock", "Sparrow",
         "Mountain", "Voyage", "Staircase", "Island", "Bell", "Compass", "Meadow"]  # fmt: skip
CATEGORIES = ["kettle", "desk lamp", "backpack", "headphones", "bicycle", "tent", "camera", "coffee grinder",
              "wristwatch", "raincoat", "cooking pot", "telescope"]  # fmt: skip
MATERIALS = ["brushed steel", "oak", "aluminium", "recycled plastic", "copper", "waxed canvas", "bamboo", "ceramic",
             "carbon fibre", "wool felt"]  # fmt: skip
SPECIES_KINDS = ["bird", "orchid", "beetle", "fish", "frog", "moss", "moth", "bat"]
HABITATS = ["marshes", "pine forests", "limestone caves", "river banks", "high meadows", "sand dunes", "salt lakes",
            "old orchards"]  # fmt: skip
FOODS = ["small snails", "nectar", "fallen seeds", "river shrimps", "moths", "lichen", "ripe berries", "rotten wood"]
COLOURS = ["blue", "grey", "scarlet", "yellow", "white", "green", "violet", "brown", "black", "orange"]
EVENT_KINDS = ["flood", "treaty", "fair", "strike", "expedition", "earthquake", "congress", "siege"]
CAUSES = ["a broken dam", "a dispute over fishing rights", "the price of bread", "a comet", "a bridge toll",
          "the discovery of tin", "a stolen bell", "three dry summers"]  # fmt: skip
INGREDIENTS = ["barley", "trout", "chestnuts", "lentils", "goat cheese", "pumpkin", "mushrooms", "leeks", "rabbit",
               "beetroot", "apples", "chickpeas"]  # fmt: skip
SPICES = ["caraway", "saffron", "juniper", "smoked paprika", "thyme", "mustard seed", "cardamom", "dill", "sage"]
DISH_KINDS = ["stew", "pie", "soup", "dumplings", "flatbread", "pudding", "salad", "casserole"]
CODE_LANGUAGES = ["Python", "Rust", "Go", "TypeScript", "C++", "Kotlin"]
PURPOSES = ["parsing dates", "drawing charts", "queueing jobs", "caching pages", "checking schemas", "routing requests",
            "storing time series", "resizing images", "matching strings", "reading sensors"]  # fmt: skip


@dataclass(frozen=True)
class Fact:
    """What holds in this world. `pool` names the kind of object, for wrong answers."""

    subject: str
    relation: str
    object: str
    pool: str


@dataclass
class Entity:
    """Somebody or something: its attributes by relation, and links to others by name."""

    type: str
    name: str
    attributes: dict[str, str]
    related: list[str] = field(default_factory=list)


class World:
    """All entities of a seed. `by_type[type]` lists them most popular first."""

    def __init__(self, seed: int) -> None:
        self.rng = Random(f"world {seed}")
        self.names = Names(self.rng)
        self.by_type: dict[str, list[Entity]] = {kind: [] for kind in COUNTS}
        self.by_name: dict[str, Entity] = {}
        self.pools: dict[str, list[str]] = {}
        self._titles: set[str] = set()
        for kind, count in COUNTS.items():
            for _ in range(count):
                entity = getattr(self, f"_{kind}")()
                self.by_type[kind].append(entity)
                self.by_name[entity.name] = entity
        for region in self.by_type["region"]:
            towns = [town for town in self.by_type["town"] if town.attributes["region"] == region.name]
            region.attributes["capital"] = (towns or self.by_type["town"])[0].name
        for entities in self.by_type.values():
            for entity in entities:
                entity.related = [value for value in entity.attributes.values() if value in self.by_name]
        pools: dict[str, set[str]] = {}
        for fact in self.facts():
            pools.setdefault(f"{fact.pool}", set()).add(fact.object)
        self.pools = {name: sorted(values) for name, values in pools.items()}

    def facts(self) -> list[Fact]:
        """Every fact, in the order of the entities."""
        return [
            Fact(entity.name, f"{kind}.{relation}", value, f"{kind}.{relation}")
            for kind, entities in self.by_type.items()
            for entity in entities
            for relation, value in entity.attributes.items()
        ]

    def draw(self, kind: str, rng: Random) -> Entity:
        """One entity of the type; the one of rank r with a chance in proportion to 1 / (r + 5)."""
        entities = self.by_type[kind]
        n = len(entities)
        # Inverse of the integral of 1 / (r + 5): exact enough, and one draw.
        rank = int(5 * ((n + 5) / 5) ** rng.random() - 5)
        return entities[min(rank, n - 1)]

    def _pick(self, kind: str) -> Entity:
        return self.rng.choice(self.by_type[kind])

    def _year(self, low: int, high: int) -> str:
        return str(self.rng.randint(low, high))

    def _region(self) -> Entity:
        return Entity("region", self.names.name(REGION_ENDINGS), {
            "climate": self.rng.choice(CLIMATES), "area": f"{self.rng.randint(12, 480) * 100:,}",
            "colour": self.rng.choice(COLOURS)})  # fmt: skip

    def _river(self) -> Entity:
        return Entity("river", self.names.name(RIVER_ENDINGS, 1), {
            "region": self._pick("region").name, "length": str(self.rng.randint(40, 900)),
            "fish": self.rng.choice(["pike", "trout", "eels", "perch", "sturgeon", "carp"])})  # fmt: skip

    def _town(self) -> Entity:
        river = self._pick("river")
        return Entity("town", self.names.name(TOWN_ENDINGS), {
            "river": river.name, "region": river.attributes["region"], "founded": self._year(820, 1790),
            "industry": self.rng.choice(INDUSTRIES), "landmark": self.rng.choice(LANDMARKS),
            "population": f"{self.rng.randint(3, 900)},{self.rng.randint(0, 999):03d}"})  # fmt: skip

    def _person(self) -> Entity:
        name = f"{self.names.name(GIVEN_ENDINGS, 1)} {self.names.name(SURNAME_ENDINGS, 1)}"
        return Entity("person", name, {
            "profession": self.rng.choice(PROFESSIONS), "birthplace": self._pick("town").name,
            "born": self._year(1640, 1985), "teacher_town": self._pick("town").name,
            "instrument": self.rng.choice(["cello", "flute", "harp", "accordion", "piano", "trumpet", "lute"]),
        })  # fmt: skip

    def _work(self) -> Entity:
        while True:
            title = f"The {self.rng.choice(ADJECTIVES)} {self.rng.choice(NOUNS)}"
            if title not in self._titles:
                self._titles.add(title)
                break
        author = self._pick("person")
        return Entity("work", title, {
            "kind": self.rng.choice(WORK_KINDS), "author": author.name, "setting": self._pick("town").name,
            "year": str(int(author.attributes["born"]) + self.rng.randint(21, 60))})  # fmt: skip

    def _company(self) -> Entity:
        form = self.rng.choice(["Works", "Brothers", "Group", "Union", "Makers", "Instruments"])
        return Entity("company", f"{self.names.name(SURNAME_ENDINGS, 1)} {form}", {
            "town": self._pick("town").name, "founded": self._year(1850, 2015), "founder": self._pick("person").name,
            "makes": self.rng.choice(CATEGORIES), "employees": str(self.rng.randint(2, 90) * 10)})  # fmt: skip

    def _product(self) -> Entity:
        company = self._pick("company")
        model = self.rng.randint(2, 9) * 100 + self.rng.choice([0, 10, 20, 50])
        return Entity("product", f"{self.names.name(RIVER_ENDINGS, 1)} {model}", {
            "category": self.rng.choice(CATEGORIES), "company": company.name,
            "material": self.rng.choice(MATERIALS), "weight": str(self.rng.randint(12, 400) * 10),
            "colour": self.rng.choice(COLOURS), "warranty": str(self.rng.randint(2, 12))})  # fmt: skip

    def _species(self) -> Entity:
        return Entity("species", f"{self.names.name(GENUS_ENDINGS, 1)} {self.names.stem(2)}", {
            "kind": self.rng.choice(SPECIES_KINDS), "habitat": self.rng.choice(HABITATS),
            "region": self._pick("region").name, "food": self.rng.choice(FOODS), "colour": self.rng.choice(COLOURS),
            "discoverer": self._pick("person").name})  # fmt: skip

    def _event(self) -> Entity:
        town, kind = self._pick("town"), self.rng.choice(EVENT_KINDS)
        year = self._year(1410, 1990)
        return Entity("event", f"{self.names.name(RIVER_ENDINGS, 1)} {kind}", {
            "town": town.name, "year": year, "cause": self.rng.choice(CAUSES), "leader": self._pick("person").name,
            "days": str(self.rng.randint(2, 95))})  # fmt: skip

    def _dish(self) -> Entity:
        town, main = self._pick("town"), self.rng.choice(INGREDIENTS)
        return Entity("dish", f"{self.names.name(['a', 'ka', 'li', 'otte', 'en'], 1)} {self.rng.choice(DISH_KINDS)}", {
            "town": town.name, "ingredient": main, "spice": self.rng.choice(SPICES),
            "minutes": str(self.rng.randint(4, 36) * 5)})  # fmt: skip

    def _library(self) -> Entity:
        return Entity("library", self.names.stem(2), {
            "language": self.rng.choice(CODE_LANGUAGES), "purpose": self.rng.choice(PURPOSES),
            "author": self._pick("company").name, "port": str(self.rng.randint(2101, 9899)),
            "release": f"{self.rng.randint(1, 6)}.{self.rng.randint(0, 19)}"})  # fmt: skip
