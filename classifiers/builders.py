"""What each model is trained on: labelled texts in, `Example`s with that model's labels out."""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import yaml

from classifiers.corpora import Example, crawl_pages, json_lines, reliable_sites, short_texts, site, wcxb_pages
from curate.sources import Documents, plan, read
from curate.stages.language.ngrams import NgramIdentifier
from curate.stages.quality.fasttext_model import ModelError

Builder = Callable[[Path, Path], list[Example]]
"""(data folder, cache folder) → examples."""

MIN_CHARACTERS = 200

SET_DOMAINS = {
    "httpd_manual": "code_documentation",
    "javadoc_jhove": "code_documentation",
    "ipython_doc": "code_documentation",
    "w3c_i18n": "code_documentation",
    "recipe_scrapers": "recipes",
    "fundus": "news",
    "newspaper": "news",
    "goose3": "news",
    "gne_chinese": "news",
    "chinese_wced": "news",
    "product_extraction": "shopping",
    "webstruct": "company",
    "udhr_html": "legal",
    "archive_query_log": "search_results",
    "spam_seo": "spam",
}
"""Source set → domain, where a set is of one kind. (htmldate's further pages are not: taken for blogs once, most of
them were news when they were read.)"""
LABEL_DOMAINS = {
    "product": "shopping",
    "forum": "forum",
    "documentation": "code_documentation",
    "serp": "search_results",
    "listing": "listing",
    "error": "error",
    "soft404": "error",
    "spam": "spam",
    "adult": "adult",
    "math": "academic",
    "code": "code_documentation",
}
"""Page label → domain; stronger than the set's."""


PAGE_TYPE_DOMAINS = {
    "forum": "forum",
    "product": "shopping",
    "service": "company",
    "documentation": "code_documentation",
    "listing": "listing",
    "collection": "listing",
}
"""WCXB's page type → domain; its articles are of any."""
TEXT_DOMAINS = {
    "wikitext2_valid": "reference",
    "moby_dick_gutenberg2701": "fiction",
    "tinyshakespeare": "fiction",
    "inaugural": "speech",
    "state_union": "speech",
    "movie_reviews_600": "entertainment",
}
"""Set of texts → domain."""
BROWN_DOMAINS = {
    "ca": "news", "cb": "news", "cc": "entertainment", "cd": "religion", "ch": "legal", "cj": "academic",
    "ck": "fiction", "cl": "fiction", "cm": "fiction", "cn": "fiction", "cp": "fiction",
}  # fmt: skip
"""Category of the Brown corpus (Francis and Kučera 1964) → domain: reportage, editorials, reviews, religion,
government, learned, and five kinds of fiction."""


NO_SITES = ("wikipedia.org", "wikimedia.org", "archive.org", "yahoo.com", "google.com", "blogspot.com", "youtube.com")
"""Not Wikipedia itself; and archives, portals and hosts of everybody's pages say nothing about a page."""


def _pages(data: Path, cache: Path) -> list[dict[str, Any]]:
    return [page for page in crawl_pages(data, cache) if len(page["text"]) >= MIN_CHARACTERS]


def _example(page: dict[str, Any], label: str) -> Example:
    language = page.get("language") or page.get("html_lang") or ""
    return Example(
        page["text"],
        label,
        site(page["url"]),
        page["set"],
        page["label"] or "",
        str(language)[:2].lower(),
        url=page["url"],
    )


def wikipedia_reference(data: Path, cache: Path) -> list[Example]:
    """Positives: pages (of the crawl and of WCXB) of sites that Wikipedia's editors trust or cite, other than search
    pages, listings and errors of theirs. Negatives: the other pages. Wikipedia's own text is no positive: what it
    cites is."""
    good, _ = reliable_sites(data)
    no_reference = {"serp", "error", "soft404", "listing", "spam", "adult"}
    examples = []
    for page in _pages(data, cache):
        home = site(page["url"])
        if home in NO_SITES or home.endswith(".example"):
            continue
        cited = home in good and page["label"] not in no_reference
        if cited or home not in good:
            examples.append(_example(page, "cited" if cited else "other"))
    for each in wcxb_pages(data):
        home, kind = site(each["url"]), each["page_type"]
        cited = home in good and kind not in ("listing", "collection")
        if home not in NO_SITES and len(each["text"]) >= MIN_CHARACTERS and (cited or home not in good):
            label = "cited" if cited else "other"
            examples.append(Example(each["text"], label, home, "wcxb", kind, "en", url=each["url"]))
    return _by_language(examples)


def _by_language(examples: list[Example]) -> list[Example]:
    """The examples with the language that their text is in, which is also their stratum: what a set or a page says of
    it is missing too often."""
    import pyarrow as pa

    found, _ = NgramIdentifier().identify(pa.array([each.text for each in examples]))
    return [replace(each, language=name, stratum=name) for each, name in zip(examples, found, strict=True)]


