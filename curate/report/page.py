"""Writes `report.html`: funnel, reasons with examples, distributions, mix, duplicates, cost. Everything on the page
comes from the run's own files, so it can be made again at any time; it loads nothing from elsewhere, and what
documents say on it is escaped text."""

from __future__ import annotations

from typing import Any

import jinja2
import yaml

from curate.engine.store import Store
from curate.recipe import RecipeError, load_resolved
from curate.report import sections
from curate.report.calibration import calibration
from curate.report.duplicates import duplicates, has_clusters
from curate.report.mix import mix_table
from curate.report.safety import safety

TEMPLATE = "report.html.j2"


def write_report(run: str) -> None:
    """Writes the page into the run's folder."""
    store = Store(run)
    store.write_bytes("report.html", render(store).encode())


def render(store: Store) -> str:
    """The page."""
    manifest = store.read_json("manifest.json")
    text = store.read_bytes("recipe.yaml").decode()
    recipe = yaml.safe_load(text)
    try:
        rules = calibration(store, load_resolved(text, "recipe.yaml"), sections.MAX_ROWS)
        no_rules = "No rule with a number for a threshold has measured a document."
    except RecipeError as error:
        rules, no_rules = [], f"The run's recipe cannot be loaded here: {error}"
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("curate.report", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["count"] = lambda n: f"{n:,}".replace(",", "\u202f")
    environment.filters["plain"] = lambda x: f"{x:,}".replace(",", "\u202f") if type(x) is int else x
    environment.filters["percent"] = lambda x: f"{100 * x:.1f} %"
    context: dict[str, Any] = {
        "manifest": manifest,
        "recipe": recipe,
        "recipe_text": text,
        "funnel": sections.funnel(manifest, recipe),
        "reasons": sections.reasons(store, manifest),
        "skipped": sorted(manifest["counts"]["skipped"].items(), key=lambda item: -item[1]),
        "failures": sections.failures(store),
        "samples": sections.samples(store),
        "cost": sections.cost(manifest),
        "languages": sections.values(store, "language"),
        "summaries": [
            phase | {"summary": {name: value for name, value in phase["summary"].items() if name != "mix"}}
            for phase in manifest["phases"]
            if phase.get("summary") and not has_clusters(phase)
        ],
        "duplicates": duplicates(store, manifest),
        "mix": mix_table(store),
        "safety": safety(store, manifest, recipe, sections.MAX_ROWS),
        "truth": store.read_json("truth_score.json") if store.exists("truth_score.json") else None,
        "calibration": rules,
        "no_rules": no_rules,
        "distributions": sections.distributions(store, recipe),
    }
    return environment.get_template(TEMPLATE).render(context)
