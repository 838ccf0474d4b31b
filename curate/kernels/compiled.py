"""The decorators of kernels.

Kernels release the GIL, are cached, and run without numba's reference counts: with them, each call of one kernel
by another costs an atomic increment and decrement for every array that it passes, which made the word scan ten
times slower. So a `kernel` must not allocate: its caller hands it the arrays that it writes to. Where what comes out
is not known beforehand, an `allocating_kernel` makes its own arrays, and pays.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from numba import njit
from numba.core import event
from numba.core.caching import FunctionCache
from numba.core.runtime import rtsys

from curate import compile_time
from curate.kernels import import_without


class _KernelCache(FunctionCache):  # type: ignore[misc]
    """numba's cache of a function's machine code, without what only compiling needs: numba would first import all that
    it can compile and fill its tables of types, for a third of a second in each process."""

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        rtsys.initialize(target_context)  # what allocates would crash without; at once where it has been done
        with self._guard_against_spurious_io_errors():
            found = self._load_overload(sig, target_context)
        if found is None:  # scipy.linalg would be imported, for a third of a second, for the sake of np.cov
            import_without("scipy.linalg", "numba.np.arraymath")
        return found

    def save_overload(self, sig: Any, data: Any) -> None:
        try:
            super().save_overload(sig, data)
        except OSError as error:  # a full disk, or a folder that was cleared
            if not _untold:
                return
            _untold.clear()
            print(
                f"compiled kernels cannot be kept in {self.cache_path}: {error}; each process compiles them again, for "
                "minutes. Make room there, or set NUMBA_CACHE_DIR to another folder",
                file=sys.stderr,
            )


_untold = [True]
"""Empty once this process has told that kernels cannot be kept."""


class _CompileTimer(event.Listener):  # type: ignore[misc]
    """Tells of what compiling takes. A kernel's compiling includes that of those which it calls."""

    def on_start(self, event: Any) -> None:
        compile_time.begin()

    def on_end(self, event: Any) -> None:
        compile_time.end()


event.register("numba:compile", _CompileTimer())


def kernel(function: Callable[..., Any]) -> Any:
    """Compiles the function at its first call with arguments of their types, or loads it from the cache."""
    return _cached(function, reference_counts=False)


def allocating_kernel(function: Callable[..., Any]) -> Any:
    """The same for a function that makes arrays."""
    return _cached(function, reference_counts=True)


def _cached(function: Callable[..., Any], reference_counts: bool) -> Any:
    dispatcher = njit(nogil=True, _nrt=reference_counts)(function)
    dispatcher._cache = _KernelCache(function)
    return dispatcher
