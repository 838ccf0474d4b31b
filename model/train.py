"""One training run: a typed `Config`, then `train(config) -> RunResult`.

In: token shards. Out: a folder with config.yaml, log.jsonl, checkpoints/ and result.json. Same config and shards, same
losses: killed and resumed or not, and (to rounding) on one process or many.
"""

from __future__ import annotations

import json
import math
import os
import statistics
import sys
import time
from collections import deque
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import yaml

from model import checkpoint
from model.config import Config, Plan, device_peak
from model.data import Batch, LoaderState, Schedule, batches
from model.optimiser import build, scale_at
from model.shards import TokenDataset
from model.transformer import Shape, Transformer, document_mask


@dataclass(frozen=True)
class RunResult:
    """What a finished run says of itself; also in result.json."""

    output: str
    steps: int
    tokens: int
    parameters: int
    parameters_without_embeddings: int
    loss: float
    """Mean training loss over the last tenth of the steps, nats a token."""
    epochs: dict[str, float]
    """By domain."""
    seconds: float
    """Of training alone, over all resumptions."""
    learning_rate: float
    batch_tokens: int
    tokenizer_hash: str
    dataset_hash: str
    recipe_hash: str
    checkpoint: str


class DivergedError(RuntimeError):
    """The loss is not finite or has jumped; diverged.json in the run's folder holds the batch's document ids."""


def train(config: Config, resume: bool = False, start: Path | None = None, progress: bool = True) -> RunResult:
    """Train one model.

    `resume`: go on from the last checkpoint in the output folder, if there is one. `start`: begin from this checkpoint
    of another run with the same data, seed and batch (a point of a wsd schedule). Under torchrun every process calls
    this. Raises ValueError (config), DataError (shards), CheckpointError, DivergedError.
    """
    world, rank = int(os.environ.get("WORLD_SIZE", 1)), int(os.environ.get("RANK", 0))
    if config.threads:
        torch.set_num_threads(config.threads)
    own_group = world > 1 and not dist.is_initialized()
    if own_group:
        dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    try:
        return _Run(config, world, rank).go(resume, start, progress and rank == 0)
    finally:
        if own_group:
            dist.destroy_process_group()


