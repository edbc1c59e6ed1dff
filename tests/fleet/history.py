"""The runs of a fleet: asked for through the API in the order of a month, and read back from server and registry."""

import time
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

from deployments.demo.cartoons import draw_export
from tasks.promotion import registry
from tasks.records import RetrainRequest, TrainingSpec
from tasks.storage import keys
from tasks.storage.documents import read_record
from tasks.storage.runs import find_model
from tests.fakes.waiting import wait_for
from tests.fleet.copied_rows import COPY
from tests.fleet.stack import FleetStack
from tests.fleet.trainer import SECONDS, WEIGHTS_BYTES, is_killed
from tests.fleet.verdict import FlowRunSeen, Request, VersionSeen
from tests.fleet.written_runs import WrittenRuns

EPOCHS = 4
TEMPLATE = 50
"""So many runs that ran are copied, one like the other."""
PAGE = 200
"""Flow runs that the server gives at once."""
ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


class History:
    """Asks for runs, waits for them, and says what became of them.

    Args:
        stack: The servers.
        projects: Number of projects, which take turns.
    """

    def __init__(self, stack: FleetStack, projects: int) -> None:
        self._stack, self._projects = stack, projects
        self._deployment = stack.ask("/api/deployments/name/retrain/retrain")["id"]
        self._written = WrittenRuns(stack.store, WEIGHTS_BYTES)
        self.asked: list[Request] = []
        self.copied: list[Request] = []

    def __len__(self) -> int:
        return len(self.asked) + len(self.copied)

    def _next(self) -> RetrainRequest:
        number = len(self)
        project = f"project-{number % self._projects:03}"
        return RetrainRequest(
            project=project, export=str(self._export(project)), epochs=EPOCHS, image_size=64, batch_size=4,
            learning_rate=0.001, patience=50, seed=number,
        )  # fmt: skip

    def ask(self) -> str:
        """Ask for the next run: its flow run id."""
        request = self._next()
        body = {"parameters": {"request": request.model_dump(mode="json")}}
        run = self._stack.ask(f"/api/deployments/{self._deployment}/create_flow_run", body)["id"]
        self.asked.append((request.project, request.seed))
        return str(run)

    def copy(self, runs: int, deadline: float) -> None:
        """Add runs that did not run until there are so many: rows of the database, and finished runs of the store.

        Raises:
            TimeoutError: the deadline came first.
        """
        missing = runs - len(self)
        for _ in range(missing):
            if time.monotonic() > deadline:
                raise TimeoutError(f"time is up after {len(self)} runs")
            request = self._next()
            self._written.write(request)
            self.copied.append((request.project, request.seed))
        self._stack.copy_rows(missing, template=min(len(self.asked), TEMPLATE))

    def fill(self, runs: int, at_once: int, deadline: float) -> None:
        """Ask until there are so many runs, and wait until all have ended; so many at a time.

        Raises:
            TimeoutError: the deadline came first; those that run are waited for.
        """
        open_runs: set[str] = set()
        while len(self) < runs or open_runs:
            while len(self) < runs and len(open_runs) < at_once and time.monotonic() < deadline:
                open_runs.add(self.ask())
            if not open_runs:
                raise TimeoutError(f"time is up after {len(self)} runs")
            ended = {"flow_runs": {"id": {"any_": sorted(open_runs)}, "state": {"type": {"any_": list(ENDED)}}}}
            open_runs -= {run["id"] for run in self._stack.ask("/api/flow_runs/filter", ended)}
            time.sleep(2)

    def overhead(self, samples: int) -> float:
        """Median time of runs, one after the other, from the request to the end, without training, seconds."""
        return median(self._timed() for _ in range(samples))

    def _timed(self) -> float:
        killed = is_killed(len(self))
        run = self.ask()
        ended = wait_for(lambda: self._ended(run), f"the end of {run}", pause=0.5)
        seconds = _time(ended["end_time"]) - _time(ended["created"])
        return seconds - SECONDS * (EPOCHS + killed)

    def _ended(self, run: str) -> dict[str, Any] | None:
        found: dict[str, Any] = self._stack.ask(f"/api/flow_runs/{run}")
        return found if found["state_type"] in ENDED else None

    def _export(self, project: str) -> Path:
        folder = self._stack.folder / "exports" / project
        if not folder.exists():
            draw_export(folder, int(project[-3:]) + 1, train=8, valid=4, test=4, size=64)
        return folder

    def flow_runs(self, name: str, request: Callable[[dict[str, Any]], Request]) -> list[FlowRunSeen]:
        """All flow runs of a flow, and what they work on."""
        return [FlowRunSeen(request(run["parameters"]), run["state"]["name"]) for run in self._all(name)]

    def _all(self, name: str) -> Iterator[dict[str, Any]]:
        for offset in range(0, 10**6, PAGE):
            wanted = {"flows": {"name": {"any_": [name]}}, "limit": PAGE, "offset": offset, "sort": "ID_DESC"}
            found = self._stack.ask("/api/flow_runs/filter", wanted)
            yield from (run for run in found if COPY not in run["tags"])
            if len(found) < PAGE:
                return

    def versions(self) -> list[VersionSeen]:
        """All versions of the registry with the seeds of their runs."""
        store = self._stack.store
        cards = [card for name in registry.projects(store) for card in registry.versions(store, name)]
        specs = [read_record(store, keys.run_spec(card.run_key), TrainingSpec)[0] for card in cards]
        return [VersionSeen(card.project, card.version, spec.seed) for card, spec in zip(cards, specs, strict=True)]

    def kills(self) -> tuple[int, list[str]]:
        """How many trainers were killed, and the runs of which none went on from its checkpoint."""
        store, problems, count, asked = self._stack.store, [], 0, set(self.asked)
        for name in registry.projects(store):
            for card in registry.versions(store, name):
                model = find_model(store, card.run_key)
                if model and is_killed(model.spec.seed) and (name, model.spec.seed) in asked:
                    count += 1
                    if model.result.resumed_from_epoch != EPOCHS // 2:
                        problems.append(f"{name} seed {model.spec.seed}: killed, and begun anew")
        return count, problems


def request_of_retrain(parameters: dict[str, Any]) -> Request:
    """What a retrain run works on."""
    return parameters["request"]["project"], parameters["request"]["seed"]


def _time(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
