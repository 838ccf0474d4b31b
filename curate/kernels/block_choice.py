"""Which blocks of a page make its expected word-F1 largest, when all of its log-odds may be wrong by a common shift.

In go log-odds, weights and units of blocks, out comes which blocks are kept. One pass over the units in the order of
their probability tries every cut, so the cost is that of sorting them. Before, `even_out` draws the log-odds of a
group's blocks together; of what is kept, `said_before` finds what says again what stands above.
"""

from __future__ import annotations

import numpy as np

from curate.kernels.block_groups import count_keys
from curate.kernels.compiled import allocating_kernel


@allocating_kernel
def even_out(odds, group, share):
    """Log-odds, moved by `share` of the way to the mean of their group; `group` gives a number below len(odds)."""
    n = len(odds)
    total, number = np.zeros(n), np.zeros(n)
    for b in range(n):
        total[group[b]] += odds[b]
        number[group[b]] += 1
    evened = np.empty(n)
    for b in range(n):
        evened[b] = (1 - share) * odds[b] + share * total[group[b]] / number[group[b]]
    return evened


@allocating_kernel
def choose_units(odds, weights, units, factors, sharpness):
    """The blocks of the k most probable units, for the k that makes the expected F1 largest.

    With w the words and p the probability of a unit, F1 = 2 Σ_kept p·w / (Σ_kept w + Σ p·w); the expectation is the
    mean over shifts s of the log-odds, given as `factors` exp(−s). Log-odds are multiplied by `sharpness` first.
    """
    n, shifts = len(odds), len(factors)
    number = units.max() + 1
    weight, content = np.zeros(number), np.zeros((number, shifts))
    for b in range(n):
        unit, against = units[b], np.exp(-sharpness * odds[b])
        weight[unit] += weights[b]
        for s in range(shifts):
            content[unit, s] += weights[b] / (1 + against * factors[s])
    share, everything = np.empty(number), np.zeros(shifts)
    for unit in range(number):
        total = 0.0
        for s in range(shifts):
            total += content[unit, s]
            everything[s] += content[unit, s]
        share[unit] = -total / weight[unit]
    order = np.argsort(share, kind="mergesort")
    kept, best, best_number, found = 0.0, -1.0, 0, np.zeros(shifts)
    for k in range(number):
        kept += weight[order[k]]
        expected = 0.0
        for s in range(shifts):
            found[s] += content[order[k], s]
            expected += 2 * found[s] / (kept + everything[s] + 1e-9)
        if expected > best:
            best, best_number = expected, k + 1
    keep = np.zeros(number, np.bool_)
    keep[order[:best_number]] = True
    return keep[units]


@allocating_kernel
def said_before(keys, words, min_words):
    """Which blocks stand in a run, of `min_words` words or more, that came before block by block.

    `keys` are equal where blocks say the same; a run is compared with the blocks from the first equal one on, which
    may be part of it where a text follows itself.
    """
    first, n = count_keys(keys)[0], len(keys)
    again = np.zeros(n, np.bool_)
    begin = 0
    while begin < n:
        if first[begin] == begin:
            begin += 1
            continue
        stop, total, back = begin, 0, begin - first[begin]
        while stop < n and keys[stop] == keys[stop - back]:
            total += words[stop]
            stop += 1
        again[begin:stop] = total >= min_words
        begin = stop
    return again
