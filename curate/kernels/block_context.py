"""What the blocks around say: features of the second model, made from the first one's scores.

In go a scanned page, its block features and each block's score, out come the features with more columns: the
probabilities near by, in the same containers, on the same path, and over the page.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from curate.kernels.block_features import FEATURES, LEVELS, N_FEATURES, _count_keys
from curate.kernels.html import C_CHARS, Page

NEAR = 4
"""Blocks before and after whose probabilities are features."""
WIDTHS = (2, 6, 15)
CONTEXT: list[str] = [
    "score",
    *(f"probability{offset:+d}" for offset in range(-NEAR, NEAR + 1) if offset),
    *(f"probability_window{width}" for width in WIDTHS),
    *(f"probability_level{level}" for level in range(LEVELS)),
    "probability_path",
    "probability_text",
    *(f"page_probability_{name}" for name in ("mean", "best", "content", "content_share")),
    *("content_before", "content_after", "since_content", "until_content"),
]
CONTEXT_FEATURES = [*FEATURES, *CONTEXT]
N_CONTEXT = len(CONTEXT)
N_OFFSETS = 2 * NEAR


@njit(cache=True, nogil=True)
def _context(rows, scores, parent, signature, first_block, last_block, block_node, characters, text_hash):
    n, nodes = len(scores), len(parent)
    out = np.empty((n, N_FEATURES + N_CONTEXT), np.float32)
    if n == 0:
        return out
    probability = 1 / (1 + np.exp(-scores))
    sums = np.zeros((n + 1, 2))
    best = 0.0
    for b in range(n):
        sums[b + 1, 0] = sums[b, 0] + characters[b] + 1
        sums[b + 1, 1] = sums[b, 1] + (characters[b] + 1) * probability[b]
        best = max(best, probability[b])
    path = np.zeros(nodes, np.int64)
    for e in range(1, nodes):
        path[e] = (path[parent[e]] * 1000003 + signature[e]) & 0xFFFFFFFFFFFF
    path_keys = np.empty(n, np.int64)
    for b in range(n):
        path_keys[b] = path[block_node[b]]
    path_first, _ = _count_keys(path_keys)
    text_first, _ = _count_keys(text_hash)
    path_sums, text_sums = np.zeros((n, 2)), np.zeros((n, 2))
    until = np.full(n + 1, 99)
    for b in range(n - 1, -1, -1):
        weight = characters[b] + 1
        path_sums[path_first[b], 0] += weight
        path_sums[path_first[b], 1] += weight * probability[b]
        text_sums[text_first[b], 0] += 1
        text_sums[text_first[b], 1] = max(text_sums[text_first[b], 1], probability[b])
        until[b] = 0 if probability[b] > 0.5 else min(until[b + 1] + 1, 99)
    since = 99
    for b in range(n):
        row = out[b]
        row[:N_FEATURES] = rows[b]
        f = N_FEATURES
        row[f] = scores[b]
        f += 1
        for offset in range(-NEAR, NEAR + 1):
            if offset:
                row[f] = probability[b + offset] if 0 <= b + offset < n else -1
                f += 1
        for width in WIDTHS:
            first, last = max(b - width, 0), min(b + width + 1, n)
            row[f] = (sums[last, 1] - sums[first, 1]) / (sums[last, 0] - sums[first, 0])
            f += 1
        up, first, last = block_node[b], b, b + 1
        for _ in range(LEVELS):
            while up > 0 and last_block[up] - first_block[up] <= last - first:
                up = parent[up]
            first, last = min(first_block[up], b), max(last_block[up], b + 1)
            if up == 0:
                first, last = 0, n
            row[f] = (sums[last, 1] - sums[first, 1]) / (sums[last, 0] - sums[first, 0])
            f += 1
        row[f] = path_sums[path_first[b], 1] / path_sums[path_first[b], 0]
        row[f + 1] = text_sums[text_first[b], 1]
        row[f + 2] = sums[n, 1] / sums[n, 0]
        row[f + 3] = best
        row[f + 4] = np.log(1 + sums[n, 1])
        row[f + 5] = (characters[b] + 1) * probability[b] / (sums[n, 1] + 1e-9)
        row[f + 6] = sums[b, 1] / (sums[n, 1] + 1e-9)
        row[f + 7] = (sums[n, 1] - sums[b + 1, 1]) / (sums[n, 1] + 1e-9)
        row[f + 8] = since
        row[f + 9] = until[b + 1]
        since = 1 if probability[b] > 0.5 else min(since + 1, 99)
    return out


def context_features(
    page: Page, rows: npt.NDArray[np.float32], scores: npt.NDArray[np.float64]
) -> npt.NDArray[np.float32]:
    """[blocks, CONTEXT_FEATURES] from block features [blocks, FEATURES] and the first model's scores (log-odds)."""
    return _context(  # type: ignore[no-any-return]
        rows, scores, page.parent, page.signature, page.first_block, page.last_block, page.node,
        np.ascontiguousarray(page.counts[:, C_CHARS]), page.text_hash,
    )  # fmt: skip
