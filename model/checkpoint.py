"""Exact checkpoints: everything that the next step depends on, in one file that appears whole or not at all.

State is gathered to rank 0 in full, so a run may go on with another number of processes.
"""

from __future__ import annotations

import contextlib
import os
import random
import re
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.checkpoint.state_dict import StateDictOptions, get_state_dict, set_state_dict

KEPT = 2
"""How many checkpoints stay on disk: the last, and one before it."""


class CheckpointError(RuntimeError):
    """A checkpoint cannot be written or read; the message names the last good one."""


def random_state() -> dict[str, Any]:
    """All random number generators' states."""
    name, keys, *rest = np.random.get_state()
    state: dict[str, Any] = {
        "python": random.getstate(),
        "numpy": [name, np.asarray(keys).tolist(), *rest],
        "torch": torch.get_rng_state(),
    }
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state_all()
    return state


def restore_random_state(state: dict[str, Any]) -> None:
    random.setstate(state["python"])
    np.random.set_state(tuple(state["numpy"]))
    torch.set_rng_state(state["torch"])
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(state["cuda"])


def gather(model: nn.Module, optimisers: list[torch.optim.Optimizer]) -> dict[str, Any]:
    """Weights and optimiser state, in full, by parameter name; on rank 0 (elsewhere empty)."""
    options = StateDictOptions(full_state_dict=dist.is_initialized(), cpu_offload=dist.is_initialized())
    weights, optimiser = get_state_dict(model, optimisers, options=options)
    return {"model": weights, "optimiser": optimiser}


def scatter(state: dict[str, Any], model: nn.Module, optimisers: list[torch.optim.Optimizer]) -> None:
    """The opposite of `gather`, on every rank."""
    options = StateDictOptions(full_state_dict=dist.is_initialized(), cpu_offload=dist.is_initialized())
    set_state_dict(
        model, optimisers, model_state_dict=state["model"], optim_state_dict=state["optimiser"], options=options
    )


def checkpoints(folder: Path) -> list[Path]:
    """Checkpoints in a folder, oldest first."""
    return sorted(p for p in folder.glob("step-*.pt") if re.fullmatch(r"step-\d+\.pt", p.name))


def save(folder: Path, step: int, state: dict[str, Any], keep: int = KEPT) -> Path:
    """Write `step-NNNNNNNN.pt` atomically: a temporary file, fsync, rename, fsync of the folder; then drop old ones.

    Raises `CheckpointError` (disk full, no permission) with the last good checkpoint named and intact.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"step-{step:08d}.pt"
    temporary = None
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".writing-", delete=False) as file:
            temporary = Path(file.name)
            torch.save(state, file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        descriptor = os.open(folder, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
    # torch's zip writer reports a full disk as a RuntimeError.
    except (OSError, RuntimeError) as error:
        if temporary is not None:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)
        last = checkpoints(folder)
        good = f"last good checkpoint: {last[-1]}" if last else "there is no earlier checkpoint"
        raise CheckpointError(
            f"cannot write {path}: {error}; {good}; free some space and run again with --resume"
        ) from error
    for old in checkpoints(folder)[:-keep]:
        old.unlink()
    return path


def load(path: Path) -> dict[str, Any]:
    """Read a checkpoint. Raises `ValueError` where there is none, `CheckpointError` where it is damaged."""
    if not path.is_file():
        raise ValueError(f"{path}: there is no model; allowed: the folder of a training run, or a checkpoint in it")
    try:
        return dict(torch.load(path, map_location="cpu", weights_only=True))
    except Exception as error:  # torch's messages are paragraphs, and advise to trust the file
        raise CheckpointError(
            f"cannot read {path} ({type(error).__name__}): it is damaged, or no checkpoint; remove a damaged one to go "
            "on from the one before it"
        ) from error
