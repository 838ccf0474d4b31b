"""Numba kernels over UTF-8 buffers: arrays in, arrays out, no Arrow and no I/O.

Compiled code is cached in the environment (`<prefix>/var/cache/curate`), not beside the source, so that an
installed package needs no writable source folder; NUMBA_CACHE_DIR overrides it. `python -m curate compile` fills the
cache. numba compiles a kernel anew when its own file has changed, but not when that of a kernel which it calls has:
so the cache's folder is named by the hash of all of them.
"""

import hashlib
import os
import sys
from pathlib import Path

import numba


def _version() -> str:
    """Hash of the kernels' source, in a millisecond."""
    digest = hashlib.blake2b(digest_size=8)
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


if not os.environ.get("NUMBA_CACHE_DIR") and os.access(sys.prefix, os.W_OK):
    _cache = str(Path(sys.prefix) / "var" / "cache" / "curate" / _version())
    os.environ["NUMBA_CACHE_DIR"] = _cache  # inherited by worker processes
    numba.config.CACHE_DIR = _cache
