"""`python -m curate mix RUN`: what another mix would take of a run's token shards, without a rerun; `--apply` makes it
the run's own."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from typing import Any

from pydantic import ValidationError

from curate.commands import UsageError
from curate.commands.runs import finished_run
from curate.engine.store import FileEntry, Store
from curate.stages.mix.plan import MixParameters, mix, weights_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", help="a run's folder with token shards, a path or an fsspec URL")
    parser.add_argument("--strategy", default="natural", help="as of the stage mix; default: natural")
    parser.add_argument("--temperature", type=float, help="exponent of strategy temperature")
    parser.add_argument("--weights", nargs="+", metavar="DOMAIN=SHARE", help="of strategy weights")
    parser.add_argument("--file", help="JSON file of the strategies file, regression and scaling_law")
    parser.add_argument("--total-tokens", type=int, help="budget; default: as many as there are")
    parser.add_argument("--max-epochs", type=float, help="most times that tokens are repeated; default: 4")
    parser.add_argument("--apply", action="store_true", help="write mix.json, and the weights into tokens/dataset.json")
    parser.add_argument("--json", action="store_true", help="the content of mix.json")


def run(args: argparse.Namespace) -> int:
    store = finished_run(args.run)
    dataset = read_dataset(store)
    train = dataset["splits"]["train"]
    content = mix(_parameters(args), {domain: entry["tokens"] for domain, entry in train.items()})
    if args.apply:
        _apply(store, dataset, content)
        print(f"mix.json and tokens/dataset.json of {args.run} have this mix now", file=sys.stderr)
    print(json.dumps(content, indent=1) if args.json else table(content))
    return 0


def read_dataset(store: Store) -> dict[str, Any]:
    """dataset.json of a run. UsageError where there is none."""
    if not store.exists("tokens/dataset.json"):
        raise UsageError(f"{store.root}: no tokens/dataset.json there; needed: a run whose recipe has `tokenize`")
    content: dict[str, Any] = store.read_json("tokens/dataset.json")
    return content


def table(content: dict[str, Any]) -> str:
    """mix.json for a reader."""
    lines = [f"{'domain':24} {'available':>15} {'target':>8} {'tokens':>15} {'share':>8} {'epochs':>7}"]
    for domain, e in content["domains"].items():
        note = "  capped by max_epochs" if e["capped"] else ""
        lines.append(
            f"{domain:24} {e['available_tokens']:>15,} {e['target_share']:>8.4f} {e['tokens']:>15,} "
            f"{e['share']:>8.4f} {e['epochs']:>7.2f}{note}"
        )
    available = sum(e["available_tokens"] for e in content["domains"].values())
    lines.append(f"{'together':24} {available:>15,} {1:>8.4f} {content['total_tokens']:>15,} {1:>8.4f}")
    return "\n".join(lines)


def _parameters(args: argparse.Namespace) -> MixParameters:
    given: dict[str, Any] = {
        name: value
        for name in ("strategy", "temperature", "file", "total_tokens", "max_epochs")
        if (value := getattr(args, name)) is not None
    }
    if args.weights is not None:
        given["weights"] = dict(_weight(each) for each in args.weights)
    try:
        return MixParameters(**given)
    except ValidationError as error:
        first = error.errors()[0]
        where = "".join(f"--{part}: ".replace("_", "-") for part in first["loc"][:1])
        raise UsageError(f"mix: {where}{first['msg'].removeprefix('Value error, ')}") from error


def _weight(text: str) -> tuple[str, float]:
    domain, _, share = text.rpartition("=")
    try:
        return domain, float(share)
    except ValueError as error:
        raise UsageError(f"mix: --weights {text!r}; allowed: DOMAIN=SHARE, such as web=0.7 books=0.3") from error


def _apply(store: Store, dataset: dict[str, Any], content: dict[str, Any]) -> None:
    """Writes both files and, last, the manifest that lists them."""
    manifest = store.read_json("manifest.json")
    dataset = dataset | {"mix": weights_of(content)}
    entries: dict[str, FileEntry] = {}
    for name, value in (("mix.json", content), ("tokens/dataset.json", dataset)):
        data = (json.dumps(value, indent=1, sort_keys=True) + "\n").encode()
        entries[name] = store.write_bytes(name, data)
    others = [entry for entry in manifest["files"] if entry["path"] not in entries]
    manifest["files"] = sorted([*others, *map(asdict, entries.values())], key=lambda entry: str(entry["path"]))
    store.write_json("manifest.json", manifest)
