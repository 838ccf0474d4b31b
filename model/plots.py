"""The report's figures, as inline SVG: readable in print and by colour-blind readers (Okabe and Ito's palette, and
markers that differ). Findings flow in, SVG text flows out, the same bytes for the same findings.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#7F7F7F")
MARKERS = "osD^vPX*"
STYLE = {
    "svg.hashsalt": "curate",
    "svg.fonttype": "none",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
    "figure.dpi": 100,
}


def svg(draw: Callable[[Figure], None], width: float, height: float) -> str:
    """Draws a figure and gives its SVG element."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        draw(figure)
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    text = out.getvalue()
    fluid = 'style="max-width:100%;height:auto"'
    return re.sub(r'width="[\d.]+pt" height="[\d.]+pt"', fluid, text[text.index("<svg") :])


def look(index: int) -> dict[str, Any]:
    return {"color": PALETTE[index % len(PALETTE)], "marker": MARKERS[index % len(MARKERS)], "markersize": 5}


def forest(effects: Mapping[str, Mapping[str, Any]], labels: Mapping[str, str], outcome: str) -> str:
    """Effects with 95 % intervals, one row an arm; the grey band is what could not have been detected."""
    names = list(effects)

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        detectable = max(effects[name][outcome]["detectable"] for name in names)
        axes.axvspan(-detectable, detectable, color="0.92", zorder=0)
        axes.axvline(0, color="0.3", lw=1)
        for row, name in enumerate(names):
            e = effects[name][outcome]
            colour = {"better": PALETTE[0], "worse": PALETTE[1], "undecided": "0.4"}[e["decision"]]
            axes.plot([e["low"], e["high"]], [row, row], color=colour, lw=2)
            axes.plot(e["difference"], row, marker={"better": "o", "worse": "s"}.get(e["decision"], "d"), color=colour)
        axes.set_yticks(range(len(names)), [labels[name] for name in names])
        axes.invert_yaxis()
        axes.set_xlabel("arm − baseline, bits a byte (left is better)")

    return svg(draw, 8, 0.9 + 0.36 * len(names))


