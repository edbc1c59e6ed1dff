"""Many retrain requests at once on one Prefect server with one worker a pool: how each ends, what the server is asked.

Run it with ``python -m tests.benchmarks.bench_load [--requests N] [--beside TREE]``. ``TREE`` is a checkout of another
build, with its own ``.venv``; it is measured first, by the same program, so that the table shows both. Requests go to
three projects by turns, each with another seed, so that each trains. Networks are tiny: what is measured is the
orchestration. The server writes a line for each request that it answers, which are counted.

- each ends once: as Completed, started once, with one version and one training run for each request;
- requests a minute that the server answers, from the first request to the end of the last run, and the commonest.
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from deployments.demo.cartoons import draw_export
from deployments.local_stack import processes
from deployments.local_stack.seaweed import Seaweed
from tasks.storage import keys
from tasks.storage.s3 import Store
from tests.benchmarks.peers import contestants
from tests.fakes.counting_proxy import CountingProxy
from tests.fakes.waiting import wait_for

PROJECTS = 3
HERE = Path(__file__).parents[2]
FINAL = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")
REQUEST_LINE = re.compile(r'"([A-Z]+) (/api[^ ?"]*)[^"]*" \d+')
IDS = re.compile(r"[0-9a-f]{8}-[0-9a-f-]{27}|(?<=name/)[^/]+/[^/]+")
SECONDS = 3 * 3600
PRIVATE = ("NASFLOW_", "AWS_", "PREFECT_", "ROBOFLOW_")


@dataclass
class Outcome:
    """What one build made of the requests."""

    name: str
    states: Counter[str]
    starts: list[int]
    versions: int
    trainings: int
    waits: list[float]
    """Seconds from the request to its end, one for each run."""
    seconds: float
    answered: Counter[str]
    """Requests that the server answered, by method and path."""

    @property
    def each_once(self) -> bool:
        """Whether every request was completed by one start, one training and one version."""
        number = len(self.starts)
        return (
            self.states == Counter({"COMPLETED": number})
            and set(self.starts) == {1}
            and (self.versions, self.trainings) == (number, number)
        )

    @property
    def per_minute(self) -> float:
        """Requests a minute that the server answered."""
        return self.answered.total() / self.seconds * 60


class Installation:
    """Server, store and workers of one build.

    Args:
        tree: Checkout of the build.
        folder: Where everything is kept.
    """

    def __init__(self, tree: Path, folder: Path) -> None:
        self._tree, self._bin, self._folder = tree, tree / ".venv" / "bin", folder
        self._stack = ExitStack()

    def __enter__(self) -> "Installation":
        with ExitStack() as stack:
            seaweed = stack.enter_context(Seaweed(self._folder / "store"))
            store = urlsplit(seaweed.environment()["NASFLOW_STORE_ENDPOINT"])
            self.store = stack.enter_context(CountingProxy(str(store.hostname), store.port or 80))
            port = processes.free_port()
            self.api = f"http://{processes.HOST}:{port}/api"
            others = {name: value for name, value in os.environ.items() if not name.startswith(PRIVATE)}
            self.environment = {
                **others, **seaweed.environment(), "NASFLOW_STORE_ENDPOINT": self.store.url,
                "HOME": str(self._folder), "PREFECT_API_URL": self.api,
                "PREFECT_HOME": str(self._folder / "prefect"), "NASFLOW_WORK_DIR": str(self._folder / "work"),
                "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1", "OMP_NUM_THREADS": "1",
                "PREFECT_WORKER_QUERY_SECONDS": "1", "PREFECT_SERVER_LOGGING_LEVEL": "INFO",
            }  # fmt: skip
            server = ["-m", "uvicorn", "--factory", "prefect.server.api.server:create_app", "--log-level", "info"]
            self._start(stack, "server", "python", [*server, "--host", processes.HOST, "--port", str(port)])
            wait_for(lambda: self.ask("/health"))
            self._run("nasflow", "deploy")
            for pool, limit in (("default", "4"), ("gpu", "1")):
                worker = ["worker", "start", "--pool", pool, "--type", "process", "--limit", limit, "--name", pool]
                self._start(stack, f"worker-{pool}", "prefect", worker)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    def ask(self, path: str, body: object = None) -> Any:
        """The server's answer, any JSON; None if it gives none."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.api + path, data=data, headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return json.loads(answer.read())
        except OSError:
            return None

    def answered(self) -> Counter[str]:
        """Requests that the server answered so far, by method and path without ids."""
        text = (self._folder / "server.log").read_text(errors="replace")
        return Counter(f"{method} {IDS.sub('...', path)}" for method, path in REQUEST_LINE.findall(text))

    def _start(self, stack: ExitStack, name: str, program: str, arguments: list[str]) -> None:
        command = [str(self._bin / "python"), *([str(self._bin / program)] if program != "python" else []), *arguments]
        # In the folder of the build, since Prefect imports flows from there.
        process = processes.start(command, self._folder / f"{name}.log", self.environment, cwd=self._tree)
        stack.callback(processes.stop, process, 20)

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._bin / program), *arguments]
        subprocess.run(command, env=self.environment, check=True, stdout=subprocess.DEVNULL, cwd=self._tree)


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=20, help="default 20")
    parser.add_argument("--beside", type=Path, help="checkout of another build, with its .venv")
    options = parser.parse_args()
    print(
        f"{contestants.machine()}, {options.requests} requests for {PROJECTS} projects, one worker a pool", flush=True
    )
    trees = {"beside": options.beside.resolve()} if options.beside else {}
    outcomes = [measure(name, tree, options.requests) for name, tree in {**trees, "nasflow": HERE}.items()]
    print_table(outcomes)
    sys.exit(not outcomes[-1].each_once)


