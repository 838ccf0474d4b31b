"""From gradients to a better model: the rule for learning rate and batch, the parameter groups, the schedule.

A data choice is judged with the same optimiser in every arm, so this is the field's plain recipe: AdamW, warm-up,
then a cosine or a warm-up–stable–decay schedule. Muon is an option.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

BETAS = (0.9, 0.95)
"""Brown et al. 2020, appendix B; used by nearly every later model."""


HIGHEST_RATE = {"adamw": 5e-3, "muon": 2e-2}
"""Where the learning-rate rule is held: below 60M parameters it is extrapolation and grows past what a small model
bears. The sweeps at 60k and 250k parameters in docs/results.md test both numbers."""


def learning_rate_rule(parameters: int, tokens: int, optimiser: str = "adamw") -> float:
    """Peak learning rate: 1.79 · N^-0.713 · D^0.307 (the Step Law, Li et al. 2025, arXiv:2503.04715), at most
    `HIGHEST_RATE`.

    N: parameters outside the embeddings, D: training tokens. Fitted for AdamW from 60M to 1B parameters; Muon's steps
    are scaled to AdamW's (see `build`), so that the rule is its rule too. Goes with `batch_rule`.
    """
    return min(HIGHEST_RATE[optimiser], 1.79 * parameters**-0.713 * tokens**0.307)


def batch_rule(tokens: int) -> int:
    """Tokens a step: 0.58 · D^0.571 (Step Law, as above)."""
    return round(0.58 * tokens**0.571)


def scale_at(tokens: int, total: int, warmup: int, schedule: str, decay_fraction: float, final: float) -> float:
    """Learning rate, as a fraction of its peak, after `tokens` of `total`.

    Linear warm-up over `warmup` tokens; then `cosine` down to `final`, or `wsd`: constant, then linear to `final` over
    the last `decay_fraction` (Hu et al. 2024, arXiv:2404.06395; linear as in Hägele et al. 2024, arXiv:2405.18392).
    """
    if tokens < warmup:
        return tokens / warmup
    if schedule == "cosine":
        progress = (tokens - warmup) / max(1, total - warmup)
        return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
    left = (total - tokens) / max(1.0, total * decay_fraction)
    return final + (1 - final) * min(1.0, max(0.0, left))


def build(model: nn.Module, name: str, learning_rate: float, weight_decay: float) -> list[torch.optim.Optimizer]:
    """AdamW over everything, or Muon (Jordan 2024; scaled to AdamW's step as in Liu et al. 2025, arXiv:2502.16982) over
    the blocks' matrices and AdamW over the rest. Decay is decoupled and spares gains and embeddings."""
    matrices, embeddings, gains = [], [], []
    for parameter_name, parameter in model.named_parameters():
        if parameter.ndim < 2:
            gains.append(parameter)
        elif parameter_name.rsplit(".", 2)[-2] in ("embedding", "head"):
            embeddings.append(parameter)
        else:
            matrices.append(parameter)
    adamw: list[dict[str, Any]] = [{"params": embeddings, "weight_decay": 0.0}, {"params": gains, "weight_decay": 0.0}]
    optimisers: list[torch.optim.Optimizer] = []
    if name == "muon":
        muon = torch.optim.Muon(matrices, lr=learning_rate, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw")
        optimisers.append(muon)
    else:
        adamw.append({"params": matrices, "weight_decay": weight_decay})
    optimisers.append(torch.optim.AdamW(adamw, lr=learning_rate, betas=BETAS, eps=1e-8, fused=True))
    _assert_partition(model.parameters(), optimisers)
    return optimisers


def _assert_partition(parameters: Iterable[nn.Parameter], optimisers: list[torch.optim.Optimizer]) -> None:
    grouped = [id(p) for o in optimisers for group in o.param_groups for p in group["params"]]
    if len(grouped) != len(set(grouped)) or set(grouped) != {id(p) for p in parameters}:
        raise AssertionError("optimiser groups must hold every parameter exactly once")
