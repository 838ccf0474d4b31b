"""Extraction measured: word-F1, fidelity and cost of our engine beside trafilatura, Resiliparse, readability, jusText.

    python -m benchmarks.extraction --data ../shared/data [--pages 15] [--sets wcxb llm_webkit] [--folds FILE]

All engines see the same pages. Our engine is scored by cross-validation: each page by a model that has seen no page
of its registrable domain (the five models are trained first, or read from `--folds`). Cost is CPU time.
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
from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from classifiers.blocks import fold_models
from classifiers.blocks_data import (
    CRAWL_SETS,
    FOLDS,
    Source,
    benchmark_sources,
    crawl_sources,
    fold_of,
    prepare,
    words_of,
)
from curate.kernels.block_net import Net
from curate.kernels.trees import Trees
from curate.stages.extract.blocks import BlockModel, extract_blocks
from curate.stages.extract.engines import Options, resiliparse, trafilatura

TextOf = Callable[[Source], str]
_FORMULA = re.compile(r"\$\$(.+?)\$\$|\$([^$\n]+?)\$", re.DOTALL)
_CODE = re.compile(r"^```\w*\n(.*?)^```", re.DOTALL | re.MULTILINE)


def engines(folds: Callable[[], Sequence[BlockModel]]) -> dict[str, TextOf]:
    """Every engine that is installed, by the name it has in the table. Models are asked for when they are needed."""

    def ours(source: Source) -> str:
        return extract_blocks(source.html, Options(), folds()[fold_of(source.domain)]).text

    def rules(favor: Any, source: Source) -> str:
        return trafilatura(source.html, source.url, Options(favor=favor)).text

    found: dict[str, TextOf] = {"blocks": ours}
    for favor, name in (("balanced", "default"), ("fast", "fast"), ("precision", "precision"), ("recall", "recall")):
        found[f"trafilatura {name}"] = partial(rules, favor)
    found["resiliparse"] = lambda source: resiliparse(source.html, source.url, Options()).text
    try:
        from readability import Document

        found["readability"] = lambda source: entities.unescape(
            re.sub(r"<[^>]+>", " ", Document(source.html).summary())
        )
    except ImportError:
        print("readability-lxml is not installed; left out", file=sys.stderr)
    try:
        import justext

        stop_words = justext.get_stoplist("English")
        found["jusText"] = lambda source: "\n".join(
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


def measure(name: str, text_of: TextOf, sources: Sequence[Source]) -> dict[str, Any]:
    """One engine over all pages."""
    groups: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
    milliseconds, worst = [], []
    formulas, code = [0, 0], [0, 0]
    text_of(sources[0])  # loads what is loaded once
    for source in sources:
        started = time.process_time()
        text = text_of(source)
        milliseconds.append((time.process_time() - started) * 1e3)
        found = agreement(text, words_of(source.gold))
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


def sample(sources: Iterable[Source], pages: int | None) -> list[Source]:
    """At most so many pages of each page type, and of each language of the crawl, drawn by a fixed seed."""
    groups: dict[str, list[Source]] = defaultdict(list)
    for source in sources:
        groups[source.kind if source.collection == "wcxb" else f"crawl {source.language}"].append(source)
    if pages is None:
        return [source for group in groups.values() for source in group]
    draw = random.Random(0)
    return [source for group in groups.values() for source in draw.sample(group, min(pages, len(group)))]


def cached_folds(path: Path | None, data: Path) -> Callable[[], Sequence[BlockModel]]:
    """The models of the folds: read from `path` if it is there, else trained (and written to it)."""

    @cache
    def folds() -> Sequence[BlockModel]:
        if path and path.exists():
            with np.load(path) as arrays:
                return [
                    BlockModel(*(part(*(arrays[f"{fold}_{name}"] for name in part._fields)) for part in (Trees, Net)))
                    for fold in range(FOLDS)
                ]
        models = fold_models([prepare(source) for source in (*benchmark_sources(data), *crawl_sources(data))])
        if path:
            named = {
                f"{fold}_{name}": array
                for fold, model in enumerate(models)
                for part in model
                for name, array in part._asdict().items()
            }
            np.savez(path, **named)
        return models

    return folds


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.extraction", description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--pages", type=int, help="at most so many of each page type and language, by a fixed seed")
    parser.add_argument("--sets", nargs="*", default=["wcxb", *CRAWL_SETS], help="only these collections")
    parser.add_argument("--engines", nargs="*", help="only these")
    parser.add_argument("--folds", type=Path, help="an .npz of the fold models: read if there, else written")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args(arguments)
    found = [*(benchmark_sources(args.data) if "wcxb" in args.sets else ())]
    found += crawl_sources(args.data, [name for name in args.sets if name != "wcxb"])
    sources = sample(found, args.pages)
    known = engines(cached_folds(args.folds, args.data))
    results = []
    for name, text_of in known.items():
        if args.engines and name not in args.engines:
            continue
        result = measure(name, text_of, sources)
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
