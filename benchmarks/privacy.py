"""`pii` beside presidio-analyzer over the full text: what each finds of the labelled spans, and what it costs.

`python -m benchmarks.privacy` prints the tables and writes .bench/privacy.json. A labelled span counts as found when
a span of its type overlaps it; a span that meets no label of its type counts as `unmet`, though the sets are not
labelled to the end. Intervals are Wilson's, at 95 %. Cost is CPU time, of both in one run, on pages of the crawl.
"""

from __future__ import annotations

import argparse
import gzip
import json
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa

from benchmarks.filters import CACHE, pages
from benchmarks.test_data import folder
from curate.report.safety import MEASURED, wilson
from curate.stages.privacy.detector import Detector

TYPES = {
    "EMAIL": "EMAIL_ADDRESS",
    "EMAIL_ADDRESS": "EMAIL_ADDRESS",
    "PHONE": "PHONE_NUMBER",
    "PHONE_NUMBER": "PHONE_NUMBER",
    "TEL": "PHONE_NUMBER",
    "FAX": "PHONE_NUMBER",
    "CREDIT_CARD": "CREDIT_CARD",
    "CREDIT_CARD_NUMBER": "CREDIT_CARD",
    "IBAN": "IBAN_CODE",
    "IBAN_CODE": "IBAN_CODE",
    "SSN": "US_SSN",
    "US_SSN": "US_SSN",
    "IP_ADDRESS": "IP_ADDRESS",
    "IPV4": "IP_ADDRESS",
    "IPV6": "IP_ADDRESS",
    "PASSWORD": "SECRET",
}
"""The sets' names of types → Presidio's."""
MIN_SCORE = 0.4

Spans = list[tuple[str, int, int]]


def interval(hits: int, n: int) -> str:
    low, high = wilson(hits, n)
    return f"{100 * hits / max(n, 1):.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def publish(stage: str, lines: Sequence[dict[str, Any]]) -> None:
    """Puts a stage's figures where a run's report finds them."""
    known = json.loads(MEASURED.read_text()) if MEASURED.is_file() else {}
    MEASURED.write_text(json.dumps(known | {stage: list(lines)}, indent=1, sort_keys=True) + "\n")


def labelled(file: Path) -> Iterable[tuple[str, Spans]]:
    with gzip.open(file, "rt") as lines:
        for row in map(json.loads, lines):
            kinds = [(TYPES.get(span["type"].upper()), span["start"], span["end"]) for span in row["spans"]]
            yield row["text"], [(kind, start, end) for kind, start, end in kinds if kind is not None]


class Presidio:
    """Its default English recognizers over a blank spaCy pipeline, and without the network."""

    def __init__(self) -> None:
        import spacy
        import tldextract
        from presidio_analyzer import AnalyzerEngine, RecognizerRegistry
        from presidio_analyzer.nlp_engine import SpacyNlpEngine
        from tldextract import tldextract as extractor

        extractor.TLD_EXTRACTOR = tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)
        nlp = SpacyNlpEngine(models=[{"lang_code": "en", "model_name": "blank"}])
        nlp.nlp = {"en": spacy.blank("en")}
        registry = RecognizerRegistry()
        registry.load_predefined_recognizers(languages=["en"], nlp_engine=nlp)
        self._engine = AnalyzerEngine(registry=registry, nlp_engine=nlp, supported_languages=["en"])
        self._names = set(self._engine.get_supported_entities("en"))

    def find(self, text: str, types: Sequence[str] | None = None) -> Spans:
        asked = None if types is None else sorted(set(types) & self._names)
        results = self._engine.analyze(text, language="en", entities=asked, score_threshold=MIN_SCORE)
        return [(result.entity_type, result.start, result.end) for result in results]


def ours(detector: Detector, texts: Sequence[str]) -> list[Spans]:
    found = detector.find(pa.array(texts, pa.string()))
    return [[(span.type, span.start, span.end) for span in spans] for spans in found]


