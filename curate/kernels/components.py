"""Connected components over edge arrays: union-find for what fits in memory, and the two star operations for
what does not.

The star operations (Kiveris et al., "Connected components in MapReduce and beyond", 2014) read edges as rows
(u, v) sorted by u, then v, a chunk at a time; `state` carries the open group from chunk to chunk. Alternated,
they turn every component into a star around its least node.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from curate.kernels.compiled import allocating_kernel, kernel

NO_STATE = np.array([0, 0, 0, 0], dtype=np.uint64)
"""open?, u, least node of the group, last v: the state before the first chunk."""


@allocating_kernel
def large_star(u, v, state):  # type: ignore[no-untyped-def]
    """Each node joins its greater neighbours to its least one. In: every edge in both directions. Out: (v, least)."""
    out_a = np.empty(len(u), dtype=np.uint64)
    out_b = np.empty(len(u), dtype=np.uint64)
    n = 0
    for i in range(len(u)):
        if state[0] == 0 or u[i] != state[1]:
            state[0], state[1], state[2] = 1, u[i], min(u[i], v[i])
        elif v[i] == state[3]:
            continue
        state[3] = v[i]
        if v[i] > u[i]:
            out_a[n], out_b[n] = v[i], state[2]
            n += 1
    return out_a[:n], out_b[:n]


@allocating_kernel
def small_star(u, v, state):  # type: ignore[no-untyped-def]
    """Each node joins its lesser neighbours, and itself, to the least. In: edges (u > v). Out: (node, least)."""
    out_a = np.empty(len(u), dtype=np.uint64)
    out_b = np.empty(len(u), dtype=np.uint64)
    n = 0
    for i in range(len(u)):
        if state[0] == 0 or u[i] != state[1]:
            state[0], state[1], state[2], state[3] = 1, u[i], v[i], v[i]
            out_a[n], out_b[n] = u[i], v[i]
            n += 1
        elif v[i] != state[3]:
            state[3] = v[i]
            out_a[n], out_b[n] = v[i], state[2]
            n += 1
    return out_a[:n], out_b[:n]


@kernel
def count_non_stars(u, v, state):  # type: ignore[no-untyped-def]
    """Edges that no star has: of nodes with a lesser neighbour, those beyond the first. In: both directions."""
    n = 0
    for i in range(len(u)):
        if state[0] == 0 or u[i] != state[1]:
            state[0], state[1], state[2] = 1, u[i], min(u[i], v[i])
        elif v[i] != state[3] and state[2] < u[i]:
            n += 1
        state[3] = v[i]
    return n


@allocating_kernel
def star_labels(u, v, state):  # type: ignore[no-untyped-def]
    """(node, least node of its component) of a collection of stars given in both directions."""
    nodes = np.empty(len(u), dtype=np.uint64)
    labels = np.empty(len(u), dtype=np.uint64)
    n = 0
    for i in range(len(u)):
        if state[0] == 0 or u[i] != state[1]:
            state[0], state[1] = 1, u[i]
            nodes[n], labels[n] = u[i], min(u[i], v[i])
            n += 1
    return nodes[:n], labels[:n]


def union_find(a: NDArray[np.uint64], b: NDArray[np.uint64]) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """(node, least node of its component), by node, of the graph with the edges (a[i], b[i]).

    Memory: about 60 bytes an edge.
    """
    nodes = np.unique(np.concatenate([a, b]))
    parents = _union(np.searchsorted(nodes, a), np.searchsorted(nodes, b), len(nodes))
    return nodes, nodes[parents]


@allocating_kernel
def _union(a, b, n):  # type: ignore[no-untyped-def]
    """Roots by least index, with path halving."""
    parents = np.arange(n)
    for i in range(len(a)):
        x, y = a[i], b[i]
        while parents[x] != x:
            parents[x] = parents[parents[x]]
            x = parents[x]
        while parents[y] != y:
            parents[y] = parents[parents[y]]
            y = parents[y]
        if x < y:
            parents[y] = x
        elif y < x:
            parents[x] = y
    for i in range(n):
        parents[i] = parents[parents[i]]  # parents come before their children: one step is enough
    return parents


@allocating_kernel
def bucket_edges(keys, refs, centres, open_key, open_refs, seen):  # type: ignore[no-untyped-def]
    """Candidate pairs of buckets: rows (key, ref) sorted by key and by preference for the centre.

    Each member is paired with the first `centres` of its bucket. `open_key` uint64[1], `open_refs`
    uint64[centres] and `seen` int64[1] carry the open bucket from chunk to chunk. Out: (centre, member).
    """
    out_a = np.empty(len(keys) * centres, dtype=np.uint64)
    out_b = np.empty(len(keys) * centres, dtype=np.uint64)
    n = 0
    for i in range(len(keys)):
        if seen[0] == 0 or keys[i] != open_key[0]:
            open_key[0], seen[0] = keys[i], 0
        for centre in range(min(seen[0], centres)):
            out_a[n], out_b[n] = open_refs[centre], refs[i]
            n += 1
        if seen[0] < centres:
            open_refs[seen[0]] = refs[i]
        seen[0] += 1
    return out_a[:n], out_b[:n]
