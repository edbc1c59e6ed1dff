"""Images per second of detection: ours beside super-gradients' ``predict``, ultralytics, and a bare loop.

Run it with ``python -m tests.benchmarks.bench_detect [--images N] [--rounds N] [--memory-images N]``. A YOLO-NAS s of
640 pixels on JPEGs of 640 x 480, the same weights for ours, super-gradients and the bare loop; ultralytics runs its own
OpenVINO export of yolo11. In each round all run in turn, each in a process of its own, and what counts is the ratio
within a round. Ours draws and writes everything that ``nasflow detect`` does; the others keep detections in memory.
Networks are not trained, so only time is measured; mAP of each format is measured when a model is published. Then
memory: ours on many images.
"""

import argparse
import json
import statistics
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.benchmarks.peers import contestants

TARGETS = {
    ("nasflow", "super_gradients"): 8.0,
    ("nasflow", "bare"): 0.85,
    ("nasflow", "ultralytics_m"): 2.0,
    ("nasflow", "ultralytics_s"): 1.0,
    ("nasflow_int8", "ultralytics_s"): 1.3,
}
"""Least median ratio of images per second in a round. yolo11m is as large a network, yolo11s has half the weights."""
MAX_GROWTH = 1.25
"""Most peak memory on many images, as a multiple of that on the few of a round."""
PEERS = ("ultralytics_m", "ultralytics_s")
CONTESTANTS = ("super_gradients", "bare", *PEERS, "nasflow", "nasflow_int8")


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
    parser.add_argument("--memory-images", type=int, default=5000)
    options = parser.parse_args()
    print(contestants.machine(), flush=True)
    with tempfile.TemporaryDirectory(prefix="bench-detect-") as folder:
        bench = Bench(Path(folder))
        _run(bench, "prepare", options.images)
        names = [name for name in CONTESTANTS if name not in PEERS or _has_peers(bench)]
        rounds = [{name: _run(bench, name) for name in names} for _ in range(options.rounds)]
        growth = _run(bench, "nasflow", options.memory_images)[1] / max(one["nasflow"][1] for one in rounds)
    print(f"{'images/s':18}" + "".join(f"{f'round {number}':>10}" for number in range(1, options.rounds + 1)))
    for name in names:
        print(f"{name:18}" + "".join(f"{one[name][0]:>10.2f}" for one in rounds))
    missed = growth > MAX_GROWTH
    for (ours, other), target in TARGETS.items():
        if other in names:
            ratio = statistics.median(one[ours][0] / one[other][0] for one in rounds)
            missed = missed or ratio < target
            print(f"median ratio: {ours} {ratio:.2f} x {other} (target {target:g})")
    print(f"peak memory on {options.memory_images} images: {growth:.2f} times that of a round (at most {MAX_GROWTH:g})")
    sys.exit(missed)


@cache
def _has_peers(bench: Bench) -> bool:
    """Whether ultralytics is here and exports its networks; its rows are left out, and said, otherwise."""
    try:
        _run(bench, "ultralytics_prepare")
    except contestants.Failed as error:
        print(f"ultralytics is left out: {error}", flush=True)
        return False
    return True


def _run(bench: Bench, verb: str, *arguments: int) -> tuple[float, int]:
    """Images per second and peak memory of a verb's process."""
    packages = contestants.INSTALLED if verb.startswith("ultralytics") else None
    module = "tests.benchmarks.peers.detectors"
    run = contestants.measure(bench, module, verb, bench.folder, *arguments, packages=packages)
    if verb.endswith("prepare"):
        return 0.0, run.peak_bytes
    report = json.loads((bench.folder / f"{verb}.json").read_text())
    print(f"{verb:18} {report['images_per_second']:8.2f} images/s, {report['detections']} detections, "
          f"{run.peak_bytes / 1e6:.0f} MB", flush=True)  # fmt: skip
    return report["images_per_second"], run.peak_bytes


if __name__ == "__main__":
    main()
