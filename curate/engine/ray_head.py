"""`python -m curate.engine.ray_head WORKERS`: a Ray of this machine alone, until standard input ends.

It says the address on its first line. A Ray for one machine and one program needs neither an API server (no dashboard
is asked for), nor what scales a cluster, nor what sends workers' logs to the program: without these three it starts
in two thirds of the time and ends in a third. Ray can leave them out, but `ray.init` cannot be told to, so this module
knows Ray's own classes; a version of Ray that has others is started as `ray.init` does it.
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable

from curate.engine.local_ray import OBJECT_STORE_BYTES, let_in


def start(workers: int) -> tuple[str, Callable[[], None]]:
    """(address, what ends it)."""
    try:
        return _lean(workers)
    except (ImportError, AttributeError, TypeError) as error:
        print(f"this Ray is started with all its processes: {error!r}", file=sys.stderr)
    import ray

    context = ray.init(
        num_cpus=workers, include_dashboard=False, object_store_memory=OBJECT_STORE_BYTES, log_to_driver=False
    )
    return str(context.address_info["gcs_address"]), ray.shutdown


def _lean(workers: int) -> tuple[str, Callable[[], None]]:
    from ray._private import services
    from ray._private.node import Node
    from ray._private.parameter import RayParams

    let_in(create=True)
    parameters = RayParams(
        num_cpus=workers, object_store_memory=OBJECT_STORE_BYTES, include_dashboard=False,
        no_monitor=True, include_log_monitor=False,
    )  # fmt: skip
    if not callable(services.start_api_server):  # an AttributeError where there is none to leave out
        raise TypeError("ray._private.services.start_api_server")
    services.start_api_server = lambda *args, **kwargs: (None, None)
    node = Node(parameters, head=True, shutdown_at_exit=False, spawn_reaper=True)
    return str(node.gcs_address), lambda: node.kill_all_processes(check_alive=False, allow_graceful=True)


def main() -> int:
    # Ctrl-C at a terminal is for the program, which ends this process when it has ended its tasks.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    address, end = start(int(sys.argv[1]))
    print(address, flush=True)
    sys.stdin.read()
    end()
    return 0


if __name__ == "__main__":
    sys.exit(main())
