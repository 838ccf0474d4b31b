"""The block model of `engine: blocks`: trains it, cross-validates it by registrable domain, writes its card.

In go pages with gold text, out come a LightGBM text file, a network's numbers, the cross-validated word-F1 of every
page type, and a card. Nothing is downloaded; the same data gives the same files.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
import numpy.typing as npt

from classifiers.blocks_data import FOLDS, RECIPES, GoldPage, benchmark_sources, crawl_sources, prepare
from classifiers.blocks_net import HIDDEN, fit_net, page_input, write_net
from curate.kernels.block_feature_names import FEATURES
from curate.kernels.block_net import Net, net_odds
from curate.kernels.html import Page
from curate.kernels.trees import parse_lightgbm, score
from curate.stages.extract.blocks import MIN_WORDS, MODELS, NET_FILE, TREES_FILE, BlockModel, choose_blocks, load_model
from curate.stages.extract.units import structure_of

PARAMETERS: dict[str, Any] = {
    "objective": "binary",
    "learning_rate": 0.1,
    "num_leaves": 31,
    "min_data_in_leaf": 40,
    "feature_fraction": 0.15,
    "bagging_fraction": 0.6,
    "bagging_freq": 1,
    "lambda_l2": 5.0,
    "max_bin": 63,
    "use_missing": False,
    "feature_pre_filter": False,
    "bin_construct_sample_cnt": 30_000,
    "num_threads": 1,
    "deterministic": True,
    "force_col_wise": True,
    "seed": 1,
    "verbose": -1,
}
"""One thread, so that the sums inside are made in one order."""
BLAS_THREADS = "OPENBLAS_NUM_THREADS"
TREES = 120
CRAWL_WEIGHT = 0.5
"""Crawl gold is a tool's more often than a person's, so its pages count half."""
RECIPE_WEIGHT = CRAWL_WEIGHT / 3
"""Of a recipe only what belongs to its text is known, so it can teach nothing but to keep more."""
Scores = list[npt.NDArray[np.float64]]
Judge = Callable[[Page, npt.NDArray[np.float32]], npt.NDArray[np.float64]]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Arguments of `python -m classifiers train|evaluate blocks`."""
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="folder with extraction/ and crawl/")
    parser.add_argument("--models", type=Path, default=MODELS, help="where the model goes")
    parser.add_argument("--pages", type=int, help="use only this many pages (for a trial)")


def train(args: argparse.Namespace) -> int:
    """Cross-validates, fits on everything, writes models, card and figures.

    Threads of OpenBLAS sum in another order, and how many there are is settled when numpy is imported, so training
    is done in a process that has one.
    """
    if os.environ.get(BLAS_THREADS) != "1":
        command = [sys.executable, "-m", "classifiers", "train", "blocks", "--data", args.data, "--models", args.models]
        limit = ["--pages", str(args.pages)] if args.pages else []
        return subprocess.run([*command, *limit], env={**os.environ, BLAS_THREADS: "1"}, check=False).returncode
    started = time.process_time()
    pages = gold_pages(args.data, args.pages)
    print(f"{len(pages)} pages, {sum(len(page.labels) for page in pages)} blocks", file=sys.stderr)
    models = fold_models(pages)
    figures = {
        "cross-validated": _out_of_fold(pages, [model.odds for model in models]),
        "trees alone": _out_of_fold(pages, [partial(_by_trees, model) for model in models]),
        "network alone": _out_of_fold(pages, [partial(net_odds, model.net) for model in models]),
        "perfect choice": evaluate_scores(pages, [80 * page.labels.astype(np.float64) - 40 for page in pages]),
    }
    text, net = _fit(pages, range(len(pages)))
    args.models.mkdir(parents=True, exist_ok=True)
    (args.models / TREES_FILE).write_text(text)
    write_net(net, args.models / NET_FILE)
    (args.models / "blocks.json").write_text(json.dumps(figures, indent=1, sort_keys=True) + "\n")
    (args.models / "blocks.md").write_text(describe(figures, pages))
    print(json.dumps(figures, indent=1))
    print(f"{time.process_time() - started:.0f} CPU seconds", file=sys.stderr)
    return 0


def without_run_details(model: str) -> str:
    """The model's text up to its trees' end: what follows (importances, parameters) is not needed to score."""
    return model[: model.index("end of trees")] + "end of trees\n"


def evaluate_scores(pages: Sequence[GoldPage], scores: Scores) -> dict[str, float]:
    """Mean word-F1 of the blocks chosen by these log-odds: benchmark overall, by page type, crawl by language; of
    recipes, the share of the words of known ingredients and steps."""
    found: dict[str, list[float]] = defaultdict(list)
    for page, odds in zip(pages, scores, strict=True):
        keep = choose_blocks(odds, page.page, structure_of(page.page))
        if page.partial:
            found["recipes"].append(page.kept(keep))
            found[f"recipes {page.language}"].append(page.kept(keep))
        elif page.collection == "wcxb":
            found["wcxb"].append(page.f1(keep))
            found[f"wcxb {page.kind}"].append(page.f1(keep))
        else:
            found[f"crawl {page.language}"].append(page.f1(keep))
    return {name: round(float(np.mean(values)), 4) for name, values in sorted(found.items())}


