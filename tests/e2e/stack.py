"""``nasflow up`` as people start it, and the command and the API against it."""

import json
import os
import shlex
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from tests.fakes.waiting import wait_for

NASFLOW = str(Path(sys.executable).with_name("nasflow"))

TINY = ["--image-size", "64", "--batch-size", "4", "--learning-rate", "0.001", "--patience", "50"]

ENDED = ("Completed", "Skipped", "Cancelled", "Failed", "Crashed")
"""States after which a flow run does nothing more, unless it is recovered."""

PLANTED = "planted-roboflow-key-4711"
"""A secret in the environment of every process of the stack, to be searched for where it must not be."""


class LocalStack:
    """A running local stack, as a context manager."""

    def __init__(self, folder, **variables):
        self.folder = folder
        self.variables = variables

    def __enter__(self):
        # A short lease, to free the run of a killed worker soon, and checkpoints in runs of seconds. One thread,
        # since two that wait for each other beside busy servers can be much slower, and the networks here are tiny.
        environment = {
            **os.environ, "NASFLOW_LEASE_SECONDS": "6", "NASFLOW_CHECKPOINT_EVERY_MINUTES": "0.05",
            "OMP_NUM_THREADS": "1", "ROBOFLOW_API_KEY": PLANTED, **self.variables,
        }  # fmt: skip
        command = [NASFLOW, "up", "--dir", str(self.folder), "--json"]
        with (self.folder / "up.log").open("w") as log:
            self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=log, text=True, env=environment)
        document = ""
        while not document.endswith("}\n"):
            line = self.process.stdout.readline()
            if not line:
                raise AssertionError((self.folder / "up.log").read_text())
            document += line
        self.addresses = json.loads(document)
        assert self.addresses["ok"], (self.folder / "up.log").read_text()
        self.environment = {}
        for line in (self.folder / "env.sh").read_text().splitlines():
            if not line.startswith("export "):
                continue  # NO_PROXY, which is merged into that of the shell
            name, _, value = line.removeprefix("export ").partition("=")
            self.environment[name] = shlex.split(value)[0]
        return self

    def __exit__(self, *_):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        self.process.stdout.close()

    def nasflow(self, *arguments, code=0):
        """Run the command with ``--json``, and give its document."""
        done = self.run(*arguments, "--json")
        assert done.returncode == code, done.stderr
        return json.loads(done.stdout)

    def run(self, *arguments):
        """Run the command."""
        environment = {**os.environ, **self.variables, **self.environment}
        return subprocess.run([NASFLOW, *arguments], capture_output=True, text=True, check=False, env=environment)

    def api(self, path, body=None, method=None):
        """Ask Prefect's API. On SQLite it sometimes answers 503 while it writes; such requests are repeated."""
        request = urllib.request.Request(
            self.addresses["api"] + path,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
            method=method or ("GET" if body is None else "POST"),
        )
        for wait in (0.5, 1, 2, 4, None):
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:
                    return json.loads(answer.read() or "null")
            except urllib.error.HTTPError as error:
                if error.code != 503 or wait is None:
                    raise
                error.close()
                time.sleep(wait)
        raise AssertionError("unreachable")

    def state(self, flow_run):
        """Name and message of a flow run's state."""
        state = self.api(f"/flow_runs/{flow_run}")["state"]
        return state["name"], state["message"]

    def end(self, flow_run, names=ENDED):
        """Name and message of the first state of some names, waited for."""
        try:
            wait_for(lambda: self.state(flow_run)[0] in names)
        except TimeoutError:
            raise AssertionError(f"flow run {flow_run} stays {self.state(flow_run)}") from None
        return self.state(flow_run)

    def artifacts(self, flow_run):
        """Artifacts of a flow run and its child flow runs."""
        child_runs = self.api("/flow_runs/filter", {"flow_runs": {"parent_flow_run_id": {"any_": [flow_run]}}})
        runs = [flow_run, *(child["id"] for child in child_runs)]
        return self.api("/artifacts/filter", {"artifacts": {"flow_run_id": {"any_": runs}}, "limit": 200})


def retrain(stack, export, project, *options, epochs=2):
    """A small run of a project, from labels to the decision of the gate."""
    arguments = ["--export", str(export), "--project", project, "--epochs", str(epochs), *TINY, *options]
    return stack.nasflow("retrain", *arguments)