def instruction_like(data: Path, cache: Path) -> list[Example]:
    """DCLM's idea (Li et al. 2024, §4.4) from what is at hand: positives are questions with answers, explanations and
    how-tos (benchmark questions joined to their answers, documentation, recipes, forums); negatives the other pages."""
    explaining = {"documentation", "forum", "math", "code"}
    examples = [
        _example(page, "explains" if page["label"] in explaining or page["set"] == "recipe_scrapers" else "other")
        for page in _pages(data, cache)
    ]
    for name in ("gsm8k", "boolq", "arc_easy", "arc_challenge", "openbook_qa", "siqa"):
        rows = list(json_lines(data / "benchmarks" / f"{name}.jsonl.gz"))[:300]
        examples += [
            Example(f"{row['text']}\n{row.get('answer') or ''}", "explains", f"benchmark:{name}:{i}", name)
            for i, row in enumerate(rows)
        ]
    return examples


def edu(data: Path, cache: Path) -> list[Example]:
    """Explanatory and textbook-like against the rest: documentation, mathematics and encyclopaedic articles."""
    examples = []
    for page in _pages(data, cache):
        teaching = page["label"] in ("math", "documentation") or site(page["url"]) in (
            "wikipedia.org",
            "britannica.com",
        )
        examples.append(_example(page, "teaches" if teaching else "other"))
    for row in json_lines(data / "text" / "wikitext2_valid.jsonl.gz"):
        examples.append(Example(row["text"], "teaches", f"wikitext:{row.get('id')}", "wikitext2_valid"))
    return examples


def domain(data: Path, cache: Path) -> list[Example]:
    """What kind of document a text is, by its own label, else by what its site is known to be, else by its set; and
    books, speeches and sermons that are such. A coarse reading of WebOrganizer (Wettig et al. 2025): its formats, and
    of its topics those that a mix asks for."""
    table = yaml.safe_load((Path(__file__).parent / "specs" / "domain_sites.yaml").read_text())
    sites = {home: label for label, homes in table.items() for home in homes.split()}
    examples = []
    for page in _pages(data, cache):
        home = site(page["url"])
        label = LABEL_DOMAINS.get(page["label"] or "") or sites.get(home) or SET_DOMAINS.get(page["set"])
        if home in ("wikipedia.org", "britannica.com"):
            label = "reference"
        if label is not None and label != "error":
            examples.append(_example(page, label))
    for each in wcxb_pages(data):
        home = site(each["url"])
        label = PAGE_TYPE_DOMAINS.get(each["page_type"]) or sites.get(home)
        if label is not None and len(each["text"]) >= MIN_CHARACTERS:
            kind = each["page_type"]
            examples.append(Example(each["text"], label, home, "wcxb", kind, "en", url=each["url"]))
    for name, label in TEXT_DOMAINS.items():
        for number, row in enumerate(json_lines(data / "text" / f"{name}.jsonl.gz")):
            group = f"{name}:{row.get('id', number)}"
            examples.append(Example(row["text"][:8000], label, group, name, language="en"))
    for row in json_lines(data / "text" / "brown.jsonl.gz"):
        known = BROWN_DOMAINS.get(str(row["id"]).rpartition("-")[2][:2])
        if known is not None:
            examples.append(Example(row["text"][:8000], known, f"brown:{row['id']}", "brown", language="en"))
    return examples


def _prose(data: Path, cache: Path) -> list[Example]:
    return [_example(page, "clean") for page in _pages(data, cache) if page["label"] in ("prose", "documentation")]


_SPOKEN_OF = re.compile(
    r"\b(?:wom[ae]n|girls?|gays?|trans(?:gender)?|blacks?|disabled|muslims?|islam|immigrants?|migrants?|foreigners?"
    r"|refugees?|peoples?|persons?|m[ae]n|s?he|h[ei][rms]|they|them"
    r"|trann(?:y|ies)|f[a@]gg?(?:ot)?s?|bitch(?:es)?|cunts?|nigg(?:er|a)s?|retards?|cripples?)\b",
    re.IGNORECASE,
)


def case_template(text: str) -> str:
    """A test case without whom it speaks of: HateCheck makes its cases from templates, one for each group of people,
    and those of one template must not be on both sides of a split."""
    return " ".join(_SPOKEN_OF.sub("_", text.lower()).split())


def nsfw(data: Path, cache: Path) -> list[Example]:
    """Adult pages and messages with profane words against prose, forums, products and messages without: of the same
    people, so that their dialect says nothing."""
    pages = _pages(data, cache)
    examples = [_example(page, "nsfw") for page in pages if page["label"] == "adult"]
    examples += [_example(page, "clean") for page in pages if page["label"] not in ("adult", "spam", None)]
    words = {
        row["term"].lower() for row in json_lines(data / "toxicity" / "ldnoobw.jsonl.gz") if row["language"] == "en"
    }
    for row in json_lines(data / "toxicity" / "davidson.jsonl.gz"):
        listed = any(word in row["text"].lower().split() for word in words if len(word) > 3)
        label = "nsfw" if listed and row["label"] != "neither" else "clean"
        group, stratum = f"davidson:{row['id']}", f"davidson {row['label']}"
        examples.append(Example(row["text"], label, group, "davidson", row["label"], "en", stratum=stratum))
    return examples + _messages(data)


