"""Links of a page and of a sitemap, as absolute http(s) URLs without fragments. What a page says is data: nothing in
it is run, loaded or expanded."""

from __future__ import annotations

import gzip
import io
import zlib
from urllib.parse import urldefrag, urljoin, urlsplit

import lxml.etree
import lxml.html

MAX_URL = 2000
"""Characters; longer ones are traps more often than pages."""
MAX_LINKS = 5000
MAX_SITEMAP_BYTES = 10_000_000


def absolute(base: str, link: str) -> str | None:
    """The link as an absolute URL with a lower-case host, or None where it leads to no web page."""
    try:
        url = urldefrag(urljoin(base, link.strip())).url
        split = urlsplit(url)
        host, port = split.hostname, split.port
    except ValueError:
        return None
    if split.scheme not in ("http", "https") or not host or len(url) > MAX_URL or not host.isascii():
        return None
    netloc = f"[{host}]" if ":" in host else host
    if port not in (None, {"http": 80, "https": 443}[split.scheme]):
        netloc += f":{port}"
    path = "".join(character if "!" <= character <= "~" else _escape(character) for character in split.path or "/")
    query = "".join(character if "!" <= character <= "~" else _escape(character) for character in split.query)
    return f"{split.scheme}://{netloc}{path}" + (f"?{query}" if query else "")


def _escape(character: str) -> str:
    return "".join(f"%{byte:02X}" for byte in character.encode("utf-8", "replace"))


def page_links(url: str, html: bytes) -> list[str]:
    """Links of an HTML page in order, each once; none if its robots meta tag says nofollow."""
    try:
        tree = lxml.html.document_fromstring(html, parser=lxml.html.HTMLParser(no_network=True, huge_tree=False))
    except (lxml.etree.LxmlError, ValueError):
        return []
    base, found = url, dict[str, None]()
    for element in tree.iter("base", "meta", "a", "area"):
        if element.tag == "base" and element.get("href"):
            base = absolute(url, element.get("href")) or url
        elif element.tag == "meta" and (element.get("name") or "").lower() == "robots":
            if "nofollow" in (element.get("content") or "").lower():
                return []
        elif element.get("href") and "nofollow" not in (element.get("rel") or "").lower():
            link = absolute(base, element.get("href"))
            if link is not None:
                found[link] = None
                if len(found) >= MAX_LINKS:
                    break
    return list(found)


def sitemap_links(url: str, data: bytes) -> tuple[list[str], list[str]]:
    """Pages and further sitemaps that a sitemap names: XML (a urlset or an index, gzipped or not), or plain text."""
    if data[:2] == b"\x1f\x8b":
        try:
            data = gzip.GzipFile(fileobj=io.BytesIO(data)).read(MAX_SITEMAP_BYTES)
        except (OSError, EOFError, zlib.error):
            return [], []
    if data.lstrip()[:1] != b"<":
        lines = data.decode("utf-8", "replace").split()
        return [link for line in lines if (link := absolute(url, line)) and line.startswith("http")], []
    parser = lxml.etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, recover=True)
    try:
        root = lxml.etree.fromstring(data, parser=parser)
    except (lxml.etree.LxmlError, ValueError):
        return [], []
    if root is None:
        return [], []
    pages: list[str] = []
    maps: list[str] = []
    for place in root.iter("{*}loc"):
        parent = place.getparent()
        name = lxml.etree.QName(parent).localname if parent is not None else ""
        link = absolute(url, place.text or "")
        if link is not None:
            (maps if name == "sitemap" else pages).append(link)
    return pages, maps
