"""What a page says about itself: title, author, date, site, language, licence and opt-out flags.

In goes the decoded page, out comes a `Metadata`. Only tags and JSON-LD are read, with regular expressions that
look at each tag once, so the cost stays linear in the page's size whatever the page does.
"""

from __future__ import annotations

import html as entities
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_META = re.compile(r"\s([^<>]{1,4000})>")
_REL = re.compile(r"""\brel\s{0,3}=\s{0,3}["']?[\w\s-]{0,60}$""", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"""([a-zA-Z:_-]+)\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""")
_TITLE = re.compile(r"<title\b[^>]{0,1000}>([^<]{1,2000})", re.IGNORECASE)
_HTML = re.compile(r"<html\b([^>]{0,4000})>", re.IGNORECASE)
_HEADING = re.compile(r"<h1\b[^>]{0,1000}>(.{1,2000}?)</h1", re.IGNORECASE | re.DOTALL)
_JSON_LD = "application/ld+json"
MAX_JSON_LD = 500_000
"""Characters; a longer block of JSON-LD is passed over."""
MAX_JSON_LD_BLOCKS = 50
MAX_LICENSE_MENTIONS = 200
"""Places of the word in a page that are looked at for a licence link."""
_CREATIVE_COMMONS = re.compile(
    r"""<a\s[^>]{0,1000}?href\s*=\s*["']?(https?://creativecommons\.org/(?:licenses|publicdomain)/[^"'\s>]+)""", re.I
)
_TAGS = re.compile(r"<[^>]*>")
_SPACE = re.compile(r"\s+")
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


def read_metadata(html: str, metas: dict[str, str] | None = None) -> Metadata:
    """Reads the head's tags, the first heading and JSON-LD; `metas` where the caller has them."""
    metas = read_metas(html) if metas is None else metas
    ld = list(_json_ld(html)) if "ld+json" in html else []
    opening = _HTML.search(html, 0, 20_000)
    attributes = _attributes(opening[1]) if opening else {}
    language = attributes.get("lang") or attributes.get("xml:lang") or metas.get("content-language")
    site = metas.get("og:site_name") or metas.get("application-name") or _ld_name(ld, "publisher")
    return Metadata(
        title=_title(html, metas, ld, site),
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
        license=_license(html, metas, ld),
        robots=_robots(metas),
        description=metas.get("og:description") or metas.get("description"),
        structured=max(
            (text for key in ("articleBody", "description", "text") for text in [_ld_text(ld, key)] if text),
            key=len,
            default=None,
        ),
    )


def _attributes(tag: str) -> dict[str, str]:
    return {m[1].lower(): entities.unescape(m[2] or m[3] or m[4] or "") for m in _ATTRIBUTE.finditer(tag)}


def _meta_tags(html: str) -> Iterator[re.Match[str]]:
    """The meta elements of a page that writes their name in one way. Looking for a fixed string is ten times as fast
    as looking for the pattern."""
    for name in ("<meta", "<META", "<Meta"):
        at = html.find(name)
        if at < 0:
            continue
        while at >= 0:
            if match := _META.match(html, at + 5):
                yield match
            at = html.find(name, at + 5)
        return


def read_metas(html: str) -> dict[str, str]:
    """Every meta's name, property, itemprop or http-equiv (lower case) → its first non-empty content."""
    found: dict[str, str] = {}
    for match in _meta_tags(html):
        attributes = _attributes(match[1])
        content = _SPACE.sub(" ", attributes.get("content", "")).strip()
        for key in ("name", "property", "itemprop", "http-equiv"):
            name = attributes.get(key, "").lower()
            if name and content:
                if name in _ROBOTS and name in found:
                    found[name] += "," + content
                else:
                    found.setdefault(name, content)
    return found


def json_ld_texts(html: str) -> Iterator[str]:
    """The contents of the page's JSON-LD scripts."""
    at, blocks = html.find(_JSON_LD), 0
    while at >= 0 and blocks < MAX_JSON_LD_BLOCKS:
        begin = html.find(">", at, at + 500) + 1
        if begin and html.rfind("<script", max(at - 500, 0), at) > html.rfind(">", max(at - 500, 0), at):
            blocks += 1
            yield html[begin : max(html.find("</script", begin, begin + MAX_JSON_LD), begin)]
        at = html.find(_JSON_LD, at + len(_JSON_LD))


def _json_ld(html: str) -> Iterator[dict[str, Any]]:
    """The typed objects of the page's JSON-LD, outermost first; what is not JSON is passed over."""
    for text in json_ld_texts(html):
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
    return entities.unescape(value.strip()).encode("utf-8", "replace").decode()


def _title(html: str, metas: dict[str, str], ld: list[dict[str, Any]], site: str | None) -> str | None:
    """og:title, else JSON-LD's headline, else the title element without its site name, else the first h1."""
    title = metas.get("og:title") or _ld_text(ld, "headline")
    if title is None and (match := _TITLE.search(html)):
        title = _SPACE.sub(" ", entities.unescape(match[1])).strip()
        parts = _SITE_SUFFIX.split(title)
        if len(parts) > 1 and site and parts[-1].strip().lower() == site.lower():
            title = title[: title.rindex(parts[-1])].rstrip(" |–—·»-")
    if not title and (match := _HEADING.search(html)):
        title = _SPACE.sub(" ", entities.unescape(_TAGS.sub("", match[1]))).strip()
    return title or None


def _language(declared: str | None) -> str | None:
    """A BCP 47 tag as declared, lower case; None where the value cannot be one."""
    tag = (declared or "").split(",")[0].strip().lower().replace("_", "-")
    return tag if re.fullmatch(r"[a-z]{2,3}(-[a-z0-9]{1,8})*", tag) else None


def _license(html: str, metas: dict[str, str], ld: list[dict[str, Any]]) -> str | None:
    at = -1
    for _ in range(MAX_LICENSE_MENTIONS):
        at = html.find("license", at + 1)
        if at < 0:
            break
        if _REL.search(html, max(at - 80, 0), at):
            tag = html[html.rfind("<", max(at - 2000, 0), at) : html.find(">", at, at + 2000)]
            if target := _attributes(tag).get("href"):
                return target
    if "creativecommons.org/" in html and (granted := _CREATIVE_COMMONS.search(html)):
        return entities.unescape(granted[1])
    return _ld_text(ld, "license") or metas.get("dc.rights") or metas.get("dcterms.license")


def _robots(metas: dict[str, str]) -> tuple[str, ...]:
    said = " ".join(metas[name] for name in _ROBOTS if name in metas).lower()
    flags = {flag for flag in re.split(r"[\s,;]+", said) if flag in _ROBOT_FLAGS}
    if metas.get("tdm-reservation") == "1":
        flags.add("tdm-reservation")
    return tuple(sorted(flags))
