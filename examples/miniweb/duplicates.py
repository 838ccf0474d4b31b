"""Copies with a known likeness: mirrors, syndicated and updated versions, spun templates, and URL variants.

A near-duplicate is made by swapping sentences for others until the Jaccard similarity of its 5-word shingles with
the original's has come down to a target; what it came to is what the truth records.
"""

from __future__ import annotations

import re
from random import Random

from examples.miniweb.page import Block, Page, Site, jaccard, shingles
from examples.miniweb.prose import Writer
from examples.miniweb.world import World

TARGETS = (0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.6, 0.5, 0.3)
SENTENCE = re.compile(r"(?<=[.!?]) (?=[A-Z\"])")
VARIANTS = ("utm", "www", "http", "session", "index", "fragment_query", "slash")


def mirror(page: Page, site: Site, number: int) -> Page:
    """The same content on another site, in another template."""
    return page.copy(site=site, path=f"/m/{number}{page.path.rstrip('/')}", group=page.group, duplicate_kind="exact",
                     jaccard=1.0)  # fmt: skip


def near(page: Page, site: Site, number: int, target: float, kind: str, world: World, rng: Random) -> Page:
    """A copy with sentences replaced until its similarity is at most `target`."""
    twin = page.copy(site=site, path=f"/{kind}/{number}{page.path.rstrip('/')}", duplicate_kind=kind)
    original = shingles(page.gold())
    writer = Writer(world, rng)
    colour = page.kind if page.kind in ("news", "blog", "reference", "company") else "news"
    planted = [value for _, value in page.pii]
    places = [
        (at, k)
        for at, block in enumerate(twin.blocks)
        if block.tag == "p"
        for k in range(len(SENTENCE.split(block.text)))
    ]
    rng.shuffle(places)
    similarity = 1.0
    for at, k in places:
        if similarity <= target:
            break
        sentences = SENTENCE.split(twin.blocks[at].text)
        if any(value in sentences[k] for value in planted):
            continue
        if target >= 0.9:
            # One word for another costs five shingles; a sentence would already be too much.
            words = sentences[k].split(" ")
            words[len(words) // 2] = rng.choice(["later", "elsewhere", "again", "rarely", "often"])
            sentences[k] = " ".join(words)
        else:
            sentences[k] = writer.colour(colour)
        twin.blocks[at] = Block("p", " ".join(sentences))
        similarity = jaccard(original, shingles(twin.gold()))
    twin.jaccard = similarity
    twin.facts = []
    return twin


def url_variant(page: Page, how: str, rng: Random) -> Page:
    """The same bytes under another spelling of the URL."""
    twin = page.copy(duplicate_kind="url_variant", jaccard=1.0, original_path=page.path)
    host = page.site.host
    if how == "utm":
        twin.path += f"?utm_source={rng.choice(['mail', 'feed'])}&utm_medium=social&utm_campaign=c{rng.randint(1, 9)}"
    elif how == "www":
        twin.host = host.removeprefix("www.") if host.startswith("www.") else f"www.{host}"
    elif how == "http":
        twin.scheme = "http"
    elif how == "session":
        twin.path += f"?PHPSESSID={rng.randbytes(8).hex()}"
    elif how == "index":
        twin.path = f"{page.path}index.html" if page.path.endswith("/") else f"{page.path}?"
    elif how == "fragment_query":
        twin.path += "?fbclid=" + rng.randbytes(6).hex()
    else:
        twin.path = page.path.rstrip("/") if page.path.endswith("/") else f"{page.path}/"
    return twin


def template_pair(page: Page, number: int, world: World, rng: Random) -> Page:
    """The same page for another entity: a template with one name put in for another, such as shops are full of."""
    names = [entity.name for entity in world.by_type["product"] if entity.name in page.gold()]
    old = names[0]
    new = rng.choice([entity.name for entity in world.by_type["product"] if entity.name not in names])
    twin = page.copy(path=f"/p/spun/{number}", title=page.title.replace(old, new), duplicate_kind="template", facts=[])
    twin.blocks = [
        Block(block.tag, block.text.replace(old, new), tuple(item.replace(old, new) for item in block.items))
        for block in page.blocks
    ]
    twin.jaccard = jaccard(shingles(page.gold()), shingles(twin.gold()))
    twin.quality = "junk"
    return twin
