"""`nsfw`, `toxic` and `spam` on labelled sets: ROC, chosen thresholds, and how often each is wrong about whom.

`python -m benchmarks.safety` prints the tables and writes .bench/safety.json (with the ROC curves). The bundled models
were trained on parts of these sets, so no text is asked of a model that saw it: texts of a model's training data are
asked of the model of its fold, trained as the bundled one without the fold's groups and their near-duplicates (kept
under .bench/safety; not quantized, which takes longer than training), all others of the bundled one. `--publish` also
writes the figures that a run's report shows; `--only toxic` takes one stage.
"""

from __future__ import annotations

import argparse
import json
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.filters import CACHE
from benchmarks.privacy import interval, publish
from benchmarks.test_data import folder, rows
from classifiers.builders import BUILDERS, split_groups
from classifiers.corpora import Example
from classifiers.evaluation import auc, bootstrap_auc
from classifiers.folds import apart
from classifiers.toolkit import fit, load_spec
from curate.stage import MapStage, Shared
from curate.stages.quality.fasttext_model import find, read_card
from curate.stages.safety.spam import Spam, SpamParameters
from curate.stages.safety.text_safety import Nsfw, NsfwParameters, Toxic, ToxicParameters

STAGES: dict[str, Callable[[str], MapStage]] = {
    "nsfw": lambda model: Nsfw(NsfwParameters(model=model)),
    "toxic": lambda model: Toxic(ToxicParameters(model=model)),
    "spam": lambda model: Spam(SpamParameters(model=model)),
}
PROSE = ("brown", "wikitext2_valid", "movie_reviews_600", "state_union", "inaugural", "genesis")
MEDICAL = ("anatomy", "clinical_knowledge", "college_medicine", "professional_medicine", "medical_genetics",
           "virology", "nutrition", "human_aging")  # fmt: skip
ROC_POINTS = 41
FOLDS = 3
"""Of the texts that the bundled models were trained on: what is asked of a model that saw two thirds of them."""
DIALECT = frozenset(
    "ain't aint finna gon tryna y'all yall imma ima dat dis dem wit yo bruh homie ion bouta deadass lil naw cuz dey "
    "cus thang nem ya da dawg boo gotta fam".split()
)
"""Words by which a message is counted as African-American English: written for this table, no annotation."""


@dataclass(frozen=True)
class Text:
    """A text, where it is from, what it is, and what a filter should do with it."""

    text: str
    source: str
    kind: str
    falls: bool
    group: str


def asked() -> dict[str, list[Text]]:
    """Stage → the texts that no training of its model has seen: prose, and those that filters tend to be wrong on."""
    plain = [Text(row["text"], name, "prose", False, "") for name in PROSE for row in rows(f"text/{name}")]
    for row in rows("benchmarks/mmlu"):
        if any(subject in row["id"] for subject in (*MEDICAL, "human_sexuality")):
            kind = "sexuality" if "human_sexuality" in row["id"] else "medicine"
            plain.append(Text(row["text"], "mmlu", kind, False, ""))
    hatecheck = [
        Text(row["text"], "hatecheck", f"on {row.get('target') or 'no group'}", False, "")
        for row in rows("toxicity/hatecheck")
        if row["label"] == "non-hateful"
    ]
    neither = [
        Text(row["text"], "davidson", _neither(row["text"]), False, "")
        for row in rows("toxicity/davidson")
        if row["label"] == "neither"
    ]
    return {"nsfw": plain + hatecheck, "toxic": plain, "spam": plain + hatecheck + neither}


def _neither(text: str) -> str:
    words = set(text.lower().replace("’", "'").split())
    return "neither, African-American English" if words & DIALECT else "neither"


def kind_of(example: Example) -> str:
    if example.source == "davidson":
        kind = example.stratum.removeprefix("davidson ")
        return _neither(example.text) if kind == "neither" else kind
    if example.source == "hatecheck":
        about = "no group" if example.kind in ("", "non-hateful") else example.kind
        return "hateful" if example.label == "toxic" else f"on {about}"
    if example.source in ("sms", "spamassassin", "indo_gambling_comments"):
        return "ham" if example.label == "clean" else "spam"
    if example.source == "gambling_readmes":
        return "spam"
    return example.kind


