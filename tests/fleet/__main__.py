"""A fleet in a simulated month: many projects and runs on a real server and store. ``make fleet`` runs it.

Prefect's server on PostgreSQL, SeaweedFS, the flows and everything that they call are real. The trainer sleeps instead
of computing; its job file, events, checkpoints, files and kills are real. There are three kinds of runs:

- at each point of measurement some go through real workers of Prefect, one after the other: these give the overhead;
- the others of the first ``--real`` runs go through processes that are forks, see ``forking_worker``;
- the rest is history that did not run: rows of the database are copies, see ``copied_rows``, and the store's objects
  are written by the code that runs use, see ``written_runs``.
"""

import argparse
import json
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.fakes.waiting import wait_for
from tests.fleet.history import History, request_of_retrain
from tests.fleet.many_versions import measure_many_versions
from tests.fleet.stack import FleetStack
from tests.fleet.verdict import (
    points,
    problems_of_flow_runs,
    problems_of_growth,
    problems_of_times,
    problems_of_versions,
)

IDLE_SECONDS = 10
"""So long it is measured what workers without runs cost, which is no run's."""
MAX_BUSY = 0.4
"""Share of a processor that ten waiting workers may take."""
VERSIONS = 500


@dataclass
class Point:
    """What was measured when there were so many runs."""

    runs: int
    overhead_seconds: float = 0
    requests_a_run: float = 0
    server_cpu_a_run: float = 0
    worker_cpu_a_run: float = 0
    database_mb: float = 0
    store_objects: int = 0
    store_mb: float = 0
    list_seconds: float = 0
    page_seconds: float = 0
    clean_seconds: float = 0


@dataclass
class Report:
    """Everything that is printed."""

    points: list[Point] = field(default_factory=list)
    many_versions: dict[str, float] = field(default_factory=dict)
    ran: int = 0
    copied: int = 0
    kills: int = 0
    not_run: int = 0
    problems: list[str] = field(default_factory=list)


def main() -> None:
    """Run the fleet, and say whether the goals were met."""
    options = parse_options()
    deadline = time.monotonic() + 60 * options.minutes
    report = Report()
    with tempfile.TemporaryDirectory(prefix="nasflow-fleet-") as name, FleetStack(Path(name)) as stack:
        history = History(stack, options.projects)
        print_head()
        for runs in points(options.runs):
            try:
                fill(stack, history, runs - options.samples, options, deadline)
                report.points.append(measure(stack, history, options.workers, options.samples))
            except TimeoutError:
                report.not_run = options.runs - len(history)
                break
            print_point(report.points[-1])
        look_for_problems(history, report)
        if options.versions:
            report.many_versions = measure_many_versions(options.versions)
    times = {name: report.many_versions[name] for name in ("list_seconds", "page_seconds") if report.many_versions}
    report.problems += problems_of_times({f"{name} of {options.versions} versions": at for name, at in times.items()})
    print_end(report)
    if options.json:
        options.json.write_text(json.dumps(asdict(report), indent=1))
    sys.exit(bool(report.problems or report.not_run))


def parse_options() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--projects", type=int, default=200)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--real", type=int, default=100, help="runs that run, besides those measured; default 100")
    parser.add_argument("--workers", type=int, default=8, help="workers for training; default 8")
    parser.add_argument("--samples", type=int, default=3, help="runs through real workers at each point; default 3")
    parser.add_argument("--versions", type=int, default=VERSIONS, help="versions of one more project; 0 for none")
    parser.add_argument("--minutes", type=float, default=40, help="no run is asked for after these; default 40")
    parser.add_argument("--json", type=Path, help="file for the figures")
    return parser.parse_args()


def fill(stack: FleetStack, history: History, runs: int, options: argparse.Namespace, deadline: float) -> None:
    """Bring the history to a number of runs: forked ones, and copies from ``options.real`` on.

    Raises:
        TimeoutError: there is no time for so many runs.
    """
    if len(history) < min(runs, options.real):
        with stack.forking_workers(options.workers):
            history.fill(min(runs, options.real), 2 * options.workers, deadline)
    history.copy(runs, deadline)


