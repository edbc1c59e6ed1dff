"""Images per second of detection: ours beside super-gradients' ``predict``, and beside a bare loop on the same network.

Run it with ``python -m tests.benchmarks.bench_detect [--images N] [--rounds N]``. A YOLO-NAS s of 640 pixels, the same
weights for all, on JPEGs of 640 x 480. In each round all run in turn, each in a process of its own, and what counts is
the ratio within a round. Ours draws and writes everything that ``nasflow detect`` does; the others keep detections in
memory. Then memory: ours on ten times the images.
"""

import argparse
import json
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks.peers import contestants

MIN_TIMES_PREDICT, MIN_OF_BARE, MAX_GROWTH = 8.0, 0.85, 1.25
"""Targets: times super-gradients, share of the bare loop, and peak memory on ten times the images."""
CONTESTANTS = ("super_gradients", "bare", "nasflow")


@dataclass(frozen=True)
class Bench:
    """Where a measured process writes; what ``contestants.measure`` asks of a job."""

    folder: Path
    device: str = "cpu"


def main() -> None:
    """Measure, print, and exit with 1 if a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=96)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(contestants.machine(), flush=True)
    with tempfile.TemporaryDirectory(prefix="bench-detect-") as folder:
        bench = Bench(Path(folder))
        _run(bench, "prepare", options.images)
        rounds = [{name: _run(bench, name) for name in CONTESTANTS} for _ in range(options.rounds)]
        growth = _run(bench, "nasflow", 10 * options.images)[1] / max(one["nasflow"][1] for one in rounds)
    print(f"{'images/s':18}" + "".join(f"{f'round {number}':>10}" for number in range(1, options.rounds + 1)))
    for name in CONTESTANTS:
        print(f"{name:18}" + "".join(f"{one[name][0]:>10.2f}" for one in rounds))
    ratios = {name: statistics.median(one["nasflow"][0] / one[name][0] for one in rounds) for name in CONTESTANTS[:2]}
    print(f"median ratio: {ratios['super_gradients']:.1f} x super-gradients' predict (target {MIN_TIMES_PREDICT:g})")
    print(f"median ratio: {ratios['bare']:.2f} of the bare loop (target {MIN_OF_BARE:g})")
    print(f"peak memory on 10 times the images: {growth:.2f} times (at most {MAX_GROWTH:g})")
    reached = ratios["super_gradients"] >= MIN_TIMES_PREDICT and ratios["bare"] >= MIN_OF_BARE and growth <= MAX_GROWTH
    sys.exit(not reached)


def _run(bench: Bench, verb: str, *arguments: int) -> tuple[float, int]:
    """Images per second and peak memory of a verb's process."""
    run = contestants.measure(bench, "tests.benchmarks.peers.detectors", verb, bench.folder, *arguments)
    if verb == "prepare":
        return 0.0, run.peak_bytes
    report = json.loads((bench.folder / f"{verb}.json").read_text())
    print(f"{verb:18} {report['images_per_second']:8.2f} images/s, {report['detections']} detections, "
          f"{run.peak_bytes / 1e6:.0f} MB", flush=True)  # fmt: skip
    return report["images_per_second"], run.peak_bytes


if __name__ == "__main__":
    main()
