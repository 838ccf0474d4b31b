"""Extraction measured: word-F1, fidelity and cost of our engine beside trafilatura, Resiliparse, readability, jusText.

    python -m benchmarks.extraction --data ../shared/data [--pages 300] [--json FILE]

All engines see the same pages in one process. Our engine is scored by cross-validation: each page by a model that
has seen no page of its registrable domain (the five models are trained first). Cost is CPU time, in one run.
"""

from __future__ import annotations

import argparse
import html as entities
import json
import random
import re
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from classifiers.blocks import fold_models
from classifiers.blocks_data import GoldPage, Source, benchmark_sources, crawl_sources, prepare, words_of
from curate.stages.extract.blocks import extract_blocks
from curate.stages.extract.engines import Options, resiliparse, trafilatura

TextOf = Callable[[Source, GoldPage], str]
_FORMULA = re.compile(r"\$\$(.+?)\$\$|\$([^$\n]+?)\$", re.DOTALL)
_CODE = re.compile(r"^```\w*\n(.*?)^```", re.DOTALL | re.MULTILINE)


def engines(models: Sequence[Any]) -> dict[str, TextOf]:
    """Every engine that is installed, by the name it has in the table."""

    def ours(source: Source, page: GoldPage) -> str:
        return extract_blocks(source.html, Options(), models[page.fold]).text

    def rules(favor: Any, source: Source, page: GoldPage) -> str:
        return trafilatura(source.html, source.url, Options(favor=favor)).text

    found: dict[str, TextOf] = {"blocks": ours}
    for favor, name in (("balanced", "default"), ("fast", "fast"), ("precision", "precision"), ("recall", "recall")):
        found[f"trafilatura {name}"] = partial(rules, favor)
    found["resiliparse"] = lambda source, page: resiliparse(source.html, source.url, Options()).text
    try:
        from readability import Document

        found["readability"] = lambda source, page: entities.unescape(
            re.sub(r"<[^>]+>", " ", Document(source.html).summary())
        )
    except ImportError:
        print("readability-lxml is not installed; left out", file=sys.stderr)
    try:
        import justext

        stop_words = justext.get_stoplist("English")
        found["jusText"] = lambda source, page: "\n".join(
            part.text for part in justext.justext(source.html.encode(), stop_words) if not part.is_boilerplate
        )
    except ImportError:
        print("jusText is not installed; left out", file=sys.stderr)
    return found


def agreement(text: str, gold: Sequence[str]) -> tuple[float, float, float]:
    """Word-F1, precision and recall as multisets of lower-case words."""
    words = words_of(text)
    shared = sum((Counter(words) & Counter(gold)).values())
    if not shared:
        nothing = float(not words and not gold)
        return nothing, nothing, nothing
    precision, recall = shared / len(words), shared / len(gold)
    return 2 * precision * recall / (precision + recall), precision, recall


def formulas_kept(text: str, gold: str) -> tuple[int, int]:
    """Gold formulas present up to spacing, and how many there are."""
    plain = re.sub(r"\s+", "", text)
    wanted = ["".join((a or b).split()) for a, b in _FORMULA.findall(gold)]
    return sum(formula in plain for formula in wanted), len(wanted)


def code_kept(text: str, gold: str) -> tuple[int, int]:
    """Gold code blocks present byte for byte (trailing white space apart), and how many there are."""
    wanted = [block.rstrip() for block in _CODE.findall(gold) if block.strip()]
    return sum(block in text for block in wanted), len(wanted)


def measure(name: str, text_of: TextOf, sources: Sequence[Source], pages: Sequence[GoldPage]) -> dict[str, Any]:
    """One engine over all pages."""
    groups: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
    milliseconds, worst = [], []
    formulas, code = [0, 0], [0, 0]
    for source, page in zip(sources, pages, strict=True):
        started = time.process_time()
        text = text_of(source, page)
        milliseconds.append((time.process_time() - started) * 1e3)
        found = agreement(text, page.gold)
        if source.collection == "wcxb":
            groups["all"].append(found)
            groups[source.kind].append(found)
            worst.append((round(found[0], 3), source.name, source.kind))
        else:
            groups[f"crawl {source.language}"].append(found)
        if source.collection == "llm_webkit":
            for total, counted in ((formulas, formulas_kept(text, source.gold)), (code, code_kept(text, source.gold))):
                total[0] += counted[0]
                total[1] += counted[1]
    means = {group: [round(float(x), 4) for x in np.mean(values, axis=0)] for group, values in groups.items()}
    return {
        "engine": name,
        "f1_precision_recall": means,
        "ms": {
            "mean": round(float(np.mean(milliseconds)), 2),
            "median": round(float(np.median(milliseconds)), 2),
            "p99": round(float(np.percentile(milliseconds, 99)), 2),
        },
        "formulas": formulas,
        "code": code,
        "worst": sorted(worst)[:20],
    }


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.extraction", description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--pages", type=int, help="measure only this many pages, drawn by a fixed seed")
    parser.add_argument("--engines", nargs="*", help="only these")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args(arguments)
    sources = [*benchmark_sources(args.data), *crawl_sources(args.data)]
    pages = [prepare(source) for source in sources]
    known = engines(fold_models(pages))
    chosen = sorted(random.Random(0).sample(range(len(pages)), args.pages)) if args.pages else range(len(pages))
    sources, pages = [sources[i] for i in chosen], [pages[i] for i in chosen]
    known["blocks"](sources[0], pages[0])
    results = []
    for name, text_of in known.items():
        if args.engines and name not in args.engines:
            continue
        result = measure(name, text_of, sources, pages)
        results.append(result)
        f1, precision, recall = result["f1_precision_recall"]["all"]
        kinds = " ".join(f"{k} {v[0]:.3f}" for k, v in sorted(result["f1_precision_recall"].items()) if k != "all")
        print(f"{name:22} F1 {f1:.3f} P {precision:.3f} R {recall:.3f} | {result['ms']} | {kinds}", flush=True)
        print(f"{'':22} formulas {result['formulas']} code {result['code']}")
        if args.json:
            args.json.write_text(json.dumps(results, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
