"""A training run's configuration, read from YAML, and the plan that closes its open ends for the data and machine."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

import torch
import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from model.optimiser import batch_rule, learning_rate_rule
from model.shards import TokenDataset
from model.transformer import Shape

PEAK_FLOPS = {
    "H200": 989e12,
    "H100": 989e12,
    "A100": 312e12,
    "L40S": 362e12,
    "L4": 121e12,
    "4090": 165e12,
    "B200": 2250e12,
}
"""Dense bf16 FLOP/s by device name, from NVIDIA's data sheets (without sparsity); for MFU."""


class Config(BaseModel):
    """What a run is made of; read from YAML. Times are counted in tokens."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    data: str
    """The tokens/ folder of a curate run: a path or an fsspec URL."""
    output: str
    """Folder of this run."""
    size: str = "1m"
    """One of the sizes in `model.transformer.SIZES`."""
    tokens: int = Field(gt=0)
    """Training budget, in tokens; rounded down to whole steps."""
    length: int = Field(256, ge=8)
    """Sequence length, in tokens."""
    batch_tokens: int | None = Field(None, ge=1)
    """Tokens a step, over all processes; rounded to whole rows. Default: `batch_rule(tokens)`."""
    micro_rows: int | None = Field(None, ge=1)
    """Rows a process computes at once; the rest is accumulated. Default: all of them."""
    seed: int = 0
    """Fixes initial weights and document order: arms with equal seeds are compared pair by pair."""
    data_seed: int | None = None
    """Document order alone; default: `seed`. A null arm changes only this."""
    mix: str | dict[str, float] = "dataset"
    """`dataset` (the shares in dataset.json), `natural`, or shares by domain."""
    mask_documents: bool = False
    """Whether attention is confined to a token's own document."""
    tied: bool | None = None
    """Output matrix = embedding. Default: below 60m."""
    optimiser: Literal["adamw", "muon"] = "adamw"
    learning_rate: float | None = Field(None, gt=0)
    """Peak. Default: `learning_rate_rule` of size, tokens and optimiser."""
    weight_decay: float = Field(0.1, ge=0)
    """Decoupled, on the blocks' matrices (Brown et al. 2020)."""
    warmup_tokens: int | None = Field(None, ge=0)
    """Default: 5 % of `tokens`."""
    schedule: Literal["cosine", "wsd"] = "cosine"
    decay_fraction: float = Field(0.2, gt=0, le=1)
    """wsd: the part of `tokens` over which the rate falls (Hägele et al. 2024: 20 % matches cosine)."""
    final_fraction: float = Field(0.1, ge=0, le=1)
    """Learning rate at the end, as a part of the peak (Hoffmann et al. 2022)."""
    clip: float = Field(1.0, gt=0)
    """Bound on the gradient's norm (Brown et al. 2020)."""
    spike: float = Field(3.0, gt=0)
    """Stop when a step's loss exceeds the median of the 50 before it by this many nats a token."""
    precision: Literal["auto", "fp32", "bf16"] = "auto"
    """auto: bf16 autocast on GPUs, and on CPUs with bf16 units for widths from 256; else fp32."""
    compile: bool = False
    """torch.compile; worth its start-up time on GPUs."""
    checkpointing: bool = False
    """Recompute each block in the backward pass: less memory, a third more time."""
    parallel: Literal["auto", "ddp", "fsdp"] = "auto"
    """Under torchrun: auto is ddp; fsdp shards weights, gradients and optimiser state (FSDP2)."""
    threads: int | None = Field(None, ge=1)
    """CPU threads; default: torch's. Small models: one thread a process and several processes give more."""
    workers: int = Field(1, ge=0)
    """Loader threads."""
    checkpoint_every: int | None = Field(None, ge=1)
    """Steps between checkpoints; default: a tenth of the run."""
    checkpoint_at: list[int] = []
    """Further steps to checkpoint, and to keep."""
    log_every: int = Field(10, ge=1)
    """Steps between looks at the loss: each one makes a GPU wait."""
    tensorboard: bool = False
    """Whether OUTPUT/tensorboard gets what log.jsonl gets; needs the package."""

    @classmethod
    def read(cls, path: str | Path, **changes: Any) -> Config:
        """Read YAML and apply `changes`. Raises ValueError naming the file, the key, and what is allowed."""
        try:
            raw = yaml.safe_load(Path(path).read_text()) or {}
            return cls(**{**raw, **changes})
        except (OSError, yaml.YAMLError, TypeError) as error:
            raise ValueError(f"{path}: cannot be read as a training config: {error}") from error
        except ValidationError as error:
            wrong = error.errors()[0]
            key = ".".join(map(str, wrong["loc"]))
            raise ValueError(f"{path}: {key}: {wrong['msg']}; allowed keys: {', '.join(cls.model_fields)}") from error


class Plan:
    """A config with its open ends closed: shape, rows, steps, rates, device."""

    def __init__(self, config: Config, data: TokenDataset, world: int) -> None:
        self.shape = Shape.named(config.size, data.description.vocabulary, config.length, config.tied)
        wanted = config.batch_tokens or batch_rule(config.tokens)
        self.rows = max(world, round(wanted / config.length / world) * world)
        self.step_tokens = self.rows * config.length
        self.steps = config.tokens // self.step_tokens
        if self.steps < 1:
            raise ValueError(f"tokens is {config.tokens}, less than one step of {self.step_tokens}; lower batch_tokens")
        self.tokens = self.steps * self.step_tokens
        self.warmup = config.tokens // 20 if config.warmup_tokens is None else config.warmup_tokens
        self.learning_rate = config.learning_rate or learning_rate_rule(
            self.shape.parameters(False), config.tokens, config.optimiser
        )
        self.checkpoint_every = config.checkpoint_every or max(1, self.steps // 10)
        self.device = (
            torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
            if torch.cuda.is_available()
            else torch.device("cpu")
        )
        gains = self.device.type == "cuda" or (torch.cpu._is_avx512_bf16_supported() and self.shape.width >= 256)
        self.bf16 = config.precision == "bf16" or (config.precision == "auto" and gains)


def device_peak() -> float | None:
    """bf16 FLOP/s of this GPU, or None on a CPU or an unlisted device."""
    if not torch.cuda.is_available():
        return None
    name = torch.cuda.get_device_name()
    return next((flops for key, flops in PEAK_FLOPS.items() if key in name), None)