SHORT = ("davidson", "hatecheck", "sms", "spamassassin", "indo_gambling_comments", "gambling_readmes")


def held_out(name: str, data: Path) -> tuple[list[Text], list[str]]:
    """The texts of a model's training data, and for each the file of the model that did not see its group."""
    spec, shipped = load_spec(name), find(name)
    card = read_card(shipped)
    assert card is not None
    examples = apart(BUILDERS[name](data, CACHE / "classifiers"))
    folds = split_groups(examples, spec.seed, FOLDS)
    place = CACHE / "safety" / f"{name}-{card.sha256[:12]}"
    place.mkdir(parents=True, exist_ok=True)
    for fold in range(FOLDS):
        path = place / f"{fold}.bin"
        if not path.with_suffix(".json").is_file():
            inside = [each for each, found in zip(examples, folds, strict=True) if found != fold]
            model = fit(inside, spec, spec.seed + fold, False, path)
            described = replace(card, sha256=model.sha256, labels=model.labels)
            path.with_suffix(".json").write_text(json.dumps(asdict(described)))
    texts = [
        Text(
            each.text,
            each.source if each.source in SHORT else "crawl",
            kind_of(each),
            each.label == spec.positive,
            each.group,
        )
        for each in examples
    ]
    return texts, [str(place / f"{fold}.bin") for fold in folds]


