"""`opt_out`: what a page says about its use: robots directives, TDM reservation, licence links; and a rule on it.

Reads the page's `<head>` and the response headers, so it stands before extraction. By default it drops what refuses
AI training (`noai`) or reserves text and data mining, and only notes the rest.
"""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from typing import Any, cast

import pyarrow as pa

from curate.stage import FilterParameters, MapStage, Rule, Shared, parameter

MAX_PAGE = 262_144
"""Characters of a page looked at: its head, and a licence link near the top of its body."""

_TAG = re.compile(r"<(?:meta|link|a)\s[^<>]{1,2000}>", re.IGNORECASE)
_ATTRIBUTE = re.compile(r"([a-zA-Z-]{1,40})\s{0,5}=\s{0,5}(?:\"([^\"]*)\"|'([^']*)'|([^\s\"'>]+))")
_HEADER_LICENCE = re.compile(r"<([^<>]{1,2000})>\s*;[^,]{0,200}\brel\s*=\s*\"?[^\",;]{0,80}\blicense\b", re.IGNORECASE)
_JSON_LICENCE = re.compile(r"\"license\"\s{0,20}:\s{0,20}\"(https?://[^\"<>\s]{1,2000})\"")
_LICENCE_NAMES = frozenset({"dcterms.license", "dc.rights.license", "og:license"})
_AGENTS = frozenset(
    "robots ccbot gptbot google-extended claudebot anthropic-ai applebot-extended bytespider perplexitybot "
    "meta-externalagent amazonbot diffbot omgilibot cohere-ai".split()
)
"""`name` of a meta tag that speaks to crawlers for search or AI, beside `robots`."""

SIGNALS = pa.struct(
    [
        ("robots", pa.string()),
        ("noindex", pa.bool_()),
        ("noai", pa.bool_()),
        ("noimageai", pa.bool_()),
        ("noml", pa.bool_()),
        ("tdm_reservation", pa.bool_()),
        ("tdm_policy", pa.string()),
        ("license", pa.string()),
    ]
)


class OptOutParameters(FilterParameters):
    drop: tuple[str, ...] = parameter(
        ("noai", "tdm_reservation"),
        "which statements drop a page: noindex, noai, noimageai, noml, tdm_reservation",
        role="decide",
        source="TDM Reservation Protocol (W3C community group); `noai` as DeviantArt introduced it",
    )


class OptOut(MapStage):
    """Drops pages whose owners ask not to be mined or trained on, by header or meta tag; keeps licence links.

    Signals: `robots` (all directives), `noindex`, `noai`, `noimageai`, `noml`, `tdm_reservation`, `tdm_policy`,
    `license` (by a header, a link, a meta tag, or in JSON-LD)."""

    name = "opt_out"
    Parameters = OptOutParameters
    reads = ("html",)

    def __init__(self, parameters: OptOutParameters, label: str | None = None) -> None:
        super().__init__(parameters, label)
        allowed = ("noindex", "noai", "noimageai", "noml", "tdm_reservation")
        unknown = sorted(set(parameters.drop) - set(allowed))
        if unknown:
            raise ValueError(f"drop: {', '.join(unknown)} not known; allowed: {', '.join(allowed)}")

    def writes(self) -> tuple[str, ...]:
        return (self.label,)

    def measure(self, batch: pa.RecordBatch, shared: Shared) -> pa.StructArray:
        pages = batch.column("html").to_pylist()
        headers = batch.column("http").to_pylist() if batch.schema.get_field_index("http") >= 0 else [None] * len(pages)
        return pa.array([statements(page, header) for page, header in zip(pages, headers, strict=True)], SIGNALS)

    def rules(self) -> Sequence[Rule]:
        return tuple(Rule(name, name, "==", False, "drop") for name in cast(OptOutParameters, self.parameters).drop)


def statements(page: str | None, header: dict[str, Any] | None) -> dict[str, Any]:
    """What the page and its headers say, as the fields of SIGNALS."""
    header = header or {}
    directives = _directives(header.get("x_robots_tag") or "")
    reservation, policy = header.get("tdm_reservation"), header.get("tdm_policy")
    licence = _HEADER_LICENCE.search(header.get("link") or "")
    link = licence[1] if licence else None
    for tag in _TAG.findall((page or "")[:MAX_PAGE]):
        fields = {name.lower(): html.unescape(one or two or three) for name, one, two, three in _ATTRIBUTE.findall(tag)}
        name, content = fields.get("name", "").strip().lower(), fields.get("content", "")
        if name in _AGENTS:
            directives |= _directives(content)
        elif name == "tdm-reservation":
            reservation = reservation or content
        elif name == "tdm-policy":
            policy = policy or content
        elif "license" in f"{fields.get('rel', '')} {fields.get('itemprop', '')}".lower().split() and link is None:
            link = fields.get("href") or content or None
        elif (name or fields.get("property", "").lower()) in _LICENCE_NAMES and link is None:
            link = content or None
    if link is None and (stated := _JSON_LICENCE.search((page or "")[:MAX_PAGE])):
        link = stated[1]
    return {
        "robots": ",".join(sorted(directives)) or None,
        "noindex": bool(directives & {"noindex", "none"}),
        "noai": "noai" in directives,
        "noimageai": "noimageai" in directives,
        "noml": "noml" in directives,
        "tdm_reservation": (reservation or "").strip() == "1",
        "tdm_policy": policy,
        "license": link,
    }


def _directives(value: str) -> set[str]:
    """`googlebot: noindex, nofollow` → {noindex, nofollow}; a directive with a value keeps it."""
    words = (part.strip().lower() for part in value[:2000].split(","))
    return {word.split(":", 1)[1].strip() if _speaks_to_agent(word) else word for word in words if word}


def _speaks_to_agent(word: str) -> bool:
    name, colon, _ = word.partition(":")
    return bool(colon) and not name.startswith(("max-", "unavailable_after"))
