"""The local stack: Prefect server on SQLite, SeaweedFS, and a worker for each pool, in one folder.

Everything listens on this machine only, and ends with this process. The folder keeps what was stored.
"""

import fcntl
import json
import os
import shlex
import sys
import time
import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from deployments.local_stack import processes
from deployments.local_stack.seaweed import Seaweed
from deployments.local_stack.supervised import Process, Supervised
from deployments.remote.pools import POOLS
from deployments.remote.register import describe_registered, preload, register
from deployments.remote.server import read_settings_again
from tasks.errors import ServerProblem
from tasks.local.proxies import LOOPBACK

SERVER_SECONDS = 300
"""Half a minute is usual; a busy machine may take minutes."""
STOP_SECONDS = 10
PREFECT_PORT = 4200
PORT_ATTEMPTS = 3

VACUUM = {
    "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
    "PREFECT_SERVER_SERVICES_DB_VACUUM_RETENTION_PERIOD": str(90 * 86_400),
}
"""The server forgets flow runs that ended 90 days ago, with their logs and artifacts. By default it keeps them."""

Say = Callable[[str], None]

NO_PROXY_LINE = (
    'case ",${no_proxy:-${NO_PROXY:-}}," in *",@,"* | ",*,") ;; '
    '*) export no_proxy="${no_proxy:-${NO_PROXY:-}},@"; export NO_PROXY="$no_proxy" ;; esac\n'
).replace("@", LOOPBACK)
"""Shell that keeps the servers of this machine out of the way of a proxy that the shell names."""


def path_line(folder: Path) -> str:
    """Shell that finds the programs of a folder, such as the command, if it does not yet."""
    name = shlex.quote(str(folder))
    return f'case ":$PATH:" in *:{name}:*) ;; *) export PATH={name}:"$PATH" ;; esac\n'


def server_command(port: int) -> list[str]:
    """The command of a Prefect server on a port of this machine; its environment says where its database is."""
    factory = "deployments.local_stack.prefect_app:create_app"
    address = ["--host", processes.HOST, "--port", str(port)]
    return [sys.executable, "-m", "uvicorn", "--factory", factory, *address, "--log-level", "warning"]