def _messages(data: Path) -> list[Example]:
    """Everyday messages, informal and of several Englishes."""
    ham = short_texts(data / "spam" / "sms.jsonl.gz", "label", "sms", lambda row: row["label"] == "ham")
    return [replace(each, label="clean", language="en") for each in ham]


def toxic(data: Path, cache: Path) -> list[Example]:
    """Hateful and offensive messages against neutral ones, counter-speech and prose."""
    label = {"hate": "toxic", "offensive": "toxic", "neither": "clean", "hateful": "toxic", "non-hateful": "clean"}
    examples = []
    for name in ("davidson", "hatecheck"):
        for each in short_texts(data / "toxicity" / f"{name}.jsonl.gz", "label", name):
            group = f"{name}:{case_template(each.text)}" if name == "hatecheck" else each.group
            stratum = f"{name} {each.label}"
            examples.append(
                Example(each.text, label[each.label], group, name, each.kind or each.label, "en", stratum=stratum)
            )
    return examples + _messages(data) + _prose(data, cache)


def spam(data: Path, cache: Path) -> list[Example]:
    """Doorway pages, spam mails, messages and comments against prose and their ham."""
    pages = _pages(data, cache)
    examples = [_example(page, "spam") for page in pages if page["label"] == "spam"]
    examples += _prose(data, cache)
    for name in ("sms", "spamassassin", "indo_gambling_comments"):
        for each in short_texts(data / "spam" / f"{name}.jsonl.gz", "label", name):
            label = "clean" if each.label == "ham" else "spam"
            examples.append(Example(each.text, label, each.group, name, "", each.language, stratum=name))
    for row in json_lines(data / "spam" / "gambling_readmes.jsonl.gz"):
        group = f"readme:{row['id'].partition('+')[0]}"
        examples.append(Example(row["text"], "spam", group, "gambling_readmes", stratum="gambling_readmes"))
    return examples


BUILDERS: dict[str, Builder] = {
    "wikipedia_reference": wikipedia_reference,
    "instruction_like": instruction_like,
    "edu": edu,
    "domain": domain,
    "nsfw": nsfw,
    "toxic": toxic,
    "spam": spam,
}


TEXTS = ("jsonl", "parquet", "wet")
"""Kinds of input that hold texts; pages become texts in a run, whose `documents/*.parquet` can be named."""


def named_examples(named: Mapping[str, Mapping[str, Any]], folder: Path, most: int) -> list[Example]:
    """Examples from the inputs that a spec names for each label, at most so many of a label, drawn by a hash of URL and
    text, so that order and names of files mean nothing. Texts of one site are a group; a text without a URL is one by
    itself. InputError as for a recipe's input."""
    found: list[Example] = []
    for label, inputs in named.items():
        if not set(inputs) & set(TEXTS):
            raise ModelError(
                f"examples.{label}: {dict(inputs)} names no texts; allowed: {', '.join(TEXTS)}, each a path or glob"
            )
        given = {key: _below(folder, value) if key in TEXTS else value for key, value in inputs.items()}
        drawn: list[tuple[bytes, Example]] = []
        for shard in plan(given):
            for event in read(shard):
                if not isinstance(event, Documents):
                    continue
                columns = (event.batch.column(name).to_pylist() for name in ("id", "url", "text"))
                for id_, url, text in zip(*columns, strict=True):
                    group = site(url) if url else id_
                    order = hashlib.blake2b(f"{url}\n{text}".encode(), digest_size=8).digest()
                    drawn.append((order, Example(text, label, group, label, url=url or "")))
            drawn = sorted(drawn, key=lambda each: each[0])[:most]
        found += [example for _, example in drawn]
    return _by_language(found) if found else []


def _below(folder: Path, value: Any) -> Any:
    """Paths relative to a spec's folder, as paths from here; URLs as they are."""
    if isinstance(value, list):
        return [_below(folder, item) for item in value]
    return str(folder / value) if isinstance(value, str) and "://" not in value else value


def split_groups(examples: Iterable[Example], seed: int, folds: int) -> list[int]:
    """The fold of each example, by a hash of its group: whole sites, in balance on average."""
    return [
        int.from_bytes(hashlib.blake2b(f"{seed}:{each.group}".encode(), digest_size=8).digest(), "little") % folds
        for each in examples
    ]


def crops(text: str, source: random.Random, shortest: int = 20, longest: int = 512) -> str:
    """A run of words of a text, of a length drawn evenly in the logarithm: what a model sees of a page must not tell
    it how long the page is."""
    words = text.split()
    if len(words) <= shortest:
        return text
    wanted = min(int(shortest * (longest / shortest) ** source.random()), len(words))
    start = source.randrange(len(words) - wanted + 1)
    return " ".join(words[start : start + wanted])
