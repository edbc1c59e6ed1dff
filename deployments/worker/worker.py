"""Workers of this machine in the foreground, until they are asked to stop."""

import os
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import psutil

from deployments.local_stack import processes
from deployments.local_stack.supervised import Process, Supervised
from deployments.terminal.console import say
from deployments.worker.places import Place

STOP_SECONDS = 300
"""A flow run has so long to write its checkpoint, to send it, and to give its run back."""
KILL_SECONDS = 10
HEALTH_PORT = "PREFECT_WORKER_WEBSERVER_PORT"
"""Where it is set, a worker that is alone answers on that port at /health whether it still asks for flow runs."""


def run_until_stopped(pool: str, places: Sequence[Place]) -> None:
    """Start workers, and start again those that end, until Ctrl-C or SIGTERM; then have their flow runs handed over.

    Args:
        pool: The work pool.
        places: The workers.

    Raises:
        ServerProblem: a worker did not come up several times in a row.
    """
    processes.adopt_orphans()
    answers = len(places) == 1 and HEALTH_PORT in os.environ
    workers = [_Worker(_supervised(pool, place, answers_health=answers)) for place in places]
    try:
        while True:
            for worker in workers:
                worker.check()
            time.sleep(1)
    except KeyboardInterrupt:
        say("stopping; flow runs are handed over with a checkpoint")
    finally:
        _stop([worker.process for worker in workers if worker.process is not None])


class _Worker:
    """A Prefect worker. One that has ended is started again when its flow runs have: they use its GPU."""

    def __init__(self, supervised: Supervised) -> None:
        self._supervised = supervised
        self._flow_runs: set[psutil.Process] = set()

    @property
    def process(self) -> Process | None:
        return self._supervised.process

    def check(self) -> None:
        if self.process is None:
            if psutil.wait_procs(self._flow_runs, timeout=0)[1]:
                return
        elif self.process.poll() is None:
            self._flow_runs = _children(self.process.pid)
        self._supervised.check()


def _supervised(pool: str, place: Place, *, answers_health: bool) -> Supervised:
    prefect = str(Path(sys.executable).with_name("prefect"))
    command = [sys.executable, prefect, "worker", "start", "--pool", pool, "--type", "process"]
    command += ["--name", place.name, "--limit", str(place.limit), "--install-policy", "never"]
    command += ["--no-create-pool-if-not-found", *(["--with-healthcheck"] if answers_health else [])]
    environment = {**os.environ, **place.variables}

    def launch() -> Process:
        return processes.start(command, None, environment)

    # It counts as up at once: a worker that ends again and again must not end the others, whose flow runs train.
    return Supervised(f"worker {place.name}", "the lines above", launch, lambda _: True, say)


def _stop(workers: Sequence[Process]) -> None:
    """End workers, so that they take no further runs; then have their flow runs end; then kill whatever is left.

    Workers are killed: asked to stop, those of Prefect 3.9.1 kill their flow runs at once, before these have written a
    checkpoint. This process adopts the flow runs. They alone are asked, since they stop their trainers themselves.
    """
    flow_runs = {child for worker in workers for child in _children(worker.pid)}
    for worker in workers:
        worker.kill()
        worker.wait()
    flow_runs |= _children(os.getpid())  # those of workers that had ended before, and one that has just begun
    for flow_run in flow_runs:
        with suppress(psutil.NoSuchProcess):
            flow_run.terminate()
    with suppress(KeyboardInterrupt):  # asked again: at once
        psutil.wait_procs(flow_runs, timeout=STOP_SECONDS)
    processes.stop_descendants(KILL_SECONDS, keep=())


def _children(pid: int) -> set[psutil.Process]:
    try:
        return set(psutil.Process(pid).children())
    except psutil.NoSuchProcess:
        return set()