class _Run:
    def __init__(self, config: Config, world: int, rank: int) -> None:
        self.config, self.world, self.rank = config, world, rank
        self.folder = Path(config.output)
        self.data = TokenDataset(config.data)
        self.plan = plan = Plan(config, self.data, world)
        seed = config.seed if config.data_seed is None else config.data_seed
        self.schedule = Schedule(self.data, plan.tokens, seed, config.mix)
        torch.manual_seed(config.seed)
        if plan.device.type == "cuda":
            torch.cuda.set_device(plan.device)
            torch.backends.cuda.matmul.allow_tf32 = True
        self.model = Transformer(plan.shape, config.seed, config.checkpointing).to(plan.device)
        self.callable: Any = self.model
        if config.compile:
            for block in self.model.blocks:
                block.compile()
        if world > 1:
            self._distribute()
        self.optimisers = build(self.model, config.optimiser, plan.learning_rate, config.weight_decay)
        self.identity = {
            "dataset_hash": self.data.hash,
            "tokenizer_hash": self.data.description.tokenizer_hash,
            "shape": asdict(plan.shape),
            "seed": [config.seed, seed],
            "rows": plan.rows,
            "mix": self.data.weights(config.mix),
        }
        self.board = _board(self.folder / "tensorboard") if config.tensorboard and not rank else None
        self.step, self.seconds = 0, 0.0
        self.recent: deque[float] = deque(maxlen=50)
        self.tail: deque[float] = deque(maxlen=max(1, plan.steps // 10))

    def _distribute(self) -> None:
        config = self.config
        if config.parallel == "fsdp":
            if config.optimiser == "muon":
                raise ValueError("optimiser: muon needs whole matrices, fsdp shards them; use parallel: ddp or adamw")
            from torch.distributed.fsdp import fully_shard

            for block in self.model.blocks:
                fully_shard(block)
            fully_shard(self.model)
        else:
            devices = [self.plan.device.index] if self.plan.device.type == "cuda" else None
            self.callable = torch.nn.parallel.DistributedDataParallel(self.model, device_ids=devices)

    # ------------------------------------------------------------------------------------------ checkpoints

    def _restore(self, path: Path) -> None:
        state = checkpoint.load(path)
        if different := [key for key, value in self.identity.items() if state["identity"].get(key) != value]:
            detail = "; ".join(f"{k}: checkpoint {state['identity'].get(k)}, now {self.identity[k]}" for k in different)
            raise ValueError(f"{path} is of another run ({detail}); use another output folder, or the run's own config")
        checkpoint.scatter(state, self.model, self.optimisers)
        checkpoint.restore_random_state(state["random"])
        self.step, self.seconds = state["loader"]["step"], state["seconds"]
        self.recent.extend(state["recent"])
        self.tail.extend(state["tail"])

    def _save(self) -> Path | None:
        state = checkpoint.gather(self.model, self.optimisers)
        if self.rank:
            return None
        state |= {
            "identity": self.identity,
            "config": self.config.model_dump(mode="json"),
            "loader": {"step": self.step},
            "random": checkpoint.random_state(),
            "seconds": self.seconds,
            "recent": list(self.recent),
            "tail": list(self.tail),
        }
        kept = self.step in self.config.checkpoint_at
        return checkpoint.save(
            self.folder / ("kept" if kept else "checkpoints"), self.step, state, keep=10**9 if kept else checkpoint.KEPT
        )

    # ------------------------------------------------------------------------------------------ the loop

    def go(self, resume: bool, start: Path | None, progress: bool) -> RunResult:
        folder, plan = self.folder, self.plan
        done = checkpoint.checkpoints(folder / "checkpoints")
        if resume and done:
            self._restore(done[-1])
        elif done and not resume:
            raise ValueError(
                f"{folder} already holds a run (step {done[-1].stem}); go on with --resume, or choose another output"
            )
        elif start is not None:
            self._restore(start)
        if self.rank == 0:
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "config.yaml").write_text(yaml.safe_dump(self.config.model_dump(mode="json"), sort_keys=False))
            self._trim_log()
        loader = batches(self.schedule, plan.rows, self.config.length, plan.steps, LoaderState(self.step),
                         self.rank, self.world, self.config.workers)  # fmt: skip
        pending: list[tuple[int, torch.Tensor, torch.Tensor, float]] = []
        self.model.train()
        clock = time.perf_counter()
        last = None
        for batch, state in loader:
            loss, norm, rate = self._one_step(batch)
            pending.append((state.step, loss, norm, rate))
            self.step = state.step
            saving = (
                self.step % plan.checkpoint_every == 0
                or self.step == plan.steps
                or self.step in self.config.checkpoint_at
            )
            if saving or self.step % self.config.log_every == 0:
                values = self._flush(pending)
                now = time.perf_counter()
                self.seconds, clock = self.seconds + now - clock, now
                self._log(pending, values, progress)
                pending = []
            if saving:
                last = self._save() or last
                clock = time.perf_counter()
        if progress:
            print(file=sys.stderr)
        if self.board is not None:
            self.board.close()
        return self._finish(last or (done[-1] if done else folder))

    def _one_step(self, batch: Batch) -> tuple[torch.Tensor, torch.Tensor, float]:
        """Forward, backward, clip, step. Returns the mean loss over all processes, the gradient's norm, the rate."""
        config, plan = self.config, self.plan
        # The rate of the step's end: the first step is not wasted on a rate of zero.
        rate = plan.learning_rate * scale_at((self.step + 1) * plan.step_tokens, plan.tokens, plan.warmup,
                                             config.schedule, config.decay_fraction, config.final_fraction)  # fmt: skip
        tensors = [torch.from_numpy(a) for a in (batch.inputs, batch.targets, batch.document)]
        if plan.device.type == "cuda":
            tensors = [t.pin_memory().to(plan.device, non_blocking=True) for t in tensors]
        inputs, targets, document = tensors
        micro = config.micro_rows or len(inputs)
        total = torch.zeros((), device=plan.device)
        for first in range(0, len(inputs), micro):
            rows = slice(first, first + micro)
            final = first + micro >= len(inputs)
            mask = document_mask(document[rows]) if config.mask_documents else None
            with torch.autocast(plan.device.type, torch.bfloat16) if plan.bf16 else nullcontext():
                loss, _ = self._synchronise(final)(inputs[rows], targets[rows], mask)
            # Gradients are averaged over processes, each with its share of the tokens: together the mean over the step.
            (loss * (self.world / plan.step_tokens)).backward()
            total += loss.detach()
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), config.clip)
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = rate
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        if self.world > 1:
            dist.all_reduce(total)
        return total / plan.step_tokens, norm, rate

    def _synchronise(self, final: bool) -> Any:
        """The model to call; gradients are exchanged only on the last part of an accumulated step."""
        if self.world > 1 and self.config.parallel == "fsdp":
            self.model.set_requires_gradient_sync(final)  # type: ignore[operator]
        elif self.world > 1:
            self.callable.require_backward_grad_sync = final
        return self.callable

    # ------------------------------------------------------------------------------------------ what is said

    def _flush(self, pending: list[tuple[int, torch.Tensor, torch.Tensor, float]]) -> list[float]:
        """Losses as numbers, guarded: a loss that is not finite or jumps stops the run before anything is saved."""
        losses = torch.stack([loss for _, loss, _, _ in pending]).tolist()
        for (step, _, _, _), loss in zip(pending, losses, strict=True):
            usual = statistics.median(self.recent) if len(self.recent) >= 10 else math.inf
            if not math.isfinite(loss) or loss > usual + self.config.spike:
                ids = self.schedule.document_ids(step - 1, self.plan.rows, self.config.length)
                report = {"step": step, "loss": loss, "median_before": usual, "documents": ids}
                if self.rank == 0:
                    (self.folder / "diverged.json").write_text(json.dumps(report, indent=1))
                raise DivergedError(
                    f"step {step}: loss {loss:.3f} after a median of {usual:.3f}; the batch's {len(ids)} documents are "
                    f"in {self.folder / 'diverged.json'}; look at them, or lower learning_rate "
                    f"({self.plan.learning_rate:.2g})"
                )
            self.recent.append(loss)
            self.tail.append(loss)
        return losses

    def _log(
        self, pending: list[tuple[int, torch.Tensor, torch.Tensor, float]], losses: list[float], progress: bool
    ) -> None:
        if self.rank:
            return
        tokens, plan = self.step * self.plan.step_tokens, self.plan
        speed = tokens / self.seconds
        peak = device_peak()
        mfu = round(speed * plan.shape.flops_per_token() / peak / self.world, 4) if peak else None
        with (self.folder / "log.jsonl").open("a") as file:
            for (step, _, norm, rate), loss in zip(pending, losses, strict=True):
                line = {"step": step, "tokens": step * plan.step_tokens, "loss": loss, "learning_rate": rate,
                        "gradient_norm": float(norm), "tokens_per_second": round(speed, 1), "mfu": mfu}  # fmt: skip
                file.write(json.dumps(line) + "\n")
                self._plot(line)
        if progress:
            left = (plan.steps - self.step) * plan.step_tokens / speed
            bar = "━" * (30 * self.step // plan.steps)
            print(f"\r{bar:<30} {self.step}/{plan.steps} loss {losses[-1]:.3f} {speed:,.0f} tokens/s {left:.0f} s ",
                  end="", file=sys.stderr, flush=True)  # fmt: skip

    def _plot(self, line: dict[str, Any]) -> None:
        if self.board is not None:
            for name in ("loss", "learning_rate", "gradient_norm", "tokens_per_second"):
                self.board.add_scalar(name, line[name], line["step"])

    def _trim_log(self) -> None:
        """Forget log lines of steps that are about to be taken again."""
        path = self.folder / "log.jsonl"
        if path.exists():
            lines = path.read_text().splitlines(keepends=True)
            kept = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= self.step]
            path.write_text("".join(kept))

    def _finish(self, last: Path) -> RunResult:
        plan, description = self.plan, self.data.description
        result = RunResult(
            output=str(self.folder), steps=plan.steps, tokens=plan.tokens, parameters=plan.shape.parameters(),
            parameters_without_embeddings=plan.shape.parameters(False), loss=statistics.fmean(self.tail),
            epochs=self.schedule.epochs(plan.tokens), seconds=round(self.seconds, 3), learning_rate=plan.learning_rate,
            batch_tokens=plan.step_tokens, tokenizer_hash=description.tokenizer_hash, dataset_hash=self.data.hash,
            recipe_hash=description.recipe_hash, checkpoint=str(last),
        )  # fmt: skip
        if self.rank == 0:
            (self.folder / "result.json").write_text(json.dumps(asdict(result), indent=2) + "\n")
        return result