def count(rows: Sequence[tuple[str, Spans]], answers: Sequence[Spans]) -> dict[str, Counter[str]]:
    """By type: labelled, found, given (spans), unmet."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for (_, labels), spans in zip(rows, answers, strict=True):
        for kind, start, end in labels:
            counts[kind]["labelled"] += 1
            counts[kind]["found"] += any(k == kind and s < end and start < e for k, s, e in spans)
        for kind, start, end in spans:
            counts[kind]["given"] += 1
            counts[kind]["unmet"] += not any(k == kind and s < end and start < e for k, s, e in labels)
    return counts


def accuracy(detector: Detector, presidio: Presidio) -> list[dict[str, Any]]:
    table = []
    together: dict[str, dict[str, Counter[str]]] = {name: defaultdict(Counter) for name in ("curate", "presidio")}
    for file in sorted((folder() / "pii").glob("*.jsonl.gz")):
        rows = list(labelled(file))
        answers = {
            "curate": ours(detector, [text for text, _ in rows]),
            "presidio": [presidio.find(text, sorted(set(TYPES.values()))) for text, _ in rows],
        }
        counted = {name: count(rows, spans) for name, spans in answers.items()}
        table += _lines(file.name.partition(".")[0], counted)
        for name, kinds in counted.items():
            for kind, numbers in kinds.items():
                together[name][kind].update(numbers)
    return table + _lines("all", together)


def _lines(name: str, counted: dict[str, dict[str, Counter[str]]]) -> list[dict[str, Any]]:
    lines = []
    for kind in sorted(set(TYPES.values())):
        mine, theirs = counted["curate"][kind], counted["presidio"][kind]
        if n := mine["labelled"]:
            line: dict[str, Any] = {"set": name, "type": kind, "labelled": n, "found": mine["found"]}
            line |= {"given": mine["given"], "met": mine["given"] - mine["unmet"]}
            for who, numbers in (("presidio", theirs), ("curate", mine)):
                met = numbers["given"] - numbers["unmet"]
                line[f"recall_{who}"] = interval(numbers["found"], n)
                line[f"precision_{who}"] = interval(met, numbers["given"]) if numbers["given"] else "–"
            lines.append(line)
    return lines


def speed(detector: Detector, presidio: Presidio, n_pages: int) -> dict[str, float]:
    """CPU milliseconds a page, and for a text of 5 KB in which there is nothing."""
    every = pages()
    texts = every[:: max(1, len(every) // n_pages)][:n_pages]
    types = sorted(set(TYPES.values()))
    detector.find(pa.array(texts[:3]))
    presidio.find(texts[0])
    plain = pa.array([("the river and the old mill by the market " * 130)[:5000]])

    def clock(work: Any) -> float:
        start = time.process_time()
        work()
        return 1000 * (time.process_time() - start)

    mine = statistics.median(clock(lambda: detector.find(pa.array(texts))) for _ in range(5)) / len(texts)
    same = clock(lambda: [presidio.find(text, types) for text in texts]) / len(texts)
    whole = clock(lambda: [presidio.find(text) for text in texts]) / len(texts)
    return {
        "pages": len(texts),
        "characters": sum(map(len, texts)),
        "curate_ms": round(mine, 3),
        "presidio_same_types_ms": round(same, 2),
        "presidio_all_ms": round(whole, 2),
        "ratio_same_types": round(same / mine, 1),
        "ratio_all": round(whole / mine, 1),
        "nothing_5kb_ms": round(statistics.median(clock(lambda: detector.find(plain)) for _ in range(200)), 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--only", choices=["accuracy", "speed"], help="one of the two tables")
    parser.add_argument("--publish", action="store_true", help="write the figures for the report of runs")
    parser.add_argument("--pages", type=int, default=100, help="crawl pages for the cost")
    args = parser.parse_args()
    detector, presidio = Detector(), Presidio()
    result: dict[str, Any] = {}
    if args.only != "accuracy":
        result["speed"] = speed(detector, presidio, args.pages)
        print(", ".join(f"{name} {value}" for name, value in result["speed"].items()) + "\n")
    if args.only != "speed":
        result["accuracy"] = accuracy(detector, presidio)
        print("| set | type | labelled | recall %, Presidio | recall %, `pii` | met %, Presidio | met %, `pii` |")
        print("|---|---|---|---|---|---|---|")
        for line in result["accuracy"]:
            print("| " + " | ".join(str(value) for value in _in_order(line)) + " |")
        if args.publish:
            wanted = ("type", "labelled", "found", "given", "met")
            publish("pii", [{key: line[key] for key in wanted} for line in result["accuracy"] if line["set"] == "all"])
    CACHE.mkdir(exist_ok=True)
    (CACHE / "privacy.json").write_text(json.dumps(result, indent=1))


def _in_order(line: dict[str, Any]) -> list[Any]:
    names = ("set", "type", "labelled", "recall_presidio", "recall_curate", "precision_presidio", "precision_curate")
    return [line[name] for name in names]


if __name__ == "__main__":
    main()
