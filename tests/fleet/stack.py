"""What a fleet has: PostgreSQL, Prefect's server, the store, and workers, with nasflow's deployments."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil

import tasks
from deployments.local_stack import processes
from deployments.local_stack.seaweed import Seaweed
from tasks.storage.s3 import Store
from tests.fakes.waiting import wait_for
from tests.fleet.copied_rows import copy_rows
from tests.fleet.counted_app import COUNTS
from tests.fleet.postgres import Postgres

ROOT = Path(tasks.__file__).parents[1]
PRIVATE = ("NASFLOW_", "AWS_", "PREFECT_", "ROBOFLOW_")
CONTROL_WORKERS, CONTROL_LIMIT = 2, 4
"""Workers of the pool for light flow runs, which mostly wait for training."""
POLLS = ("get_scheduled_flow_runs", "/heartbeat", "GET /api/health", "workers/filter")
"""Parts of requests that workers and this program make, however many runs there are."""


class FleetStack:
    """Servers as a context manager. Inside the block this process's environment names them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._seaweed, self._postgres = Seaweed(folder / "store"), Postgres()
        self._closing = ExitStack()
        self._real_workers: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> "FleetStack":
        for name in [name for name in os.environ if name.startswith(PRIVATE)]:
            del os.environ[name]
        with self._closing:
            self._closing.enter_context(self._seaweed)
            self._closing.enter_context(self._postgres)
            self.port = processes.free_port()
            self.url = f"http://{processes.HOST}:{self.port}"
            os.environ.update(self._seaweed.environment())
            os.environ.update(self._environment())
            command = [sys.executable, "-m", "uvicorn", "--factory", "tests.fleet.counted_app:create_app"]
            command += ["--host", processes.HOST, "--port", str(self.port), "--log-level", "warning"]
            self.server = processes.start(command, self.folder / "server.log", os.environ, cwd=ROOT)
            self._closing.callback(processes.stop, self.server, 20)
            wait_for(self._answers, "Prefect's server")
            self.nasflow("deploy")
            self._closing = self._closing.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    def _environment(self) -> dict[str, str]:
        return {
            "HOME": str(self.folder),
            "PREFECT_HOME": str(self.folder / "prefect"),
            "PREFECT_API_URL": f"{self.url}/api",
            "PREFECT_UI_API_URL": f"{self.url}/api",
            "PREFECT_API_DATABASE_CONNECTION_URL": self._postgres.url,
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "DO_NOT_TRACK": "1",
            "PREFECT_WORKER_QUERY_SECONDS": "1",
            "PREFECT_CLI_PROMPT": "false",
            "PREFECT_LOGGING_EXTRA_LOGGERS": "tasks",
            "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
            "NASFLOW_WORK_DIR": str(self.folder / "work"),
            "NASFLOW_TRAINER": "tests.fleet.trainer",
            "PYTHONPATH": str(ROOT),
            "OMP_NUM_THREADS": "1",
        }

    def _answers(self) -> bool:
        assert self.server.poll() is None, (self.folder / "server.log").read_text()[-3000:]
        try:
            return self.ask("/api/health") is True
        except OSError:
            return False

    @property
    def store(self) -> Store:
        return Store(self._seaweed.settings())

    def ask(self, path: str, body: Any = None) -> Any:
        """The server's answer."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=120) as answer:
            return json.loads(answer.read() or "null")

    def nasflow(self, *arguments: str, **variables: str) -> tuple[Any, float]:
        """The command's document, and how long the command took, seconds."""
        program, began = str(Path(sys.executable).with_name("nasflow")), time.monotonic()
        done = subprocess.run(
            [program, *arguments, "--json"],
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **variables},
        )
        seconds = time.monotonic() - began
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout), seconds

    def requests(self) -> Counter[str]:
        """Requests that the server had so far, without POLLS."""
        counts = Counter(self.ask(COUNTS))
        return Counter({name: count for name, count in counts.items() if not any(poll in name for poll in POLLS)})

    def database_bytes(self) -> int:
        return self._postgres.size()

    def copy_rows(self, runs: int, template: int) -> None:
        """Add rows of so many runs that did not run, copies of those of the first ``template`` runs."""
        copy_rows(self._postgres, runs, template)

    def store_content(self) -> tuple[int, int]:
        """Objects of the store, and their bytes."""
        sizes = [entry.size for entry in self.store.entries("")]
        return len(sizes), sum(sizes)

    def server_seconds(self) -> float:
        """Processor time of the server and its database so far."""
        database = psutil.Process(self._postgres.process.pid)
        return _seconds([psutil.Process(self.server.pid), database, *database.children()])

    def worker_seconds(self) -> float:
        """Processor time of the real workers with their ended flow runs and trainers, and of the store, so far."""
        pids = [worker.pid for worker in self._real_workers]
        return _seconds([psutil.Process(pid) for pid in (*pids, self._seaweed.process.pid)])

    @contextmanager
    def real_workers(self, count: int) -> Iterator[None]:
        """Workers of Prefect for the duration of a block: one run each in pool gpu, and some for light flow runs."""
        places = [("gpu", 1)] * count + [("default", CONTROL_LIMIT)] * CONTROL_WORKERS
        self._real_workers = [
            self._worker(pool, f"{pool}-{number}", limit) for number, (pool, limit) in enumerate(places)
        ]
        try:
            wait_for(lambda: self._workers_online() >= len(places), "the workers")
            yield
        finally:
            for worker in self._real_workers:
                _stop_with_children(worker)
            for pool in ("gpu", "default"):
                for worker in self.ask(f"/api/work_pools/{pool}/workers/filter", {}):
                    self._delete(f"/api/work_pools/{pool}/workers/{worker['name']}")

    def _worker(self, pool: str, name: str, limit: int) -> "subprocess.Popen[bytes]":
        prefect = str(Path(sys.executable).with_name("prefect"))
        command = [sys.executable, prefect, "worker", "start", "--pool", pool, "--type", "process"]
        command += ["--name", name, "--limit", str(limit)]
        return processes.start(command, self.folder / "workers.log", os.environ)

    def _workers_online(self) -> int:
        return sum(len(self.ask(f"/api/work_pools/{pool}/workers/filter", {})) for pool in ("gpu", "default"))

    def _delete(self, path: str) -> None:
        urllib.request.urlopen(urllib.request.Request(self.url + path, method="DELETE"), timeout=60).close()

    @contextmanager
    def forking_workers(self, count: int) -> Iterator[None]:
        """Places for as many runs at a time, whose processes are forks."""
        command = [sys.executable, "-m", "tests.fleet.forking_worker", "--gpu", str(count)]
        command += ["--default", str(CONTROL_WORKERS * CONTROL_LIMIT)]
        worker = processes.start(command, self.folder / "forks.log", os.environ, cwd=ROOT)
        try:
            yield
        finally:
            _stop_with_children(worker)


def _seconds(running: list[psutil.Process]) -> float:
    times = [process.cpu_times() for process in running]
    return sum(one.user + one.system + one.children_user + one.children_system for one in times)


def _stop_with_children(process: "subprocess.Popen[bytes]") -> None:
    """End a worker and its flow runs, which a worker does not end on SIGTERM."""
    family = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    processes.stop(process, 20)
    for member in family:
        with suppress(psutil.NoSuchProcess):
            member.kill()
