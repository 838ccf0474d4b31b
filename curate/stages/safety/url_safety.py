"""`url_safety`: drops documents whose URL is on a list of an unsafe category, and says which category.

Needs lists that keep their categories apart: a folder of UT1 lists, which the user has fetched (they are
CC-BY-SA-4.0 and not shipped). The category is the rule that the ledger names: `adult`, `gambling`, `phishing`, …
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import pyarrow as pa

from curate.stage import FilterParameters, MapStage, Resources, Rule, Shared, parameter
from curate.stages.safety.sparse import sparse_column
from curate.stages.safety.url_lists import (
    UT1_ADDRESS,
    ListFile,
    ListsError,
    UrlLists,
    content_hash,
    folder_lists,
)

LISTS_VARIABLE = "CURATE_UT1"
CATEGORIES = (
    "adult",
    "mixed_adult",
    "gambling",
    "phishing",
    "malware",
    "warez",
    "cryptojacking",
    "ddos",
    "hacking",
)


class UrlSafetyParameters(FilterParameters):
    lists: str | None = parameter(
        None, f"folder of UT1 lists ({UT1_ADDRESS}); without it, the folder that ${LISTS_VARIABLE} names"
    )
    categories: tuple[str, ...] = parameter(
        CATEGORIES,
        "categories looked up; of those an entry is in, the first is named",
        source="UT1's names of its categories",
        min_length=1,
    )
    drop: tuple[str, ...] | None = parameter(
        None, "categories that drop a document; without it, all that are looked up", role="decide"
    )


class UrlSafety(MapStage):
    """Drops pages by the category that UT1's lists put their host or URL in: adult, gambling, phishing, malware, warez.

    Signals: `category` and `matched` (the domain or URL that is listed), null where nothing is."""

    name = "url_safety"
    Parameters = UrlSafetyParameters
    reads = ("url",)
    resources = Resources(memory_mb=512)

    @property
    def _asked(self) -> UrlSafetyParameters:
        return cast(UrlSafetyParameters, self.parameters)

    def writes(self) -> tuple[str, ...]:
        return (self.label,)

    def _files(self) -> list[ListFile]:
        named = self._asked.lists or os.environ.get(LISTS_VARIABLE)
        if not named:
            raise ListsError(
                f"{self.label} needs the UT1 lists by category: fetch them from {UT1_ADDRESS} and name their folder "
                f"in `lists` or in ${LISTS_VARIABLE}. (url_filter works with the merged lists of datatrove.)"
            )
        return folder_lists(Path(named), self._asked.categories)

    def fingerprint(self) -> str:
        return content_hash(self._files())

    def open(self) -> None:
        self._lists = UrlLists(self._files(), self._asked.categories)

    def measure(self, batch: pa.RecordBatch, shared: Shared) -> pa.StructArray:
        found = self._lists.match(batch.column("url"))
        columns = [sparse_column(values, batch.num_rows) for values in (found.category, found.domain | found.url)]
        return pa.StructArray.from_arrays(columns, names=["category", "matched"])

    def rules(self) -> Sequence[Rule]:
        dropping = self._asked.categories if self._asked.drop is None else self._asked.drop
        return tuple(Rule(name, "category", "!=", name, "drop") for name in dropping)
