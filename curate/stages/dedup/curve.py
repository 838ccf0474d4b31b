"""The S-curve of banded MinHash: which pairs are found, and which bands and rows a threshold asks for."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def chance_found(similarity: float | NDArray[np.float64], bands: int, rows: int) -> NDArray[np.float64]:
    """Chance that a pair of this Jaccard similarity shares a band: 1 - (1 - s^rows)^bands."""
    return np.asarray(1.0 - (1.0 - np.asarray(similarity, dtype=np.float64) ** rows) ** bands)


def best_bands(threshold: float, hashes: int) -> tuple[int, int]:
    """(bands, rows) with bands × rows ≤ hashes whose S-curve is nearest to a step at the threshold: the least sum
    of the area under it below the threshold (false candidates) and above it beyond (pairs missed), each weighing
    one half. This is datasketch's criterion."""
    from scipy.integrate import quad  # half a second of CPU, and most runs name their bands

    best, least = (1, 1), float("inf")
    for bands in range(1, hashes + 1):
        for rows in range(1, hashes // bands + 1):
            false, _ = quad(chance_found, 0.0, threshold, args=(bands, rows))
            missed, _ = quad(lambda s, b=bands, r=rows: 1.0 - chance_found(s, b, r), threshold, 1.0)
            if 0.5 * false + 0.5 * missed < least:
                best, least = (bands, rows), 0.5 * false + 0.5 * missed
    return best


def curve_table(bands: int, rows: int) -> dict[str, float]:
    """The chance of being found at Jaccard similarities from 0.5 to 0.95."""
    return {f"{s:.2f}": round(float(chance_found(s, bands, rows)), 4) for s in np.arange(0.5, 0.951, 0.05)}
