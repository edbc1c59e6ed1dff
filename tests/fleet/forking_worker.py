"""``python -m tests.fleet.forking_worker --gpu 8 --default 8``: flow runs that start without loading Python anew.

A worker of Prefect starts ``python -m prefect.engine`` for each flow run, which takes seconds of processor time to
load. This process has loaded everything, and a fork of it becomes the flow run's process: the same module, requests,
states, files and objects, and a process that can be killed. It takes runs as a worker does: it asks the pool, and sets
a run to Pending before it starts. A process that ends with an error is reported as a crash.
"""

import argparse
import ctypes
import json
import os
import runpy
import signal
import sys
import time
import urllib.request
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

POLL_SECONDS = 1.0


class Places:
    """So many places for flow runs of a pool, each with a run or without one."""

    def __init__(self, pool: str, limit: int) -> None:
        self._pool, self._limit = pool, limit
        self._running: dict[int, str] = {}

    def take(self) -> str | None:
        """Start the runs that wait, as far as there is place. Gives the id of a run in its own process, else None."""
        self._collect()
        if not (free := self._limit - len(self._running)):
            return None
        body = {"limit": free, "scheduled_before": datetime.now(UTC).isoformat()}
        for found in ask(f"/work_pools/{self._pool}/get_scheduled_flow_runs", body):
            run = found["flow_run"]["id"]
            if not set_state(run, "PENDING"):
                continue
            if (pid := os.fork()) == 0:
                return run
            self._running[pid] = run
        return None

    def _collect(self) -> None:
        for pid in list(self._running):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if not ended:
                continue
            run, code = self._running.pop(pid), os.waitstatus_to_exitcode(status)
            if code and ask(f"/flow_runs/{run}")["state"]["type"] in ("PENDING", "RUNNING"):
                set_state(run, "CRASHED", f"Flow run process exited with code {code}")


def ask(path: str, body: Any = None) -> Any:
    """The server's answer. Without a library that starts threads, which a fork would lose."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(
        os.environ["PREFECT_API_URL"] + path, data=data, headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read())


def set_state(run: str, kind: str, message: str | None = None) -> bool:
    """Set a run's state; whether the server accepts it."""
    state = {"type": kind, "name": kind.capitalize(), "message": message}
    return ask(f"/flow_runs/{run}/set_state", {"state": state})["status"] == "ACCEPT"


def main() -> None:
    """Take runs until SIGTERM."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gpu", type=int, required=True)
    parser.add_argument("--default", type=int, required=True)
    options = parser.parse_args()
    import prefect.flow_engine  # noqa: F401

    places = [Places("gpu", options.gpu), Places("default", options.default)]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    run = None
    while run is None:
        with suppress(OSError):
            run = next((run for place in places if (run := place.take())), None)
        if run is None:
            time.sleep(POLL_SECONDS)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # ends with the worker, as the worker with the fleet
    os.environ["PREFECT__FLOW_RUN_ID"] = run
    sys.argv = ["prefect.engine"]
    runpy.run_module("prefect.engine", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
