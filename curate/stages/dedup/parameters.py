"""The parameters of `deduplicate`: one set for each way of finding duplicates, told apart by `by`.

Each set has only the keys that mean something for it, so that an idle key is an error and not a surprise.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, ClassVar, Literal, Self

from pydantic import ModelWrapValidatorHandler, field_validator, model_validator

from curate.stage import FilterParameters, StageParameters, parameter
from curate.stages.dedup.curve import best_bands
from curate.stages.dedup.keeping import parse_keep
from curate.urls import CANONICAL_RULES

By = Literal["url", "text", "minhash", "lines", "paragraphs", "substring"]


class DeduplicateParameters(FilterParameters):
    """What every way has in common. Validating this class gives an instance of the one that `by` names."""

    variants: ClassVar[dict[str, type[DeduplicateParameters]]] = {}
    """`by` → its parameters."""

    by: By = parameter(doc="what makes two documents duplicates", role="measure")

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        super().__pydantic_init_subclass__(**kwargs)
        for way in getattr(cls.model_fields["by"].annotation, "__args__", ()):
            if cls.model_fields["by"].default == way:
                DeduplicateParameters.variants[way] = cls

    @classmethod
    def sets(cls) -> Sequence[type[StageParameters]]:
        return tuple(cls.variants.values()) if cls is DeduplicateParameters else (cls,)

    @classmethod
    def chosen(cls, given: Mapping[str, Any]) -> type[StageParameters]:
        return cls.variants.get(str(given.get("by")), cls)

    @model_validator(mode="wrap")
    @classmethod
    def _choose(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if cls is not DeduplicateParameters or isinstance(data, DeduplicateParameters):
            return handler(data)
        way = data.get("by") if isinstance(data, dict) else None
        if not isinstance(way, str) or way not in cls.variants:
            raise ValueError(f"by: {way!r} is none of {', '.join(sorted(cls.variants))}")
        return cls.variants[way].model_validate(data)  # type: ignore[return-value]


class DocumentParameters(DeduplicateParameters):
    """Ways that drop whole documents and keep one of each cluster."""

    keep: str = parameter(
        "best",
        doc="which document of a cluster stays: best (quality.score where measured, then the longest text, then the "
        "earliest date), longest, earliest, or terms such as 'max quality.score, min date'; the id breaks ties",
        role="decide",
    )
    drop_only: dict[str, str] | None = parameter(
        None,
        doc="drop only documents whose column matches a glob, such as {source: 'dump-A/*'}; the others are "
        "preferred as keepers and never dropped",
        role="decide",
    )

    against: tuple[str, ...] = parameter(
        (),
        doc="folders, globs or fsspec URLs of earlier runs that left an index: documents that one of those saw, and "
        "whatever is in a cluster with them, are dropped as duplicates of the earlier run's document",
    )
    index: bool = parameter(False, doc="leave an index in the run's folder, for the `against` of later runs")

    @field_validator("against", mode="before")
    @classmethod
    def _one_or_more(cls, against: Any) -> Any:
        return (against,) if isinstance(against, str) else against

    def settings(self) -> dict[str, Any]:
        """What the keys of an index depend on."""
        raise NotImplementedError

    @field_validator("keep")
    @classmethod
    def _ranking(cls, keep: str) -> str:
        parse_keep(keep)
        return keep

    @field_validator("drop_only")
    @classmethod
    def _one_column(cls, drop_only: dict[str, str] | None) -> dict[str, str] | None:
        if drop_only is not None and len(drop_only) != 1:
            raise ValueError(f"drop_only: one column with its glob, got {len(drop_only)}")
        return drop_only

    def may_drop(self, values: list[str | None]) -> list[bool]:
        """For each value of the column of `drop_only`, whether that document may be dropped."""
        assert self.drop_only is not None
        (glob,) = self.drop_only.values()
        return [value is not None and fnmatchcase(value, glob) for value in values]


class UrlParameters(DocumentParameters):
    """Documents at one canonical URL."""

    by: Literal["url"] = "url"
    without_rules: tuple[str, ...] = parameter(
        (), doc=f"canonicalisation rules not to apply, out of {', '.join(CANONICAL_RULES)}"
    )

    def settings(self) -> dict[str, Any]:
        return {"by": self.by, "without_rules": sorted(self.without_rules)}

    @field_validator("without_rules")
    @classmethod
    def _known_rules(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        unknown = sorted(set(names) - set(CANONICAL_RULES))
        if unknown:
            raise ValueError(f"without_rules: {unknown[0]!r} is none of {', '.join(CANONICAL_RULES)}")
        return names


class TextParameters(DocumentParameters):
    """Documents of equal text, by a 128-bit hash."""

    by: Literal["text"] = "text"
    normalize: Literal["none", "space", "case"] = parameter(
        "case", doc="what does not matter: nothing; Unicode form and whitespace; or these and upper and lower case"
    )

    def settings(self) -> dict[str, Any]:
        return {"by": self.by, "normalize": self.normalize}


class MinhashParameters(DocumentParameters):
    """Documents whose sets of word n-grams have a high Jaccard similarity."""

    by: Literal["minhash"] = "minhash"
    ngram: int = parameter(
        5,
        doc="words a shingle; characters in scripts written without spaces",
        unit="words",
        source="FineWeb (Penedo et al. 2024): word 5-grams",
        ge=1,
        le=64,
    )
    bands: int | None = parameter(
        None, doc="bands of the signature; 14 unless `threshold` derives them", source="FineWeb: 14 × 8", ge=1, le=1024
    )
    rows: int | None = parameter(
        None,
        doc="hash functions a band; 8 unless `threshold` derives them. Half of the pairs at a Jaccard similarity of "
        "about (1/bands)^(1/rows) are found: 0.72 for 14 × 8",
        source="FineWeb: 14 × 8",
        ge=1,
        le=64,
    )
    threshold: float | None = parameter(
        None, doc="Jaccard similarity from which bands and rows are derived, instead of giving them", gt=0, lt=1
    )
    hashes: int = parameter(
        128, doc="hash functions that `threshold` may use", source="datasketch's default of 128 permutations", ge=2
    )
    verify: float | None = parameter(
        None,
        doc="a candidate pair must have at least this exact Jaccard similarity of its shingle sets",
        role="measure",
        gt=0,
        le=1,
    )
    audit: bool = parameter(
        True, doc="measure the Jaccard similarity of every candidate pair and say which pair joined each document"
    )
    seed: int = parameter(1, doc="seed of the hash functions", ge=0)

    def bands_and_rows(self) -> tuple[int, int]:
        """Given, derived from `threshold`, or FineWeb's 14 × 8."""
        if self.threshold is not None:
            return best_bands(self.threshold, self.hashes)
        return self.bands or 14, self.rows or 8

    def settings(self) -> dict[str, Any]:
        bands, rows = self.bands_and_rows()
        return {"by": self.by, "ngram": self.ngram, "bands": bands, "rows": rows, "seed": self.seed}

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.threshold is not None and (self.bands is not None or self.rows is not None):
            raise ValueError("threshold derives bands and rows: give either threshold, or bands and rows")
        if self.verify is not None and not self.audit:
            raise ValueError("audit: false measures no pair, so verify cannot be met; leave one of them out")
        if self.verify is not None and self.against:
            raise ValueError(
                "verify needs both texts, and the index of an earlier run holds none: deduplicate with `against` "
                "first, and with `verify` in a second stage"
            )
        return self