def by_scale(scale: Mapping[str, Sequence[Mapping[str, Any]]], labels: Mapping[str, str]) -> str:
    """The effect at every size and budget, one panel an arm."""
    names = list(scale)
    columns = 3
    rows = -(-len(names) // columns)

    def draw(figure: Figure) -> None:
        grid = np.atleast_1d(figure.subplots(rows, columns, sharex=True, squeeze=False)).ravel()
        sizes = list(dict.fromkeys(point["size"] for point in scale[names[0]]))
        for axes, name in zip(grid, names, strict=False):
            axes.axhline(0, color="0.3", lw=1)
            for index, size in enumerate(sizes):
                points = [p for p in scale[name] if p["size"] == size]
                x = np.array([p["tokens"] for p in points]) * 1.04 ** (index - 1)
                y = np.array([p["difference"] for p in points])
                error = [y - [p["low"] for p in points], [p["high"] for p in points] - y]
                axes.errorbar(x, y, error, **look(index), lw=1.2, capsize=2, label=size)
            axes.set_xscale("log")
            axes.set_title(labels[name], fontsize=9)
            spread = max(abs(p["difference"]) for p in scale[name]) * 2.2 + 0.01
            axes.set_ylim(-spread, spread)
        for axes in grid[len(names) :]:
            axes.set_visible(False)
        grid[0].legend(fontsize=8, frameon=False)
        figure.supxlabel("training tokens")
        figure.supylabel("arm − baseline, bits a byte")

    return svg(draw, 9, 1 + 2.1 * rows)


def loss_curves(curves: Mapping[str, Mapping[str, Any]], labels: Mapping[str, str]) -> str:
    """Training loss along the trunk of the largest size; the band is the range over seeds."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        for index, (name, curve) in enumerate(curves.items()):
            loss = np.array(curve["loss"])
            kernel = np.ones(5) / 5
            smooth = np.array([np.convolve(row, kernel, mode="valid") for row in loss]) if loss.shape[1] > 5 else loss
            x = np.array(curve["tokens"])[-smooth.shape[1] :]
            style = {"color": PALETTE[index % len(PALETTE)], "ls": "-" if index < len(PALETTE) else "--"}
            axes.plot(x, smooth.mean(axis=0), lw=1.2, label=labels[name], **style)
            axes.fill_between(x, smooth.min(axis=0), smooth.max(axis=0), color=style["color"], alpha=0.15, lw=0)
        axes.set_xlabel("training tokens")
        axes.set_ylabel("training loss, nats a token")
        axes.legend(fontsize=8, frameon=False, loc="upper right", ncol=2)

    return svg(draw, 8, 4.2)


def heat_map(effects: Mapping[str, Mapping[str, Any]], labels: Mapping[str, str], domains: Sequence[str]) -> str:
    """Arm × evaluation domain; a dot marks a difference that survives Holm's correction."""
    names = list(effects)
    values = np.array([[effects[name][domain]["difference"] for domain in domains] for name in names])

    def draw(figure: Figure) -> None:
        axes: Axes = figure.subplots()
        limit = float(np.abs(values).max()) or 1e-3
        image = axes.imshow(values, cmap="PuOr_r", vmin=-limit, vmax=limit, aspect="auto")
        for row, name in enumerate(names):
            for column, domain in enumerate(domains):
                mark = " •" if effects[name][domain]["decision"] != "undecided" else ""
                dark = abs(values[row, column]) > 0.6 * limit
                axes.text(
                    column, row, f"{values[row, column]:+.3f}{mark}",
                    ha="center", va="center", fontsize=8, color="white" if dark else "black",
                )  # fmt: skip
        axes.set_xticks(range(len(domains)), domains)
        axes.set_yticks(range(len(names)), [labels[name] for name in names])
        axes.grid(False)
        figure.colorbar(image, ax=axes, label="arm − baseline, bits a byte")

    return svg(draw, 9, 1.1 + 0.36 * len(names))


def scaling_fit(fit: Mapping[str, Any]) -> str:
    """The baseline's runs and law, residuals, and the profile of each parameter."""
    runs = {name: np.array(values) for name, values in fit["runs"].items()}

    def draw(figure: Figure) -> None:
        all_axes = list(figure.subplots(2, 3).ravel())
        left, right = all_axes[:2]
        for axes in all_axes:
            axes.tick_params(labelsize=8)
        for index, size in enumerate(np.unique(runs["parameters"])):
            at = runs["parameters"] == size
            left.plot(runs["tokens"][at], runs["loss"][at], ls="", **look(index), label=f"N = {size:,.0f}")
            x = np.geomspace(runs["tokens"].min(), runs["tokens"].max(), 50)
            y = fit["E"] + fit["A"] * size ** -fit["alpha"] + fit["B"] * x ** -fit["beta"]
            left.plot(x, y, color=PALETTE[index % len(PALETTE)], lw=1)
            right.plot(runs["tokens"][at], runs["residual"][at], ls="", **look(index))
        left.set_title("runs and law", fontsize=9)
        left.legend(fontsize=7, frameon=False)
        right.axhline(0, color="0.3", lw=1)
        right.set_title("law − run", fontsize=9)
        for axes in (left, right):
            axes.set_xscale("log")
            axes.set_xlabel("tokens", fontsize=8)
        left.set_ylabel("bits a byte", fontsize=8)
        all_axes[2].set_visible(False)
        for axes, (name, curve) in zip(all_axes[3:], fit["profiles"].items(), strict=True):
            axes.plot(curve["values"], np.array(curve["objective"]) / fit["objective"], **look(0), lw=1)
            axes.axvline(fit[name], color=PALETTE[1], lw=1)
            axes.set_title(f"profile of {name} (objective / best)", fontsize=9)
            axes.set_ylim(0.9, 3)

    return svg(draw, 9.5, 5.5)


def simplex(shares: Sequence[Mapping[str, float]], loss: Sequence[float], best: Mapping[str, float]) -> str:
    """Proxy mixtures on the plane of the three domains with the largest shares in the best one, coloured by loss."""
    names = sorted(best, key=lambda name: -best[name])[:3]
    corners = np.array([[0.0, 0.0], [1.0, 0.0], [0.5, np.sqrt(3) / 2]])

    def place(mixture: Mapping[str, float]) -> Any:
        part = np.array([mixture.get(name, 0.0) for name in names])
        return part @ corners / max(part.sum(), 1e-9)

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        axes.plot(*corners[[0, 1, 2, 0]].T, color="0.3", lw=1)
        points = np.array([place(mixture) for mixture in shares])
        dots = axes.scatter(*points.T, c=loss, cmap="cividis", s=28)
        axes.plot(*place(best), marker="*", ms=16, color=PALETTE[1], mec="black")
        for corner, name in zip(corners, names, strict=True):
            below = -14 if corner[1] == 0 else 6
            axes.annotate(name, corner, textcoords="offset points", xytext=(0, below), ha="center")
        axes.set_axis_off()
        figure.colorbar(dots, ax=axes, label="target loss")

    return svg(draw, 6, 4.6)
