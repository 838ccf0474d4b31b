"""`python -m model ablate FILE`: from changes of a recipe to their effect on trained models, in one command.

In order: arms run through `python -m curate run`, a tokenizer for all, token shards for each arm and for the
controls, frozen evaluation sets cleared of everything that any arm trains on, the training queue, the analysis, the
report. Every step is kept in the workspace; the same command goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from model.ablation import CONTROLS, Ablation, AblationError, Job, jobs_of, key_of, read
from model.ablation_jobs import JobsFailedError, Task, cpu_seconds, results_of, run_all, task_of
from model.arms import (
    END,
    ArmRun,
    TokenShards,
    encode,
    identity,
    planted,
    run_recipe,
    tokenized,
    train_tokenizer,
    write_shards,
)
from model.frozen import EvaluationDocument, chosen_of, cut, overlapping, read_set


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = "Run the arms of an ablation, train, evaluate, report"
    parser.add_argument("ablation", type=Path, help="YAML file, such as pipelines/ablations/smoke.yaml")
    parser.add_argument("--plan", action="store_true", help="say what would be trained and what it costs, and stop")
    parser.add_argument("--budget", metavar="TIME", help="CPU time for training, as 30m or 4h: budgets shrink to fit")
    parser.add_argument("--power", type=float, metavar="BPB", help="add seeds until this effect can be detected")
    parser.add_argument("--max-seeds", type=int, default=10, help="with --power (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1, help="training runs at a time")
    parser.add_argument("--address", help="a Ray cluster for the training runs; its machines share the workspace")
    parser.add_argument("--workspace", metavar="DIR", help="instead of the file's workspace")
    parser.add_argument("--curate", default="", metavar="ARGS", help="further arguments for `curate run`")
    parser.add_argument("--json", action="store_true", help="print the results as JSON")


def run(args: argparse.Namespace) -> int:
    try:
        changes = {"workspace": args.workspace} if args.workspace else {}
        ablation = read(args.ablation, changes)
        study = prepare(ablation, args.curate.split())
        if args.budget:
            ablation = shrunk(ablation, study, seconds_of(args.budget))
        say_plan(ablation, study)
        if args.plan:
            return 0
        results = carry_out(ablation, study, args)
    except AblationError as error:
        print(f"model ablate: {error}", file=sys.stderr)
        return 2
    except (JobsFailedError, KeyboardInterrupt) as error:
        print(f"model ablate: {error or 'interrupted'}; the same command goes on from here", file=sys.stderr)
        return 1
    if args.json:
        print(json.dumps(results, indent=1))
    else:
        print(f"report: {Path(ablation.workspace) / 'report.html'}")
    return 0


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


# ---------------------------------------------------------------------------------------- data


@dataclass(frozen=True)
class Study:
    """All that training needs, made and frozen."""

    runs: Mapping[str, ArmRun]
    shards: Mapping[str, TokenShards]
    evaluation: Path
    """Every evaluation document, in the order in which models are evaluated on them."""
    evaluation_hash: str
    overlaps: list[bool]
    """For each evaluation document whether it stands in what some arm trains on."""

    def unique_tokens(self) -> dict[str, int]:
        return {name: shards.tokens for name, shards in self.shards.items()}


def prepare(ablation: Ablation, curate_arguments: list[str]) -> Study:
    """Arms, tokenizer, shards and evaluation sets."""
    workspace = Path(ablation.workspace)
    workspace.mkdir(parents=True, exist_ok=True)
    runs: dict[str, ArmRun] = {}
    for name in ["baseline", *(name for name, arm in ablation.arms.items() if arm.mix is None)]:
        runs[name] = run_recipe(ablation, name, curate_arguments)
        counts = runs[name].counts
        say(f"arm {name}: {counts['kept']} of {counts['read']} documents kept")
    if ablation.tokenizer_arm not in runs:
        raise AblationError(f"tokenizer_arm: {ablation.tokenizer_arm!r} is no arm with a recipe: {', '.join(runs)}")
    chosen = runs[ablation.tokenizer_arm]
    tokenizer = workspace / f"tokenizer-{key_of({'vocabulary': ablation.vocabulary, 'from': content_of(chosen)})}.json"
    if not tokenizer.exists():
        train_tokenizer(chosen, ablation.vocabulary, tokenizer)
    end = json.loads(tokenizer.read_text(encoding="utf-8"))["model"]["vocab"][END]
    documents = [d for domain, spec in sorted(ablation.evaluation.items()) for d in read_set(domain, spec)]
    documents += held_out_set(ablation, runs)
    tokens = encode(tokenizer, [document.text for document in documents])
    table = pa.table(
        {
            "domain": [document.domain for document in documents],
            "id": [document.id for document in documents],
            "cluster": [f"{document.domain}/{document.cluster}" for document in documents],
            "tokens": pa.array(tokens, pa.list_(pa.uint16())),
            "n_bytes": [len(document.text.encode()) for document in documents],
        }
    )
    evaluation = workspace / "evaluation.parquet"
    pq.write_table(table, evaluation)
    evaluation_hash = key_of({"documents": [document.id for document in documents], "tokens": tokens})
    tables = {name: tokenized(arm, tokenizer, end, ablation.min_document_tokens) for name, arm in runs.items()}
    shards = {}
    for name in ablation.all_arms():
        base = tables.get(name, tables["baseline"])
        rows = planted(name, base, ablation) if name in CONTROLS else base
        source = runs.get(name, runs["baseline"])
        shards[name] = write_shards(
            workspace / "arms" / name / "tokens", tokenizer, rows, ablation.vocabulary, end, source.recipe_hash
        )
    overlaps = overlapping(documents, distinct_texts(runs.values()))
    clean = {document.domain for document, met in zip(documents, overlaps, strict=True) if not met}
    if empty := sorted({document.domain for document in documents} - clean):
        raise AblationError(f"evaluation: every document of {empty} also stands in an arm's training text")
    return Study(runs, shards, evaluation, evaluation_hash, overlaps)


def held_out_set(ablation: Ablation, runs: Mapping[str, ArmRun]) -> list[EvaluationDocument]:
    """The evaluation documents from the held-out sites."""
    spec = ablation.held_out
    if spec is None:
        return []
    if spec.arm not in runs:
        raise AblationError(f"held_out.arm: {spec.arm!r} is no arm with a recipe: {', '.join(runs)}")
    found = (
        EvaluationDocument(spec.domain, name, host, cut(text, spec.max_bytes))
        for name, host, text in runs[spec.arm].held_out_documents()
    )
    return chosen_of(found, spec.domain, spec.max_documents, f"the held-out sites of arm {spec.arm}")


def distinct_texts(runs: Iterable[ArmRun]) -> Iterator[str]:
    """Every text that some arm trains on, once."""
    seen: set[bytes] = set()
    for arm in runs:
        for _, _, text in arm.documents():
            digest = hashlib.blake2b(text.encode(), digest_size=16).digest()
            if digest not in seen:
                seen.add(digest)
                yield text


def content_of(arm: ArmRun) -> str:
    """Hash of the ids and texts that an arm kept."""
    digest = hashlib.sha256()
    for document, _, text in arm.documents():
        digest.update(f"{document}\0{text}\0".encode())
    return digest.hexdigest()


# ---------------------------------------------------------------------------------------- plan


def seconds_of(text: str) -> float:
    """30m, 4h, 90s → seconds."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)([smh])", text)
    if match is None:
        raise AblationError(f"--budget {text}: a number and s, m or h is wanted, such as 30m")
    return float(match[1]) * {"s": 1, "m": 60, "h": 3600}[match[2]]


