"""`nsfw`, `toxic` and `spam` on labelled sets: ROC, and how often each is wrong about whom.

`python -m benchmarks.safety` prints the tables and writes .bench/safety.json. The first table has the area under the
ROC curve and the share above the default threshold of what should fall and of what should stay; the second the share
of texts that should stay and fall (with Wilson's 95 % interval), by set and, for hatecheck, by the group spoken of;
the ROC itself is in the JSON.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.filters import CACHE, pages
from benchmarks.privacy import interval
from benchmarks.test_data import folder, rows
from curate.stage import MapStage, Shared
from curate.stages.safety.spam import Spam, SpamParameters
from curate.stages.safety.text_safety import Nsfw, TextSafetyParameters, Toxic

PROSE = ("brown", "wikitext2_valid", "movie_reviews_600", "state_union", "inaugural", "genesis")
ROC_POINTS = 21


def sets() -> dict[str, dict[str, list[tuple[str, str]]]]:
    """Set → its label → (group, text)."""
    made: dict[str, dict[str, list[tuple[str, str]]]] = {}
    for name in ("toxicity/davidson", "toxicity/hatecheck", "spam/sms", "spam/spamassassin",
                 "spam/indo_gambling_comments"):  # fmt: skip
        by_label: dict[str, list[tuple[str, str]]] = defaultdict(list)
        for row in rows(name):
            by_label[row["label"]].append((row.get("target") or "no group", row["text"]))
        made[name.partition("/")[2]] = dict(by_label)
    made["gambling_readmes"] = {"spam": [("", row["text"]) for row in rows("spam/gambling_readmes")]}
    for name in PROSE:
        made[name] = {"prose": [("", row["text"]) for row in rows(f"text/{name}")]}
    made["crawl pages, English"] = {"page": [("", text) for text in pages()]}
    return made


def scores(stage: MapStage, texts: Sequence[str]) -> np.ndarray:
    """The stage's scores, shape (texts,)."""
    batch = pa.RecordBatch.from_pydict({"text": list(texts)})
    signals = stage.measure(batch, Shared())
    assert signals is not None
    return np.asarray(signals.field("score").to_numpy(zero_copy_only=False))


def area(bad: np.ndarray, good: np.ndarray) -> float:
    """Area under the ROC curve: the chance that a bad text scores above a good one, ties counting half."""
    order = np.sort(good)
    below, at_most = np.searchsorted(order, bad, "left"), np.searchsorted(order, bad, "right")
    return float((below + at_most).sum() / 2 / (len(bad) * len(good)))


def roc(bad: np.ndarray, good: np.ndarray) -> list[dict[str, float]]:
    thresholds = np.unique(np.quantile(np.concatenate([bad, good]), np.linspace(0, 1, ROC_POINTS)))
    return [
        {"threshold": float(t), "found": float((bad > t).mean()), "wrong": float((good > t).mean())} for t in thresholds
    ]


QUESTIONS: Mapping[str, Sequence[tuple[str, Sequence[str], Sequence[str]]]] = {
    "toxic": [
        ("davidson", ["hate"], ["neither"]),
        ("davidson", ["hate", "offensive"], ["neither"]),
        ("hatecheck", ["hateful"], ["non-hateful"]),
    ],
    "nsfw": [("davidson", ["offensive"], ["neither"])],
    "spam": [
        ("sms", ["spam"], ["ham"]),
        ("spamassassin", ["spam"], ["ham"]),
        ("indo_gambling_comments", ["spam"], ["ham"]),
    ],
}
"""What each stage is asked: the set, the labels that should fall, those that should stay."""
SHOULD_STAY = {"neither", "non-hateful", "ham", "prose", "page"}


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    stages: dict[str, MapStage] = {
        "nsfw": Nsfw(TextSafetyParameters()),
        "toxic": Toxic(TextSafetyParameters()),
        "spam": Spam(SpamParameters()),
    }
    data = sets()
    result: dict[str, Any] = {"folder": folder().name, "roc": [], "wrong": []}
    print("| stage | set | should fall | should stay | area under ROC | falls % | falls wrongly % |")
    print("|---|---|---|---|---|---|---|")
    found: dict[tuple[str, str, str], np.ndarray] = {}
    for name, stage in stages.items():
        stage.open()
        limit = float(stage.rules()[0].threshold)  # type: ignore[arg-type]
        for set_name, labels in data.items():
            for label, members in labels.items():
                found[name, set_name, label] = scores(stage, [text for _, text in members])
        for set_name, falls, stays in QUESTIONS[name]:
            bad = np.concatenate([found[name, set_name, label] for label in falls])
            good = np.concatenate([found[name, set_name, label] for label in stays])
            line = {"stage": name, "set": set_name, "falls": falls, "stays": stays, "area": round(area(bad, good), 3)}
            result["roc"].append(line | {"threshold": limit, "curve": roc(bad, good)})
            hits, wrong = int((bad > limit).sum()), int((good > limit).sum())
            print(
                f"| `{name}` | {set_name} | {', '.join(falls)} ({len(bad)}) | {', '.join(stays)} ({len(good)}) | "
                f"{line['area']} | {interval(hits, len(bad))} | {interval(wrong, len(good))} |"
            )
    print("\n| set | group | texts | `nsfw` falls % | `toxic` falls % | `spam` falls % |\n|---|---|---|---|---|---|")
    for set_name, labels in data.items():
        for label, members in labels.items():
            if label in SHOULD_STAY:
                groups = np.array([group for group, _ in members])
                for group in sorted(set(groups.tolist())):
                    mask = groups == group
                    n = int(mask.sum())
                    cells = [
                        interval(int((found[name, set_name, label][mask] > float(stage.rules()[0].threshold)).sum()), n)  # type: ignore[arg-type]
                        for name, stage in stages.items()
                    ]
                    result["wrong"].append({"set": set_name, "group": group, "texts": n, "falls": cells})
                    print(f"| {set_name} | {group} | {n} | {' | '.join(cells)} |")
    CACHE.mkdir(exist_ok=True)
    (CACHE / "safety.json").write_text(json.dumps(result, indent=1))


if __name__ == "__main__":
    main()
