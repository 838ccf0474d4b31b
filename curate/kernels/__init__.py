"""Numba kernels over UTF-8 buffers: arrays in, arrays out, no Arrow and no I/O.

Compiled code is cached in the environment (`<prefix>/var/cache/curate`), not beside the source, so that an
installed package needs no writable source folder; NUMBA_CACHE_DIR overrides it. `python -m curate compile` fills the
cache, and removes what former versions left there and nobody uses any more. numba compiles a kernel anew when its own
file has changed, but not when that of a kernel which it calls has: so the cache's folder is named by the hash of all
of them.
"""

import hashlib
import importlib
import os
import sys
import time
from contextlib import suppress
from pathlib import Path


def import_without(hidden: str, module: str) -> None:
    """Imports the module with another, which it would import if it could, out of sight. No effect on what has been
    imported already."""
    if hidden in sys.modules:
        return
    sys.modules[hidden] = None  # type: ignore[assignment]
    try:
        importlib.import_module(module)
    finally:
        del sys.modules[hidden]


def _version() -> str:
    """Hash of the kernels' source, in a millisecond."""
    digest = hashlib.blake2b(digest_size=8)
    for path in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def mark_used(folder: Path) -> None:
    """Makes the folder's time of change that of its last use, to a day."""
    with suppress(OSError):
        if time.time() - folder.stat().st_mtime > 86400:
            os.utime(folder)


VERSION = _version()
CACHE = Path(sys.prefix) / "var" / "cache" / "curate"
"""A folder for each version of the kernels that has been used in this environment."""
if not os.environ.get("NUMBA_CACHE_DIR") and os.access(sys.prefix, os.W_OK):  # numba reads it when it is imported
    os.environ["NUMBA_CACHE_DIR"] = str(CACHE / VERSION)  # also for worker processes
mark_used(CACHE / VERSION)
# cffi, with its parser of C, would take a tenth of a second, only so that compiled code can call its libraries.
import_without("cffi", "numba")
importlib.import_module("numba").config.CACHE_DIR = os.environ.get("NUMBA_CACHE_DIR", "")
