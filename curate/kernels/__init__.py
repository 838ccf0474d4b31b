"""Numba kernels over UTF-8 buffers: arrays in, arrays out, no Arrow and no I/O.

Compiled code is cached in the environment (`<prefix>/var/cache/curate`), not beside the source, so that an
installed package needs no writable source folder and every checkout keeps its own entry; NUMBA_CACHE_DIR
overrides it. `python -m curate compile` fills the cache.
"""

import os
import sys
from pathlib import Path

import numba

_CACHE = Path(sys.prefix) / "var" / "cache" / "curate"

if not os.environ.get("NUMBA_CACHE_DIR") and os.access(sys.prefix, os.W_OK):
    os.environ["NUMBA_CACHE_DIR"] = str(_CACHE)  # inherited by worker processes
    numba.config.CACHE_DIR = str(_CACHE)
