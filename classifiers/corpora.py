"""Labelled texts, from files: the pages of a crawl (read and extracted by `curate` itself), labelled short texts, and
the lists of sites that Wikipedia's editors trust. All of it stays outside this repository; `--data` names its folder.
"""

from __future__ import annotations

import gzip
import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.parquet as pq

from curate.documents import document_id
from curate.sources import Documents, plan, read
from curate.stage import Shared
from curate.stages.extract.stage import Extract, ExtractParameters


@dataclass(frozen=True)
class Example:
    """One labelled text."""

    text: str
    label: str
    group: str
    """What must not be on both sides of a split: the site, or the template or author of a short text."""
    source: str
    """Which set it comes from."""
    kind: str = ""
    """Page type or target group, for the tables of the card."""
    language: str = ""
    stratum: str = ""
    """Training sees as many words of one stratum of a label as of another: a page set of 18 beside 6,500 messages."""
    url: str = field(default="", kw_only=True)


def site(url: str) -> str:
    """The registrable domain of a URL, by an offline list of public suffixes."""
    import tldextract

    global _EXTRACT
    if _EXTRACT is None:
        _EXTRACT = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)
    host = urlsplit(url).hostname or url
    found = _EXTRACT(host)
    # `.example` is no public suffix: sites of one invented host stay apart.
    return found.top_domain_under_public_suffix or host


_EXTRACT: Any = None


def json_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The objects of a .jsonl or .jsonl.gz file."""
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def crawl_pages(data: Path, cache: Path) -> list[dict[str, Any]]:
    """Pages of the labelled crawl: `text` as `curate` extracts it, and the fields of labels.jsonl.gz."""
    stored = cache / "crawl_pages.parquet"
    if not stored.is_file():
        cache.mkdir(parents=True, exist_ok=True)
        pq.write_table(_extracted(data / "crawl"), stored)
    texts = dict(zip(*(pq.read_table(stored).column(name).to_pylist() for name in ("id", "text")), strict=True))
    pages = []
    for entry in json_lines(data / "crawl" / "labels.jsonl.gz"):
        text = texts.get(document_id(entry["record_id"]))
        if text:
            pages.append(entry | {"text": text})
    return pages


def _extracted(folder: Path) -> pa.Table:
    stage = Extract(ExtractParameters())
    stage.open()
    ids: list[str] = []
    texts: list[str] = []
    for shard in plan({"warc": f"{folder}/*.warc.gz"}):
        for event in read(shard):
            if isinstance(event, Documents):
                batch = stage.process(event.batch, Shared()).batch
                ids += batch.column("id").to_pylist()
                texts += [text or "" for text in batch.column("text").to_pylist()]
    return pa.table({"id": ids, "text": texts})


def wcxb_pages(data: Path) -> Iterator[dict[str, str]]:
    """Pages of the development half of WCXB (Murrough-Foley, CC-BY-4.0): `url`, `page_type` as its authors judged it,
    and its gold `text`."""
    with tarfile.open(data / "extraction" / "wcxb-dev.tar.xz") as archive:
        for member in archive:
            if member.name.endswith(".json") and "/ground-truth/" in f"/{member.name}":
                file = archive.extractfile(member)
                assert file is not None
                page = json.load(file)
                kind = page["_internal"]["page_type"]["primary"]
                yield {"url": page["url"], "page_type": kind, "text": page["ground_truth"]["main_content"] or ""}


def reliable_sites(data: Path) -> tuple[set[str], set[str]]:
    """(sites that Wikipedia's editors call reliable or cite in their best articles, sites that they reject)."""
    folder = data / "urls" / "wikipedia_reliable_sources"
    good: set[str] = set()
    bad: set[str] = set()
    for line in (folder / "wikipedia-reliable-sources.goggle").read_text().splitlines():
        _, _, rest = line.partition("$")
        options, _, where = rest.partition("site=")
        if line.startswith("!") or not where:
            continue
        name = site(f"http://{where.strip().split('/')[0]}")
        (good if options.startswith("boost") else bad).add(name)
    return good - bad, bad


def short_texts(path: Path, label: str, source: str, keep: Any = None) -> Iterator[Example]:
    """Texts of a labelled set; `label` names the field with the class."""
    for number, row in enumerate(json_lines(path)):
        if keep is None or keep(row):
            yield Example(
                row["text"], str(row[label]), f"{source}:{row.get('id') or number}", source,
                str(row.get("target") or ""), str(row.get("language") or ""), stratum=source,
            )  # fmt: skip
