"""`python -m examples.miniweb score RUN`: what a run made of the mini-web, against its truth.

Reads the run's folder alone (ledger, documents, dropped; any Parquet reader could) and `truth.parquet` beside the WARC
files that it read. Writes `truth_score.json` into the run's folder, which the report shows, and prints a table.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import yaml

WORD = re.compile(r"\w+")
BANDS = ((0.9, 1.01), (0.8, 0.9), (0.7, 0.8), (0.5, 0.7), (0.0, 0.5))
"""Of the true Jaccard similarity. At 14 bands of 8 rows MinHash joins 92 % of pairs at .8 and 56 % at .7."""

Row = dict[str, Any]


@dataclass
class Measure:
    """One line: how many of how many, and what was counted."""

    part: str
    what: str
    hits: int
    of: int

    @property
    def share(self) -> float | None:
        return self.hits / self.of if self.of else None


class ScoreError(ValueError):
    """The run cannot be scored, and why."""


def score(run: Path, truth: Path | None = None) -> dict[str, Any]:
    """The measures of a run; ScoreError if it is no run, or not one over the mini-web."""
    if not (run / "ledger").is_dir():
        raise ScoreError(f"{run} has no ledger/: it is not the folder of a run")
    ledger = _read(run / "ledger", ["source", "offset", "verdict", "stage", "rule", "duplicate_of", "id"])
    truth = truth or _beside(ledger)
    rows = pq.read_table(truth).to_pylist()
    by_place = {(Path(row["file"]).name, row["offset"]): row for row in rows}
    seen = _seen(run)
    for entry in ledger:
        row = by_place.get((Path(entry["source"]).name, entry["offset"]))
        if row is not None:
            row["verdict"] = entry
            row["seen"] = seen.get(entry["id"], {})
    judged = [row for row in rows if "verdict" in row]
    if not judged:
        raise ScoreError(f"no record of {run} is in {truth}: the run read something else")
    recipe = yaml.safe_load((run / "recipe.yaml").read_text("utf-8")) if (run / "recipe.yaml").exists() else {}
    stages = _stages(recipe)
    wanted = (stages.get("language") or {}).get("keep") or sorted({row["language"] for row in rows})
    measures = [
        *_language(judged, wanted),
        *_quality([row for row in judged if row["language"] in wanted]),
        *_duplicates([row for row in judged if row["language"] in wanted]),
        *_pii(judged, "pii" in stages),
        *_contamination(judged, "decontaminate" in stages),
        *_extraction(judged),
    ]
    answer = {
        "run": str(run),
        "truth": str(truth),
        "records": len(judged),
        "stages": list(stages),
        "measures": [asdict(measure) | {"share": measure.share} for measure in measures],
        "lost_good_pages": _losses([r for r in judged if r["quality"] == "good" and r["language"] in wanted]),
        "kept_junk_by_kind": dict(Counter(_kind(r) for r in judged if r["quality"] == "junk" and _kept(r))),
    }
    answer["markdown"] = markdown(measures, answer)
    (run / "truth_score.json").write_text(json.dumps(answer, indent=2, ensure_ascii=False) + "\n", "utf-8")
    return answer


# ---------------------------------------------------------------------------------------- reading


def _read(folder: Path, columns: list[str]) -> list[Row]:
    out: list[Row] = []
    for path in sorted(folder.rglob("*.parquet")):
        there = set(pq.read_schema(path).names)
        out += pq.read_table(path, columns=[name for name in columns if name in there]).to_pylist()
    return out


def _seen(run: Path) -> dict[str, Row]:
    """Text, language and PII of each document that the run kept or dropped, by id."""
    out: dict[str, Row] = {}
    for part in ("documents", "dropped"):
        if (run / part).is_dir():
            for row in _read(run / part, ["id", "text", "language", "pii"]):
                out[row["id"]] = row
    return out


def _beside(ledger: list[Row]) -> Path:
    """`truth.parquet` in the folder of the WARC files that were read, or above it."""
    for source in sorted({entry["source"] for entry in ledger}):
        if "://" not in source:
            for folder in Path(source).resolve().parents[:7]:
                if (folder / "truth.parquet").exists():
                    return folder / "truth.parquet"
    raise ScoreError("no truth.parquet beside the files that the run read: name it by --truth")


def _stages(recipe: Any) -> dict[str, dict[str, Any]]:
    """Stage name → parameters, of a resolved recipe."""
    out: dict[str, dict[str, Any]] = {}
    for stage in (recipe or {}).get("stages", []):
        if isinstance(stage, str):
            out[stage] = {}
        else:
            name, parameters = next(iter(stage.items()))
            out[name] = parameters or {}
    return out


def _kept(row: Row) -> bool:
    return bool(row["verdict"]["verdict"] == "kept")


def _gone(row: Row) -> bool:
    return not _kept(row)


def _as_duplicate(row: Row) -> bool:
    return row["verdict"]["duplicate_of"] is not None


def _kind(row: Row) -> str:
    return f"{row['kind']} (spun template)" if row["duplicate_kind"] == "template" else str(row["kind"])


# ---------------------------------------------------------------------------------------- measures


def _language(rows: list[Row], wanted: list[str]) -> list[Measure]:
    """Only on pages with prose: a list of names is in no language."""
    prose = [row for row in rows if row["quality"] == "good"]
    told = [row for row in prose if row["seen"].get("language")]
    out = [
        Measure("language", "told right", sum(row["seen"]["language"] == row["language"] for row in told), len(told))
    ]
    foreign = [row for row in prose if row["language"] not in wanted]
    if foreign:
        out.append(Measure("language", "pages of other languages dropped", sum(map(_gone, foreign)), len(foreign)))
        own = [row for row in prose if row["language"] in wanted]
        stayed = [row for row in own if row["verdict"]["stage"] not in ("language", "language_prescreen")]
        out.append(Measure("language", "pages of wanted languages not dropped for it", len(stayed), len(own)))
    return out


def _quality(rows: list[Row]) -> list[Measure]:
    """Junk is to go, for whatever reason. A good page counts as kept if it or a page with its text is kept."""
    junk = [row for row in rows if row["quality"] == "junk"]
    out = [Measure("junk", "dropped", sum(not _kept(row) for row in junk), len(junk))]
    for kind in sorted({_kind(row) for row in junk}):
        own = [row for row in junk if _kind(row) == kind]
        out.append(Measure("junk", f"dropped: {kind}", sum(not _kept(row) for row in own), len(own)))
    groups: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row["quality"] == "good":
            groups[row["duplicate_group"] or row["url"]].append(row)
    kept = sum(any(_kept(row) for row in group) for group in groups.values())
    out.append(Measure("good", "kept, one of each group of duplicates", kept, len(groups)))
    for kind in sorted({row["kind"] for row in rows if row["quality"] == "good"}):
        own = [group for group in groups.values() if group[0]["kind"] == kind]
        out.append(Measure("good", f"kept: {kind}", sum(any(_kept(row) for row in group) for group in own), len(own)))
    return out


def _duplicates(rows: list[Row]) -> list[Measure]:
    """Pairs of a copy and its original of which both came to deduplication: neither was dropped for another reason."""
    originals = {row["duplicate_group"]: row for row in rows if row["duplicate_kind"] == "original"}

    def came(row: Row) -> bool:
        return _kept(row) or _as_duplicate(row)

    pairs = [
        (row, originals[row["duplicate_group"]])
        for row in rows
        if row["duplicate_kind"] not in (None, "original") and row["duplicate_group"] in originals
    ]
    pairs = [(copy, original) for copy, original in pairs if came(copy) and came(original)]

    def found(chosen: Iterable[tuple[Row, Row]]) -> tuple[int, int]:
        listed = list(chosen)
        return sum(_as_duplicate(copy) or _as_duplicate(original) for copy, original in listed), len(listed)

    out = [
        Measure("duplicates", f"found: {name}", *found(pair for pair in pairs if pair[0]["duplicate_kind"] == kind))
        for kind, name in (("url_variant", "URL variants"), ("exact", "mirrors"))
    ]
    near = [pair for pair in pairs if pair[0]["duplicate_kind"] in ("near", "version", "template")]
    for low, high in BANDS:
        band = [pair for pair in near if low <= pair[0]["jaccard"] < high]
        out.append(Measure("duplicates", f"found: near, true Jaccard {low:.1f} to {min(high, 1):.1f}", *found(band)))
    single = [row for row in rows if row["duplicate_kind"] is None and row["quality"] == "good" and came(row)]
    wrong = sum(_as_duplicate(row) for row in single)
    out.append(Measure("duplicates", "unique good pages taken for duplicates", wrong, len(single)))
    return out


def _pii(rows: list[Row], ran: bool) -> list[Measure]:
    """Planted values that are no longer in the text of kept pages; what extraction lost counts for neither side
    only where the whole sentence is gone, which is told by its first words."""
    if not ran:
        return []
    by_type: dict[str, list[bool]] = defaultdict(list)
    clean = noisy = 0
    for row in rows:
        text = row["seen"].get("text")
        if not _kept(row) or text is None:
            continue
        if not row["pii"] and row["language"] == "en":
            spans = (row["seen"].get("pii") or {}).get("spans")
            clean += 1
            noisy += bool(spans)
        flat = " ".join(text.split())
        for span in row["pii"]:
            before = " ".join(row["text"][max(0, span["start"] - 18) : span["start"]].split())
            if before and before in flat:
                by_type[span["type"]].append(span["value"] not in flat)
    out = [Measure("personal data", "removed", sum(map(sum, by_type.values())), sum(map(len, by_type.values())))]
    for kind, removed in sorted(by_type.items()):
        out.append(Measure("personal data", f"removed: {kind}", sum(removed), len(removed)))
    out.append(Measure("personal data", "pages without any where some was seen", noisy, clean))
    return out


def _contamination(rows: list[Row], ran: bool) -> list[Measure]:
    if not ran:
        return []
    own = [row for row in rows if row["questions"] and row["verdict"]["verdict"] != "failed"]
    lead = "wants to check one detail before the journey begins"
    gone = [row for row in own if not _kept(row) or lead not in " ".join((row["seen"].get("text") or "").split())]
    return [Measure("benchmark questions", "pages with one dropped or cut", len(gone), len(own))]


def _extraction(rows: list[Row]) -> list[Measure]:
    """Mean F1 of words against the gold text, in hundredths, on good pages whose text the run holds unchanged."""
    total, count = 0.0, 0
    for row in rows:
        text = row["seen"].get("text")
        if text is None or row["quality"] != "good" or row["pii"] or row["language"] in ("ja", "zh"):
            continue
        gold, got = Counter(WORD.findall(row["text"])), Counter(WORD.findall(text))
        both = (gold & got).total()
        total += 2 * both / max(gold.total() + got.total(), 1)
        count += 1
    return [Measure("extraction", "word F1 against the gold text, mean", round(total), count)] if count else []


def _losses(rows: list[Row]) -> dict[str, int]:
    """Why good pages went, duplicates apart."""
    lost = [row["verdict"] for row in rows if not _kept(row) and not _as_duplicate(row)]
    return dict(Counter(f"{each['stage']}: {each['rule']}" for each in lost).most_common())


# ---------------------------------------------------------------------------------------- showing


def markdown(measures: list[Measure], answer: dict[str, Any]) -> str:
    """The table, and what it leaves out in two lines."""
    lines = ["| | measure | share | pages |", "|---|---|---:|---:|"]
    for each in measures:
        share = "–" if each.share is None else f"{100 * each.share:.1f} %"
        lines.append(f"| {each.part} | {each.what} | {share} | {each.hits:,} of {each.of:,} |")
    losses = ", ".join(f"{name} {count}" for name, count in list(answer["lost_good_pages"].items())[:6]) or "none"
    return "\n".join([*lines, "", f"Good pages lost, duplicates apart: {losses}.", ""])
