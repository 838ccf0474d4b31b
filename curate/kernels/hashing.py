"""The 64-bit hash of a run of bytes: FNV-1a, then MurmurHash3's finaliser.

FNV-1a (http://www.isthe.com/chongo/tech/comp/fnv/) costs one multiplication a byte and needs no length
beforehand; its low bits mix poorly, which the finaliser mends. Equal bytes give equal hashes on every machine;
0 is never a hash, so that tables can use it for an empty slot.
"""

from __future__ import annotations

import numpy as np

from curate.kernels.compiled import kernel

_OFFSET = 0xCBF29CE484222325
_PRIME = 0x100000001B3
_MASK = (1 << 64) - 1

FNV_OFFSET = np.uint64(_OFFSET)
FNV_PRIME = np.uint64(_PRIME)


def hash_bytes(data: bytes) -> int:
    """The hash, in plain Python: for tables, and as the oracle of the kernels."""
    value = _OFFSET
    for byte in data:
        value = ((value ^ byte) * _PRIME) & _MASK
    value ^= value >> 33
    value = (value * 0xFF51AFD7ED558CCD) & _MASK
    value ^= value >> 33
    value = (value * 0xC4CEB9FE1A85EC53) & _MASK
    value ^= value >> 33
    return value or 1


@kernel
def step(value: np.uint64, byte: np.uint8) -> np.uint64:
    """FNV-1a's step; start from FNV_OFFSET, end with `finish`."""
    return (value ^ np.uint64(byte)) * FNV_PRIME


@kernel
def finish(value: np.uint64) -> np.uint64:
    value ^= value >> np.uint64(33)
    value *= np.uint64(0xFF51AFD7ED558CCD)
    value ^= value >> np.uint64(33)
    value *= np.uint64(0xC4CEB9FE1A85EC53)
    value ^= value >> np.uint64(33)
    return value if value != np.uint64(0) else np.uint64(1)


@kernel
def hash_range(data, start, stop):  # type: ignore[no-untyped-def]
    """The hash of data[start:stop]."""
    value = FNV_OFFSET
    for index in range(start, stop):
        value = step(value, data[index])
    return finish(value)
