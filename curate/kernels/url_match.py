"""URLs against block lists, on bytes: one pass over a URL, no string made of it.

A list is three arrays: the sorted 64-bit hashes of its entries, a category for each, and an index into them by
their upper bits. A domain entry blocks the host and all below it, so hosts are hashed from their end and looked
up at every dot; a URL entry blocks its path and all below it, so URLs are hashed on from the host and looked up
at every `/ ? # &`. Words are found in the letters and digits of the URL.
"""

from __future__ import annotations

import numba as nb
import numpy as np

from curate.kernels.compiled import allocating_kernel, kernel
from curate.kernels.hashing import FNV_OFFSET, finish, step

BUCKET_BITS = 20
"""2^20 buckets of 4 bytes: four or five of 4.6 million entries fall into one."""

NOTHING = -1
DOMAIN, URL, WORD, SUBWORD, SOFT_WORDS = range(5)
SIEVE_BITS = 14
"""Most words of URLs are in no list: a byte for each value of their hash's low bits says so without a search."""
MAX_SOFT = 16
"""Distinct soft words counted in one URL; more of them count as this many."""


@nb.njit(cache=True, nogil=True, inline="always")
def _lower(byte):  # type: ignore[no-untyped-def]
    return byte + 32 if 65 <= byte <= 90 else byte


@nb.njit(cache=True, nogil=True, inline="always")
def _alphanumeric(byte):  # type: ignore[no-untyped-def]
    """byte is lower-case already."""
    return 97 <= byte <= 122 or 48 <= byte <= 57


@kernel
def host_range(data, start, stop):  # type: ignore[no-untyped-def]
    """Where the host of a URL (with or without scheme, user, port) starts and stops, and where its path starts."""
    while start < stop and data[start] <= 32:
        start += 1
    while stop > start and data[stop - 1] <= 32:
        stop -= 1
    for index in range(start, min(stop - 2, start + 32)):
        byte = data[index]
        if byte == 58 and data[index + 1] == 47 and data[index + 2] == 47:
            start = index + 3
            break
        if byte == 47 or byte == 46:
            break
    if stop - start > 2 and data[start] == 47 and data[start + 1] == 47:
        start += 2
    path = start
    while path < stop and data[path] != 47 and data[path] != 63 and data[path] != 35:
        path += 1
    host = start
    for index in range(start, path):
        if data[index] == 64:
            host = index + 1
    end = host
    bracket = False
    while end < path and (bracket or data[end] != 58):
        bracket = bracket or data[end] == 91
        bracket = bracket and data[end] != 93
        end += 1
    while end > host and data[end - 1] == 46:
        end -= 1
    return host, end, path, stop


@kernel
def _after_www(data, host, end):  # type: ignore[no-untyped-def]
    """The host's start without a leading `www.` or `www2.`"""
    index = host
    while index < end and index < host + 3:
        if _lower(data[index]) != 119:
            return host
        index += 1
    while index < end and 48 <= data[index] <= 57:
        index += 1
    return index + 1 if index < end - 1 and data[index] == 46 and index >= host + 3 else host


@allocating_kernel
def hash_entries(data, as_urls):  # type: ignore[no-untyped-def]
    """The hashes of a list, one entry a line; `#` begins a comment line. Entries of domain lists and of URL
    lists are hashed as `match_urls` looks them up."""
    n_lines = 1
    for index in range(len(data)):
        n_lines += data[index] == 10
    hashes = np.empty(n_lines, dtype=np.uint64)
    n = 0
    start = 0
    for index in range(len(data) + 1):
        if index < len(data) and data[index] != 10:
            continue
        if index > start and data[start] != 35:
            host, end, path, stop = host_range(data, start, index)
            value = FNV_OFFSET
            if as_urls:
                for at in range(end - 1, _after_www(data, host, end) - 1, -1):
                    value = step(value, _lower(data[at]))
                while stop > path and data[stop - 1] == 47:
                    stop -= 1
                for at in range(path, stop):
                    value = step(value, _lower(data[at]))
            else:
                for at in range(end - 1, host - 1, -1):
                    value = step(value, _lower(data[at]))
            if end > host:
                hashes[n] = finish(value)
                n += 1
        start = index + 1
    return hashes[:n]


@allocating_kernel
def bucket_starts(hashes):  # type: ignore[no-untyped-def]
    """Where, in the sorted hashes, the entries of each bucket start: 2^BUCKET_BITS + 1 positions."""
    shift = np.uint64(64 - BUCKET_BITS)
    starts = np.zeros((1 << BUCKET_BITS) + 1, dtype=np.uint32)
    for index in range(len(hashes)):
        starts[np.int64(hashes[index] >> shift) + 1] += np.uint32(1)
    for index in range(1, len(starts)):
        starts[index] += starts[index - 1]
    return starts


@kernel
def _find(value, hashes, starts):  # type: ignore[no-untyped-def]
    bucket = np.int64(value >> np.uint64(64 - BUCKET_BITS))
    for index in range(np.int64(starts[bucket]), np.int64(starts[bucket + 1])):
        if hashes[index] == value:
            return index
        if hashes[index] > value:
            break
    return -1


