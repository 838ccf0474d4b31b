"""The training queue of an ablation: one job trains an arm at a size with a seed and evaluates it.

Jobs flow in, `evaluation.json` for each flows out: bits of every evaluation document at every budget. A job is named
by what its result depends on, so equal jobs are done once, a finished one is never redone, and a killed one goes on
from the trainer's checkpoint. Each runs on one thread: its result does not depend on how many run beside it.
"""

from __future__ import annotations

import contextlib
import json
import math
import multiprocessing
import os
import shutil
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from model.ablation import DATA_SEED_OF_NULL, NULL, Ablation, Job, key_of

CHECKPOINT_STEPS = 250
"""Steps between checkpoints: a killed job loses a minute or two of a small model's training."""

EVALUATION_ROWS = 32
"""Windows evaluated at once."""

KNOCK_SECONDS = 10.0
"""How long a cluster may take to accept a connection."""


@dataclass(frozen=True)
class Task:
    """A job with all that a worker needs; plain values, so that it travels to any process or machine."""

    title: str
    folder: str
    config: dict[str, Any]
    """The trainer's configuration."""
    learning_rate_multiplier: float
    points: list[float]
    evaluation: str
    """evaluation.parquet."""


def task_of(
    ablation: Ablation,
    job: Job,
    data: Path,
    data_identity: str,
    evaluation: Path,
    evaluation_hash: str,
    mix: Mapping[str, float] | None = None,
) -> Task:
    """A job's task; its folder is named by the hash of everything that the result depends on. `mix`: shares of
    domains instead of the arm's."""
    own = ablation.arms[job.arm].mix if job.arm in ablation.arms else None
    config: dict[str, Any] = {
        "size": job.size,
        "tokens": job.tokens,
        "length": ablation.length,
        "batch_tokens": ablation.batch_tokens,
        "seed": job.seed,
        "data_seed": job.seed + (DATA_SEED_OF_NULL if job.arm == NULL else 0),
        "mix": dict(mix) if mix else own or "natural",
        "optimiser": ablation.optimiser,
        "schedule": "wsd",
        "threads": 1,
        "workers": 0,
        "precision": "fp32",
        "checkpoint_every": CHECKPOINT_STEPS,
    }
    identity = {
        "config": config,
        "data": data_identity,
        "evaluation": evaluation_hash,
        "points": ablation.points,
        "rate": job.learning_rate_multiplier,
    }
    folder = Path(ablation.workspace).resolve() / "jobs" / key_of(identity)
    config |= {"data": str(data), "output": str(folder / "train")}
    return Task(job.title, str(folder), config, job.learning_rate_multiplier, ablation.points, str(evaluation))


def finished(task: Task) -> bool:
    return (Path(task.folder) / "evaluation.json").exists()


