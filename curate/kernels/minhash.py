"""MinHash: shingles of word hashes, signatures, band keys and the Jaccard similarity of shingle sets.

Word hashes of a batch of documents go in (`hashes` uint64[words], `first` int64[documents + 1]). A shingle is
`ngram` words in a row; a document with fewer has one shingle of all its words, and one without words has none.
A signature is, for each of k hash functions, the least value over the document's shingles (Broder 1997); the
chance that one place of two signatures agrees is the Jaccard similarity of the two shingle sets.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from curate.kernels.compiled import allocating_kernel, kernel
from curate.kernels.units import mix

_BASE = 0x9E3779B97F4A7C15  # odd: the polynomial of a shingle keeps every bit of its words


def permutations(k: int, seed: int) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """Multipliers (odd) and addends of k permutations x → multiplier × x + addend mod 2**32.

    A linear permutation is min-wise only over values that look random, which the upper halves of mixed shingle
    hashes do. 32 bits, because processors multiply eight of them at once.
    """
    generator = np.random.Generator(np.random.PCG64(seed))
    drawn = generator.integers(0, 1 << 32, size=(2, k), dtype=np.uint32)
    return drawn[0] | np.uint32(1), drawn[1]


@allocating_kernel
def shingles(hashes, low, high, ngram):  # type: ignore[no-untyped-def]
    """Shingle hashes of the document with the words low … high - 1, in order, repeats included."""
    base = np.uint64(_BASE)
    n_words = high - low
    if n_words == 0:
        return np.empty(0, dtype=np.uint64)
    length = min(ngram, n_words)
    out = np.empty(n_words - length + 1, dtype=np.uint64)
    power = np.uint64(1)
    value = np.uint64(0)
    for index in range(length):
        value = value * base + hashes[low + index]
        power *= base
    out[0] = mix(value)
    for index in range(1, len(out)):
        value = value * base + hashes[low + index + length - 1] - hashes[low + index - 1] * power
        out[index] = mix(value)
    return out


@allocating_kernel
def signatures(hashes, first, ngram, multipliers, addends):  # type: ignore[no-untyped-def]
    """uint32[documents, k]; a document without words has the greatest value everywhere."""
    n_documents, k = len(first) - 1, len(multipliers)
    out = np.empty((n_documents, k), dtype=np.uint32)
    for document in range(n_documents):
        least = out[document]
        least[:] = np.uint32(0xFFFFFFFF)
        for shingle in shingles(hashes, first[document], first[document + 1], ngram):
            x = np.uint32(shingle >> np.uint64(32))
            for i in range(k):
                value = np.uint32(multipliers[i] * x + addends[i])
                least[i] = value if value < least[i] else least[i]
    return out


@allocating_kernel
def band_keys(signature, bands, rows):  # type: ignore[no-untyped-def]
    """uint64[documents, bands]: documents share a key if they agree in all rows of that band (up to a chance of
    2**-64 a pair)."""
    base = np.uint64(_BASE)
    n_documents = len(signature)
    out = np.empty((n_documents, bands), dtype=np.uint64)
    for document in range(n_documents):
        for band in range(bands):
            value = np.uint64(band + 1)
            for row in range(rows):
                value = mix(value * base + np.uint64(signature[document, band * rows + row]))
            out[document, band] = value
    return out


@allocating_kernel
def shingle_set(hashes, low, high, ngram):  # type: ignore[no-untyped-def]
    """The document's distinct shingles, sorted."""
    values = np.sort(shingles(hashes, low, high, ngram))
    n = 0
    for index in range(len(values)):
        if index == 0 or values[index] != values[index - 1]:
            values[n] = values[index]
            n += 1
    return values[:n]


@kernel
def jaccard(a, b):  # type: ignore[no-untyped-def]
    """|a ∩ b| / |a ∪ b| of two sorted sets; 0 where both are empty."""
    i = j = both = 0
    while i < len(a) and j < len(b):
        if a[i] == b[j]:
            both += 1
            i += 1
            j += 1
        elif a[i] < b[j]:
            i += 1
        else:
            j += 1
    union = len(a) + len(b) - both
    return both / union if union else 0.0


@allocating_kernel
def measure_pairs(hashes, first, centres, signature, ngram):  # type: ignore[no-untyped-def]
    """Estimated and exact Jaccard similarity of each document d with the document centres[d] ≤ d, as two
    float64[documents]. Documents of one centre stand together, behind it."""
    n_documents, k = signature.shape
    estimates = np.zeros(n_documents, dtype=np.float64)
    exact = np.zeros(n_documents, dtype=np.float64)
    centre_set = np.empty(0, dtype=np.uint64)
    for document in range(n_documents):
        own = shingle_set(hashes, first[document], first[document + 1], ngram)
        if centres[document] == document:
            centre_set = own
        agreeing = 0
        for i in range(k):
            if signature[document, i] == signature[centres[document], i]:
                agreeing += 1
        estimates[document] = agreeing / k
        exact[document] = jaccard(centre_set, own)
    return estimates, exact