@kernel
def _sorted_index(value, hashes):  # type: ignore[no-untyped-def]
    low, high = 0, len(hashes)
    while low < high:
        middle = (low + high) // 2
        if hashes[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low if low < len(hashes) and hashes[low] == value else -1


@kernel
def hash_word(data, start, stop):  # type: ignore[no-untyped-def]
    """The hash of a word of a word list, as `match_words` hashes the words of a URL."""
    value = FNV_OFFSET
    for index in range(start, stop):
        value = step(value, _lower(data[index]))
    return finish(value)


@allocating_kernel
def match_urls(data, offsets, domains, domain_starts, domain_category, urls, url_starts, url_category):  # type: ignore[no-untyped-def]
    """For each row: the kind of match (NOTHING, DOMAIN, URL), the category of the entry, and the bytes
    [start, stop) of the URL that matched it. The shortest domain that is listed wins."""
    n = len(offsets) - 1
    kind = np.full(n, NOTHING, dtype=np.int8)
    category = np.zeros(n, dtype=np.uint8)
    matched = np.zeros((n, 2), dtype=np.int64)
    for row in range(n):
        host, end, path, stop = host_range(data, offsets[row], offsets[row + 1])
        if end <= host:
            continue
        numeric = True
        for index in range(host, end):
            numeric = numeric and (data[index] == 46 or 48 <= data[index] <= 57)
        value = FNV_OFFSET
        bare = _after_www(data, host, end)
        at_bare = value
        for index in range(end - 1, host - 1, -1):
            value = step(value, _lower(data[index]))
            if index == bare:
                at_bare = value
            if index == host or (data[index - 1] == 46 and not numeric):
                entry = _find(finish(value), domains, domain_starts)
                if entry >= 0:
                    kind[row], category[row] = DOMAIN, domain_category[entry]
                    matched[row, 0], matched[row, 1] = index, end
                    break
        if kind[row] != NOTHING or len(urls) == 0:
            continue
        value = at_bare
        for index in range(path, stop + 1):
            boundary = index == stop
            if not boundary:
                byte = data[index]
                boundary = byte == 47 or byte == 63 or byte == 35 or byte == 38
            if boundary:
                entry = _find(finish(value), urls, url_starts)
                if entry >= 0:
                    kind[row], category[row] = URL, url_category[entry]
                    matched[row, 0], matched[row, 1] = bare, index
                    break
            if index < stop:
                value = step(value, _lower(data[index]))
    return kind, category, matched


@allocating_kernel
def sieve_of(hard, soft):  # type: ignore[no-untyped-def]
    """1 where the low bits of a hash are those of some listed word."""
    sieve = np.zeros(1 << SIEVE_BITS, dtype=np.uint8)
    for value in hard:
        sieve[value & np.uint64((1 << SIEVE_BITS) - 1)] = 1
    for value in soft:
        sieve[value & np.uint64((1 << SIEVE_BITS) - 1)] = 1
    return sieve


@allocating_kernel
def match_words(data, offsets, hard, soft, sieve, next_state, accepting, min_soft):  # type: ignore[no-untyped-def]
    """For each row: WORD where a word of the URL (a run of letters and digits) is in `hard`, SOFT_WORDS where
    at least `min_soft` different ones are in `soft`, SUBWORD where the automaton accepts within the URL's letters
    and digits joined together; the bytes that matched (a subword's: where it ends and its length in letters and
    digits); and how many different soft words there were. `hard` and `soft` are sorted hashes."""
    n = len(offsets) - 1
    kind = np.full(n, NOTHING, dtype=np.int8)
    matched = np.zeros((n, 2), dtype=np.int64)
    n_soft = np.zeros(n, dtype=np.int32)
    seen = np.empty(MAX_SOFT, dtype=np.int64)
    for row in range(n):
        value = FNV_OFFSET
        start = -1
        state = 0
        found = 0
        for index in range(offsets[row], offsets[row + 1] + 1):
            byte = _lower(data[index]) if index < offsets[row + 1] else np.uint8(0)
            if _alphanumeric(byte):
                if start < 0:
                    start, value = index, FNV_OFFSET
                value = step(value, byte)
                state = next_state[state, byte - 97 if byte >= 97 else byte - 22]
                if accepting[state] and kind[row] == NOTHING:
                    kind[row], matched[row, 0], matched[row, 1] = SUBWORD, index + 1, accepting[state]
            elif start >= 0:
                start_of_word = start
                start = -1
                word = finish(value)
                if not sieve[word & np.uint64((1 << SIEVE_BITS) - 1)]:
                    continue
                if kind[row] != WORD and _sorted_index(word, hard) >= 0:
                    kind[row], matched[row, 0], matched[row, 1] = WORD, start_of_word, index
                entry = _sorted_index(word, soft)
                if entry >= 0 and found < MAX_SOFT:
                    new = True
                    for other in range(found):
                        new = new and seen[other] != entry
                    if new:
                        seen[found] = entry
                        found += 1
        n_soft[row] = found
        if kind[row] == NOTHING and found >= min_soft:
            kind[row] = SOFT_WORDS
    return kind, matched, n_soft
