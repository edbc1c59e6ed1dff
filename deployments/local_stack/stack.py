"""The local stack: Prefect server on SQLite, SeaweedFS, and a worker for each pool, in one folder.

Everything listens on this machine only, and ends with this process. The folder keeps what was stored.
"""

import fcntl
import os
import shlex
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType

from deployments.local_stack import processes
from deployments.local_stack.seaweed import Seaweed
from deployments.remote.register import POOLS, register
from tasks.errors import ServerProblem

SERVER_SECONDS = 300
STOP_SECONDS = 10
PREFECT_PORT = 4200
PORT_ATTEMPTS = 3

Say = Callable[[str], None]


class Stack:
    """The local stack as a context manager. Inside the block this process's environment points to it."""

    def __init__(self, folder: Path, say: Say) -> None:
        self.folder = folder.absolute()
        self._say = say
        self._seaweed = Seaweed(self.folder / "store")
        self._server: subprocess.Popen[bytes] | None = None
        self._workers: list[subprocess.Popen[bytes]] = []
        self._port = 0

    @property
    def ui(self) -> str:
        """Address of Prefect's UI."""
        return f"http://{processes.HOST}:{self._port}"

    def __enter__(self) -> "Stack":
        self._make_folders()
        self._refuse_second()
        try:
            self._say("starting the object store")
            self._seaweed.__enter__()
            self._say("starting the Prefect server")
            self._start_server()
            self._say("registering deployments, starting workers")
            register()
            self._workers = [self._start_worker(pool) for pool in POOLS]
            self._write_environment()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop()

    def check(self) -> None:
        """Check that all processes run.

        Raises:
            ServerProblem: one of them has ended.
        """
        for name, process in (("the Prefect server", self._server), *zip(POOLS, self._workers, strict=False)):
            if process is not None and process.poll() is not None:
                raise ServerProblem(f"{name} has ended with code {process.returncode}; see {self.folder / 'logs'}")

    def _make_folders(self) -> None:
        try:
            for name in ("logs", "prefect", "work"):
                (self.folder / name).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ServerProblem(f"{self.folder}: {error.strerror}; name a folder that can be written") from None

    def _refuse_second(self) -> None:
        """Two stacks on one folder would damage its databases. The lock ends with this process, in whatever way."""
        self._lock = (self.folder / ".lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._lock.close()
            raise ServerProblem(f"{self.folder}: a local stack runs here already; use it, or stop it") from None

    def _start_server(self) -> None:
        """Start it on a free port, or on another one if a program such as a second stack takes that meanwhile."""
        for _ in range(PORT_ATTEMPTS):
            server = self._launch_server()
            if self._wait_until_ready(server):
                return
        raise ServerProblem(f"no port stays free for the Prefect server; see {self.folder / 'logs' / 'server.log'}")

    def _launch_server(self) -> "subprocess.Popen[bytes]":
        self._port = processes.free_port(PREFECT_PORT)
        if self._port != PREFECT_PORT:
            self._say(f"port {PREFECT_PORT} is taken by another program; Prefect listens on {self._port} instead")
        os.environ.update(self._environment())
        for name in ("PREFECT_API_KEY", "PREFECT_API_AUTH_STRING", "PREFECT_PROFILE"):
            os.environ.pop(name, None)
        factory = "prefect.server.api.server:create_app"
        address = ["--factory", factory, "--host", processes.HOST, "--port", str(self._port)]
        command = [sys.executable, "-m", "uvicorn", *address, "--log-level", "warning"]
        self._server = processes.start(command, self.folder / "logs" / "server.log", os.environ)
        return self._server

    def _environment(self) -> dict[str, str]:
        """What this process, its workers and their flow runs need; the secret of the store is among it."""
        return {
            **self._seaweed.environment(),
            "NASFLOW_WORK_DIR": str(self.folder / "work"),
            "PREFECT_HOME": str(self.folder / "prefect"),
            "PREFECT_API_URL": f"{self.ui}/api",
            "PREFECT_UI_API_URL": f"{self.ui}/api",
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
            "PREFECT_WORKER_QUERY_SECONDS": "1",
            "PREFECT_CLI_PROMPT": "false",
            # Otherwise a restarted server does not know who holds a concurrency slot.
            "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect.server.concurrency.lease_storage.filesystem",
        }

    def _write_environment(self) -> None:
        """Write what another terminal needs to use this stack; only this user may read it, since it holds a secret."""
        lines = [f"export {name}={shlex.quote(value)}\n" for name, value in self._environment().items()]
        processes.publish_private(self.folder / "env.sh", "".join(lines))

    def _wait_until_ready(self, server: "subprocess.Popen[bytes]") -> bool:
        """Wait until the server answers; False if another program has its port, and may answer in its place."""
        deadline = time.monotonic() + SERVER_SECONDS
        while time.monotonic() < deadline:
            if server.poll() is not None and processes.is_open(self._port):
                return False
            self.check()
            if processes.listens(server, self._port):
                with suppress(urllib.error.URLError, OSError):
                    with urllib.request.urlopen(f"{self.ui}/api/health", timeout=5) as answer:  # noqa: S310, our own
                        if answer.status == 200:
                            return True
            time.sleep(0.2)
        raise ServerProblem(
            f"the Prefect server does not answer after {SERVER_SECONDS} s; see {self.folder / 'logs' / 'server.log'}"
        )

    def _start_worker(self, pool: str) -> subprocess.Popen[bytes]:
        prefect = str(Path(sys.executable).with_name("prefect"))
        limit = "1" if pool == "gpu" else "4"
        command = [sys.executable, prefect, "worker", "start", "--pool", pool, "--type", "process"]
        command += ["--name", f"local-{pool}", "--limit", limit]
        return processes.start(command, self.folder / "logs" / f"worker-{pool}.log", os.environ)

    def _stop(self) -> None:
        """Stop workers with their flow runs first, which report to the server; then the server; the store last."""
        for worker in self._workers:
            processes.stop_with_children(worker, STOP_SECONDS)
        self._workers = []
        if self._server is not None:
            processes.stop(self._server, STOP_SECONDS)
            self._server = None
        self._seaweed.stop()
        (self.folder / "env.sh").unlink(missing_ok=True)
        self._lock.close()
