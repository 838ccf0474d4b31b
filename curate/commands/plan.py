"""`python -m curate plan`: phases, shards, and what a recipe would cost, from what its stages have cost before."""

from __future__ import annotations

import argparse
import json
from typing import Any

from curate.commands.run import add_recipe_arguments, job_of
from curate.engine.phase import Phase
from curate.engine.run import planned
from curate.engine.store import Store
from curate.recipe import load

DUMP_PAGES = 2.6e9
"""Pages of one Common Crawl dump, by its own statistics of 2024 and 2025 (2.3 to 3.0 billion)."""


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


def measured_costs(output: Store) -> dict[str, tuple[float, int]]:
    """By stage: CPU seconds, and the pages read by the run that spent them; of the last run in that folder."""
    if not output.exists("manifest.json"):
        return {}
    manifest = output.read_json("manifest.json")
    if manifest.get("state") != "done":
        return {}
    counts = manifest["counts"]
    return {label: (seconds, counts["read"]) for label, seconds in counts["cpu_seconds"].items()}


def _cost(costs: dict[str, tuple[float, int]], labels: list[str], pages: float) -> dict[str, Any]:
    known = {label: costs[label] for label in ("read", *labels, "write") if label in costs}
    return {
        "cpu_hours": sum(seconds / max(read, 1) * pages / 3600 for seconds, read in known.values()),
        "by_stage_ms_a_page": {label: 1e3 * seconds / max(read, 1) for label, (seconds, read) in known.items()},
        "not_measured": [label for label in labels if label not in costs],
    }


def _print_cost(cost: dict[str, Any], pages: float) -> None:
    if not cost["by_stage_ms_a_page"]:
        print("cost: not measured yet; run the recipe once on a sample, into the same output, and plan again")
        return
    print(f"cost, extrapolated to {pages:.3g} pages like those of the last run: {cost['cpu_hours']:,.0f} CPU hours")
    for label, each in cost["by_stage_ms_a_page"].items():
        print(f"  {label:<28} {each:8.3f} ms of CPU a page read")
    if cost["not_measured"]:
        print(f"  not measured (stages over the whole collection among them): {', '.join(cost['not_measured'])}")
