"""`search_pages`: drops the results that a site's search made for somebody's question, by their address alone.

Such pages are snippets of other pages; crawlers find them because others link to them, often on purpose, with the
advertised words as the question. Filters of text let many of them pass, for the snippets are prose.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from curate.stage import FilterParameters, MapStage, Rule, Shared

_SEARCH = (
    r"search|suche|suchen|suchergebnis|suchergebnisse|buscar|busca|busqueda|pesquisa|recherche|rechercher|ricerca|cerca"
    r"|zoeken|szukaj|hledat|hledani|sok|haku|arama"
)
_NAMES = (
    r"q|query|search|search[_-]?(?:query|terms?|text|string|words?|phrase|keys?)|keywords?|keys|kws?|suchbegriff|suche"
)
_NO_SLASH = r"(?:[^&;#/%]|%[013-9a-f]|%2[0-9a-e])"
_NO_DIGIT = r"(?:[^&;#/%0-9]|%[013-9a-f]|%2[0-9a-e])"
_ASKED = rf"{_NO_SLASH}+(?:[&;#]|$)"
"""What was asked. A path is no question: old content management systems name their pages `?q=node/5`."""
_PATTERNS = {
    # /search?…, /site-search/results.aspx?…
    "path": rf"^[^?#]*/(?:[a-z]+[-_])?(?:{_SEARCH})(?:[-_]?(?:results?|page))?(?:\.[a-z]{{2,5}})?(?:/[^?#]*)?"
    r"\?[^#]*=[^&#]",
    "host": r"^[a-z]+://(?:www\.)?search\.[^/?#]*/[^?#]*\?[^#]*=[^&#]",
    "question": rf"^[^?#]*\?(?:[^#]*[&;])?(?:{_NAMES})={_ASKED}",
    # /s?k=…, /find?s=…, and WordPress's /?s=…; its /?p=12 is a post
    "short": r"^[a-z]+://[^/?#]*/(?:(?:[^?#]*/)?(?:s|find|results?|web)(?:\.[a-z]{2,5})?/?|index\.php)?\?(?:[^#]*[&;])?"
    rf"(?:(?:s|k|w|wd|text|terms?)={_ASKED}|p=[0-9]*{_NO_DIGIT}{_NO_SLASH}*(?:[&;#]|$))",
}


class SearchPages(MapStage):
    """Drops pages of search results, known by their address.

    Signal: `sign`, by what (`path`, `host`, `question` or `short`), null where there is none."""

    name = "search_pages"
    Parameters = FilterParameters
    reads = ("url",)

    def measure(self, batch: pa.RecordBatch, shared: Shared) -> pa.StructArray:
        return pa.StructArray.from_arrays([search_signs(batch.column("url"))], ["sign"])

    def rules(self) -> Sequence[Rule]:
        return (Rule("search_results", "sign", "in", ()),)


def search_signs(urls: pa.Array) -> pa.Array:
    """For each URL by what it is known to ask a search, null where by nothing."""
    asking = pc.fill_null(pc.match_substring(urls, "?"), False)
    lower = pc.utf8_lower(urls.filter(asking))
    sign = pa.nulls(len(lower), pa.string())
    for name, pattern in _PATTERNS.items():
        sign = pc.if_else(pc.and_(pc.is_null(sign), pc.match_substring_regex(lower, pattern)), name, sign)
    return pc.replace_with_mask(pa.nulls(len(urls), pa.string()), asking, sign)