class Stack:
    """The local stack as a context manager. Inside the block this process's environment points to it."""

    def __init__(self, folder: Path, say: Say) -> None:
        self.folder = folder.absolute()
        self._say = say
        self._seaweed = Seaweed(self.folder / "store")
        self._logs = self.folder / "logs"
        self._store = Supervised(
            "the object store", self._seaweed.log, self._seaweed.launch, self._seaweed.answers, say
        )
        self._server = Supervised(
            "the Prefect server", self._logs / "server.log", self._launch_server, self._server_answers, say
        )
        self._workers: list[Supervised] = []
        self._port = 0

    @property
    def ui(self) -> str:
        """Address of Prefect's UI."""
        return f"http://{processes.HOST}:{self._port}"

    def __enter__(self) -> "Stack":
        self._make_folders()
        self._refuse_second()
        processes.adopt_orphans()
        try:
            self._say("starting the Prefect server")
            server = self._start_server()
            self._say("starting the object store")  # while the server loads, as what registering needs does
            self._seaweed.__enter__()
            self._store.adopt(self._seaweed.process)
            os.environ.update(self._seaweed.environment())
            preload()
            self._server.adopt(self._wait_for_server(server))
            read_settings_again()  # the server may have gone to another port meanwhile
            self._say("registering deployments, starting workers")
            for registered in register():
                for line in describe_registered(registered):
                    self._say(line)
            self._workers = [self._worker(pool) for pool in POOLS]
            self.check()
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
        """Start processes again that have ended. Workers need the store and the server, and wait for them.

        Raises:
            ServerProblem: one of them did not come up several times in a row.
        """
        if all([self._store.check(), self._server.check()]):
            for worker in self._workers:
                worker.check()

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

    def _start_server(self) -> Process:
        """Start it on a free port; this process's environment names it."""
        self._port = processes.free_port(PREFECT_PORT)
        if self._port != PREFECT_PORT:
            self._say(f"port {PREFECT_PORT} is taken by another program; Prefect listens on {self._port} instead")
        os.environ.update(self._prefect_environment())
        for name in ("PREFECT_API_KEY", "PREFECT_API_AUTH_STRING", "PREFECT_PROFILE"):
            os.environ.pop(name, None)
        self._server.process = self._launch_server()
        return self._server.process

    def _wait_for_server(self, server: Process) -> Process:
        """Wait for it, and start it on another port if a program such as a second stack has taken its port."""
        for _ in range(PORT_ATTEMPTS):
            if self._wait_until_ready(server):
                return server
            server = self._start_server()
        raise ServerProblem(f"no port stays free for the Prefect server; see {self._logs / 'server.log'}")

    def _launch_server(self) -> Process:
        return processes.start(server_command(self._port), self._logs / "server.log", os.environ)

    def _environment(self) -> dict[str, str]:
        """What this process, its workers and their flow runs need; the secret of the store is among it."""
        return {**self._seaweed.environment(), **self._prefect_environment()}

    def _prefect_environment(self) -> dict[str, str]:
        return {
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
            **VACUUM,
        }

    def _write_environment(self) -> None:
        """Write what another terminal needs to use this stack; only this user may read it, since it holds a secret."""
        lines = [f"export {name}={shlex.quote(value)}\n" for name, value in self._environment().items()]
        processes.publish_private(
            self.folder / "env.sh", "".join([*lines, NO_PROXY_LINE, path_line(Path(sys.executable).parent)])
        )

    def _wait_until_ready(self, server: Process) -> bool:
        """Wait until the server answers; False if another program has its port, and may answer in its place."""
        deadline = time.monotonic() + SERVER_SECONDS
        while time.monotonic() < deadline:
            if (code := server.poll()) is not None:
                if processes.is_open(self._port):
                    return False
                raise ServerProblem(f"the Prefect server has ended with code {code}; see {self._logs / 'server.log'}")
            if self._server_answers(server):
                return True
            time.sleep(0.05)
        raise ServerProblem(
            f"the Prefect server does not answer after {SERVER_SECONDS} s; see {self._logs / 'server.log'}"
        )

    def _server_answers(self, server: Process) -> bool:
        """Whether it is this server that answers, and not another program that has its port."""
        return processes.listens(server, self._port) and self._ask_server("/health") is True

    def _ask_server(self, path: str, body: dict[str, Any] | None = None) -> Any:
        """The server's answer as JSON; None if it does not answer."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.ui}/api{path}", data=data, headers=headers)  # noqa: S310, our own
        try:
            with urllib.request.urlopen(request, timeout=5) as answer:  # noqa: S310, our own
                return json.loads(answer.read())
        except (OSError, ValueError):
            return None

    def _worker(self, pool: str) -> Supervised:
        prefect = str(Path(sys.executable).with_name("prefect"))
        log = self._logs / f"worker-{pool}.log"
        limit = "1" if pool == "gpu" else "4"
        command = [sys.executable, prefect, "worker", "start", "--pool", pool, "--type", "process"]
        command += ["--name", f"local-{pool}", "--limit", limit]
        started = datetime.now(UTC)

        def launch() -> Process:
            nonlocal started
            started = datetime.now(UTC)
            return processes.start(command, log, os.environ)

        def answers(_: Process) -> bool:
            workers = self._ask_server(f"/work_pools/{pool}/workers/filter", {}) or []
            heartbeats = [worker["last_heartbeat_time"] for worker in workers if worker["name"] == f"local-{pool}"]
            return any(datetime.fromisoformat(heartbeat) > started for heartbeat in heartbeats if heartbeat)

        return Supervised(f"the worker of pool {pool}", log, launch, answers, self._say)

    def _stop(self) -> None:
        """Stop workers with their flow runs first, which report to the server; then the server; the store last."""
        servers = {process.pid for process in (self._server.process, self._seaweed.process) if process is not None}
        processes.stop_descendants(STOP_SECONDS, keep=servers)
        if self._server.process is not None:
            processes.stop(self._server.process, STOP_SECONDS)
        self._seaweed.stop()
        (self.folder / "env.sh").unlink(missing_ok=True)
        self._lock.close()
