"""A real Prefect server with nasflow's deployments, the command and the API against it, and real workers."""

import base64
import json
import os
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from deployments.local_stack import processes
from deployments.local_stack.stack import server_command
from tests.fakes.waiting import wait_for

NASFLOW = str(Path(sys.executable).with_name("nasflow"))
PRIVATE = ("NASFLOW_", "AWS_", "PREFECT_", "ROBOFLOW_")


class PrefectServer:
    """A server as a context manager. It has leases in memory, as a server of people has by default.

    With ``auth``, as user:password, it asks for them.
    """

    def __init__(self, folder, auth=""):
        self.folder = folder
        self.headers = {"Content-Type": "application/json"}
        self.port = processes.free_port()
        url = f"http://{processes.HOST}:{self.port}/api"
        others = {name: value for name, value in os.environ.items() if not name.startswith(PRIVATE)}
        self.environment = {
            **others, "HOME": str(folder), "PREFECT_HOME": str(folder / "prefect"), "PREFECT_API_URL": url,
            "PREFECT_UI_API_URL": url, "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1",
            "PREFECT_WORKER_QUERY_SECONDS": "1", "PREFECT_CLI_PROMPT": "false", "OMP_NUM_THREADS": "1",
            "PREFECT_SERVER_METRICS_ENABLED": "true",
        }  # fmt: skip
        if auth:
            self.environment |= {"PREFECT_SERVER_API_AUTH_STRING": auth, "PREFECT_API_AUTH_STRING": auth}
            self.headers["Authorization"] = f"Basic {base64.b64encode(auth.encode()).decode()}"
        self.url = url

    def __enter__(self):
        self.process = processes.start(server_command(self.port), self.folder / "server.log", self.environment)
        wait_for(self._answers)
        assert self.nasflow("deploy")["ok"]
        return self

    def __exit__(self, *_):
        processes.stop(self.process, 20)

    def _answers(self):
        assert self.process.poll() is None, (self.folder / "server.log").read_text()
        try:
            return self.api("/health")
        except OSError:
            return False

    def run(self, *arguments, **variables):
        """Run the command."""
        environment = {**self.environment, **variables}
        done = subprocess.run([NASFLOW, *arguments], capture_output=True, text=True, check=False, env=environment)
        assert "Traceback" not in done.stderr
        return done

    def nasflow(self, *arguments, code=0, **variables):
        """Run the command with ``--json``, and give its document."""
        done = self.run(*arguments, "--json", **variables)
        assert done.returncode == code, done.stderr
        return json.loads(done.stdout)

    def api(self, path, body=None, method=None):
        """Ask Prefect's API. On SQLite it sometimes answers 503 while it writes; such requests are repeated."""
        request = urllib.request.Request(
            self.url + path,
            data=None if body is None else json.dumps(body).encode(),
            headers=self.headers,
            method=method or ("GET" if body is None else "POST"),
        )
        for wait in (0.5, 1, 2, 4, None):
            try:
                with urllib.request.urlopen(request, timeout=60) as answer:
                    return json.loads(answer.read() or "null")
            except urllib.error.HTTPError as error:
                error.close()
                if error.code != 503 or wait is None:
                    raise
                time.sleep(wait)
        raise AssertionError("unreachable")

    def ask_for(self, name, parameters, **more):
        """Id of a new flow run of a deployment."""
        deployment = self.api(f"/deployments/name/{name}")["id"]
        return self.api(f"/deployments/{deployment}/create_flow_run", {"parameters": parameters, **more})["id"]

    def set_state(self, flow_run, kind, name=None, message=None):
        """Set a flow run to a state, as its process does."""
        state = {"type": kind, "name": name or kind.capitalize(), "message": message}
        answer = self.api(f"/flow_runs/{flow_run}/set_state", {"state": state, "force": True})
        assert answer["status"] == "ACCEPT", answer

    def state(self, flow_run):
        """Name of a flow run's state."""
        return self.api(f"/flow_runs/{flow_run}")["state"]["name"]

    @contextmanager
    def worker(self, pool, queue=None):
        """A process worker of a pool, for the duration of a block: of all its queues, or only of a new one."""
        name = queue or pool
        prefect = str(Path(sys.executable).with_name("prefect"))
        command = [sys.executable, prefect, "worker", "start", "--pool", pool, "--type", "process", "--name", name]
        if queue:
            self.api(f"/work_pools/{pool}/queues", {"name": queue})
            command += ["--work-queue", queue]
        worker = processes.start(command, self.folder / f"worker-{name}.log", self.environment)
        try:
            yield
        finally:
            stop_with_children(worker, 20)


def stop_with_children(process, seconds):
    """End a worker and its flow runs, which a worker does not end on SIGTERM."""
    family = psutil.Process(process.pid).children(recursive=True)
    processes.stop(process, seconds)
    _, alive = psutil.wait_procs(family, timeout=0)
    for member in alive:
        with suppress(psutil.NoSuchProcess):
            member.kill()