def evaluation_tokens(study: Study) -> int:
    return sum(len(tokens) for tokens in pq.read_table(study.evaluation, columns=["tokens"])["tokens"].to_pylist())


def shrunk(ablation: Ablation, study: Study, seconds: float) -> Ablation:
    """The ablation with all token budgets multiplied so that its cost fits; never enlarged."""
    jobs = jobs_of(ablation, study.unique_tokens())
    factor = min(1.0, seconds / sum(cpu_seconds(ablation, jobs, evaluation_tokens(study)).values()))
    least = int(ablation.batch_tokens / ablation.points[0]) + 1
    sizes = {
        name: size.model_copy(update={"tokens": max(least, int(size.tokens * factor))})
        for name, size in ablation.sizes.items()
    }
    return ablation.model_copy(update={"sizes": sizes})


def say_plan(ablation: Ablation, study: Study) -> None:
    jobs = jobs_of(ablation, study.unique_tokens())
    cost = cpu_seconds(ablation, jobs, evaluation_tokens(study))
    for name, shards in study.shards.items():
        say(f"  {name:24s} {shards.documents:8d} documents {shards.tokens:12d} tokens")
    for size, seconds in cost.items():
        budget, count = ablation.sizes[size].tokens, sum(job.size == size for job in jobs)
        say(f"  {size:24s} {count:8d} runs of up to {budget} tokens: {seconds / 60:.1f} CPU minutes")
    say(f"{len(jobs)} training runs, {sum(cost.values()) / 60:.1f} CPU minutes in all (measured tokens a second)")


# ---------------------------------------------------------------------------------------- training and report


def carry_out(ablation: Ablation, study: Study, args: argparse.Namespace) -> dict[str, Any]:
    """Trains what is missing, adds seeds where --power asks for them, analyses, writes the report."""
    from model.analysis import analyse
    from model.mixture_search import search_mixture
    from model.report import write_report

    while True:
        tasks = tasks_of(ablation, study)
        run_all(list(tasks.values()), args.workers, args.address, say)
        results = analyse(ablation, study, results_of(tasks))
        detectable = results["detectable"]
        if not args.power or detectable <= args.power or len(ablation.seeds) >= args.max_seeds:
            break
        ablation = ablation.model_copy(update={"seeds": [*ablation.seeds, max(ablation.seeds) + 1]})
        say(f"detectable now: {detectable:.4f} bits a byte; wanted: {args.power}; one more seed")
    if ablation.mixture is not None:
        results["mixture"] = search_mixture(ablation, study, args.workers, args.address, say)
    write_report(Path(ablation.workspace), results, samples_of(study))
    return results


def tasks_of(ablation: Ablation, study: Study) -> dict[Job, Task]:
    return {
        job: task_of(
            ablation,
            job,
            study.shards[job.arm].folder.resolve(),
            identity(study.shards[job.arm]),
            study.evaluation.resolve(),
            study.evaluation_hash,
        )
        for job in jobs_of(ablation, study.unique_tokens())
    }


def samples_of(study: Study, per_arm: int = 3, characters: int = 400) -> dict[str, list[str]]:
    """Arm → the beginnings of some documents that it keeps and the baseline does not, those of the lowest id."""
    base = {name for name, _, _ in study.runs["baseline"].documents()}
    found = {}
    for arm, source in study.runs.items():
        extra = sorted((name, text) for name, _, text in source.documents() if name not in base)[:per_arm]
        if extra:
            found[arm] = [text[:characters] for _, text in extra]
    return found
