"""`url_filter`: drops documents by their URL alone, before anything else is spent on them.

The lists and words of FineWeb's URL filter (UT1, as datatrove carries it), a folder of own lists, and own words.
A listed domain blocks its subdomains; a listed URL blocks what is below it. What answered is in the signals.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pyarrow as pa

from curate.stage import FilterParameters, MapStage, Resources, Rule, Shared, parameter
from curate.stages.safety.sparse import sparse_column
from curate.stages.safety.url_lists import (
    ListFile,
    ListsError,
    UrlLists,
    content_hash,
    datatrove_assets,
    datatrove_lists,
    datatrove_version,
    folder_lists,
    read_words,
)
from curate.stages.safety.url_words import UrlWords

BUILT_IN_WORDS = Path(__file__).parent / "data" / "url_words.txt"
_DATATROVE = "datatrove 0.10 URLFilter, as FineWeb used it"


class UrlFilterParameters(FilterParameters):
    lists: str = parameter(
        "auto",
        "block lists: `auto` (datatrove's UT1 lists where it is installed, else none, which the signal `lists` and "
        "a warning say), `datatrove` (an error where it is not), `none`, or a folder in UT1's layout",
        source=_DATATROVE,
    )
    words: str = parameter(
        "auto",
        "word lists: `auto` (datatrove's where it is installed, else the short built-in one), `datatrove`, "
        "`built_in`, `none`",
        source=_DATATROVE,
    )
    own_lists: str | None = parameter(None, "folder of further lists, in UT1's layout: CATEGORY/domains, CATEGORY/urls")
    own_words: tuple[str, ...] = parameter((), "further words, one of which in a URL is enough")
    allow_domains: tuple[str, ...] = parameter((), "hosts never dropped, with all below them")
    min_soft_words: int = parameter(
        2, "different soft words from which a URL is dropped", unit="words", source=_DATATROVE, role="decide", ge=1
    )


class UrlFilter(MapStage):
    """Drops pages by what their address says: listed domains and URLs, banned words.

    Signals: `domain`, `url`, `word`, `subword` (what matched, null where nothing did), `soft_words`, `lists`."""

    name = "url_filter"
    Parameters = UrlFilterParameters
    reads = ("url",)
    resources = Resources(memory_mb=512)

    SIGNALS = pa.struct(
        [
            ("domain", pa.string()),
            ("url", pa.string()),
            ("word", pa.string()),
            ("subword", pa.string()),
            ("soft_words", pa.int32()),
            ("lists", pa.string()),
        ]
    )

    @property
    def _asked(self) -> UrlFilterParameters:
        return cast(UrlFilterParameters, self.parameters)

    def writes(self) -> tuple[str, ...]:
        return (self.label,)

    def _files(self) -> list[ListFile]:
        files: list[ListFile] = []
        if self._asked.lists == "datatrove" or (self._asked.lists == "auto" and datatrove_assets() is not None):
            files += datatrove_lists()
        elif self._asked.lists not in ("auto", "none"):
            files += folder_lists(Path(self._asked.lists))
        if self._asked.own_lists is not None:
            files += folder_lists(Path(self._asked.own_lists))
        return files

    def _words(self) -> tuple[list[str], list[str], list[str]]:
        """Hard, soft and sub-words."""
        hard: list[str] = []
        soft: list[str] = []
        inside: list[str] = []
        assets = datatrove_assets()
        if self._asked.words == "datatrove" and assets is None:
            raise ListsError(
                "words: datatrove, but datatrove is not installed; use `built_in`, or install the extra "
                "`curate-pretraining-data[datatrove]`"
            )
        if self._asked.words in ("auto", "datatrove") and assets is not None:
            hard += read_words(assets / "banned_words.txt")
            soft += read_words(assets / "soft_banned_words.txt")
            inside += read_words(assets / "banned_subwords.txt")
        elif self._asked.words in ("auto", "built_in"):
            for line in read_words(BUILT_IN_WORDS):
                kind, _, word = line.partition(" ")
                {"hard": hard, "soft": soft, "subword": inside}[kind].append(word)
        elif self._asked.words != "none":
            raise ListsError(f"words: {self._asked.words!r}; allowed: auto, datatrove, built_in, none")
        return hard + list(self._asked.own_words), soft, inside

    def fingerprint(self) -> str:
        digest = hashlib.blake2b(content_hash(self._files()).encode(), digest_size=16)
        digest.update(repr(self._words()).encode())
        return digest.hexdigest()

    def open(self) -> None:
        files = self._files()
        self._lists = UrlLists(files)
        self._word_lists = UrlWords(*self._words())
        sources = []
        if any(file.member is not None for file in files):
            sources.append(f"ut1 (datatrove {datatrove_version()})")
        sources += sorted({str(file.path.parent) for file in files if file.member is None})
        self._named = ", ".join(sources)
        if not files:
            self._named = "none" if self._asked.lists == "none" else "none: datatrove is not installed"
            if self._asked.lists == "auto":
                logging.getLogger(__name__).warning(
                    "%s: no block lists (datatrove is not installed); only words in URLs are filtered", self.label
                )

    def measure(self, batch: pa.RecordBatch, shared: Shared) -> pa.StructArray:
        urls = batch.column("url")
        listed = self._lists.match(urls)
        words = self._word_lists.match(urls)
        domain, url, word, subword = listed.domain, listed.url, words.word, words.subword
        soft = words.soft_words.copy()
        if self._asked.allow_domains:
            for row, text in enumerate(urls.to_pylist()):
                if text and _below(text, self._asked.allow_domains):
                    for column in (domain, url, word, subword):
                        column.pop(row, None)
                    soft[row] = 0
        columns = [
            *(sparse_column(values, len(urls)) for values in (domain, url, word, subword)),
            pa.array(soft, pa.int32()),
            pa.repeat(pa.scalar(self._named, pa.string()), len(urls)),
        ]
        return pa.StructArray.from_arrays(columns, fields=list(self.SIGNALS))

    def rules(self) -> Sequence[Rule]:
        nothing: tuple[str, ...] = ()
        return (
            Rule("blocked_domain", "domain", "in", nothing),
            Rule("blocked_url", "url", "in", nothing),
            Rule("blocked_word", "word", "in", nothing),
            Rule("soft_words", "soft_words", "<", self._asked.min_soft_words, "min_soft_words"),
            Rule("blocked_subword", "subword", "in", nothing),
        )


def _below(url: str, domains: Sequence[str]) -> bool:
    """Whether the host of the URL is one of the domains or below one."""
    host = url.split("://", 1)[-1].split("/", 1)[0].rsplit("@", 1)[-1].split(":", 1)[0].lower().rstrip(".")
    return any(host == domain.lower() or host.endswith("." + domain.lower()) for domain in domains)
