"""A real Prefect server on a free port, with a folder of its own, and nothing else: no worker, no deployment."""

import os
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from prefect.events.worker import EventsWorker
from prefect.logging.handlers import APILogWorker
from prefect.settings import PREFECT_API_URL, PREFECT_HOME, temporary_settings

from deployments.local_stack import processes
from deployments.local_stack.stack import server_command

PATIENCE = 300


@contextmanager
def prefect_server(folder: Path) -> Iterator[str]:
    """Run a server; inside the block Prefect's settings of this process name it.

    Args:
        folder: For its database and its log.

    Yields:
        Address of its API.
    """
    port = processes.free_port()
    url = f"http://{processes.HOST}:{port}/api"
    environment = {
        **os.environ, "PREFECT_HOME": str(folder), "PREFECT_API_URL": url,
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1",
    }  # fmt: skip
    server = processes.start(server_command(port), folder / "server.log", environment)
    try:
        _wait_for(url, server.poll)
        with temporary_settings({PREFECT_API_URL: url, PREFECT_HOME: folder}):
            yield url
            send_what_waits()
    finally:
        processes.stop(server, 10)


def send_what_waits() -> None:
    """Send the events and logs of this process, and end the threads that do.

    A thread that outlives its server takes the events of the next server of this process, and then waits for the first.
    """
    EventsWorker.drain_all(at_exit=False)
    APILogWorker.drain_all(at_exit=False)


def _wait_for(url: str, ended) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        assert ended() is None
        with suppress(urllib.error.URLError, OSError), urllib.request.urlopen(f"{url}/health", timeout=5) as answer:
            if answer.status == 200:
                return
        time.sleep(0.2)
    raise AssertionError("the server does not answer")
