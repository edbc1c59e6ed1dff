"""Our trainer compared with others on the same images: speed, wall time, mAP and memory.

Run it with ``python -m tests.benchmarks.bench_training``. The demo's cartoons, drawn as large as the network's input,
since some trainers scale before they crop and some after. Networks are trained from scratch on the CPU; all have the
same image size, batch size, epochs, learning rate (AdamW, cosine) and kinds of augmentation (affine, HSV, flip), and
all have an EMA and a validation each epoch. Each has its own warm-up: ours is what we plan for random weights,
super-gradients' is a tenth of the run, since the 1000 steps of its recipe are longer than the run. Each contestant
trains in a process of its own, in turn, with another seed each round:

- super-gradients' ``Trainer`` as its users run it, in fp32, which is the reference; and once more with our warm-up,
  which shows how much of a difference in mAP comes from that;
- ours as ``python -m tasks.training.worker``, once in the precision it chooses and once in fp32;
- Ultralytics' yolo11s and yolo11m and modern-yolonas, which ``make bench`` installs; without them their rows say so.
  They run in the first round only, since there is no target for them and they take longer than the others together.

Loop is training images per second in training epochs, without validation, as the contestant itself measures it; wall is
the whole process. mAP is 0.50:0.95 of the best checkpoint by ``tasks.metrics``, on a test split that no contestant
chooses epochs by. It is large, since thirty images cannot show a difference of 0.05. Detections of super-gradients'
YOLO-NAS come from our own code, those of the others from theirs. Memory is that of the largest process.
"""

import argparse
import json
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tasks import metrics
from tasks.local import dataset_folder
from tests.benchmarks.peers import contestants
from tests.benchmarks.peers.images import write_images
from tests.benchmarks.peers.jobs import Job

REFERENCE = "super-gradients fp32"
CONTESTANTS: dict[str, contestants.Contestant] = {
    REFERENCE: contestants.SUPER_GRADIENTS,
    "nasflow": contestants.NASFLOW,
    "nasflow fp32": contestants.NASFLOW_FP32,
    "SG with our warm-up": contestants.WARMED_AS_OURS,
    "ultralytics yolo11s": contestants.Peer("ultralytics_trainer", "yolo11s"),
    "ultralytics yolo11m": contestants.Peer("ultralytics_trainer", "yolo11m"),
    "modern-yolonas s": contestants.Peer("modern_yolonas_trainer"),
}
FIRST_ROUND_ONLY = ("ultralytics yolo11s", "ultralytics yolo11m", "modern-yolonas s")
MIN_LOOP, MIN_LOOP_FP32, MIN_WALL = 2.2, 1.1, 2.5
"""Targets, as ratios to super-gradients."""
LEARNING_RATE = 2e-3


@dataclass
class Row:
    """Measurements of one contestant, one per round."""

    loop: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)
    map: list[float] = field(default_factory=list)
    peak: list[int] = field(default_factory=list)
    device: str = ""
    error: str = ""

    def add(self, run: contestants.Run, map_: float) -> None:
        """Add one round."""
        self.loop.append(run.report["images_per_second"])
        self.wall.append(run.seconds)
        self.map.append(map_)
        self.peak.append(run.peak_bytes)
        self.device = run.report.get("device", "")


def main() -> None:
    options = parse_options()
    print(f"{contestants.machine()}, {options.rounds} rounds")
    print(
        f"{options.images} images to train on, {options.valid} to choose epochs by, {options.test} to judge by, "
        f"{options.size} px, batch {options.batch}, "
        f"{options.epochs} epochs, learning rate {LEARNING_RATE:g}; medians",
        flush=True,
    )
    chosen = [name for name in CONTESTANTS if not options.only or name in options.only]
    rows = {name: Row() for name in chosen}
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        write_images(folder, options.images, options.valid, test=options.test, side=options.size)
        for number in range(1, options.rounds + 1):
            for place, contestant in enumerate(chosen):
                if contestant in FIRST_ROUND_ONLY and number > 1:
                    continue
                job = Job(
                    images=name, out=str(folder / f"{number}-{place}"), network=CONTESTANTS[contestant].network,
                    size=options.size, batch=options.batch, epochs=options.epochs, learning_rate=LEARNING_RATE,
                    seed=number,
                )  # fmt: skip
                run_round(contestant, job, rows[contestant])
    print_table(rows)
    print_targets(rows)


