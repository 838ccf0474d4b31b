"""Carries tasks out: in this process, or as Ray tasks. Ray is imported here alone.

Tasks are independent and commit their own output, so an executor only has to see that each one ends. A worker that
dies (a crash in a C library, a kill, a machine that goes away) costs its task one more attempt, with care: the task
then guards itself against its own records. Ray's own retries are off, since they would repeat a crash blindly.
"""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from typing import Any, Protocol, TypeVar

from curate.engine.local_ray import ClusterError, LocalRay, let_in, quiet
from curate.engine.store import Store
from curate.stage import Resources

MAX_ATTEMPTS = 4


class Task(Protocol):
    """Something that a worker can do."""

    @property
    def store(self) -> str: ...

    @property
    def record(self) -> str:
        """The file, in the store, by which the task counts as done."""
        ...

    def with_care(self) -> Any:
        """The task as it should be tried after it has killed a worker."""
        ...


T = TypeVar("T", bound=Task)
R = TypeVar("R")


KNOCK_SECONDS = 10.0
"""How long a cluster may take to accept a connection."""


class WorkerLostError(RuntimeError):
    """A task killed its worker on every attempt."""


class Executor(Protocol):
    """Runs tasks."""

    on_lost: Callable[[str, int, str], None] | None
    """Told of each worker that dies: the task's record, the attempt, what Ray says it was."""

    @property
    def workers(self) -> int: ...

    def run(self, tasks: Iterable[T], work: Callable[[T], R], resources: Resources) -> Iterator[R]:
        """Answers in the order in which tasks end."""
        ...

    def close(self) -> None: ...


class InlineExecutor:
    """One task after the other in this process. A record that kills the process is met with care, and found, when
    the same command runs again."""

    workers = 1
    on_lost: Callable[[str, int, str], None] | None = None

    def run(self, tasks: Iterable[T], work: Callable[[T], R], resources: Resources) -> Iterator[R]:
        for task in tasks:
            store, marker = Store(task.store), f"{task.record}.attempt"
            died_before = store.exists(marker)
            if died_before and self.on_lost is not None:
                self.on_lost(task.record, 1, "the process ended")
            store.write_bytes(marker, b"")
            yield work(task.with_care() if died_before else task)
            store.remove(marker)

    def close(self) -> None:
        """Nothing to end."""


class RayExecutor:
    """Ray tasks, as many in flight as there are workers."""

    on_lost: Callable[[str, int, str], None] | None = None

    def __init__(self, workers: int | None = None, address: str | None = None, local: LocalRay | None = None) -> None:
        """`address`: a cluster (`auto`, `ray://…`); None is Ray on this machine with `workers` CPUs: `local`, if it
        has been started already."""
        self._local: LocalRay | None = None
        if address is None:
            self._local = local or LocalRay(workers)
            self.workers = self._local.workers
            self._connect(self._local)
        else:
            self._join(address)
            self.workers = workers or _cpus()

    def _join(self, address: str) -> None:
        quiet()
        try:
            _knock(address)
            _init(address)
        except (OSError, ValueError) as error:
            raise ClusterError(
                f"--address {address}: no Ray cluster answers there ({error}). On a node of it use `auto`; "
                "from elsewhere give HOST:PORT or ray://HOST:10001, and where the cluster asks for its token, "
                "RAY_AUTH_MODE=token and the token (RAY_AUTH_TOKEN or ~/.ray/auth_token)"
            ) from error

    def _connect(self, local: LocalRay) -> None:
        import ray  # noqa: F401 - while Ray starts, not after

        address = local.address()
        let_in(create=False)
        _init(address)

    def run(self, tasks: Iterable[T], work: Callable[[T], R], resources: Resources) -> Iterator[R]:
        import ray
        from ray import exceptions

        lost_worker = (
            exceptions.WorkerCrashedError,
            exceptions.OutOfMemoryError,
            exceptions.NodeDiedError,
            exceptions.RaySystemError,
        )
        options = {"num_cpus": resources.cpu, "max_retries": 0, "memory": resources.memory_mb << 20}
        if resources.gpu:
            options["num_gpus"] = resources.gpu
        remote = ray.remote(work).options(**options)
        waiting = deque((task, 1) for task in tasks)
        flying: dict[Any, tuple[T, int]] = {}
        try:
            while waiting or flying:
                while waiting and len(flying) < self.workers:
                    task, attempt = waiting.popleft()
                    flying[remote.remote(task)] = (task, attempt)
                (reference, *_), _ = ray.wait(list(flying), num_returns=1)
                task, attempt = flying.pop(reference)
                try:
                    yield ray.get(reference)
                except exceptions.RayTaskError as error:
                    raise error.cause if isinstance(error.cause, Exception) else error from None
                except exceptions.LocalRayletDiedError as error:
                    raise WorkerLostError(
                        f"Ray has died on this machine, at {task.record} (most often it was killed, or memory ran "
                        "out); what was committed stays, and the same command goes on from there"
                    ) from error
                except lost_worker as error:
                    if self.on_lost is not None:
                        self.on_lost(task.record, attempt, type(error).__name__)
                    if attempt >= MAX_ATTEMPTS:
                        raise WorkerLostError(
                            f"{task.record}: the worker died {attempt} times ({type(error).__name__})"
                        ) from error
                    waiting.appendleft((task.with_care(), attempt + 1))
        finally:
            for reference in flying:
                with suppress(Exception):
                    ray.cancel(reference, force=True)

    def close(self) -> None:
        import ray

        ray.shutdown()
        if self._local is not None:
            self._local.end()


def _init(address: str) -> None:
    import ray

    ray.init(address=address, log_to_driver=False, logging_level="error", configure_logging=True)


def _cpus() -> int:
    """Of the cluster that was joined."""
    import ray

    return max(1, int(ray.cluster_resources().get("CPU", 1)))


def _knock(address: str) -> None:
    """OSError if nothing listens at HOST:PORT. Ray itself would try for minutes."""
    host, colon, port = address.removeprefix("ray://").rpartition(":")
    if colon and port.isdigit():
        socket.create_connection((host.strip("[]"), int(port)), timeout=KNOCK_SECONDS).close()
