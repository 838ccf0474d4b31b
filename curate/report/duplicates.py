"""The part of a run's report on duplicates: clusters by size, what the S-curve lets through, and sampled pairs of
documents side by side with their differences marked. It is made from the manifest and `LABEL.samples.json`."""

from __future__ import annotations

from difflib import SequenceMatcher
from typing import Any

import numpy as np

from curate.engine.store import Store
from curate.kernels.units import Units, find_units
from curate.stages.dedup.curve import chance_found

Piece = tuple[bool, str]
"""(whether the other side has something else, text)."""

THRESHOLDS = (0.7, 0.75, 0.8)


def has_clusters(phase: dict[str, Any]) -> bool:
    """Whether a phase of the manifest deduplicated documents."""
    return "cluster_sizes" in (phase.get("summary") or {})


def duplicates(store: Store, manifest: dict[str, Any]) -> list[dict[str, Any]]:
    """One entry for each deduplication of documents, in the order of the recipe."""
    return [_entry(store, phase) for phase in manifest["phases"] if has_clusters(phase)]


def _entry(store: Store, phase: dict[str, Any]) -> dict[str, Any]:
    (label,), summary = phase["stages"], phase["summary"]
    samples = f"{label}.samples.json"
    pairs = store.read_json(samples) if store.exists(samples) else []
    return {
        "label": label,
        "documents": summary["documents"],
        "clusters": summary["clusters"],
        "dropped": summary["dropped"],
        "with_earlier": summary["with_earlier"],
        "keep": summary["keep"],
        "sizes": _sizes(summary["cluster_sizes"]),
        "curve": _curve(summary) if "bands" in summary else None,
        "pairs": [_side_by_side(pair) for pair in pairs],
    }


def _sizes(cluster_sizes: dict[str, int]) -> list[dict[str, Any]]:
    """Clusters by size, in classes that double: 2, 3–4, 5–8 and so on."""
    classes: dict[int, list[int]] = {}
    for text, count in cluster_sizes.items():
        size = int(text)
        known = classes.setdefault((size - 1).bit_length(), [0, 0])
        known[0] += count
        known[1] += count * size
    most = max((count for count, _ in classes.values()), default=1)
    rows = []
    for power, (count, documents) in sorted(classes.items()):
        low, high = 2 ** (power - 1) + 1, 2**power
        name = str(high) if low == high else f"{low}–{high}"
        rows.append({"sizes": name, "clusters": count, "documents": documents, "share": count / most})
    return rows


def _curve(summary: dict[str, Any]) -> dict[str, Any]:
    """The S-curve, and what it and the similarities of the joining pairs say of precision and recall."""
    bands, rows = summary["bands"], summary["rows"]
    counts = np.array(summary["joins"]["exact_histogram"], dtype=float)
    bins = len(counts) - 1
    chance = chance_found(np.minimum((np.arange(bins + 1) + 0.5) / bins, 1.0), bands, rows)
    measured = []
    for threshold in THRESHOLDS:
        low = round(threshold * bins)
        found = counts[low:].sum()
        # A pair that was found stands for 1 / chance pairs of its similarity (Horvitz and Thompson).
        there = (counts[low:] / chance[low:]).sum()
        precision = found / counts.sum() if counts.sum() else None
        measured.append({"threshold": threshold, "precision": precision, "recall": found / there if there else None})
    return {
        "bands": bands,
        "rows": rows,
        "points": sorted(summary["chance_found"].items()),
        "joins": summary["joins"]["n"],
        "measured": measured,
    }


def _side_by_side(pair: dict[str, Any]) -> dict[str, Any]:
    a, b = marked(pair["text_a"], pair["text_b"])
    return {
        "id_a": pair["id_a"],
        "id_b": pair["id_b"],
        "estimate": pair["jaccard_estimate"],
        "exact": pair["jaccard_exact"],
        "a": a,
        "b": b,
    }


def marked(a: str, b: str) -> tuple[list[Piece], list[Piece]]:
    """Both texts in pieces, those marked that the other does not have at that place. Texts are compared as the
    similarity compares them: word by word, without case and accents."""
    encoded = a.encode(), b.encode()
    units = [find_units(np.frombuffer(each, dtype=np.uint8), np.array([0, len(each)])) for each in encoded]
    matcher = SequenceMatcher(None, units[0].hashes.tolist(), units[1].hashes.tolist())
    differing: tuple[list[tuple[int, int]], list[tuple[int, int]]] = ([], [])
    for kind, low_a, high_a, low_b, high_b in matcher.get_opcodes():
        if kind != "equal":
            differing[0].append((low_a, high_a))
            differing[1].append((low_b, high_b))
    return _pieces(encoded[0], units[0], differing[0]), _pieces(encoded[1], units[1], differing[1])


def _pieces(text: bytes, units: Units, differing: list[tuple[int, int]]) -> list[Piece]:
    pieces: list[Piece] = []
    done = 0
    for low, high in differing:
        if low < high:
            start, stop = int(units.start[low]), int(units.stop[high - 1])
            pieces += [(False, text[done:start].decode()), (True, text[start:stop].decode())]
            done = stop
    return [(is_marked, piece) for is_marked, piece in [*pieces, (False, text[done:].decode())] if piece]
