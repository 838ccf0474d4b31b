"""CPU seconds that this thread has spent on compiling kernels, so that they are not taken for a stage's.

Kernels are compiled at their first call, inside of whatever stage calls them. Kernels know no engine, and the engine
knows no kernel: what the ones count here, the other reads.
"""

from __future__ import annotations

import threading


class _Spent(threading.local):
    seconds = 0.0


_spent = _Spent()


def count(seconds: float) -> None:
    """This thread has compiled for so long."""
    _spent.seconds += seconds


def seconds() -> float:
    """What this thread has spent so far."""
    return _spent.seconds