def measure(name: str, tree: Path, number: int) -> Outcome:
    """Ask for all runs at once, and wait until the last has ended."""
    with tempfile.TemporaryDirectory(prefix="bench-load-") as folder, Installation(tree, Path(folder)) as installation:
        export = Path(folder) / "pets"
        draw_export(export, 1, train=8, valid=2, test=2, size=64)
        deployment = wait_for(lambda: installation.ask("/deployments/name/retrain/retrain"))["id"]
        before, began = installation.answered(), time.time()
        asked = f"/deployments/{deployment}/create_flow_run"
        bodies = [{"parameters": {"request": request_for(at, export)}} for at in range(number)]
        ids = [wait_for(partial(installation.ask, asked, body))["id"] for body in bodies]
        runs = wait_for(lambda: ended(installation, ids), "the end of all runs", pause=2, seconds=SECONDS)
        seconds, answered = time.time() - began, installation.answered() - before
        os.environ.update({key: value for key, value in installation.environment.items() if key.startswith("NASFLOW_")})
        store = Store.from_environment()
        return Outcome(
            name=name, states=Counter(run["state_type"] for run in runs), starts=[run["run_count"] for run in runs],
            versions=sum(key.endswith("/card.json") for key in store.list(keys.all_models())),
            trainings=sum(key.endswith("/spec.json") for key in store.list("runs/")),
            waits=[datetime.fromisoformat(run["end_time"]).timestamp() - began for run in runs],
            seconds=seconds, answered=answered,
        )  # fmt: skip


def request_for(number: int, export: Path) -> dict[str, object]:
    """The request of a number: its project by turns, its seed its own."""
    return {
        "project": f"load-{number % PROJECTS}", "export": str(export), "epochs": 1, "image_size": 64, "batch_size": 4,
        "learning_rate": 1e-3, "seed": number,
    }  # fmt: skip


def ended(installation: Installation, ids: list[str]) -> list[dict] | None:
    """The flow runs, once all have ended."""
    wanted = {"flow_runs": {"id": {"any_": ids}}, "limit": 200}
    runs = installation.ask("/flow_runs/filter", wanted) or []
    return runs if len(runs) == len(ids) and all(run["state_type"] in FINAL for run in runs) else None


def print_table(outcomes: list[Outcome]) -> None:
    """Print a line a build, and the commonest requests of the last."""
    print(f"{'':10} {'ended':22} {'once':>5} {'versions':>9} {'median s':>9} {'last s':>7} {'requests/min':>13}")
    for one in outcomes:
        states = ", ".join(f"{count} {state.lower()}" for state, count in one.states.items())
        print(
            f"{one.name:10} {states:22} {'yes' if one.each_once else 'NO':>5} {one.versions:>9} "
            f"{statistics.median(one.waits):>9.0f} {max(one.waits):>7.0f} {one.per_minute:>13.0f}"
        )
    if len(outcomes) == 2:
        print(f"requests a minute: {outcomes[1].per_minute / outcomes[0].per_minute:.2f} x beside")
    for path, count in outcomes[-1].answered.most_common(8):
        print(f"  {count:6} {path}")


if __name__ == "__main__":
    main()