def carry_out(task: Task) -> str:
    """Trains and evaluates; does nothing if that is done. Returns the job's title."""
    if finished(task):
        return task.title
    os.environ["OMP_NUM_THREADS"] = "1"
    import torch

    from model.config import Config
    from model.optimiser import learning_rate_rule
    from model.shards import TokenDataset
    from model.train import load_model, wsd_points
    from model.transformer import Shape

    torch.set_num_threads(1)
    folder = Path(task.folder)
    folder.mkdir(parents=True, exist_ok=True)
    config = Config(**task.config)
    if task.learning_rate_multiplier != 1.0:
        vocabulary = TokenDataset(config.data).description.vocabulary
        shape = Shape.named(config.size, vocabulary, config.length, config.tied)
        rate = learning_rate_rule(shape.parameters(False), config.tokens, config.optimiser)
        rate *= task.learning_rate_multiplier
        config = config.model_copy(update={"learning_rate": rate})
    with (folder / "log.txt").open("a") as log, contextlib.redirect_stderr(log):
        results = wsd_points(config, task.points)
    documents = pq.read_table(task.evaluation).to_pydict()
    end = TokenDataset(config.data).description.eod
    points = []
    for result in results:
        model, _ = load_model(result.output)
        bits = document_bits(model, documents["tokens"], end)
        points.append(
            {
                "tokens": result.tokens,
                "parameters": result.parameters,
                "parameters_without_embeddings": result.parameters_without_embeddings,
                "training_loss": result.loss,
                "epochs": result.epochs,
                "learning_rate": result.learning_rate,
                "bits": [round(value, 4) for value in bits],
            }
        )
    curve = [json.loads(line) for line in (Path(results[-1].output).parent / "trunk" / "log.jsonl").open()]
    step = max(1, len(curve) // 100)
    answer = {
        "title": task.title,
        "points": points,
        "curve": [[line["tokens"], round(line["loss"], 4)] for line in curve[::step]],
    }
    partial = folder / "evaluation.json.partial"
    partial.write_text(json.dumps(answer), encoding="utf-8")
    partial.replace(folder / "evaluation.json")
    seconds = sum(result.seconds for result in results)
    (folder / "cost.json").write_text(json.dumps({"training_seconds": round(seconds, 1)}), encoding="utf-8")
    shutil.rmtree(folder / "train")
    return task.title


def document_bits(model: Any, documents: list[list[int]], end: int) -> list[float]:
    """Bits to encode each document (its tokens, without the end token), given that a document begins.

    Windows of the model's length, one after the other; a window sees only itself.
    """
    import torch

    length = model.shape.length
    owner: list[int] = []
    inputs: list[list[int]] = []
    targets: list[list[int]] = []
    for number, tokens in enumerate(documents):
        stream = [end, *tokens]
        for first in range(0, len(tokens), length):
            part = stream[first : first + length + 1]
            pad = length - (len(part) - 1)
            owner.append(number)
            inputs.append(part[:-1] + [0] * pad)
            targets.append(part[1:] + [-100] * pad)
    bits = np.zeros(len(documents))
    with torch.inference_mode():
        for first in range(0, len(owner), EVALUATION_ROWS):
            rows = slice(first, first + EVALUATION_ROWS)
            _, losses = model(torch.tensor(inputs[rows]), torch.tensor(targets[rows]))
            sums = losses.view(-1, length).sum(dim=1, dtype=torch.float64).numpy() / math.log(2)
            np.add.at(bits, owner[rows], sums)
    return list(bits.tolist())


# ---------------------------------------------------------------------------------------- the queue


class JobsFailedError(RuntimeError):
    """Some jobs ended with an error; the others are done, and the same command goes on."""


def run_all(tasks: list[Task], workers: int, address: str | None, say: Callable[[str], None]) -> None:
    """Carries the tasks out, `workers` at a time here, or on a Ray cluster whose machines share the workspace."""
    waiting = list({task.folder: task for task in tasks if not finished(task)}.values())
    done, failures, begin = len(tasks) - len(waiting), [], time.monotonic()
    say(f"{len(waiting)} of {len(tasks)} training runs to do")
    for index, (title, error) in enumerate(_results(waiting, workers, address), 1):
        if error is not None:
            failures.append(f"{title}: {error}")
        left = (time.monotonic() - begin) / index * (len(waiting) - index)
        say(f"{done + index}/{len(tasks)} {title}{' FAILED' if error else ''}; about {left / 60:.0f} min left")
    if failures:
        raise JobsFailedError(f"{len(failures)} of {len(tasks)} training runs failed; first: {failures[0]}")


def _results(tasks: list[Task], workers: int, address: str | None) -> Iterator[tuple[str, str | None]]:
    if address is not None:
        yield from _ray_results(tasks, address)
        return
    if workers == 1 or len(tasks) <= 1:
        for task in tasks:
            yield task.title, _guarded(task)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        futures = {pool.submit(_guarded, task): task for task in tasks}
        for future in as_completed(futures):
            yield futures[future].title, future.result()


def _guarded(task: Task) -> str | None:
    """None, or the error in one line."""
    try:
        carry_out(task)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def _ray_results(tasks: list[Task], address: str) -> Iterator[tuple[str, str | None]]:
    import ray

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if not ray.is_initialized():
        try:
            _knock(address)
            ray.init(address=address, log_to_driver=False, logging_level="error")
        except (OSError, ValueError) as error:
            raise JobsFailedError(
                f"--address {address}: no Ray cluster answers there ({error}); on a node of the cluster `auto` finds "
                "it; where the cluster asks for its token, set RAY_AUTH_MODE=token and the token"
            ) from error
    remote = ray.remote(num_cpus=1, max_retries=3)(_guarded)
    open_ = {remote.remote(task): task for task in tasks}
    while open_:
        ready, _ = ray.wait(list(open_), num_returns=1)
        yield open_.pop(ready[0]).title, ray.get(ready[0])


def _knock(address: str) -> None:
    """OSError if nothing listens at HOST:PORT. Ray itself would try for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=KNOCK_SECONDS).close()


# ---------------------------------------------------------------------------------------- cost


def tokens_per_second(ablation: Ablation, size: str) -> float:
    """A CPU second, measured here by a few training steps on one thread; remembered in the workspace."""
    path = Path(ablation.workspace) / "speed.json"
    known: dict[str, float] = json.loads(path.read_text()) if path.exists() else {}
    name = f"{size}/{ablation.vocabulary}/{ablation.length}/{ablation.batch_tokens}"
    if name not in known:
        import torch

        from model.transformer import Shape, Transformer

        threads = torch.get_num_threads()
        torch.set_num_threads(1)
        model = Transformer(Shape.named(size, ablation.vocabulary, ablation.length))
        rows = max(1, ablation.batch_tokens // ablation.length)
        tokens = torch.randint(ablation.vocabulary, (rows, ablation.length + 1))
        for step in range(3):
            if step == 1:
                begin = time.process_time()
            model(tokens[:, :-1], tokens[:, 1:])[0].backward()
        known[name] = 2 * rows * ablation.length / (time.process_time() - begin)
        torch.set_num_threads(threads)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(known, indent=1, sort_keys=True))
    return known[name]


def cpu_seconds(ablation: Ablation, jobs: list[Job], evaluation_tokens: int) -> dict[str, float]:
    """Size → CPU seconds of its jobs: a trunk up to the last fork, a decay for each point, and an evaluation (a third
    of a training pass) at each."""
    seconds = dict.fromkeys(ablation.sizes, 0.0)
    decay = 0.2
    for job in jobs:
        trained = job.tokens * ((1 - decay) + decay * sum(ablation.points))
        evaluated = evaluation_tokens / 3 * len(ablation.points)
        seconds[job.size] += (trained + evaluated) / tokens_per_second(ablation, job.size)
    return seconds


def results_of(tasks: Mapping[Job, Task]) -> dict[Job, dict[str, Any]]:
    """The evaluations of finished jobs."""
    return {
        job: json.loads((Path(task.folder) / "evaluation.json").read_text(encoding="utf-8"))
        for job, task in tasks.items()
        if finished(task)
    }
