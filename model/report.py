"""The effect report: findings in, one self-contained HTML page, a Markdown summary and JSON out.

Nothing is computed here beyond wording: the same findings give the same bytes.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, select_autoescape
from markupsafe import Markup

from model.analysis import MEAN
from model.plots import by_scale, forest, heat_map, loss_curves, scaling_fit, simplex

PROXY = (
    "Models this small learn spelling, words and local syntax: an effect on them says how quickly text of this kind is "
    "learnt, and orders large differences between recipes as larger models do; it says little about knowledge, "
    "reasoning, or effects that need many epochs or rare documents to show."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "Write the report of an ablation anew from its results.json"
    parser.add_argument("workspace", type=Path, help="the ablation's workspace")


def run(args: argparse.Namespace) -> int:
    path = args.workspace / "results.json"
    if not path.exists():
        print(f"model report: {path} does not exist; run `python -m model ablate` first", file=sys.stderr)
        return 2
    write_report(args.workspace, json.loads(path.read_text(encoding="utf-8")))
    print(f"report: {args.workspace / 'report.html'}")
    return 0


def write_report(
    workspace: Path, results: Mapping[str, Any], samples: Mapping[str, Sequence[str]] | None = None
) -> None:
    """results.json, report.html and report.md in the workspace."""
    workspace.mkdir(parents=True, exist_ok=True)
    _write(workspace / "results.json", json.dumps(results, indent=1))
    _write(workspace / "report.html", as_html(results, samples or {}))
    _write(workspace / "report.md", as_markdown(results))


def _write(path: Path, text: str) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text, encoding="utf-8")
    partial.replace(path)


# ---------------------------------------------------------------------------------------- words


def words(label: str, effect: Mapping[str, Any]) -> str:
    """A finding as a sentence: "MinHash: −0.021 bpb [−0.029, −0.013]; detectable at this budget: 0.006"."""
    text = f"{label}: {signed(effect['difference'])} bpb {span(effect)}"
    compute = effect.get("compute_multiplier")
    if compute:
        text += f", compute multiplier {compute['value']:.2f} [{compute['low']:.2f}, {compute['high']:.2f}]"
    text += f"; detectable at this budget: {effect['detectable']:.3f}"
    decision = {"better": "better than the baseline", "worse": "worse than the baseline"}.get(effect["decision"])
    return text + f". {decision.capitalize() if decision else 'Undecided'}."


def signed(value: float) -> str:
    return f"{value:+.4f}".replace("-", "−")


def span(effect: Mapping[str, Any]) -> str:
    return f"[{signed(effect['low'])}, {signed(effect['high'])}]"


def multiple(value: Mapping[str, Any] | None) -> str:
    """1.18 [1.09, 1.28], with a dagger where it was extrapolated."""
    if value is None or value["value"] is None:
        return "–"
    low, high = ("?" if value[key] is None else f"{value[key]:.2f}" for key in ("low", "high"))
    return f"{value['value']:.2f} [{low}, {high}]{'†' if value.get('extrapolated') else ''}"


def rows_of(results: Mapping[str, Any], regime: str) -> list[dict[str, str]]:
    """The decision table of a regime."""
    rows = []
    for name, effects in results["regimes"][regime]["effects"].items():
        effect = effects[MEAN]
        rows.append(
            {
                "label": results["arms"][name]["label"],
                "words": effect["decision"],
                "effect": f"{signed(effect['difference'])} {span(effect)}",
                "p": f"{effect['p_holm']:.4f}",
                "tokens": multiple(effect.get("multiplier")),
                "compute": multiple(effect.get("compute_multiplier")),
                "detectable": f"{effect['detectable']:.4f}",
            }
        )
    return rows


def dropped_of(results: Mapping[str, Any]) -> dict[str, list[tuple[str, int]]]:
    """Arm → (stage, documents that it dropped), the largest first."""
    found = {}
    for name, arm in results["arms"].items():
        stages = {
            stage: sum(value.values()) if isinstance(value, Mapping) else int(value)
            for stage, value in arm["counts"]["dropped"].items()
        }
        found[name] = sorted(stages.items(), key=lambda item: (-item[1], item[0]))
    return found


# ---------------------------------------------------------------------------------------- pages


def as_html(results: Mapping[str, Any], samples: Mapping[str, Sequence[str]]) -> str:
    """One page that needs nothing beside it. Page texts are escaped, never rendered."""
    labels = {name: arm["label"] for name, arm in results["arms"].items()}
    domains = list(results["evaluation"])
    figures = {
        regime: {
            "forest": Markup(forest(found["effects"], labels, MEAN)),
            "heat": Markup(heat_map(found["effects"], labels, [MEAN, *domains])),
            "scale": Markup(by_scale(found["effect_by_scale"], labels)),
            "fit": Markup(scaling_fit(found["fit"])) if found["fit"] else "",
        }
        for regime, found in results["regimes"].items()
    }
    mixture = results.get("mixture")
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=select_autoescape(["html"]),
        trim_blocks=True,
    )
    return environment.get_template("ablation.html").render(
        r=results,
        rows={regime: rows_of(results, regime) for regime in results["regimes"]},
        figures=figures,
        curves=Markup(loss_curves(results["curves"], labels)),
        dropped=dropped_of(results),
        samples=samples,
        proxy=PROXY,
        mixture_figure=Markup(mixture_plot(mixture)) if mixture else "",
    )


def mixture_plot(mixture: Mapping[str, Any]) -> str:
    target = mixture["target"]
    loss = [sum(weight * run["loss"][name] for name, weight in target.items()) for run in mixture["runs"]]
    return simplex([run["mixture"] for run in mixture["runs"]], loss, mixture["weights"])


def as_markdown(results: Mapping[str, Any]) -> str:
    """The decision table and the verdict on the instrument, as text."""
    lines = [f"# {results['name']}: what each choice is worth", "", results["instrument"]["verdict"], ""]
    lines += [f"- {'ok' if c['ok'] else 'NOT OK'}: {c['text']}" for c in results["instrument"]["checks"]]
    sizes = ", ".join(f"{name} ({size['tokens']:,} tokens)" for name, size in results["sizes"].items())
    lines += ["", f"{len(results['seeds'])} seeds; {sizes}. {PROXY}"]
    for regime, found in results["regimes"].items():
        lines += ["", f"## {regime.replace('_', ' ')}, {results['largest']}", ""]
        lines += ["| arm | effect, bpb | p (Holm) | decision | tokens × | compute × | detectable |", "|---" * 7 + "|"]
        lines += [
            "| {label} | {effect} | {p} | {words} | {tokens} | {compute} | {detectable} |".format(**row)
            for row in rows_of(results, regime)
        ]
        lines += [""] + [f"- {words(results['arms'][name]['label'], e[MEAN])}" for name, e in found["effects"].items()]
        if found["fit"]:
            fit = found["fit"]
            lines += ["", "L = {E:.4f} + {A:.4g}/N^{alpha:.3f} + {B:.4g}/D^{beta:.3f}".format(**fit)]
            lines += [f"- warning: {warning}" for warning in fit["warnings"]]
        for t in found["transfer"]:
            lines.append(
                f"- {t['size']} orders the arms as {results['largest']} does with Spearman {t['spearman']:.2f}; "
                f"{t['decision_accuracy']:.0%} of pairs agree, it abstains from {t['abstained']:.0%}"
            )
    return "\n".join(lines) + "\n"