def evaluate(args: argparse.Namespace) -> int:
    """Prints the word-F1 of the model on the pages that it was trained on: a check of the file, not of the
    method, whose honest figures are the cross-validated ones in the card."""
    model = load_model(args.models)
    pages = gold_pages(args.data, args.pages)
    scores = [model.odds(page.page, page.rows) for page in pages]
    print(json.dumps(evaluate_scores(pages, scores), indent=1))
    return 0


def card(args: argparse.Namespace) -> int:
    """Prints the card of the model files."""
    print((args.models / "blocks.md").read_text())
    return 0


def gold_pages(data: Path, most: int | None = None) -> list[GoldPage]:
    """The pages that the model is trained on, or about so many of them."""
    if not (data / "extraction" / "wcxb-dev.tar.xz").exists():
        raise FileNotFoundError(f"no extraction/wcxb-dev.tar.xz under {data}; name the data folder with --data")
    sources = [*benchmark_sources(data), *crawl_sources(data), *crawl_sources(data, (RECIPES,))]
    pages = map(prepare, sources[:: max(len(sources) // most, 1) if most else 1])
    return [page for page in pages if page.weights.any() or not page.partial]


def _page_weight(page: GoldPage) -> float:
    if page.partial:
        return RECIPE_WEIGHT
    return 1 if page.collection == "wcxb" else CRAWL_WEIGHT


def _fit(pages: Sequence[GoldPage], chosen: Sequence[int]) -> tuple[str, Net]:
    """The trees, as LightGBM writes them, and the network of the chosen pages' blocks.

    Only the network learns from recipes. It sees that a page is one; the trees, which judge each block by itself,
    would learn that short items of lists are content wherever they stand.
    """
    whole = [page for page in pages if not page.partial]
    mean = np.concatenate([page.weights * _page_weight(page) for page in whole]).mean()
    learned = [pages[i] for i in chosen if not pages[i].partial]
    labels = np.concatenate([page.labels for page in learned]) >= 0.5
    weight = np.concatenate([page.weights * _page_weight(page) / mean for page in learned])
    rows = np.concatenate([page.rows for page in learned])
    data = lightgbm.Dataset(rows, label=labels.astype(np.float32), weight=weight, params=PARAMETERS)
    trees = without_run_details(lightgbm.train(PARAMETERS, data, TREES).model_to_string())
    return trees, fit_net([page_input(pages[i], _page_weight(pages[i]), MIN_WORDS) for i in chosen])


def fold_models(pages: Sequence[GoldPage]) -> list[BlockModel]:
    """For each fold a model that has seen none of its domains."""
    models = []
    for fold in range(FOLDS):
        text, net = _fit(pages, [i for i, page in enumerate(pages) if page.fold != fold])
        models.append(BlockModel(parse_lightgbm(text), net))
        print(f"fold {fold + 1} of {FOLDS}: {time.process_time():.0f} CPU seconds", file=sys.stderr, flush=True)
    return models


def _by_trees(model: BlockModel, page: Page, rows: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    return score(model.trees, rows)


def _out_of_fold(pages: Sequence[GoldPage], judges: Sequence[Judge]) -> dict[str, float]:
    """The figures of each page's log-odds by a judge that has seen no page of its domain."""
    return evaluate_scores(pages, [judges[page.fold](page.page, page.rows) for page in pages])


def describe(figures: dict[str, dict[str, float]], pages: Sequence[GoldPage]) -> str:
    """The model's card, in Markdown."""
    collections: dict[str, int] = defaultdict(int)
    for page in pages:
        collections[page.collection] += 1
    names = list(figures["cross-validated"])
    table = "\n".join(
        "| " + " | ".join([name, *(f"{figures[column].get(name, float('nan')):.3f}" for column in figures)]) + " |"
        for name in names
    )
    sets = ", ".join(f"{name} {number}" for name, number in sorted(collections.items()))
    return f"""# Block model

What it does: says which blocks of a web page are its content, for `extract: {{engine: blocks}}`.
What it is: a LightGBM model ({TREES} trees) over {len(FEATURES)} features of a block (tags, class words, text and link
density, position, neighbours, page), and a network with {HIDDEN} hidden values a block over the same features, which
sees a page's blocks together and learns from the page's soft word-F1. Log-odds are a weighted mean of both.
Made by: `python -m classifiers train blocks`. One thread, fixed seed: the same data gives the same files.

Trained on pages: {sets}.
`wcxb` is the development half of Murrough-Foley/web-content-extraction-benchmark (CC-BY-4.0;
its gold text was drafted by a model, then reviewed). `recipe_scrapers` (hhursev/recipe-scrapers, MIT) gives recipes'
titles, ingredients and steps: the network alone learns from them, only from blocks that certainly hold one, and such a
page counts a sixth of one of `wcxb`. The others count half; they are public test pages of extraction tools with the
tools' or people's gold text. No page text is in the model.

Word-F1, mean over pages, cross-validated in {FOLDS} folds by registrable domain; of recipes, the share of the words of
known ingredients and steps that is kept, which says nothing of what else is:

| pages | {" | ".join(figures)} |
|---|{"---|" * len(figures)}
{table}

Limits: gold is mostly English; pages that write their text with scripts have none to choose; text in images is not
read.
"""
