"""`python -m curate plan`: phases, shards, and what a recipe would cost, from what its stages have cost before."""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from typing import Any

from curate.commands import UsageError
from curate.commands.run import add_recipe_arguments, job_of
from curate.commands.runs import MANIFEST, manifest_of
from curate.engine.phase import Phase
from curate.engine.run import planned
from curate.engine.store import Store
from curate.recipe import load

DUMP_PAGES = 2.6e9
"""Pages of one Common Crawl dump, by its own statistics of 2024 and 2025 (2.3 to 3.0 billion)."""

FEW_PAGES = 10_000
"""Of fewer pages, a worker's first ones cost more than the rest."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_recipe_arguments(parser)
    parser.add_argument("--pages", type=float, default=DUMP_PAGES, help="pages to extrapolate to (default: one dump)")
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(args: argparse.Namespace) -> int:
    recipe = load(args.recipe, args.set, args.output)
    job = job_of(recipe)
    shards, steps = planned(job)
    store = Store(job.store)
    costs = measured_costs(Store(job.output))
    phases = [_phase(step, len(shards), store) for step in steps]
    answer: dict[str, Any] = {
        "input": {"files": len({s.path for s in shards}), "bytes": sum({s.path: s.size for s in shards}.values())},
        "shards": len(shards),
        "phases": phases,
        "cost": _cost(costs, [s.label for s in recipe.stages], args.pages),
    }
    if args.json:
        print(json.dumps(answer, indent=1))
        return 0
    print(f"input: {answer['input']['files']} files, {answer['input']['bytes'] / 1e6:.1f} MB, {len(shards)} shards")
    for number, phase in enumerate(phases):
        print(f"phase {number}: {phase['title']}  [{phase['committed']}/{phase['shards']} shards committed]")
    _print_cost(answer["cost"], args.pages)
    return 0


def _phase(step: Phase, shards: int, store: Store) -> dict[str, Any]:
    if step.is_global:
        return {
            "title": step.title,
            "key": step.key,
            "shards": 1,
            "committed": int(store.exists(f"{step.key}/global.json")),
        }
    done = [name for name in store.names(f"{step.key}/done") if name.endswith(".json")]
    return {"title": step.title, "key": step.key, "shards": shards, "committed": len(done)}


@dataclass(frozen=True)
class Measured:
    """What the last run in a folder has cost."""

    pages: int
    seconds: dict[str, float]
    """CPU seconds by stage; `read` and `write` beside them."""


def measured_costs(output: Store) -> Measured:
    """Of the last run in that folder; of no page where there is none."""
    if not output.exists(MANIFEST):
        return Measured(0, {})
    try:
        manifest = manifest_of(output)
    except UsageError:  # `run` will say so, should it be asked to write there
        return Measured(0, {})
    if manifest["state"] != "done":
        return Measured(0, {})
    return Measured(manifest["counts"]["read"], manifest["counts"]["cpu_seconds"])


def _cost(costs: Measured, labels: list[str], pages: float) -> dict[str, Any]:
    by_stage = {
        label: 1e3 * costs.seconds[label] / max(costs.pages, 1)
        for label in ("read", *labels, "write")
        if label in costs.seconds
    }
    return {
        "measured_on": costs.pages,
        "cpu_hours": sum(by_stage.values()) / 1e3 * pages / 3600,
        "by_stage_ms_a_page": by_stage,
        "not_measured": [label for label in labels if label not in costs.seconds],
    }


def _print_cost(cost: dict[str, Any], pages: float) -> None:
    if not cost["by_stage_ms_a_page"]:
        print("cost: not measured yet; run the recipe once on a sample, into the same output, and plan again")
        return
    total, measured = cost["cpu_hours"], cost["measured_on"]
    print(f"cost of {pages:.3g} pages like the {measured:,} of the last run: {total:,.1f} CPU hours")
    print(f"  {'':<28} {'ms a page read':>14} {'CPU hours':>12} {'share':>7}")
    for label, each in cost["by_stage_ms_a_page"].items():
        hours = each / 1e3 * pages / 3600
        print(f"  {label:<28} {each:14.3f} {hours:12,.1f} {hours / max(total, 1e-12):7.1%}")
    if cost["not_measured"]:
        print(f"  not measured (stages over the whole collection among them): {', '.join(cost['not_measured'])}")
    if measured < FEW_PAGES:
        print(
            f"  {measured:,} pages are few: what each worker loads at its first page is in these figures; "
            f"measure on {FEW_PAGES:,} or more"
        )
