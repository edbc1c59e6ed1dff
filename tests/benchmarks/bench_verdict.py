"""Seconds from a request to its verdict besides training, and of the start of the local stack, beside another build.

Run it with ``python -m tests.benchmarks.bench_verdict [--rounds N] [--beside TREE]``. ``TREE`` is a checkout of another
build, with its own ``.venv``; the builds are measured by turns. Each round has a folder of its own for each build:

- ``nasflow up`` in it until its stack answers, the first time and the second time;
- a retrain of the demo's labels, which makes the first champion, and one of other labels, on which the champion has to
  be measured again, with the labels that both were made from in one look.

Besides training is the time from when the server has a run until it is completed, less the seconds that the trainer's
loop says it took. One epoch is trained; the steps of the last round are listed.
"""

import argparse
import json
import os
import subprocess
import tempfile
import time
import urllib.request
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from statistics import median
from typing import Any

from deployments.demo.cartoons import draw_export
from deployments.demo.demo import REQUEST
from deployments.local_stack import processes
from tests.benchmarks.bench_load import HERE, PRIVATE
from tests.benchmarks.peers import contestants

WHAT = ("start, first time", "start, second time", "first model", "beside a champion")
STOP_SECONDS = 60


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="default 5")
    parser.add_argument("--beside", type=Path, help="checkout of another build, with its .venv")
    options = parser.parse_args()
    print(f"{contestants.machine()}, {options.rounds} rounds", flush=True)
    trees = {"beside": options.beside.resolve()} if options.beside else {}
    rows: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    with tempfile.TemporaryDirectory(prefix="bench-verdict-") as folder:
        exports = [Path(folder) / f"labels-{seed}" for seed in (1, 2)]
        for seed, export in enumerate(exports, 1):
            draw_export(export, seed)
        for number in range(options.rounds):
            for name, tree in {**trees, "nasflow": HERE}.items():
                seconds, steps = measure(tree, Path(folder) / f"{name}-{number}", exports)
                for what, value in zip(WHAT, seconds, strict=True):
                    rows[name][what].append(value)
                print(f"{number} {name:8}" + "".join(f"{value:8.1f}" for value in seconds), flush=True)
    print_table(rows)
    for what, each in zip(WHAT[2:], steps, strict=True):
        print(f"{what}: " + ", ".join(f"{step} {value:.1f}" for step, value in each.items() if value >= 0.1))


def measure(tree: Path, folder: Path, exports: list[Path]) -> tuple[list[float], list[dict[str, float]]]:
    """Seconds of both starts and both runs of one build in one folder, and the steps of the runs."""
    with stack(tree, folder) as (first, _):
        pass
    seconds, steps = [first], []
    with stack(tree, folder) as (second, api):
        seconds.append(second)
        for export in exports:
            outcome = retrain(tree, folder, export)
            run = ask(f"{api}/flow_runs/{outcome['flow_run']}")
            took = datetime.fromisoformat(run["end_time"]) - datetime.fromisoformat(run["created"])
            seconds.append(took.total_seconds() - outcome["training"]["seconds"])
            steps.append(outcome["steps"])
    return seconds, steps


@contextmanager
def stack(tree: Path, folder: Path) -> Iterator[tuple[float, str]]:
    """The local stack of a build: the seconds of its start, and the address of Prefect's API."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith(PRIVATE)}
    command = [str(tree / ".venv/bin/nasflow"), "up", "--dir", str(folder), "--json"]
    log = folder.with_suffix(".log")
    begun = time.monotonic()
    with log.open("a") as errors:
        process = subprocess.Popen(command, env=environment, cwd=tree, stdout=subprocess.PIPE, stderr=errors)
    try:
        assert process.stdout
        document = b""
        while not document.rstrip().endswith(b"}"):
            line = process.stdout.readline()
            assert line, log.read_text()
            document += line
        yield time.monotonic() - begun, json.loads(document)["api"]
    finally:
        processes.stop(process, STOP_SECONDS)


def retrain(tree: Path, folder: Path, export: Path) -> dict[str, Any]:
    """What ``nasflow retrain`` says of a run of the demo's settings with one epoch."""
    options = {**REQUEST, "epochs": 1, "export": export}
    words = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    script = f'source "{folder}/env.sh" && exec "{tree}/.venv/bin/nasflow" retrain --json "$@"'
    done = subprocess.run(["bash", "-c", script, "bash", *words], cwd=tree, stdout=subprocess.PIPE, check=True)
    outcome: dict[str, Any] = json.loads(done.stdout)
    return outcome


def ask(address: str) -> dict[str, Any]:
    """The answer of a server, as JSON."""
    with urllib.request.urlopen(address, timeout=60) as answer:
        document: dict[str, Any] = json.loads(answer.read())
    return document


def print_table(rows: dict[str, dict[str, list[float]]]) -> None:
    """Print the medians of each build, and the ratio."""
    print(f"{'seconds, median':20}" + "".join(f"{what:>20}" for what in WHAT))
    for name, columns in rows.items():
        print(f"{name:20}" + "".join(f"{median(columns[what]):>20.1f}" for what in WHAT))
    if "beside" in rows:
        pairs = [zip(rows["nasflow"][what], rows["beside"][what], strict=True) for what in WHAT]
        print(f"{'x beside':20}" + "".join(f"{median(ours / other for ours, other in pair):>20.2f}" for pair in pairs))


if __name__ == "__main__":
    main()