def _board(folder: Path) -> Any:
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise ValueError(
            "tensorboard: true needs `pip install tensorboard`; log.jsonl has the same without it"
        ) from error
    return SummaryWriter(str(folder))


def load_model(path: str | Path, device: str = "cpu") -> tuple[Transformer, dict[str, Any]]:
    """The model of a run's folder (its last checkpoint) or of a checkpoint file, in evaluation mode, and what the
    checkpoint says of its data (`dataset_hash`, `tokenizer_hash`, …)."""
    path = Path(path)
    if path.is_dir():
        found = checkpoint.checkpoints(path / "checkpoints") or checkpoint.checkpoints(path)
        if not found:
            raise ValueError(f"{path}: no checkpoint there (checkpoints/step-*.pt); give a run's folder")
        path = found[-1]
    state = checkpoint.load(path)
    model = Transformer(Shape(**state["identity"]["shape"]))
    model.load_state_dict(state["model"])
    return model.to(device).eval(), state["identity"] | {"config": state["config"], "step": state["loader"]["step"]}


def wsd_points(config: Config, fractions: list[float]) -> list[RunResult]:
    """One wsd run read off at several budgets: the stable trunk is trained once, and each fraction of `tokens` gets its
    own decay from the trunk's checkpoint (Hägele et al. 2024). Finished parts are not redone."""
    if config.schedule != "wsd":
        raise ValueError("points need schedule: wsd")
    plan = Plan(config, TokenDataset(config.data), 1)
    step_tokens = plan.step_tokens
    fixed = {"batch_tokens": step_tokens, "warmup_tokens": plan.warmup, "learning_rate": plan.learning_rate}
    budgets = [int(config.tokens * f) // step_tokens * step_tokens for f in sorted(fractions)]
    forks = [int(b * (1 - config.decay_fraction)) // step_tokens for b in budgets]
    trunk = config.model_copy(update={**fixed, "output": f"{config.output}/trunk", "tokens": forks[-1] * step_tokens,
                                      "decay_fraction": 1e-9, "checkpoint_at": forks})  # fmt: skip
    train(trunk, resume=True)
    branches = [config.model_copy(update={**fixed, "output": f"{config.output}/{b}", "tokens": b}) for b in budgets]
    return [
        train(branch, resume=True, start=Path(trunk.output) / "kept" / f"step-{fork:08d}.pt")
        for branch, fork in zip(branches, forks, strict=True)
    ]
