"""Frozen evaluation sets: chosen by no arm, cleared of what any arm trains on, tokenized once.

JSON lines flow in by domain; documents flow out, the same for every arm and every model of an ablation. Those that
overlap with what an arm trains on are named, and the analysis leaves them out for all arms.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from model.ablation import AblationError, EvaluationSet

SHINGLE_WORDS = 13
"""Overlap is counted in word 13-grams, the field's unit of decontamination (Brown et al. 2020, appendix C)."""
MAX_OVERLAP = 0.1
"""An evaluation document with more of its 13-grams in the arms' training texts is left out."""

MIN_CHARACTERS = 200
"""Shorter evaluation documents say next to nothing."""

_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class EvaluationDocument:
    domain: str
    id: str
    cluster: str
    text: str


def read_set(domain: str, spec: EvaluationSet) -> list[EvaluationDocument]:
    """The documents of one domain, chosen as `chosen_of` says."""
    found = []
    for path in [spec.jsonl] if isinstance(spec.jsonl, str) else spec.jsonl:
        for number, line in enumerate(_lines(Path(path))):
            if not all(line.get(k) in (v if isinstance(v, list) else [v]) for k, v in spec.where.items()):
                continue
            name = str(line.get("id", f"{Path(path).name}-{number}"))
            cluster = str(line.get(spec.cluster, name)) if spec.cluster else name
            found.append(EvaluationDocument(domain, name, cluster, cut(str(line.get("text", "")), spec.max_bytes)))
    return chosen_of(found, domain, spec.max_documents, str(spec.jsonl))


def chosen_of(
    documents: Iterable[EvaluationDocument], domain: str, max_documents: int, source: str
) -> list[EvaluationDocument]:
    """Documents of 200 characters or more, no text twice; of too many those with the lowest hash of their id."""
    found = list({document.text: document for document in documents if len(document.text) >= MIN_CHARACTERS}.values())
    if len({document.cluster for document in found}) < 2:
        raise AblationError(
            f"evaluation.{domain}: {source} holds under 2 clusters of documents of {MIN_CHARACTERS} characters"
        )
    found.sort(key=lambda document: hashlib.sha256(document.id.encode()).digest())
    return sorted(found[:max_documents], key=lambda document: document.id)


def _lines(path: Path) -> Iterator[dict[str, object]]:
    try:
        content = path.read_bytes()
        text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode("utf-8")
        for line in text.split("\n"):
            if line.strip():
                yield json.loads(line)
    except (OSError, ValueError) as error:
        raise AblationError(f"evaluation: {path}: cannot be read as JSON lines: {error}") from None


def cut(text: str, max_bytes: int) -> str:
    """At most `max_bytes` of UTF-8, ending at white space."""
    data = text.encode()
    if len(data) <= max_bytes:
        return text
    head = data[:max_bytes].decode(errors="ignore")
    return head.rsplit(None, 1)[0] if " " in head else head


def shingles(text: str) -> np.ndarray:
    """Distinct 64-bit hashes of the word 13-grams of a text; empty if it is shorter."""
    words = [int.from_bytes(hashlib.blake2b(w.encode(), digest_size=8).digest()) for w in _WORD.findall(text.lower())]
    if len(words) < SHINGLE_WORDS:
        return np.empty(0, np.uint64)
    values = np.array(words, np.uint64)
    total = np.zeros(len(values) - SHINGLE_WORDS + 1, np.uint64)
    for offset in range(SHINGLE_WORDS):  # a polynomial in the words' hashes, modulo 2^64
        total = total * np.uint64(0x9E3779B97F4A7C15) + values[offset : offset + len(total)]
    return np.unique(total)


def overlapping(documents: list[EvaluationDocument], training: Iterable[str]) -> list[bool]:
    """For each document whether training texts cover more than a tenth of its 13-grams."""
    own = [shingles(document.text) for document in documents]
    wanted = np.unique(np.concatenate([np.empty(0, np.uint64), *own]))
    if not len(wanted):
        return [False] * len(documents)
    seen = np.zeros(len(wanted), bool)
    for text in training:
        grams = shingles(text)
        at = np.minimum(np.searchsorted(wanted, grams), len(wanted) - 1)
        seen[at[wanted[at] == grams]] = True
    met = wanted[seen]
    return [bool(len(grams) and np.isin(grams, met).mean() > MAX_OVERLAP) for grams in own]
