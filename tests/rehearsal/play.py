"""Plays a rehearsal in the roots that were made. It runs in namespaces of its own: mounts, processes, network."""

import json
import sys

from tests.rehearsal import network
from tests.rehearsal.control import Control
from tests.rehearsal.planted import ProcessList, in_files, in_prefect, in_store
from tests.rehearsal.refusals import try_api, try_network, try_store
from tests.rehearsal.rescue import Rescue
from tests.rehearsal.root import OWN
from tests.rehearsal.steps import Steps, part_parser
from tests.rehearsal.story import Story
from tests.rehearsal.worker import Worker

WORKERS = (1, 2)


def main():
    """Play it."""
    parser = part_parser(__doc__)
    parser.add_argument("outside", type=json.loads)
    parser.add_argument("--whole", action="store_true", help="lose a machine, and restore all, too")
    given = parser.parse_args()
    steps = Steps(given.folder / "steps.jsonl")
    network.prepare()
    if given.number == "0":
        play_short(given.folder, given.outside, steps)
    else:
        play_whole(given, steps)


def play_whole(given, steps):
    """Servers and workers in the roots of a release."""
    with Control(given.roots / f"debian-{given.number}-control", given.folder) as control:
        start_servers(control, steps)
        start_control_worker(control, steps)
        workers = start_workers(control, given.roots / f"debian-{given.number}-worker", given.folder, steps)
        with ProcessList(control.secrets) as process_list:
            play(control, workers, steps, given.outside, whole=given.whole)
        search(control, process_list, given.folder, steps)


def start_servers(control, steps):
    """Start the servers."""
    for what, start in (
        ("SeaweedFS, with a key and a policy for each role", control.start_store),
        ("PostgreSQL, with a password", control.start_postgres),
        ("Prefect's server, with basic auth", control.start_prefect),
        ("Caddy, with TLS by an authority of its own", control.start_caddy),
    ):
        with steps.step(what):
            start()


def start_control_worker(control, steps):
    """Deploy, and start the worker of the pool default."""
    with steps.step("nasflow deploy") as said:
        said.append(f"{len(control.nasflow('deploy')['deployments'])} deployments")
    with steps.step("nasflow worker --pool default"):
        control.start_worker()


def start_workers(control, root, folder, steps):
    """Start the GPU workers, each in a network of its own."""
    workers = []
    for number in WORKERS:
        with steps.step(f"nasflow worker --pool gpu, on machine {number}"):
            worker = Worker(number, root, control, folder)
            workers.append(worker)
            worker.start()
    return workers


def play(control, workers, steps, outside, *, whole):
    """All that happens once everything runs.

    Args:
        control: The control side.
        workers: The GPU workers.
        steps: Takes the lines.
        outside: Addresses that must not be reached.
        whole: Whether a machine is lost, and all is restored, too.
    """
    first, *others = workers
    try_network(control, first, others, outside, steps)
    try_api(control, first, steps)
    story = Story(control, workers, steps)
    story.retrain()
    try_store(control, first, steps)
    story.cancel()
    if whole:
        story.lost_machine()
    check_proxy(control, steps)
    if whole:
        Rescue(control, workers, story, steps).play()


def play_short(folder, outside, steps):
    """Servers, and a worker's machine on which no worker runs."""
    with Control(OWN, folder) as control:
        start_servers(control, steps)
        for key in (
            "models/pets/1/card.json",
            "models/pets/aliases/champion.json",
            "outcomes/1.json",
            "runs/a/spec.json",
        ):
            control.store.put(key, b"{}")
        worker, other = (Worker(number, OWN, control, folder) for number in WORKERS)
        with ProcessList(control.secrets) as process_list:
            try_network(control, worker, [other], outside, steps)
            try_api(control, worker, steps)
            try_store(control, worker, steps)
        search(control, process_list, folder, steps)


def check_proxy(control, steps):
    """No request met a connection that Prefect or the store had just closed."""
    with steps.step("Caddy passed on all requests"):
        lines = (control.machine.logs / "caddy.log").read_text().splitlines()
        failed = [line for line in lines if '"status":502' in line]
        assert not failed, f"{len(failed)} were answered with 502, such as {failed[0]}"


def search(control, process_list, folder, steps):
    """Look for the secrets."""
    parts = [part for part in folder.iterdir() if part.name != "roots"]  # whole systems are mounted there
    logs = [path for part in parts for path in part.rglob("*.log") if path.is_file()]
    commands = process_list.found, f"{process_list.commands} commands"
    for what, (found, searched) in (
        ("the process list", commands),
        ("logs", in_files(control.secrets, logs)),
        ("what Prefect shows: parameters, artifacts, logs, events", in_prefect(control.secrets, control)),
        ("records and pages of the store", in_store(control.secrets, control.store)),
    ):
        outcome = "FAILED" if found else "OK"
        detail = "; ".join(sorted(found)) or f"none of {len(control.secrets)} in {searched}"
        steps.add(outcome, f"secrets in {what}", 0, detail)


if __name__ == "__main__":
    sys.exit(main())