class PieceParameters(DeduplicateParameters):
    """Ways that remove pieces of text that several documents share."""

    min_words: int = parameter(
        20, doc="documents that lost something and have fewer words left are dropped", unit="words", role="decide", ge=0
    )


class LinesParameters(PieceParameters):
    """Lines that many documents share: headers, footers, menus."""

    by: Literal["lines"] = "lines"
    within: Literal["host", "collection"] = parameter("host", doc="where documents that share a line are counted")
    min_documents: int = parameter(4, doc="a line goes if at least so many documents have it", unit="documents", ge=2)
    min_characters: int = parameter(2, doc="shorter lines (whitespace folded) are let alone", unit="characters", ge=1)
    keep_code: bool = parameter(True, doc="lines of code stay, as far as the extractor or Markdown tells them")


class ParagraphsParameters(PieceParameters):
    """Paragraphs (between blank lines) that many documents share."""

    by: Literal["paragraphs"] = "paragraphs"
    within: Literal["host", "collection"] = parameter(
        "collection", doc="where documents that share a paragraph are counted"
    )
    min_documents: int = parameter(
        4, doc="a paragraph goes if at least so many documents have it", unit="documents", ge=2
    )
    min_characters: int = parameter(
        30, doc="shorter paragraphs (whitespace folded) are let alone", unit="characters", ge=1
    )


class SubstringParameters(PieceParameters):
    """Runs of words that stand in several documents."""

    by: Literal["substring"] = "substring"
    length: int = parameter(
        50,
        doc="every run of at least so many words that two documents share is found",
        unit="words",
        source="Lee et al. 2022: exact substrings of 50 tokens",
        ge=8,
    )
    keep: Literal["first", "none"] = parameter(
        "first", doc="whether a run stays in one document (that whose hashed id is least) or goes everywhere"
    )
