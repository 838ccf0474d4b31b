"""Puts the web together: sites, their pages, copies of some, and what is planted; all a function of the seed."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from examples.miniweb.content import error_page, write
from examples.miniweb.duplicates import TARGETS, VARIANTS, mirror, near, template_pair, url_variant
from examples.miniweb.page import Block, Page, Site
from examples.miniweb.plant import PLANTS, plant_pii, questions
from examples.miniweb.shell import render
from examples.miniweb.sites import sites
from examples.miniweb.tongues import tongues
from examples.miniweb.world import World

SHARES = {"news": 1.3, "blog": 1.2, "reference": 1.7, "forum": 1.0, "shop": 0.8, "listing": 0.6, "documentation": 0.9,
          "lecture": 0.8, "recipe": 0.8, "company": 0.6, "doorway": 1.1}  # fmt: skip
"""Pages a site of the kind has, as a multiple of the average."""

PII_SHARE = 0.08
"""Of English pages of some worth; more than on the real web, so that a small sample has enough of each type."""
DUPLICATE_SHARE = 0.16
ERROR_SHARE = 0.04
QUESTIONS = 48


@dataclass
class MiniWeb:
    """All pages in a fixed order, the benchmark whose questions stand in some of them, and the world."""

    seed: int
    world: World
    sites: list[Site]
    pages: list[Page]
    benchmark: list[dict[str, object]]

    def links(self) -> dict[str, list[Page]]:
        """The linkable pages of each host: those with status 200 that are no URL variants."""
        out: dict[str, list[Page]] = {site.host: [] for site in self.sites}
        for page in self.pages:
            if page.status == 200 and page.duplicate_kind != "url_variant" and page.path != "/":
                out[page.site.host].append(page)
        return out

    def html(self, page: Page, links: dict[str, list[Page]]) -> str:
        """The page as HTML: a function of its site and path alone, so a URL variant has the same bytes."""
        rng = Random(f"html {self.seed} {page.site.host} {page.original_path or page.path}")
        own = links[page.site.host]
        return render(page, rng.sample(own, min(6, len(own))), rng)


def build_web(seed: int, pages: int) -> MiniWeb:
    """About `pages` pages (at least 200), the same for the same arguments."""
    rng = Random(f"web {seed}")
    world = World(seed)
    all_sites = sites(world, rng, list(tongues()))
    out = [_home(site) for site in all_sites]
    rest = pages - len(out)
    n_errors, n_copies = int(rest * ERROR_SHARE), int(rest * DUPLICATE_SHARE)
    weights = [SHARES[site.kind] if site.language == "en" else 0.75 for site in all_sites]
    originals: list[Page] = []
    n_originals = rest - n_errors - n_copies
    cumulative, total, done = 0.0, sum(weights), 0
    for site, weight in zip(all_sites, weights, strict=True):
        cumulative += weight
        upto = round(n_originals * cumulative / total)
        originals += [write(world, site, number, f"page {seed}") for number in range(upto - done)]
        done = upto
    benchmark = questions(world, Random(f"questions {seed}"), QUESTIONS)
    _plant(originals, benchmark, world, rng)
    copies = _copies(originals, all_sites, n_copies, world, rng)
    errors = [error_page(rng.choice(all_sites), number, rng) for number in range(n_errors)]
    out += originals + copies + errors
    linked: dict[str, list[Page]] = {}
    for page in out:
        if page.status == 200 and page.duplicate_kind != "url_variant":
            linked.setdefault(page.site.host, []).append(page)
    for home in out[: len(all_sites)]:
        items = tuple(f"{page.path} {page.title}" for page in linked[home.site.host] if page.path != "/")
        home.blocks = [Block("ul", items=items)]
    return MiniWeb(seed, world, all_sites, out, benchmark)


def _home(site: Site) -> Page:
    return Page(site, "/", "listing", site.language, site.title, [], "junk")


def _plant(originals: list[Page], benchmark: list[dict[str, object]], world: World, rng: Random) -> None:
    """Personal data in some pages, three quarters of the questions in one or two pages each."""
    worthy = [page for page in originals if page.language == "en" and page.quality == "good"]
    kinds = list(PLANTS)
    for at, page in enumerate(rng.sample(worthy, max(len(kinds), int(len(worthy) * PII_SHARE)))):
        more = rng.sample(kinds, rng.randint(0, 2))
        plant_pii(page, rng, list(dict.fromkeys([kinds[at % len(kinds)], *more])))
    hosts = [page for page in worthy if page.kind in ("forum", "blog", "lecture", "news")]
    for question in benchmark[: QUESTIONS * 3 // 4]:
        for page in rng.sample(hosts, rng.randint(1, 2)):
            at = rng.randrange(len(page.blocks))
            page.blocks.insert(at, Block("question", str(question["text"])))
            page.questions.append(str(question["id"]))


def _copies(originals: list[Page], all_sites: list[Site], count: int, world: World, rng: Random) -> list[Page]:
    """A fifth each: mirrors, URL variants, syndicated near-duplicates, newer versions, spun templates and mirrors
    again. Every group has one original, marked so."""
    out: list[Page] = []
    good = [p for p in originals if p.quality == "good" and p.language == "en" and p.kind != "forum"]
    spinnable = [p for p in originals if p.kind == "shop"]
    english = [
        site for site in all_sites if site.language == "en" and site.kind in ("news", "blog", "listing", "reference")
    ]
    rng.shuffle(good)
    rng.shuffle(spinnable)
    for number in range(count):
        if number % 5 == 4 and spinnable:
            page = spinnable[number // 5 % len(spinnable)]
        else:
            page = good[number * 2 // 3 % len(good)]
        if page.group is None:
            page.group, page.duplicate_kind, page.jaccard = f"{page.site.host}{page.path}", "original", 1.0
        elsewhere = rng.choice([site for site in english if site.host != page.site.host])
        if number % 5 == 0:
            out.append(mirror(page, elsewhere, number))
        elif number % 5 == 1:
            out.append(url_variant(page, VARIANTS[number // 5 % len(VARIANTS)], rng))
        elif number % 5 == 4 and page.kind == "shop":
            out.append(template_pair(page, number, world, rng))
        else:
            kind, site = ("near", elsewhere) if number % 5 == 2 else ("version", page.site)
            out.append(near(page, site, number, TARGETS[number // 5 % len(TARGETS)], kind, world, rng))
    seen: set[str] = {page.url for page in originals}
    unique = []
    for page in out:
        if page.url not in seen:
            seen.add(page.url)
            unique.append(page)
    return unique
