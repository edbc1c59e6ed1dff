"""Plays a rehearsal in the roots that were made. It runs in namespaces of its own: mounts, processes, network."""

import argparse
import sys
from pathlib import Path

from tests.rehearsal import network
from tests.rehearsal.control import Control
from tests.rehearsal.steps import Steps
from tests.rehearsal.story import Story
from tests.rehearsal.worker import Worker

WORKERS = (1, 2)


def main():
    """Play it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("number")
    parser.add_argument("roots", type=Path)
    parser.add_argument("folder", type=Path)
    given = parser.parse_args()
    steps = Steps(given.folder / "steps.jsonl")
    network.prepare()
    with Control(given.roots / f"debian-{given.number}-control", given.folder) as control:
        start_control(control, steps)
        workers = start_workers(control, given.roots / f"debian-{given.number}-worker", given.folder, steps)
        story = Story(control, workers, steps)
        story.retrain()
        story.cancel()
        story.lost_machine()


def start_control(control, steps):
    """Start the servers, deploy, and start the control worker."""
    for what, start in (
        ("SeaweedFS, with a key and a policy for each role", control.start_store),
        ("PostgreSQL, with a password", control.start_postgres),
        ("Prefect's server, with basic auth", control.start_prefect),
        ("Caddy, with TLS by an authority of its own", control.start_caddy),
    ):
        with steps.step(what):
            start()
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


if __name__ == "__main__":
    sys.exit(main())
