"""Windows of words: rolling hashes, winnowed anchors, and the words that marked windows cover.

Winnowing (Schleimer, Wilkerson and Aiken 2003) selects, out of every `length - gram + 1` grams in a row, the one
with the least hash: any two runs of `length` equal words select the same gram at the same place in them, so that
every shared run has an anchor, at a cost of about 2 in `length - gram + 2` places.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from curate.kernels.compiled import allocating_kernel
from curate.kernels.units import mix

_BASE = 0x9E3779B97F4A7C15


@allocating_kernel
def window_hashes(hashes, low, high, length):  # type: ignore[no-untyped-def]
    """uint64[max(0, words - length + 1)]: the hash of the window that begins at each word low … high - length."""
    base = np.uint64(_BASE)
    n = max(0, high - low - length + 1)
    out = np.empty(n, dtype=np.uint64)
    if n == 0:
        return out
    power, value = np.uint64(1), np.uint64(0)
    for index in range(length):
        value = value * base + hashes[low + index]
        power *= base
    out[0] = mix(value)
    for index in range(1, n):
        value = value * base + hashes[low + index + length - 1] - hashes[low + index - 1] * power
        out[index] = mix(value)
    return out


@allocating_kernel
def selected(grams, width):  # type: ignore[no-untyped-def]
    """int64[max(0, grams - width + 1)]: for each window of `width` grams the place of its least, the last if tied."""
    n = max(0, len(grams) - width + 1)
    out = np.empty(n, dtype=np.int64)
    queue = np.empty(len(grams), dtype=np.int64)  # places of increasing hashes: the least is at the head
    head = tail = 0
    for index in range(len(grams)):
        while tail > head and grams[queue[tail - 1]] >= grams[index]:
            tail -= 1
        queue[tail] = index
        tail += 1
        if queue[head] <= index - width:
            head += 1
        if index >= width - 1:
            out[index - width + 1] = queue[head]
    return out


@allocating_kernel
def winnow(hashes, first, gram, length):  # type: ignore[no-untyped-def]
    """(documents, anchors): the distinct anchors of each document that has at least `length` words."""
    capacity = len(hashes) + 1
    owners = np.empty(capacity, dtype=np.int64)
    anchors = np.empty(capacity, dtype=np.uint64)
    n = 0
    for document in range(len(first) - 1):
        grams = window_hashes(hashes, first[document], first[document + 1], gram)
        places = selected(grams, length - gram + 1)
        if len(places) == 0:
            continue
        found = np.empty(len(places), dtype=np.uint64)
        m = 0
        for index in range(len(places)):
            if index == 0 or places[index] != places[index - 1]:
                found[m] = grams[places[index]]
                m += 1
        found = np.sort(found[:m])
        for index in range(m):
            if index == 0 or found[index] != found[index - 1]:
                owners[n], anchors[n] = document, found[index]
                n += 1
    return owners[:n], anchors[:n]


@allocating_kernel
def anchored_windows(hashes, low, high, gram, length, anchors):  # type: ignore[no-untyped-def]
    """(places, hashes) of the windows of `length` words whose selected gram is in the sorted array `anchors`."""
    grams = window_hashes(hashes, low, high, gram)
    places = selected(grams, length - gram + 1)
    windows = window_hashes(hashes, low, high, length)
    at = np.empty(len(places), dtype=np.int64)
    values = np.empty(len(places), dtype=np.uint64)
    n = 0
    for index in range(len(places)):
        anchor = grams[places[index]]
        slot = np.searchsorted(anchors, anchor)
        if slot < len(anchors) and anchors[slot] == anchor:
            at[n], values[n] = index, windows[index]
            n += 1
    return at[:n], values[:n]


@allocating_kernel
def covered_runs(places, length):  # type: ignore[no-untyped-def]
    """int64[runs, 2]: first and past-the-last word of the runs that windows at the sorted `places` cover."""
    out = np.empty((len(places), 2), dtype=np.int64)
    n = 0
    for place in places:
        if n and place <= out[n - 1, 1]:
            out[n - 1, 1] = place + length
        else:
            out[n, 0], out[n, 1] = place, place + length
            n += 1
    return out[:n]


@allocating_kernel
def find_windows(hashes, first, length, keys, bits):  # type: ignore[no-untyped-def]
    """(documents, places, slots) of the windows of `length` words whose hash is keys[slot].

    `keys` is sorted; `bits` uint8[2**n] has a bit set for the top n + 3 bits of each, so that nearly all windows
    are done with after one look.
    """
    shift = np.uint64(64)
    size = len(bits) * 8
    while size > 1:
        shift -= np.uint64(1)
        size >>= 1
    documents = np.empty(16, dtype=np.int64)
    places = np.empty(16, dtype=np.int64)
    slots = np.empty(16, dtype=np.int64)
    n = 0
    for document in range(len(first) - 1):
        windows = window_hashes(hashes, first[document], first[document + 1], length)
        for place in range(len(windows)):
            bit = windows[place] >> shift
            if not bits[bit >> np.uint64(3)] >> np.uint8(bit & np.uint64(7)) & 1:
                continue
            slot = np.searchsorted(keys, windows[place])
            if slot < len(keys) and keys[slot] == windows[place]:
                if n == len(documents):
                    documents = np.concatenate((documents, np.empty_like(documents)))
                    places = np.concatenate((places, np.empty_like(places)))
                    slots = np.concatenate((slots, np.empty_like(slots)))
                documents[n], places[n], slots[n] = document, place, slot
                n += 1
    return documents[:n], places[:n], slots[:n]


def filter_bits(keys: NDArray[np.uint64], log2_bits: int = 26) -> NDArray[np.uint8]:
    """The bits that `find_windows` looks at, for keys that are well mixed."""
    bits = np.zeros(1 << (log2_bits - 3), dtype=np.uint8)
    tops = keys >> np.uint64(64 - log2_bits)
    np.bitwise_or.at(
        bits, (tops >> np.uint64(3)).astype(np.int64), np.uint8(1) << (tops & np.uint64(7)).astype(np.uint8)
    )
    return bits
