"""CPU seconds that this thread has spent on compiling kernels, so that they are neither taken for a stage's nor held
against a record.

Kernels are compiled at their first call, inside of whatever stage calls them, for whatever record comes first. Kernels
know no engine, and the engine knows no kernel: what the ones tell here, the other hears.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable


class _Spent(threading.local):
    seconds = 0.0
    depth = 0
    began = 0.0


_spent = _Spent()
_before: list[Callable[[], None]] = []
_after: list[Callable[[float], None]] = []


def begin() -> None:
    """This thread begins to compile, or, while it does, begins another kernel that the first one calls."""
    if _spent.depth == 0:
        for call in _before:
            call()
        _spent.began = time.thread_time()
    _spent.depth += 1


def end() -> None:
    """What was begun last is done, or has failed."""
    _spent.depth -= 1
    if _spent.depth == 0:
        seconds = time.thread_time() - _spent.began
        _spent.seconds += seconds
        for call in _after:
            call(seconds)


def seconds() -> float:
    """What this thread has spent so far."""
    return _spent.seconds


def watch(before: Callable[[], None], after: Callable[[float], None]) -> None:
    """Has both called whenever a thread compiles; `after` with the seconds."""
    _before.append(before)
    _after.append(after)
