"""`python -m examples.miniweb build`: the archive, its truth, the planted benchmark and the held-out questions.

crawl-data/, cc-index/, collinfo.json   Common Crawl's layout
*.warc.gz                               links to the same files, for a short glob
truth.parquet                           one row a response record
benchmark.jsonl                         questions, three quarters of which stand in pages
cloze.jsonl                             questions on the world's facts, none of which stands in a page
world.jsonl                             every fact
"""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq

from examples.miniweb.archive import CRAWL, Capture, write_archive
from examples.miniweb.plant import spans
from examples.miniweb.prose import patterns, sentence
from examples.miniweb.web import MiniWeb, build_web
from examples.miniweb.world import Fact

TRUTH = pa.schema([
    ("record_id", pa.string()), ("url", pa.string()), ("file", pa.string()), ("offset", pa.int64()),
    ("length", pa.int64()), ("kind", pa.string()), ("site", pa.string()), ("language", pa.string()),
    ("status", pa.int32()), ("charset", pa.string()), ("malformed", pa.bool_()), ("title", pa.string()),
    ("text", pa.string()), ("quality", pa.string()), ("duplicate_group", pa.string()),
    ("duplicate_kind", pa.string()), ("jaccard", pa.float64()),
    ("pii", pa.list_(pa.struct([("type", pa.string()), ("value", pa.string()), ("start", pa.int32()),
                                ("end", pa.int32())]))),
    ("questions", pa.list_(pa.string())), ("payload_digest", pa.string()),
])  # fmt: skip

CLOZE = 600
"""Questions: with four choices, a standard error of two points of accuracy."""


def build(out: Path, seed: int = 1, pages: int = 3400) -> dict[str, object]:
    """Writes everything below `out` and returns a summary. `out` must be empty, absent, or an earlier mini-web."""
    marker = out / "miniweb.json"
    if out.exists() and any(out.iterdir()) and not marker.exists():
        raise FileExistsError(f"{out} is not empty and holds no mini-web: name another folder, or empty it")
    if pages < 200:
        raise ValueError(f"pages: got {pages}, but it takes 200 for every kind, language and trait to be there")
    for name in ("crawl-data", "cc-index"):
        shutil.rmtree(out / name, ignore_errors=True)
    for old in out.glob(f"{CRAWL}-*.warc.gz"):
        old.unlink()
    out.mkdir(parents=True, exist_ok=True)
    web = build_web(seed, pages)
    captures = write_archive(web, out)
    _short_names(out, captures)
    pq.write_table(truth_table(captures), out / "truth.parquet", compression="zstd")
    _json_lines(out / "benchmark.jsonl", web.benchmark)
    _json_lines(out / "cloze.jsonl", cloze(web))
    _json_lines(out / "world.jsonl", [vars(fact) for fact in web.world.facts()])
    summary: dict[str, object] = {
        "seed": seed, "pages": len(web.pages), "sites": len(web.sites),
        "kinds": dict(sorted(Counter(page.kind for page in web.pages).items())),
        "languages": dict(sorted(Counter(page.language for page in web.pages).items())),
        "quality": dict(sorted(Counter(str(page.quality) for page in web.pages).items())),
        "duplicates": dict(sorted(Counter(page.duplicate_kind for page in web.pages if page.duplicate_kind).items())),
        "pii": dict(sorted(Counter(kind for page in web.pages for kind, _ in page.pii).items())),
        "warc_bytes": sum((out / name).stat().st_size for name in {capture.file for capture in captures}),
    }  # fmt: skip
    marker.write_text(json.dumps(summary, indent=2) + "\n", "utf-8")
    return summary


def _short_names(out: Path, captures: list[Capture]) -> None:
    """`NAME` at the top for each file, a hard link where the file system has them."""
    for name in sorted({capture.file for capture in captures}):
        short = out / Path(name).name
        short.unlink(missing_ok=True)
        try:
            os.link(out / name, short)
        except OSError:
            shutil.copyfile(out / name, short)


def truth_table(captures: list[Capture]) -> pa.Table:
    """One row a capture, in the order of the files. `start` and `end` are character offsets into `text`, the gold."""
    rows = []
    for capture in captures:
        page = capture.page
        rows.append({
            "record_id": capture.record_id, "url": page.url, "file": capture.file, "offset": capture.offset,
            "length": capture.length, "kind": page.kind, "site": page.site.host, "language": page.language,
            "status": page.status, "charset": page.site.charset, "malformed": page.site.malformed,
            "title": page.title, "text": page.gold(), "quality": page.quality, "duplicate_group": page.group,
            "duplicate_kind": page.duplicate_kind, "jaccard": page.jaccard, "pii": spans(page),
            "questions": page.questions, "payload_digest": capture.digest,
        })  # fmt: skip
    return pa.Table.from_pylist(rows, schema=TRUTH)


def cloze(web: MiniWeb) -> list[dict[str, object]]:
    """Questions about facts that good English pages state, each in two forms.

    `statement`: the beginning of a sentence that the pages use as one of several ways to say it; `question`: asked
    as a question and answered. Multiple choice: `query`, `choices`, `gold`; continuation: `context`, `continuation`.
    `mentions` counts the good pages that state the fact, for reading results by how often it was seen.
    """
    rng = Random(f"cloze {web.seed}")
    mentions: Counter[Fact] = Counter()
    for page in web.pages:
        if page.quality == "good" and page.language == "en" and page.duplicate_kind in (None, "original"):
            mentions.update(set(page.facts))
    planted = {fact_text for row in web.benchmark for fact_text in [row["text"]]}
    facts = [fact for fact in mentions if len(web.world.pools[fact.pool]) >= 4]
    facts.sort(key=lambda fact: (-mentions[fact], fact.subject, fact.relation))
    chosen = rng.sample(facts, min(CLOZE, len(facts)))
    out: list[dict[str, object]] = []
    for number, fact in enumerate(chosen):
        ask = patterns()["ask"][fact.relation][0].replace("{s}", fact.subject)
        if any(ask in str(text) for text in planted):
            continue
        form = patterns()["facts"][fact.relation][0]
        said = sentence(form.replace("{s}", fact.subject).replace("{o}", "\0"))
        if not said.endswith("\0."):
            raise ValueError(f"english.yaml: the first form of {fact.relation} must end with {{o}}: {form}")
        # "a \0" would tell a vowel apart: the article goes with the answer.
        stem, article = said[:-2].rstrip(), ""
        if stem.endswith(" a"):
            stem, article = stem[:-2], "a "
        wrong = rng.sample([value for value in web.world.pools[fact.pool] if value != fact.object], 3)
        options = [*wrong, fact.object]
        rng.shuffle(options)
        gold = options.index(fact.object)
        for name, context, prefix in (("statement", stem, article), ("question", f"Question: {ask}\nAnswer:", "")):
            choices = [sentence_part(prefix + option) for option in options]
            out.append({"id": f"cloze-{number:04d}-{name}", "relation": fact.relation, "form": name, "query": context,
                        "choices": choices, "gold": gold, "context": context, "continuation": " " + choices[gold],
                        "mentions": mentions[fact]})  # fmt: skip
    return out


def sentence_part(text: str) -> str:
    """The words with "an" where "a" stands before a vowel."""
    return "an " + text[2:] if text.startswith("a ") and text[2] in "aeio" else text


def _json_lines(path: Path, rows: list[dict[str, object]]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8")