def answers(name: str, texts: Sequence[Text], models: Sequence[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Of each text the model's score, the words' score, and whether the stage at its defaults drops it."""
    score, words, falls = np.zeros(len(texts)), np.zeros(len(texts)), np.zeros(len(texts), dtype=bool)
    for model in sorted(set(models)):
        stage = STAGES[name](model)
        stage.open()
        places = np.flatnonzero(np.array(models) == model)
        batch = pa.RecordBatch.from_pydict({"text": [texts[place].text for place in places]})
        signals = stage.measure(batch, Shared())
        assert signals is not None
        verdicts = stage.verdicts(signals)
        assert verdicts is not None
        falls[places] = verdicts.column("rule").is_valid().to_numpy(zero_copy_only=False)
        score[places] = signals.field("score").to_numpy(zero_copy_only=False)
        words[places] = signals.field("words").to_numpy(zero_copy_only=False)
    return score, words, falls


def roc(scores: np.ndarray, truth: np.ndarray) -> list[dict[str, float]]:
    thresholds = np.unique(np.quantile(scores, np.linspace(0, 1, ROC_POINTS)))
    return [
        {
            "threshold": float(t),
            "found": float((scores[truth] > t).mean()),
            "wrong": float((scores[~truth] > t).mean()),
        }
        for t in thresholds
    ]


def measured(name: str, data: Path) -> dict[str, Any]:
    """The figures of one stage."""
    trained, models = held_out(name, data)
    others = asked()[name]
    texts = trained + others
    score, words, falls = answers(name, texts, models + [name] * len(others))
    truth = np.array([text.falls for text in texts])
    source = np.array([text.source for text in texts])
    kinds = np.array([text.kind for text in texts])
    result: dict[str, Any] = {"found": [], "wrong": [], "prose": {}}
    for each in sorted(set(source[truth].tolist())):
        inside = source == each
        good = inside & ~truth
        groups = [text.group for text, here in zip(texts, inside, strict=True) if here]
        for kind in sorted(set(kinds[inside & truth].tolist())):
            bad = inside & truth & (kinds == kind)
            line: dict[str, Any] = {"set": each, "kind": kind, "texts": int(bad.sum()), "found": int(falls[bad].sum())}
            if good.any():
                both = (bad | good)[inside]
                chosen = [group for group, wanted in zip(groups, both, strict=True) if wanted]
                line |= {
                    "good": int(good.sum()),
                    "wrong": int(falls[good].sum()),
                    "auc": auc(score[bad | good], truth[bad | good]),
                    "auc_interval": bootstrap_auc(score[bad | good], truth[bad | good], chosen, 1),
                    "auc_words": auc(words[bad | good], truth[bad | good]),
                    "roc": roc(score[bad | good], truth[bad | good]),
                }
            result["found"].append(line)
    by_kind: dict[tuple[str, str], list[int]] = defaultdict(list)
    for place in np.flatnonzero(~truth):
        by_kind[source[place], kinds[place] or "other pages"].append(place)
    for (each, kind), places in sorted(by_kind.items()):
        result["wrong"].append(
            {"set": each, "kind": kind, "texts": len(places), "wrong": int(falls[places].sum()),
             "seen": bool(places[0] < len(trained))}
        )  # fmt: skip
    functions = {row["text"]: (row["functionality"], row["label"]) for row in rows("toxicity/hatecheck")}
    cases: dict[tuple[str, str], list[int]] = defaultdict(list)
    for place in np.flatnonzero(source == "hatecheck"):
        cases[functions[texts[place].text]].append(place)
    result["functionalities"] = [
        {"functionality": what, "label": label, "texts": len(places), "falls": int(falls[places].sum())}
        for (what, label), places in sorted(cases.items(), key=lambda item: (item[0][1], item[0][0]))
    ]
    prose = {"never seen": np.isin(source, PROSE), "held out": (source == "crawl") & (kinds == "prose")}
    for label, wanted in prose.items():
        result["prose"][label] = {"texts": int((wanted & ~truth).sum()), "wrong": int(falls[wanted & ~truth].sum())}
    card = read_card(find(name))
    assert card is not None
    return result | {"thresholds": card.thresholds, "prevalence": card.prevalence}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--publish", action="store_true", help="write the figures for the report of runs")
    parser.add_argument("--only", choices=sorted(STAGES), action="append", help="these stages; the others as stored")
    args = parser.parse_args()
    stored = CACHE / "safety.json"
    result = json.loads(stored.read_text()) if args.only and stored.is_file() else {}
    chosen = args.only or list(STAGES)
    result |= {name: measured(name, folder()) for name in chosen}
    CACHE.mkdir(exist_ok=True)
    stored.write_text(json.dumps(result, indent=1))
    print("| stage | set | should fall | area under ROC | words alone | falls % | should stay | falls wrongly % |")
    print("|---|---|---|---|---|---|---|---|")
    for name, figures in result.items():
        for line in figures["found"]:
            cells = [f"`{name}`", line["set"], f"{line['kind'] or 'pages'} ({line['texts']})"]
            if "auc" in line:
                low, high = line["auc_interval"]
                cells += [f"{line['auc']:.3f} [{low:.3f}, {high:.3f}]", f"{line['auc_words']:.3f}"]
            else:
                cells += ["–", "–"]
            cells.append(interval(line["found"], line["texts"]))
            cells += [str(line["good"]), interval(line["wrong"], line["good"])] if "auc" in line else ["–", "–"]
            print("| " + " | ".join(cells) + " |")
    print("\n| set | kind | texts | `nsfw` falls % | `toxic` falls % | `spam` falls % |\n|---|---|---|---|---|---|")
    table: dict[tuple[str, str], dict[str, dict[str, Any]]] = defaultdict(dict)
    for name, figures in result.items():
        for line in figures["wrong"]:
            table[line["set"], line["kind"]][name] = line
    for (each, kind), lines in sorted(table.items()):
        cells = [interval(lines[name]["wrong"], lines[name]["texts"]) if name in lines else "–" for name in STAGES]
        print(f"| {each} | {kind} | {max(line['texts'] for line in lines.values())} | {' | '.join(cells)} |")
    for name, figures in result.items():
        for label, line in figures["prose"].items():
            print(f"{name}: good prose {label}: {interval(line['wrong'], line['texts'])} of {line['texts']}")
    print("\n| HateCheck's functionality | label | cases | `toxic` falls % |\n|---|---|---|---|")
    for line in result.get("toxic", {}).get("functionalities", []):
        share = interval(line["falls"], line["texts"])
        print(f"| {line['functionality']} | {line['label']} | {line['texts']} | {share} |")
    if args.publish:
        for name in chosen:
            figures = result[name]
            lines = [
                {key: value for key, value in line.items() if not key.startswith(("roc", "auc"))}
                for line in figures["found"]
            ]
            publish(name, [line | {"prevalence": figures["prevalence"]} for line in lines])


if __name__ == "__main__":
    main()
