"""What a page says about itself: title, author, date, site, language, licence and opt-out flags.

In go the page's bytes, out comes first a `Head`, the places that speak about the page, found in one pass, and from
that a `Metadata`. Only tags and JSON-LD are read, each once, so the cost stays linear whatever the page does.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from curate.kernels.html_head import LICENSE, META, find_marks, meta_names
from curate.stages.extract.references import unescape

_REL = re.compile(r"""\brel\s{0,3}=\s{0,3}["']?[\w\s:-]{0,60}\blicense""", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"""([a-zA-Z:_-]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""")
_TITLE = re.compile(rb"<title\b[^>]{0,1000}>([^<]{1,8000})", re.IGNORECASE)
_HTML = re.compile(rb"<html\b([^>]{0,4000})>", re.IGNORECASE)
_HEADING = re.compile(rb"<h1\b[^>]{0,1000}>(.{1,8000}?)</h1", re.IGNORECASE | re.DOTALL)
MAX_TITLE = 2000
"""Characters."""
MAX_JSON_LD = 500_000
"""Bytes; a longer block of JSON-LD is passed over."""
MAX_JSON_LD_BLOCKS = 50
MAX_LICENSE_MENTIONS = 200
"""Links of a page that are looked at for a licence."""
_CREATIVE_COMMONS = re.compile(
    r"""<a\s[^>]{0,1000}?href\s*=\s*["']?(https?://creativecommons\.org/(?:licenses|publicdomain)/[^"'\s>]+)""", re.I
)
_TAGS = re.compile(r"<[^>]*>")
_SITE_SUFFIX = re.compile(r"\s+[|–—·»]\s+|\s-\s")
_ROBOTS = ("robots", "googlebot", "googlebot-news", "bingbot", "ccbot", "gptbot", "google-extended", "ai")
_ROBOT_FLAGS = frozenset(
    {
        "noindex",
        "nofollow",
        "none",
        "noarchive",
        "nosnippet",
        "nocache",
        "noai",
        "noimageai",
        "noml",
        "notranslate",
        "noimageindex",
    }
)
_WANTED = meta_names(
    "author article:author_name dc.creator parsely-author content-language og:site_name application-name "
    "article:published_time datepublished dc.date dc.date.issued pubdate date og:description description og:title "
    "dc.rights dcterms.license tdm-reservation og:type generator".split()
    + list(_ROBOTS)
)
"""Names of the metas that are read."""
_TYPED = frozenset({"article", "newsarticle", "blogposting", "product", "webpage", "recipe", "report", "techarticle"})


@dataclass(frozen=True)
class Metadata:
    """A page's own statements; None where it makes none."""

    title: str | None = None
    author: str | None = None
    date: str | None = None
    """As the page writes it; ISO 8601 on nearly every page that has one."""
    site: str | None = None
    html_lang: str | None = None
    license: str | None = None
    robots: tuple[str, ...] = ()
    """Flags of robots metas, lower case, sorted: noindex, noai, noimageai, … `tdm-reservation` where the page
    reserves text and data mining."""
    description: str | None = None
    structured: str | None = None
    """The body or description that JSON-LD gives for the page's main entity."""


@dataclass(frozen=True)
class Head:
    """What of a page speaks about the page, wherever it stands."""

    source: bytes
    metas: dict[str, str]
    """Name, property, itemprop or http-equiv (lower case), of those that are read → the first content that is not
    empty; robots metas' all."""
    json_ld: tuple[str, ...]
    """The contents of JSON-LD scripts."""
    licenses: tuple[str, ...]
    """Tags of links that speak of a licence."""


def read_head(source: bytes) -> Head:
    """Finds the metas, JSON-LD and licence links of a UTF-8 page."""
    metas: dict[str, str] = {}
    json_ld: list[str] = []
    licenses: list[str] = []
    for kind, start, end in find_marks(source, _WANTED).tolist():
        if kind == META:
            _add_meta(metas, _attributes(source[start:end].decode("utf-8", "replace")))
        elif kind == LICENSE:
            if len(licenses) < MAX_LICENSE_MENTIONS:
                licenses.append(source[start : end + 1].decode("utf-8", "replace"))
        elif len(json_ld) < MAX_JSON_LD_BLOCKS:
            stop = source.find(b"</script", start, start + MAX_JSON_LD)
            json_ld.append(source[start : max(stop, start)].decode("utf-8", "replace"))
    return Head(source, metas, tuple(json_ld), tuple(licenses))


def _add_meta(metas: dict[str, str], attributes: dict[str, str]) -> None:
    content = " ".join(attributes.get("content", "").split())
    if not content:
        return
    for key in ("name", "property", "itemprop", "http-equiv"):
        name = attributes.get(key, "").lower()
        if name and name in _ROBOTS and name in metas:
            metas[name] += "," + content
        elif name:
            metas.setdefault(name, content)