def parse_options() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in {"rounds": 3, "epochs": 15, "images": 96, "size": 160, "batch": 8}.items():
        parser.add_argument(f"--{name}", type=int, default=value, help=f"default {value}")
    parser.add_argument("--valid", type=int, help="images to choose epochs by; default 30, or fewer with few --images")
    parser.add_argument("--test", type=int, default=400, help="images to judge by; default 400")
    parser.add_argument(
        "--only", action="append", choices=list(CONTESTANTS), help="only this contestant; may be given again"
    )
    options = parser.parse_args()
    options.valid = options.valid or min(30, options.images)
    return options


def run_round(name: str, job: Job, row: Row) -> None:
    """Run one round of one contestant; one that failed does not run again."""
    if row.error:
        return
    try:
        run = CONTESTANTS[name].train(job)
        CONTESTANTS[name].detect(job)
    except contestants.Failed as error:
        row.error = str(error)
        print(f"  round {job.seed}  {name:20} failed: {error}", flush=True)
        return
    row.add(run, measure_map(job))
    print(f"  round {job.seed}  {name:20} {row.loop[-1]:7.2f} images/s {run.seconds:7.1f} s  mAP {row.map[-1]:.3f}",
          flush=True)  # fmt: skip


def measure_map(job: Job) -> float:
    """Measure the mAP of a job's detections by our scorer."""
    snapshot = dataset_folder.load(job.own_data)
    truth = metrics.coco_ground_truth(snapshot.of_split("test"), snapshot.classes)
    return metrics.score(truth, json.loads((job.folder / "detections.json").read_text())).map


def ratio(numbers: Sequence[float], reference: Sequence[float]) -> float:
    """Give the ratio of the medians."""
    return statistics.median(numbers) / statistics.median(reference)


def print_table(rows: dict[str, Row]) -> None:
    reference = rows.get(REFERENCE, Row())
    print(f"{'':20} {'loop/s':>8} {'x SG':>6} {'wall s':>8} {'x SG':>6} {'mAP (min to max)':>24} {'peak MB':>8} "
          "rounds")  # fmt: skip
    for name, row in rows.items():
        if row.error:
            print(f"{name:20} not available: {row.error}")
            continue
        loop = wall = "-"
        if reference.loop:
            loop, wall = f"{ratio(row.loop, reference.loop):.2f}", f"{ratio(reference.wall, row.wall):.2f}"
        maps = f"{statistics.median(row.map):.3f} ({min(row.map):.3f} to {max(row.map):.3f})"
        print(f"{name:20} {statistics.median(row.loop):8.2f} {loop:>6} {statistics.median(row.wall):8.1f} {wall:>6} "
              f"{maps:>24} {statistics.median(row.peak) / 1e6:8.0f} {len(row.loop):6}  "
              f"{row.device}".rstrip())  # fmt: skip


def print_targets(rows: dict[str, Row]) -> None:
    """Print whether our trainer meets its targets."""
    reference = rows.get(REFERENCE, Row())
    for name, loop, wall in (("nasflow", MIN_LOOP, MIN_WALL), ("nasflow fp32", MIN_LOOP_FP32, None)):
        row = rows.get(name, Row())
        if not row.loop or not reference.loop:
            print(f"targets of {name}: not measured")
            continue
        label = f"target of {name} ({row.device}):"
        print(label, verdict("loop", ratio(row.loop, reference.loop), loop))
        if wall is not None:
            print(label, verdict("wall", ratio(reference.wall, row.wall), wall))
        ours, theirs = statistics.median(row.map), statistics.median(reference.map)
        print(label, f"mAP not lower: {ours:.3f} compared with {theirs:.3f}, {'met' if ours >= theirs else 'MISSED'}")


def verdict(what: str, measured: float, target: float) -> str:
    return f"{what} >= {target:g} times super-gradients': {measured:.2f}, {'met' if measured >= target else 'MISSED'}"


if __name__ == "__main__":
    main()
