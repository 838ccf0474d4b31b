"""The report's part on privacy and safety: what was found, by type and category, masked; and how often such findings
are right, as measured on labelled sets (`python -m benchmarks.privacy --publish`, `python -m benchmarks.safety
--publish`), which is another question than what this run's documents are like."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from curate.engine.store import Store
from curate.report.sections import first_rows

MEASURED = Path(__file__).parent / "measured.json"
FILTERS = ("url_filter", "url_safety", "nsfw", "toxic", "spam", "template_spam", "host_repetition", "opt_out")
STATEMENTS = ("noai", "noimageai", "noml", "noindex", "tdm_reservation", "tdm_policy", "license")
"""Signals of `opt_out`, in the order of the page."""
FORMS = 3
"""Masked findings shown of each type."""
Z = 1.96


def wilson(hits: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share (Wilson 1927)."""
    if n == 0:
        return 0.0, 1.0
    share = hits / n
    middle = (share + Z * Z / (2 * n)) / (1 + Z * Z / n)
    half = Z / (1 + Z * Z / n) * math.sqrt(share * (1 - share) / n + Z * Z / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def masked(value: str) -> str:
    """The form of a value: letters as x, digits as 0, at most 40 characters. A placeholder stays."""
    if re.fullmatch(r"<[A-Z_]+>", value):
        return value
    return re.sub(r"[^\W\d_]", "x", re.sub(r"\d", "0", value))[:40]


@dataclass
class _Type:
    findings: int = 0
    documents: int = 0
    score: float = 0.0
    forms: Counter[str] = field(default_factory=Counter)


def safety(store: Store, manifest: dict[str, Any], recipe: dict[str, Any], most_rows: int) -> dict[str, Any] | None:
    """What the template shows; None where the recipe has no stage of the kind. At most `most_rows` rows of each folder
    are read."""
    stages = [(name, (given or {}).get("label", name)) for stage in recipe["stages"] for name, given in stage.items()]
    shown = [(name, label) for name, label in stages if name in FILTERS or name == "pii"]
    if not shown:
        return None
    measured = json.loads(MEASURED.read_text()) if MEASURED.is_file() else {}
    return {
        "personal": [
            {"label": label, "types": _types(store, label, most_rows)} for name, label in shown if name == "pii"
        ],
        "categories": [
            {"label": label, "rule": rule, "count": count}
            for key, count in sorted(manifest["counts"]["reasons"].items(), key=lambda item: -item[1])
            for label, _, rule in [key.partition("/")]
            if label in {each for name, each in shown if name != "pii"}
        ],
        "statements": [
            {"label": label, "counts": _statements(store, label, most_rows)}
            for name, label in shown
            if name == "opt_out"
        ],
        "personal_rates": [_rates(row) for row in measured.get("pii", ())] if any(n == "pii" for n, _ in shown) else [],
        "filter_rates": [
            _filter_rates(name, row) for name in dict.fromkeys(n for n, _ in shown) for row in measured.get(name, ())
            if name != "pii"
        ],
    }  # fmt: skip


def _rows(store: Store, label: str, columns: tuple[str, ...], most_rows: int) -> Iterator[pa.RecordBatch]:
    for folder in ["documents", *(f"dropped/{each}" for each in store.folders("dropped"))]:
        for batch in first_rows(store, folder, columns, most_rows):
            if label in batch.schema.names and pa.types.is_struct(batch.schema.field(label).type):
                yield batch


def _types(store: Store, label: str, most_rows: int) -> list[dict[str, Any]]:
    found: dict[str, _Type] = {}
    for batch in _rows(store, label, (label, "text"), most_rows):
        texts = batch.column("text") if "text" in batch.schema.names else pa.nulls(batch.num_rows, pa.string())
        for row, signals in enumerate(batch.column(label).to_pylist()):
            spans = (signals or {}).get("spans") or []
            text = (texts[row].as_py() or "") if spans else ""
            for span in spans:
                each = found.setdefault(span["type"], _Type())
                each.findings += 1
                each.score += span["score"]
                form = masked(text[span["start"] : span["end"]])
                if form and (form in each.forms or len(each.forms) < 1000):
                    each.forms[form] += 1
            for type_ in {span["type"] for span in spans}:
                found[type_].documents += 1
    return [
        {
            "type": type_,
            "findings": each.findings,
            "documents": each.documents,
            "score": each.score / each.findings,
            "forms": [form for form, _ in sorted(each.forms.items(), key=lambda item: (-item[1], item[0]))[:FORMS]],
        }
        for type_, each in sorted(found.items(), key=lambda item: -item[1].findings)
    ]


def _statements(store: Store, label: str, most_rows: int) -> list[tuple[str, int, int]]:
    """(statement, pages that make it, pages read)."""
    counts: Counter[str] = Counter()
    read = 0
    for batch in _rows(store, label, (label,), most_rows):
        read += batch.num_rows
        for signals in batch.column(label).to_pylist():
            counts.update(name for name in STATEMENTS if (signals or {}).get(name))
    return [(name, counts[name], read) for name in STATEMENTS]


def _rates(row: dict[str, Any]) -> dict[str, Any]:
    """Recall and precision of a type of personal data, with intervals."""
    return {
        "name": row["type"],
        "texts": row["labelled"],
        "recall": row["found"] / row["labelled"],
        "recall_interval": wilson(row["found"], row["labelled"]),
        "precision": row["met"] / row["given"] if row["given"] else None,
        "precision_interval": wilson(row["met"], row["given"]),
    }


def _filter_rates(name: str, row: dict[str, Any]) -> dict[str, Any]:
    """Recall and false-positive rate of a filter on a labelled set, with intervals, and the precision that they mean
    where `prevalence` of the texts are bad: its interval joins the worst ends of both, so it is a wide one."""
    found, wrong = wilson(row["found"], row["texts"]), wilson(row.get("wrong", 0), row.get("good", 0))
    share = row["prevalence"]

    def precision(right: float, false: float) -> float:
        total = share * right + (1 - share) * false
        return share * right / total if total else 0.0

    good = row.get("good", 0)
    return {
        "name": name,
        "set": f"{row['set']}: {row['kind'] or 'pages'}",
        "texts": row["texts"],
        "recall": row["found"] / row["texts"],
        "recall_interval": found,
        "good": good,
        "wrong": row["wrong"] / good if good else None,
        "wrong_interval": wrong,
        "prevalence": share,
        "precision": precision(row["found"] / row["texts"], row["wrong"] / good) if good else None,
        "precision_interval": (precision(found[0], wrong[1]), precision(found[1], wrong[0])),
    }
