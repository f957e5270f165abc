"""Blocks worked on by the processes of a Dask cluster, on this machine or on many that share a disk.

Every worker writes the part files of its blocks itself, each atomically, so nothing but block names goes over the wire.
A block whose worker is lost is done again by another one.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from threadpoolctl import threadpool_limits

from sinkest.errors import RunError, SinkestError

if TYPE_CHECKING:
    from distributed import Client

LOCAL = "local:"
CONNECT_S = 30
IN_FLIGHT = 2
"""Blocks handed out for each thread of a cluster: one under way, and one that waits so that no thread ever does."""

Item = TypeVar("Item")


def run_on_cluster(
    step: Callable[[Item], None],
    items: Sequence[Item],
    scheduler: str,
    *,
    most: int | None = None,
    advance: Callable[[int], None] | None = None,
) -> None:
    """Call ``step`` with every item, on a cluster.

    Parameters
    ----------
    step : callable
        Picklable; may be called twice with the same item where a worker is lost.
    items : sequence
        In the order in which they are handed out.
    scheduler : str
        ``local:3`` for three processes of this machine, or the address of a running scheduler, ``tcp://host:port``.
    most : int, optional
        Most items handed out at once.
    advance : callable, optional
        Called with 1 for every item that is done.

    Raises
    ------
    RunError
        If the cluster cannot be reached, is lost on the way, or loses a worker over one item again and again.
    """
    with _client(scheduler) as client:
        from distributed import as_completed

        threads = max(1, sum(client.nthreads().values()))
        todo = iter(items)
        room = min(len(items), max(1, most or IN_FLIGHT * threads))
        first = [client.submit(_alone, step, next(todo), pure=False) for _ in range(room)]
        futures = as_completed(first, loop=client.loop)
        for future in futures:
            _settled(future, scheduler)
            if advance is not None:
                advance(1)
            following = next(todo, None)
            if following is not None:
                futures.add(client.submit(_alone, step, following, pure=False))


def _alone(step: Callable[[Any], None], item: Any) -> None:
    """One item, on one core: the workers are as many as there are cores to use."""
    problem = None
    with threadpool_limits(1):
        try:
            step(item)
        except SinkestError as error:
            problem = error
    if problem is not None:
        # What it came of stays here: errors of some libraries cannot be sent, and would take this one's kind with them.
        problem.__cause__ = problem.__context__ = None
        raise problem


def _settled(future: Any, scheduler: str) -> None:
    """Raise what went wrong with an item.

    Its result, nothing, is never asked for: where the worker that holds it is lost, the item would be done again.
    """
    from distributed import KilledWorker

    if future.status == "cancelled":
        raise RunError("mapping.scheduler_lost", scheduler=scheduler)
    if future.status == "error":
        error = future.exception()
        if isinstance(error, KilledWorker):
            raise RunError("mapping.worker_killed", scheduler=scheduler, reason=str(error)) from error
        raise error
    future.release()


@contextmanager
def _client(scheduler: str) -> Iterator[Client]:
    try:
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise RunError("mapping.no_distributed", scheduler=scheduler) from error
    if not scheduler.startswith(LOCAL):
        try:
            client = Client(scheduler, timeout=CONNECT_S, set_as_default=False)
        except (OSError, ValueError) as error:
            raise RunError("mapping.no_scheduler", scheduler=scheduler, reason=str(error)) from error
        with client:
            yield client
        return
    with (
        tempfile.TemporaryDirectory(prefix="sinkest-cluster-") as scratch,
        LocalCluster(
            n_workers=int(scheduler.removeprefix(LOCAL)),
            threads_per_worker=1,
            processes=True,
            host="127.0.0.1",
            dashboard_address="127.0.0.1:0",
            memory_limit=None,
            local_directory=scratch,
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client