def measure(stack: FleetStack, history: History, workers: int, samples: int) -> Point:
    """Send some more runs through real workers, and measure."""
    point = Point(len(history) + samples)
    with stack.real_workers(workers):
        wait_for(lambda: busy_share(stack) < MAX_BUSY, "the server to work off the events of the runs before")
        began = time.monotonic()
        server, worker = stack.server_seconds(), stack.worker_seconds()
        time.sleep(IDLE_SECONDS)
        idle_server, idle_worker = (
            (after - before) / (time.monotonic() - began)
            for before, after in ((server, stack.server_seconds()), (worker, stack.worker_seconds()))
        )
        began, requests = time.monotonic(), stack.requests()
        server, worker = stack.server_seconds(), stack.worker_seconds()
        point.overhead_seconds = history.overhead(samples)
        point.requests_a_run = (stack.requests() - requests).total() / samples
        seconds = time.monotonic() - began
        point.server_cpu_a_run = (stack.server_seconds() - server - idle_server * seconds) / samples
        point.worker_cpu_a_run = (stack.worker_seconds() - worker - idle_worker * seconds) / samples
    point.database_mb = stack.database_bytes() / 1e6
    objects, size = stack.store_content()
    point.store_objects, point.store_mb = objects, size / 1e6
    _, point.list_seconds = stack.nasflow("models", "list")
    _, point.page_seconds = stack.nasflow("models", "page", history.asked[-1][0])
    _, point.clean_seconds = stack.nasflow("clean", "--older-than", "30d")
    return point


def busy_share(stack: FleetStack) -> float:
    """How much of a processor the server and its database take, without runs."""
    began, before = time.monotonic(), stack.server_seconds()
    time.sleep(IDLE_SECONDS / 2)
    return (stack.server_seconds() - before) / (time.monotonic() - began)


def look_for_problems(history: History, report: Report) -> None:
    """Whether a run was lost or doubled, whether killed ones went on, and whether overhead grew."""
    retrain = history.flow_runs("retrain", request_of_retrain)
    report.problems += problems_of_flow_runs("retrain", history.asked, retrain)
    report.ran, report.copied = len(history.asked), len(history.copied)
    by_project = {request[1]: request for request in history.asked}
    train = history.flow_runs("train", lambda parameters: by_project[parameters["job"]["spec"]["seed"]])
    report.problems += problems_of_flow_runs("train", history.asked, train)
    report.problems += problems_of_versions([*history.asked, *history.copied], history.versions())
    report.kills, problems = history.kills()
    report.problems += problems
    if report.points:
        report.problems += problems_of_growth({point.runs: point.overhead_seconds for point in report.points})


COLUMNS = {
    "runs": "runs", "overhead_seconds": "s a run", "requests_a_run": "requests", "server_cpu_a_run": "server s",
    "worker_cpu_a_run": "worker s",
    "database_mb": "db MB", "store_objects": "objects", "store_mb": "store MB",
    "list_seconds": "list s", "page_seconds": "page s", "clean_seconds": "clean s",
}  # fmt: skip


def print_head() -> None:
    """Print the names of the columns."""
    print("".join(f"{name:>10}" for name in COLUMNS.values()), flush=True)


def print_point(point: Point) -> None:
    """Print a row as it is measured."""
    values = asdict(point)
    print(
        "".join(
            f"{values[name]:>10.2f}" if isinstance(values[name], float) else f"{values[name]:>10}" for name in COLUMNS
        ),
        flush=True,
    )


def print_end(report: Report) -> None:
    """Print growth, the project with many versions, and what is wrong."""
    if len(report.points) > 1:
        first, last = report.points[0], report.points[-1]
        runs = last.runs - first.runs
        database, store = last.database_mb - first.database_mb, last.store_mb - first.store_mb
        print(f"growth a run: database {1000 * database / runs:.0f} kB, store {1000 * store / runs:.0f} kB, "
              f"{(last.store_objects - first.store_objects) / runs:.1f} objects")  # fmt: skip
    for name, value in report.many_versions.items():
        print(f"many versions, {name}: {value:g}")
    print(f"runs that ran: {report.ran}; history that was copied: {report.copied}")
    print(f"trainers killed by SIGKILL: {report.kills}")
    if report.not_run:
        print(f"not run, for want of time: {report.not_run}")
    print("\n".join(f"problem: {line}" for line in report.problems) or "no run lost or doubled, and all goals met")


if __name__ == "__main__":
    main()
