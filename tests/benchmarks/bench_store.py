"""Requests to the store of a retrain run, the first of a project and one with a champion, by kind of object.

Run it with ``python -m tests.benchmarks.bench_store [--beside TREE]``. ``TREE`` is a checkout of another build, with
its own ``.venv``; it is measured first, by the same program. Networks are tiny, and housekeeping does not run. All
requests between the first of a run and its end count, those of its train run among them, which renews its lease.
"""

import argparse
import re
import tempfile
from collections import Counter
from functools import partial
from pathlib import Path

from deployments.demo.cartoons import draw_export
from tests.benchmarks.bench_load import HERE, Installation, ended
from tests.benchmarks.peers import contestants
from tests.fakes.waiting import wait_for

RUNS = ("first", "with a champion")
DIGESTS = re.compile(r"[0-9a-f]{12,}[0-9a-f-]*|(?<=sha256/)..(?=/)|\d{6}|\?.*")


def main() -> None:
    """Measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--beside", type=Path, help="checkout of another build, with its .venv")
    options = parser.parse_args()
    print(contestants.machine(), flush=True)
    trees = {"beside": options.beside.resolve()} if options.beside else {}
    counted = {name: measure(tree) for name, tree in {**trees, "nasflow": HERE}.items()}
    print(f"{'requests to the store':22}" + "".join(f"{name:>18}" for name in RUNS))
    for name, runs in counted.items():
        print(f"{name:22}" + "".join(f"{requests.total():>18}" for requests in runs))
    for kind, count in counted["nasflow"][1].most_common():
        print(f"  {count:6} {kind}")


def measure(tree: Path) -> list[Counter[str]]:
    """The requests of two runs of a project, by method and kind of object."""
    counted = []
    with tempfile.TemporaryDirectory(prefix="bench-store-") as folder, Installation(tree, Path(folder)) as installation:
        export = Path(folder) / "pets"
        draw_export(export, 1, train=8, valid=2, test=2, size=64)
        deployment = wait_for(lambda: installation.ask("/deployments/name/retrain/retrain"))["id"]
        for seed in range(len(RUNS)):
            request = {
                "project": "pets", "export": str(export), "epochs": 1, "image_size": 64, "batch_size": 4,
                "learning_rate": 1e-3, "seed": seed,
            }  # fmt: skip
            before = installation.store.counted()
            body = {"parameters": {"request": request}}
            run = installation.ask(f"/deployments/{deployment}/create_flow_run", body)["id"]
            wait_for(partial(ended, installation, [run]), "the end of the run", pause=1)
            requests = installation.store.counted() - before
            kinds: Counter[str] = Counter()
            for path, count in requests.items():
                kinds[DIGESTS.sub("*", path)] += count
            counted.append(kinds)
    return counted


if __name__ == "__main__":
    main()
