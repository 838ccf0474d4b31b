"""Trains one fastText model in a process of its own: `python -m classifiers.fasttext_process SETTINGS.json`.

fastText 0.9.2 fills only `thread` tenths of its input matrix (DenseMatrix::uniform) and leaves the rest as the
allocator hands it out: with one thread, which a repeatable training needs, nine tenths are whatever the process had
there before, now and then a NaN. A fresh process whose allocator is told to hand out zeros makes it the same each time.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

ZEROED = {"MALLOC_PERTURB_": "255", "GLIBC_TUNABLES": "glibc.malloc.perturb=255"}
"""glibc fills what it hands out with the complement of this byte: zeros."""


def train(settings: dict[str, Any], quantize: bool, target: Path) -> None:
    """Carries `fasttext.train_supervised(**settings)` out in a child process and saves the model. RuntimeError, with
    what fastText said, if that fails."""
    request = target.with_suffix(".settings.json")
    request.write_text(json.dumps({"settings": settings, "quantize": quantize, "target": str(target)}))
    command = [sys.executable, "-m", "classifiers.fasttext_process", str(request)]
    done = subprocess.run(command, env=os.environ | ZEROED, capture_output=True, text=True, check=False)
    request.unlink()
    if done.returncode:
        raise RuntimeError(f"fastText failed on {settings.get('input')}: {done.stderr[-500:]}")


def _child(request: dict[str, Any]) -> None:
    import fasttext

    settings = request["settings"]
    model = fasttext.train_supervised(**settings)
    if request["quantize"]:
        model.quantize(input=settings["input"], retrain=False, qnorm=True, cutoff=60_000, thread=1)
    model.save_model(request["target"])


if __name__ == "__main__":
    _child(json.loads(Path(sys.argv[1]).read_text()))
