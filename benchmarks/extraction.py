"""Extraction measured: word-F1, fidelity and cost of our engine beside trafilatura, Resiliparse, readability, jusText.

    python -m benchmarks.extraction --data ../shared/data [--tables engines paired parts bodies scripts cost fidelity
        gallery] [--pages 15] [--sets wcxb llm_webkit] [--engines blocks] [--folds FILE] [--cache FOLDER]

All engines see the same pages; `engines` takes a sample of them, the other tables all. Our engine is scored by
cross-validation: each page by a model that has seen no page of its registrable domain (the five models are trained
first, or read from `--folds`); cost and fidelity are those of the package's model. Cost is CPU time. trafilatura's
answers to all pages are kept in `--cache`, by its version.
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
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import extraction_fidelity as fidelity
from benchmarks import extraction_parts as partial_gold
from benchmarks import extraction_scripts
from benchmarks import extraction_tables as tables
from benchmarks.extraction_fidelity import code_kept, formulas_kept
from benchmarks.extraction_tables import TextOf, group_of
from classifiers.blocks import fold_models, gold_pages
from classifiers.blocks_data import (
    CRAWL_SETS,
    FOLDS,
    Source,
    benchmark_sources,
    crawl_sources,
    fold_of,
    words_of,
)
from curate.kernels.block_net import Net
from curate.kernels.trees import Trees
from curate.stages.extract.blocks import BlockModel, extract_blocks, model_fingerprint
from curate.stages.extract.engines import Options, resiliparse, trafilatura

TABLES = ("engines", "paired", "parts", "bodies", "scripts", "cost", "fidelity", "gallery")


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


def measure(name: str, text_of: TextOf, sources: Sequence[Source]) -> dict[str, Any]:
    """One engine over all pages."""
    groups: dict[str, list[tuple[float, float, float]]] = defaultdict(list)
    milliseconds = []
    formulas, code = [0, 0], [0, 0]
    text_of(sources[0])  # loads what is loaded once
    for source in sources:
        started = time.process_time()
        text = text_of(source)
        milliseconds.append((time.process_time() - started) * 1e3)
        found = agreement(text, words_of(source.gold))
        groups[group_of(source)].append(found)
        if source.collection == "wcxb":
            groups["all"].append(found)
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
    }


def sample(sources: Iterable[Source], pages: int | None) -> list[Source]:
    """At most so many pages of each page type, and of each language of the crawl, drawn by a fixed seed."""
    groups: dict[str, list[Source]] = defaultdict(list)
    for source in sources:
        groups[group_of(source)].append(source)
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
        models = fold_models(gold_pages(data))
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


def engine_rows(results: Sequence[dict[str, Any]]) -> Iterable[str]:
    """The engines beside each other, as Markdown."""
    groups = {group for result in results for group in result["f1_precision_recall"]} - {"all"}
    kinds = sorted(group for group in groups if not group.startswith("crawl"))
    columns = ["engine", "F1", "precision", "recall", *kinds, "ms mean", "median", "99th", "formulas", "code"]
    yield "| " + " | ".join(columns) + " |"
    yield "|" + "---|" * len(columns)
    for result in results:
        means = result["f1_precision_recall"]
        cells = [f"{value:.3f}" for value in means.get("all", [np.nan] * 3)]
        cells += [f"{means[kind][0]:.3f}" for kind in kinds]
        cells += [str(value) for value in result["ms"].values()]
        cells += ["{} of {}".format(*result[what]) for what in ("formulas", "code")]
        yield "| " + " | ".join([result["engine"], *cells]) + " |"


def main(arguments: Sequence[str] | None = None) -> int:
    """Prints the tables."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.extraction",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--tables", nargs="*", choices=TABLES, default=TABLES)
    parser.add_argument("--pages", type=int, default=15, help="engines: pages of each type and language (a fixed seed)")
    parser.add_argument("--sets", nargs="*", default=["wcxb", *CRAWL_SETS], help="only these collections")
    parser.add_argument("--engines", nargs="*", help="only these")
    parser.add_argument("--folds", type=Path, help="an .npz of the fold models: read if there, else written")
    parser.add_argument("--cache", type=Path, help="a folder for trafilatura's answers to all pages")
    parser.add_argument("--json", type=Path, help="also write the engines' figures here")
    args = parser.parse_args(arguments)
    sources = [*(benchmark_sources(args.data) if "wcxb" in args.sets else ())]
    sources += crawl_sources(args.data, [name for name in args.sets if name != "wcxb"])
    known = engines(cached_folds(args.folds, args.data))
    print(f"model of the package: sha256 {model_fingerprint()[:12]}; pages with gold: {len(sources)}", flush=True)
    if "engines" in args.tables:
        chosen = {name: text_of for name, text_of in known.items() if not args.engines or name in args.engines}
        results = []
        for name, text_of in chosen.items():
            results.append(measure(name, text_of, sample(sources, args.pages)))
            print(f"{name}: done", file=sys.stderr, flush=True)
        print("", *engine_rows(results), sep="\n", flush=True)
        if args.json:
            args.json.write_text(json.dumps(results, indent=1) + "\n")
    if "cost" in args.tables:
        print(tables.COST_HEADER)
        benchmark = [source.html for source in sources if source.collection == "wcxb"]
        for html in benchmark[:30]:
            extract_blocks(html, Options())  # loads what is loaded once
        print(tables.cost("the benchmark's development half", benchmark), flush=True)
        print(tables.cost("crawl, answers with status 200", tables.crawl_pages(args.data)), flush=True)
    if "fidelity" in args.tables:
        print_fidelity(args.data, sources, known["blocks"])
    ours = cache(known["blocks"])
    file = args.cache / f"trafilatura-{version('trafilatura')}.jsonl" if args.cache else None
    theirs = tables.cached(known["trafilatura default"], file)
    if "paired" in args.tables:
        print("", *tables.paired(ours, theirs, sources), sep="\n", flush=True)
    for name, table in (("parts", partial_gold.parts), ("bodies", partial_gold.bodies)):
        if name in args.tables:
            print("", *table(ours, theirs, args.data), sep="\n", flush=True)
    if "scripts" in args.tables:
        print("", *extraction_scripts.scripts(ours, theirs, sources), sep="\n", flush=True)
    if "gallery" in args.tables:
        print("", *tables.gallery(ours, sources), sep="\n", flush=True)
    return 0


def print_fidelity(data: Path, sources: Sequence[Source], unseen: TextOf) -> None:
    """Formulas and code by the package's model and by those that have not seen the page (`unseen`), against gold; and
    code against what the pages themselves say."""

    def packaged(source: Source) -> str:
        return extract_blocks(source.html, Options()).text

    pages = [source for source in sources if source.collection == "llm_webkit"]
    for model, text_of in (("of the package", packaged), ("that has not seen the page", unseen)):
        for what, (kept, wanted) in fidelity.against_gold(text_of, pages).items():
            print(f"\n{what} of the gold of {len(pages)} math and code pages, by the model {model}: {kept} of {wanted}")
    print("\ngold code blocks that are not in our text:", dict(fidelity.reasons(packaged, pages)))
    every = dict.fromkeys([*(source.html for source in sources), *tables.crawl_pages(data)])
    print("\n<pre> of all pages, read by another parser:", dict(fidelity.code_of_pages(every)), flush=True)


if __name__ == "__main__":
    sys.exit(main())
