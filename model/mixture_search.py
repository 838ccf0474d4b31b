"""The search for a mixture by proxy runs: designs, runs, laws, and a check of the winner by real runs.

An ablation with a `mixture:` section asks for it. The baseline's shards flow in; small models are trained on
Dirichlet mixtures of its domains, laws are fitted, the predicted best mixture is trained for real beside natural,
uniform and temperature mixtures, and `mixture.json`, which `mix: {strategy: regression}` reads, flows out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow.parquet as pq

from model.ablation import Ablation, AblationError, Job, MixtureSearch
from model.ablation_jobs import Task, run_all, task_of
from model.arms import identity
from model.mixture import MixtureRuns, dirichlet_designs, fill_to_one, search, temperature_mixture
from model.scaling import Array
from model.statistics import PairedLosses, mean_effect

if TYPE_CHECKING:
    from model.ablate import Study

PROXY_SEED = 0
"""All proxies share it: what differs between them is the mixture alone."""


def search_mixture(
    ablation: Ablation, study: Study, workers: int, address: str | None, say: Callable[[str], None]
) -> dict[str, Any]:
    """Runs the search and writes mixture.json; returns its content, with the check of the winner."""
    spec = ablation.mixture
    assert spec is not None
    tokens = domain_tokens(study)
    if len(tokens) < 2:
        raise AblationError(
            f"mixture: the baseline's documents are of one domain, {list(tokens)}; add `domains` to its recipe"
        )
    domains = list(tokens)
    available = np.array([tokens[name] for name in domains], float)
    budget = spec.tokens or ablation.sizes[spec.size].tokens
    caps = np.minimum(spec.max_epochs * available / budget, 1.0)
    if caps.sum() < 1:
        raise AblationError(f"mixture: {budget} tokens need more than max_epochs = {spec.max_epochs} of every domain")
    natural = available / available.sum()
    designs = [capped(row, caps) for row in dirichlet_designs(natural, spec.designs, seed=spec.seed)]
    say(f"mixture: {len(designs)} proxies of {spec.size} on {budget} tokens, {len(domains)} domains")
    proxies = [proxy_task(ablation, study, spec, domains, shares, PROXY_SEED, budget) for shares in designs]
    run_all(proxies, workers, address, say)
    losses = np.array([by_domain(study, task)[1].mean(axis=0) for task in proxies])
    targets = by_domain(study, proxies[0])[0]
    runs = MixtureRuns(tuple(domains), np.array(designs), tuple(targets), losses)
    result = search(runs, target=spec.target or None, caps=dict(zip(domains, caps.tolist(), strict=True)))
    best = np.array([result["weights"][name] for name in domains])
    rivals = {
        "natural": natural,
        "uniform": capped(np.full(len(domains), 1 / len(domains)), caps),
        f"temperature {spec.temperature:g}": capped(temperature_mixture(available, spec.temperature), caps),
    }
    result["validation"] = validate(ablation, study, spec, domains, best, rivals, budget, workers, address, say)
    lost = [name for name, rival in result["validation"]["rivals"].items() if rival["low"] > 0]
    if lost:
        say(f"mixture: in real runs the mixture that the laws found lost to {' and '.join(lost)}: do not use it")
    path = Path(ablation.workspace) / "mixture.json"
    path.write_text(json.dumps(result, indent=1), encoding="utf-8")
    return result


def capped(shares: Array, caps: Array) -> Array:
    """The mixture with no share over its cap; what is over goes to domains with room."""
    return fill_to_one(np.minimum(shares, caps), caps)


def domain_tokens(study: Study) -> dict[str, int]:
    """Domain → training tokens of the baseline."""
    description = json.loads((study.shards["baseline"].folder / "dataset.json").read_text(encoding="utf-8"))
    return {name: int(entry["tokens"]) for name, entry in sorted(description["splits"]["train"].items())}


def proxy_task(
    ablation: Ablation, study: Study, spec: MixtureSearch, domains: list[str], shares: Array, seed: int, tokens: int
) -> Task:
    """One run on a mixture, read off at its end."""
    rounded = np.round(shares, 6)
    rounded[int(np.argmax(rounded))] += 1.0 - rounded.sum()
    mix = {name: float(share) for name, share in zip(domains, rounded, strict=True) if share > 0}
    shards = study.shards["baseline"]
    return task_of(
        ablation.model_copy(update={"points": [1.0]}),
        Job("baseline", spec.size, seed, "equal_tokens", tokens),
        shards.folder.resolve(),
        identity(shards),
        study.evaluation.resolve(),
        study.evaluation_hash,
        mix=mix,
    )


def by_domain(study: Study, *tasks: Task) -> tuple[list[str], Array]:
    """Evaluation domains, and bits a byte of each task on each, shape (tasks, domains); overlaps left out."""
    table = pq.read_table(study.evaluation, columns=["domain", "n_bytes"]).to_pydict()
    clean, size, domain = ~np.array(study.overlaps), np.array(table["n_bytes"], float), np.array(table["domain"])
    names = sorted(set(domain[clean]))
    bits = bits_of(tasks)
    rows = [clean & (domain == name) for name in names]
    return names, np.array([bits[:, at].sum(axis=1) / size[at].sum() for at in rows]).T


def bits_of(tasks: tuple[Task, ...]) -> Array:
    answers = [json.loads((Path(task.folder) / "evaluation.json").read_text(encoding="utf-8")) for task in tasks]
    return np.array([answer["points"][-1]["bits"] for answer in answers], float)


def validate(
    ablation: Ablation,
    study: Study,
    spec: MixtureSearch,
    domains: list[str],
    best: Array,
    rivals: Mapping[str, Array],
    tokens: int,
    workers: int,
    address: str | None,
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Real runs with the ablation's seeds (the proxies' own is left out): rival → the best mixture minus it."""
    seeds = [seed for seed in ablation.seeds if seed != PROXY_SEED] or [1]
    seeds = [*seeds, max(seeds) + 1]
    tasks = {
        name: tuple(proxy_task(ablation, study, spec, domains, shares, seed, tokens) for seed in seeds)
        for name, shares in {"best": best, **rivals}.items()
    }
    run_all([task for group in tasks.values() for task in group], workers, address, say)
    table = pq.read_table(study.evaluation).to_pydict()
    clean, domain = ~np.array(study.overlaps), np.array(table["domain"])
    size, cluster = np.array(table["n_bytes"], float), np.array(table["cluster"])
    wanted = [name for name in sorted(set(domain[clean])) if not spec.target or spec.target.get(name)]
    ours = bits_of(tasks["best"])
    found: dict[str, Any] = {}
    for name in rivals:
        theirs = bits_of(tasks[name])
        pairs = [
            PairedLosses(ours[:, at], theirs[:, at], size[at], cluster[at])
            for target in wanted
            for at in [clean & (domain == target)]
        ]
        effect = mean_effect(pairs)
        found[name] = {
            "best_minus_rival": effect.difference,
            "low": effect.low,
            "high": effect.high,
            "p": effect.p,
            "weights": dict(zip(domains, rivals[name].tolist(), strict=True)),
        }
    return {"seeds": seeds, "rivals": found}
