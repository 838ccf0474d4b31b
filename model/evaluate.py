"""What a model is worth: bits per byte on held-out documents, multiple choice and cloze tasks, memorisation.

Everything goes through `score`, the nats of a continuation given its context. Results are kept a document at a time, so
that differences between models can be bootstrapped over documents.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
import yaml

from model.data import IGNORE
from model.shards import DataError, TokenDataset
from model.transformer import Transformer

BUCKETS = (64, 256, 1024, 4096)
"""Upper bounds, in tokens, of the length buckets; a last one holds the rest."""

Window = tuple[np.ndarray, int]
"""Token ids, and how many of them are context only (at least one)."""


@torch.inference_mode()
def score(
    model: Transformer, windows: Sequence[Window], batch_tokens: int = 8192, greedy: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Nats of each window's tokens after its context; if `greedy`, whether each was the model's first choice.

    A window is at most one token longer than the model's sequence. Rows are padded on the right: attention is causal,
    so padding changes nothing.
    """
    nats, exact = np.zeros(len(windows)), np.ones(len(windows), bool)
    order = sorted(range(len(windows)), key=lambda i: len(windows[i][0]))
    device = model.embedding.weight.device
    training = model.training
    model.eval()
    while order:
        longest = len(windows[order[-1]][0]) - 1
        rows = [order.pop() for _ in range(min(len(order), max(1, batch_tokens // longest)))]
        inputs = np.zeros((len(rows), longest), np.int64)
        targets = np.full((len(rows), longest), IGNORE, np.int64)
        for row, i in enumerate(rows):
            tokens, context = windows[i]
            inputs[row, : len(tokens) - 1] = tokens[:-1]
            targets[row, context - 1 : len(tokens) - 1] = tokens[context:]
        x, y = torch.from_numpy(inputs).to(device), torch.from_numpy(targets).to(device)
        with torch.autocast("cuda", torch.bfloat16, enabled=device.type == "cuda"):
            _, losses = model(x, y)
        nats[rows] = losses.view(len(rows), longest).double().sum(1).cpu().numpy()
        if greedy:
            first = model.head(model.hidden(x)).argmax(-1)
            exact[rows] = ((first == y) | (y == IGNORE)).all(1).cpu().numpy()
    model.train(training)
    return nats, exact


@dataclass(frozen=True)
class Evaluation:
    """Bits per byte over a held-out split."""

    bits_per_byte: dict[str, float]
    """By domain: Σ nats / (ln 2 · Σ bytes)."""
    by_length: dict[str, float]
    """Bits per byte by length bucket (`<64` tokens, …)."""
    documents: pa.Table
    """A row a document: id, domain, n_tokens, n_bytes, nats."""
    dataset_hash: str
    split: str

    @property
    def mean(self) -> float:
        """Unweighted mean over domains."""
        return float(np.mean(list(self.bits_per_byte.values())))

    def summary(self) -> dict[str, Any]:
        return {
            "split": self.split,
            "dataset_hash": self.dataset_hash,
            "bits_per_byte": self.bits_per_byte,
            "mean": self.mean,
            "by_length": self.by_length,
            "documents": len(self.documents),
            "bytes": int(np.sum(self.documents["n_bytes"].to_numpy())),
        }

    def write(self, folder: Path) -> None:
        """`evaluation.json` and `evaluation.parquet` (the documents)."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "evaluation.json").write_text(json.dumps(self.summary(), indent=2) + "\n")
        pq.write_table(self.documents, folder / "evaluation.parquet")


def check_tokenizer(identity: Mapping[str, Any], data: TokenDataset) -> None:
    """Raise `DataError` unless a model was trained with the tokenizer of `data`."""
    if identity["tokenizer_hash"] != data.description.tokenizer_hash:
        raise DataError(
            f"{data.path}: its tokenizer is {data.description.tokenizer_hash[:12]}…, the model was trained with "
            f"{identity['tokenizer_hash'][:12]}…; tokenize the held-out text with the model's tokenizer"
        )


def evaluate(
    model: Transformer,
    data: TokenDataset,
    split: str = "validation",
    max_documents: int | None = None,
    batch_tokens: int = 8192,
) -> Evaluation:
    """Bits per byte of every document of a split, each read on its own after an end-of-document token.

    The document's own tokens count, its end does not. A document longer than the model's sequence is cut into windows,
    each with the token before it as context. `max_documents`: of each domain, the first in order of their ids (a set
    that does not depend on the model or on sharding).
    """
    if data.description.vocabulary > model.shape.vocabulary:
        raise DataError(
            f"{data.path}: vocabulary {data.description.vocabulary}, the model's is {model.shape.vocabulary}; "
            "tokenize the held-out text with the model's tokenizer"
        )
    documents, eod = data.split(split), data.description.eod
    chosen = np.argsort(documents.ids, kind="stable")
    chosen = chosen[documents.n_bytes[chosen] > 0]
    if max_documents is not None:
        places = [chosen[documents.domain[chosen] == d][:max_documents] for d in range(len(data.domains))]
        chosen = np.concatenate(places)
    windows: list[Window] = []
    owner: list[int] = []
    for place, document in enumerate(chosen):
        text = np.concatenate([[eod], documents.of(document)[:-1]]).astype(np.int64)
        for first in range(0, len(text) - 1, model.shape.length):
            windows.append((text[first : first + model.shape.length + 1], 1))
            owner.append(place)
    nats = np.bincount(owner, weights=score(model, windows, batch_tokens)[0], minlength=len(chosen))
    domain, tokens, size = documents.domain[chosen], documents.n_tokens[chosen], documents.n_bytes[chosen]

    def bits(members: np.ndarray) -> float:
        return float(nats[members].sum() / math.log(2) / size[members].sum())

    labels = [*(f"<{b}" for b in BUCKETS), f">={BUCKETS[-1]}"]
    bucket = np.searchsorted(BUCKETS, tokens, side="right")
    table = pa.table(
        {
            "id": pa.array([i.decode() for i in documents.ids[chosen].tolist()]),
            "domain": pa.array([data.domains[d] for d in domain]),
            "n_tokens": tokens,
            "n_bytes": size,
            "nats": nats,
        }
    )
    return Evaluation(
        {name: bits(domain == i) for i, name in enumerate(data.domains) if (domain == i).any()},
        {label: bits(bucket == i) for i, label in enumerate(labels) if (bucket == i).any()},
        table, data.hash, split,
    )  # fmt: skip


# ---------------------------------------------------------------------------------------------- tasks


def _task_documents(path: Path, task: Mapping[str, Any]) -> list[dict[str, Any]]:
    files = task.get("dataset_kwargs", {}).get("data_files", {})
    if isinstance(files, Mapping):
        files = files.get(task.get("test_split", "test"))
    if task.get("dataset_path") != "json" or not isinstance(files, str):
        raise ValueError(
            f"{path}: only local tasks are read: dataset_path: json and "
            "dataset_kwargs: {data_files: {test: FILE.jsonl}}"
        )
    lines = (path.parent / files).read_text().splitlines()
    return [json.loads(line) for line in lines if line.strip()]


def evaluate_task(model: Transformer, tokenizer: Any, path: Path, eod: int) -> dict[str, Any]:
    """A task in lm-evaluation-harness's YAML over a local JSONL file: `multiple_choice`, or `loglikelihood` (cloze).

    Accuracy as the harness counts it (`acc`; `acc_norm`, by bytes of the choice), and, since accuracy of small models
    barely moves, the continuous `gold_bits_per_byte` and `gold_probability` (of the right choice among the choices).
    """
    from jinja2 import Template

    task = yaml.safe_load(path.read_text())
    kind = task.get("output_type")
    if kind not in ("multiple_choice", "loglikelihood"):
        raise ValueError(f"{path}: output_type is {kind!r}; allowed: multiple_choice, loglikelihood")

    def filled(field: str, document: dict[str, Any]) -> Any:
        value = task[field]
        if isinstance(value, str):
            # The harness's rule: a column's name stands for the column, anything else is a template.
            value = document[value] if value in document else Template(value).render(**document)
        return value

    delimiter = task.get("target_delimiter", " ")
    windows, sizes, groups, gold = [], [], [], []
    for document in _task_documents(path, task):
        context = str(filled("doc_to_text", document))
        target = filled("doc_to_target", document)
        choices = [str(target)] if kind == "loglikelihood" else filled("doc_to_choice", document)
        if isinstance(choices, str):
            choices = yaml.safe_load(choices)
        if kind == "multiple_choice" and not str(target).isdigit():
            target = choices.index(target)
        prefix = [eod, *tokenizer.encode(context, add_special_tokens=False).ids]
        groups.append(range(len(windows), len(windows) + len(choices)))
        gold.append(0 if kind == "loglikelihood" else int(target))
        for choice in choices:
            whole = [eod, *tokenizer.encode(context + delimiter + choice, add_special_tokens=False).ids]
            start = min(len(prefix), len(whole) - 1)
            cut = max(0, len(whole) - model.shape.length - 1)
            windows.append((np.array(whole[cut:]), max(1, start - cut)))
            sizes.append(len((delimiter + choice).encode()))
    nats, exact = score(model, windows, greedy=kind == "loglikelihood")
    per_byte = nats / np.array(sizes)
    right = [group[g] for group, g in zip(groups, gold, strict=True)]
    result: dict[str, Any] = {
        "task": task.get("task", path.stem),
        "documents": len(groups),
        "gold_bits_per_byte": float(per_byte[right].mean() / math.log(2)),
    }
    if kind == "loglikelihood":
        return result | {"acc": float(exact[right].mean())}
    likelihood = [np.exp(-(nats[list(g)] - nats[list(g)].min())) for g in groups]
    return result | {
        "acc": float(np.mean([nats[list(g)].argmin() == r for g, r in zip(groups, gold, strict=True)])),
        "acc_norm": float(np.mean([per_byte[list(g)].argmin() == r for g, r in zip(groups, gold, strict=True)])),
        "gold_probability": float(np.mean([p[r] / p.sum() for p, r in zip(likelihood, gold, strict=True)])),
    }


def memorisation(
    model: Transformer, data: TokenDataset, cluster_size: Mapping[str, int], prefix: int = 32, continuation: int = 32,
    max_documents: int = 1000,
) -> dict[str, dict[str, float]]:  # fmt: skip
    """Share of training documents whose tokens [prefix, prefix + continuation) the model says verbatim, greedily, when
    given the first `prefix` (Carlini et al. 2023), by duplicate-cluster size (1, 2, 4, 8, … and up). `cluster_size`
    maps document ids to how often they were seen in the crawl, absent ids once. One teacher-forced pass answers it."""
    documents = data.split("train")
    long = np.flatnonzero(documents.n_tokens > prefix + continuation)
    long = long[np.argsort(documents.ids[long], kind="stable")]
    groups: dict[int, list[int]] = {}
    for document in long.tolist():
        size = cluster_size.get(documents.ids[document].decode(), 1)
        groups.setdefault(1 << (size.bit_length() - 1), []).append(document)
    result = {}
    for size, members in sorted(groups.items()):
        windows = [(documents.of(d)[: prefix + continuation].astype(np.int64), prefix) for d in members[:max_documents]]
        nats, exact = score(model, windows, greedy=True)
        result[f"{size}+"] = {
            "documents": len(windows),
            "verbatim": float(exact.mean()),
            "nats_per_token": float(nats.mean() / continuation),
        }
    return result
