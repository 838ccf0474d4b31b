"""Pages of every kind, in English: what stands in their main content, and how good it is."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from examples.miniweb.names import Names
from examples.miniweb.page import Block, Page, Site
from examples.miniweb.prose import MONTHS, Writer, patterns
from examples.miniweb.technical import documentation, lecture
from examples.miniweb.tongues import ForeignWriter
from examples.miniweb.world import Entity, World

Draft = tuple[str, list[Block], str | None]
"""Title, content, quality."""

HEADINGS = ["Background", "Early years", "What is known", "Later history", "Today", "In the region", "Sources",
            "How it began", "What remains", "Numbers"]  # fmt: skip


def prose(writer: Writer, entity: Entity, kind: str, sentences: int, headings: int = 0) -> list[Block]:
    """Paragraphs about an entity, with headings between them where asked for."""
    paragraphs = writer.paragraphs(writer.about(entity, kind, sentences))
    blocks = [Block("p", text) for text in paragraphs]
    titles = writer.rng.sample(HEADINGS, headings)
    for at, title in zip(range(2, len(blocks) * 2, 3), titles, strict=False):
        if at < len(blocks):
            blocks.insert(at, Block("h2", title))
    return blocks


def news(writer: Writer, number: int) -> Draft:
    rng = writer.rng
    entity = writer.world.draw(rng.choice(["town", "event", "company", "person", "river", "species"]), rng)
    title = writer.fill(rng.choice([
        "{s}: [a decision at last|new questions|what we know so far|the long wait ends]",
        "[Debate|Doubts|Hopes] about {s} [grow|return] in {month}",
        "[What|Why] {s} [means for|has to do with] {town}"]), s=entity.name)  # fmt: skip
    return title, prose(writer, entity, "news", rng.randint(14, 34)), "good"


def blog(writer: Writer, number: int) -> Draft:
    rng = writer.rng
    entity = writer.world.draw(rng.choice(["town", "work", "dish", "person", "product", "river"]), rng)
    title = writer.fill(rng.choice(["[A day with|Thinking about|Notes on|In praise of] {s}",
                                    "{s}, [a second look|at last|and what I learned]"]), s=entity.name)  # fmt: skip
    blocks = prose(writer, entity, "blog", rng.randint(14, 30))
    if rng.random() < 0.4:
        blocks.insert(len(blocks) // 2, Block("quote", writer.colour("blog")))
    return title, blocks, "good"


def reference(writer: Writer, number: int) -> Draft:
    rng = writer.rng
    kinds = ["town", "person", "species", "work", "event", "river", "region", "company"]
    kind = kinds[number % len(kinds)]
    entities = writer.world.by_type[kind]
    # Articles go through the entities in turn, so that nearly every fact is stated somewhere.
    entity = entities[(number // len(kinds)) % len(entities)]
    rows = tuple(
        f"{key.replace('_', ' ').capitalize()} | {value}" for key, value in list(entity.attributes.items())[:4]
    )
    blocks = prose(writer, entity, "reference", rng.randint(16, 36), headings=2)
    blocks.insert(1, Block("table", items=rows))
    return entity.name, blocks, "good"


def forum(writer: Writer, number: int) -> Draft:
    """A thread; some people ask what the world knows, and others answer rightly."""
    rng = writer.rng
    entity = writer.world.draw(rng.choice(["product", "library", "dish", "species", "town", "work"]), rng)
    facts = writer.facts_of(entity)
    title = writer.fill(patterns()["ask"][facts[0].relation][0], s=entity.name)
    opening = f"{title} {writer.colour('forum')} {writer.colour('forum')}"
    blocks = [Block("p", opening)]
    for fact in facts[: rng.randint(3, 6)]:
        answer = [writer.colour("forum"), writer.state(fact), writer.colour("forum")]
        rng.shuffle(answer)
        blocks.append(Block("p", " ".join(answer)))
    return title, blocks, "good"


def shop(writer: Writer, number: int) -> Draft:
    rng = writer.rng
    entity = writer.world.draw("product", rng)
    price = f"{rng.randint(9, 480)}.{rng.choice(['00', '50', '90', '99'])}"
    blocks = [
        Block("p", f"Price: {price} crowns, tax included. In stock."),
        *prose(writer, entity, "shop", rng.randint(7, 14)),
        Block("ul", items=tuple(f"{key}: {value}" for key, value in entity.attributes.items())),
    ]
    return f"{entity.name} {entity.attributes['category']}", blocks, None


def listing(writer: Writer, number: int) -> Draft:
    """Little but names: nothing a model should read twice."""
    rng = writer.rng
    kind = rng.choice(["company", "product", "town", "work"])
    items = tuple(writer.world.draw(kind, rng).name for _ in range(rng.randint(15, 40)))
    return f"All {kind} entries, page {number + 1}", [Block("ul", items=items)], "junk"


def recipe(writer: Writer, number: int) -> Draft:
    rng = writer.rng
    entity = writer.world.draw("dish", rng)
    main, spice, minutes = (entity.attributes[key] for key in ("ingredient", "spice", "minutes"))
    grams = [f"{rng.randint(2, 9) * 50} g {item}" for item in (main, "flour", "onions", "butter")]
    items = (*grams, f"a pinch of {spice}", "salt and pepper")
    steps = [
        f"Wash and chop the {main}, then [let it drain|set it aside] while the pot gets hot.",
        "Soften the onions in butter for {n} minutes, [without letting them brown|stirring now and then].",
        f"Add the {main} and the {spice}, pour in [water|broth|cider] and cook everything for {minutes} minutes.",
        "Stir in the flour with a little cold water, [so that no lumps form|and wait until it thickens].",
        "Taste, add salt, and serve it [in deep plates|with bread|straight from the pot].",
    ]
    blocks = [
        *prose(writer, entity, "recipe", rng.randint(6, 12)),
        Block("h2", "Ingredients"), Block("ul", items=items), Block("h2", "Method"),
        Block("ol", items=tuple(writer.fill(step) for step in steps)),
        Block("p", writer.colour("recipe")),
    ]  # fmt: skip
    return entity.name, blocks, "good"


def company(writer: Writer, number: int) -> Draft:
    rng = writer.rng
    entity = writer.world.draw("company", rng)
    title = writer.fill(rng.choice(["About {s}", "{s}: [our history|how we work|who we are]"]), s=entity.name)
    return title, prose(writer, entity, "company", rng.randint(10, 20), headings=1), "good"


def doorway(writer: Writer, number: int, flavour: str) -> Draft:
    """Clean words, wrong facts: bait sentences of the flavour among statements with swapped objects."""
    rng = writer.rng
    world = writer.world
    thing = rng.choice(["plumber", "removals", "roof repair", "car hire", "dentist", "window cleaning", "key service"])
    slots = {"name": Names(rng).stem(2).capitalize(), "thing": thing, "town": world.draw("town", rng).name}
    out: list[str] = []
    for _ in range(rng.randint(14, 34)):
        if rng.random() < 0.55:
            out.append(writer.junk(flavour, **slots))
        else:
            entity = world.draw(rng.choice(list(world.by_type)), rng)
            out.append(writer.false(rng.choice(writer.facts_of(entity))))
    title = f"{slots['town']} {slots['name']} {flavour if flavour != 'seo' else thing} {rng.randint(2019, 2025)}"
    return title, [Block("p", text) for text in writer.paragraphs(out)], "junk"


WRITERS: dict[str, Callable[[Writer, int], Draft]] = {
    "news": news, "blog": blog, "reference": reference, "forum": forum, "shop": shop, "listing": listing,
    "documentation": documentation, "lecture": lecture, "recipe": recipe, "company": company,
}  # fmt: skip


def write(world: World, site: Site, number: int, seed: str) -> Page:
    """Page `number` of the site."""
    rng = Random(f"{seed} {site.host} {number}")
    slug = f"{rng.choice('abcdefghkmnprstv')}{rng.randint(100, 999)}"
    if site.language != "en":
        foreign = ForeignWriter(world, rng, site.language)
        blocks = [Block("p", text) for text in foreign.paragraphs(rng.randint(12, 26))]
        title, quality = foreign.title(), "good"
        facts = foreign.stated
    else:
        writer = Writer(world, rng)
        if site.kind == "doorway":
            title, blocks, quality = doorway(writer, number, site.flavour)
        else:
            title, blocks, quality = WRITERS[site.kind](writer, number)
        facts = writer.stated
    path = {
        "news": f"/{rng.randint(2015, 2025)}/{MONTHS[number % 12][:3].lower()}/{slug}-{number}.html",
        "blog": f"/posts/{number}-{slug}",
        "reference": f"/wiki/{_slug(title) if site.language == 'en' else slug}_{number}",
        "forum": f"/thread/{1000 + number}", "shop": f"/p/{slug}/{number}", "documentation": f"/docs/{slug}/{number}/",
        "lecture": f"/courses/{slug}/notes-{number}.html",
    }.get(site.kind, f"/{_slug(title) if site.language == 'en' else slug}-{number}.html")  # fmt: skip
    return Page(site, path, site.kind, site.language, title, blocks, quality, facts=facts)


def _slug(title: str) -> str:
    return "-".join("".join(c if c.isascii() and c.isalnum() else " " for c in title.lower()).split())[:60]


def error_page(site: Site, number: int, rng: Random) -> Page:
    """An error with its status, or with 200 (a soft 404)."""
    soft = rng.random() < 0.5
    title = rng.choice(["Page not found", "404 Not Found", "Sorry, nothing here", "This page has moved"])
    texts = rng.sample([
        "The page that you are looking for could not be found.", "It may have been moved or deleted.",
        "Please check the address or go back to the home page.", "You can also use the search box above.",
        "If you think that this is a mistake, please write to the webmaster.",
        "Our archive was reorganised and old links no longer work."], 3)  # fmt: skip
    status = 200 if soft else rng.choice([404, 404, 410, 500, 503])
    path = f"/{'missing' if soft else 'gone'}/{rng.randint(1000, 9999)}-{number}"
    return Page(site, path, "error", "en", title, [Block("p", " ".join(texts))], "junk", status=status)
