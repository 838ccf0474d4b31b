"""The evaluations of an ablation's models, as arrays: by arm, size, regime, budget, seed and evaluation document."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from model.ablation import Ablation, Job
from model.scaling import Array
from model.statistics import PairedLosses


class Losses:
    """Bits of every evaluation document for every trained model."""

    def __init__(
        self, ablation: Ablation, evaluation: Path, overlaps: list[bool], results: Mapping[Job, Mapping[str, Any]]
    ) -> None:
        self.clean = ~np.array(overlaps)
        table = pq.read_table(evaluation).filter(pa.array(self.clean)).to_pydict()
        self.ablation = ablation
        self.domain = np.array(table["domain"])
        self.cluster = np.array(table["cluster"])
        self.bytes = np.array(table["n_bytes"], float)
        self.domains = sorted(set(table["domain"]))
        self.results = results
        self._of = {
            (job.arm, job.size, job.regime, job.learning_rate_multiplier, job.seed): result
            for job, result in results.items()
        }

    def has(self, arm: str, size: str, regime: str, rate: float = 1.0) -> bool:
        return all((arm, size, regime, rate, seed) in self._of for seed in self.ablation.seeds)

    def bits(self, arm: str, size: str, regime: str, point: int, rate: float = 1.0) -> Array:
        """(seeds, documents)."""
        found = [self._of[arm, size, regime, rate, seed]["points"][point]["bits"] for seed in self.ablation.seeds]
        return np.array(found, float)[:, self.clean]

    def point(self, arm: str, size: str, regime: str, point: int) -> Mapping[str, Any]:
        """What the trainer says of one budget, of the first seed."""
        value: Mapping[str, Any] = self._of[arm, size, regime, 1.0, self.ablation.seeds[0]]["points"][point]
        return value

    def curve(self, arm: str, size: str, regime: str, seed: int) -> list[list[float]]:
        """(tokens, training loss) along the way."""
        found: list[list[float]] = self._of[arm, size, regime, 1.0, seed]["curve"]
        return found

    def by_domain(self, bits: Array) -> Array:
        """(seeds, domains): bits a byte."""
        sums = [bits[:, self.domain == d].sum(axis=1) / self.bytes[self.domain == d].sum() for d in self.domains]
        return np.array(sums).T

    def mean(self, arm: str, size: str, regime: str, point: int = -1, rate: float = 1.0) -> Array:
        """(seeds): bits a byte, averaged over domains."""
        return np.asarray(self.by_domain(self.bits(arm, size, regime, point, rate)).mean(axis=1))

    def pairs(self, arm: str, size: str, regime: str, point: int) -> dict[str, PairedLosses]:
        """Domain → the arm beside the baseline."""
        ours, base = (self.bits(name, size, regime, point) for name in (arm, "baseline"))
        return {
            d: PairedLosses(ours[:, at], base[:, at], self.bytes[at], self.cluster[at])
            for d in self.domains
            for at in [self.domain == d]
        }