def read_metadata(head: Head) -> Metadata:
    """Reads the metas, the title, the first heading and JSON-LD."""
    metas = head.metas
    ld = list(_json_ld(head))
    opening = _HTML.search(head.source, 0, 20_000)
    attributes = _attributes(opening[1].decode("utf-8", "replace")) if opening else {}
    language = attributes.get("lang") or attributes.get("xml:lang") or metas.get("content-language")
    site = metas.get("og:site_name") or metas.get("application-name") or _ld_name(ld, "publisher")
    return Metadata(
        title=_title(head, ld, site),
        author=(
            metas.get("author")
            or metas.get("article:author_name")
            or metas.get("dc.creator")
            or _ld_name(ld, "author")
            or metas.get("parsely-author")
        ),
        date=next(
            (
                value
                for value in (
                    metas.get("article:published_time"),
                    _ld_text(ld, "datePublished"),
                    metas.get("datepublished"),
                    metas.get("dc.date"),
                    metas.get("dc.date.issued"),
                    metas.get("pubdate"),
                    metas.get("date"),
                )
                if value
            ),
            None,
        ),
        site=site,
        html_lang=_language(language),
        license=_license(head, ld),
        robots=_robots(metas),
        description=metas.get("og:description") or metas.get("description"),
        structured=max(
            (text for key in ("articleBody", "description", "text") for text in [_ld_text(ld, key)] if text),
            key=len,
            default=None,
        ),
    )


def _attributes(tag: str) -> dict[str, str]:
    return {name.lower(): unescape(a or b or c) for name, a, b, c in _ATTRIBUTE.findall(tag)}


def _json_ld(head: Head) -> Iterator[dict[str, Any]]:
    """The typed objects of the page's JSON-LD, outermost first; what is not JSON is passed over."""
    for text in head.json_ld:
        try:
            pending: list[Any] = [json.loads(text, strict=False)]
        except (ValueError, RecursionError):
            continue
        for _ in range(200):
            if not pending:
                break
            item = pending.pop(0)
            if isinstance(item, list):
                pending[:0] = item[:50]
            elif isinstance(item, dict):
                kinds = item.get("@type", "")
                kinds = kinds if isinstance(kinds, list) else [kinds]
                if any(str(kind).lower() in _TYPED for kind in kinds):
                    yield item
                pending.extend(value for key, value in item.items() if key in ("@graph", "mainEntity"))


def _ld_text(items: list[dict[str, Any]], key: str) -> str | None:
    for item in items:
        value = item.get(key)
        if isinstance(value, str) and value.strip():
            return _plain(value)
    return None


def _ld_name(items: list[dict[str, Any]], key: str) -> str | None:
    for item in items:
        value = item.get(key)
        value = value[0] if isinstance(value, list) and value else value
        value = value.get("name") if isinstance(value, dict) else value
        if isinstance(value, str) and value.strip():
            return _plain(value)
    return None


def _plain(value: str) -> str:
    """Entities decoded; lone surrogates, which JSON's escapes can spell and UTF-8 cannot, become `?`."""
    return unescape(value.strip()).encode("utf-8", "replace").decode()


def _title(head: Head, ld: list[dict[str, Any]], site: str | None) -> str | None:
    """og:title, else JSON-LD's headline, else the title element without its site name, else the first h1."""
    title = head.metas.get("og:title") or _ld_text(ld, "headline")
    if title is None and (match := _TITLE.search(head.source)):
        title = " ".join(unescape(_cut(match[1])).split())
        parts = _SITE_SUFFIX.split(title)
        if len(parts) > 1 and site and parts[-1].strip().lower() == site.lower():
            title = title[: title.rindex(parts[-1])].rstrip(" |–—·»-")
    if not title and (match := _HEADING.search(head.source)):
        title = " ".join(unescape(_TAGS.sub("", _cut(match[1]))).split())
    return title or None


def _language(declared: str | None) -> str | None:
    """A BCP 47 tag as declared, lower case; None where the value cannot be one."""
    tag = (declared or "").split(",")[0].strip().lower().replace("_", "-")
    return tag if re.fullmatch(r"[a-z]{2,3}(-[a-z0-9]{1,8})*", tag) else None


def _cut(text: bytes) -> str:
    return text.decode("utf-8", "replace")[:MAX_TITLE]


def _license(head: Head, ld: list[dict[str, Any]]) -> str | None:
    for tag in head.licenses:
        if _REL.search(tag) and (target := _attributes(tag).get("href")):
            return target
    for tag in head.licenses:
        if granted := _CREATIVE_COMMONS.match(tag):
            return unescape(granted[1])
    return _ld_text(ld, "license") or head.metas.get("dc.rights") or head.metas.get("dcterms.license")


def _robots(metas: dict[str, str]) -> tuple[str, ...]:
    said = " ".join(metas[name] for name in _ROBOTS if name in metas).lower()
    flags = {flag for flag in re.split(r"[\s,;]+", said) if flag in _ROBOT_FLAGS}
    if metas.get("tdm-reservation") == "1":
        flags.add("tdm-reservation")
    return tuple(sorted(flags))
