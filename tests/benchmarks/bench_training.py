"""Our trainer against other trainers on the same images: speed, wall time, mAP and memory.

Run it with ``python -m tests.benchmarks.bench_training``. The demo's cartoons, drawn as large as the network's
input, since trainers scale before or after they crop. Network from scratch; everybody has the same size, batch,
epochs, learning rate (AdamW, cosine), kinds of augmentation (affine, HSV, flip), averaged weights and a validation
each epoch, on the processor. Warm-up is each one's own: ours is what we plan for random weights,
super-gradients' a tenth of the run, since the 1000 steps of its recipe are longer than the whole of it. Each contestant
trains in a process of its own, in turn, with a seed of its own each round:

- super-gradients' ``Trainer`` as its users run it, in fp32, which is the one to compare with; and once more with our
  warm-up, which tells what of a difference in mAP comes from that;
- ours as ``python -m tasks.training.worker``, once in the precision it chooses and once in fp32;
- Ultralytics' yolo11s and yolo11m and modern-yolonas, which ``make bench`` installs; without them their rows say so.
  They compete in the first round only, since no target speaks of them and they take longer than the others together.

Loop is training images a second in training epochs, without validation, as the contestant itself measures it; wall
is the whole process. mAP is 0.50:0.95 of the best checkpoint by ``tasks.metrics``, on a test split that nobody
chooses epochs by and that is large, since thirty images tell no difference of 0.05: for YOLO-NAS of
super-gradients on detections of our own code, for the others on theirs. Memory is that of the largest process.
"""

import argparse
import json
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.benchmarks.peers.images import write_images

from tasks import metrics
from tasks.local import dataset_folder
from tests.benchmarks.peers import contestants as c
from tests.benchmarks.peers.jobs import Job

REFERENCE = "super-gradients fp32"
CONTESTANTS = {
    REFERENCE: c.SUPER_GRADIENTS,
    "nasflow": c.NASFLOW,
    "nasflow fp32": c.NASFLOW_FP32,
    "SG with our warm-up": c.WARMED_AS_OURS,
    "ultralytics yolo11s": c.Peer("ultralytics_trainer", "yolo11s"),
    "ultralytics yolo11m": c.Peer("ultralytics_trainer", "yolo11m"),
    "modern-yolonas s": c.Peer("modern_yolonas_trainer"),
}
ONCE = ("ultralytics yolo11s", "ultralytics yolo11m", "modern-yolonas s")
"""Contestants of the first round alone."""
LOOP, LOOP_FP32, WALL = 2.2, 1.1, 2.5
"""Targets, as ratios to super-gradients."""
LEARNING_RATE = 2e-3


@dataclass
class Row:
    """What the rounds of one contestant gave."""

    loop: list[float] = field(default_factory=list)
    wall: list[float] = field(default_factory=list)
    map: list[float] = field(default_factory=list)
    peak: list[int] = field(default_factory=list)
    device: str = ""
    failed: str = ""

    def add(self, run: c.Run, map_: float) -> None:
        """One round."""
        self.loop.append(run.told["images_per_second"])
        self.wall.append(run.seconds)
        self.map.append(map_)
        self.peak.append(run.peak_bytes)
        self.device = run.told.get("device", "")


def main() -> None:
    given = arguments()
    print(f"{c.machine()}, {given.rounds} rounds")
    print(
        f"{given.images} images to train on, {given.valid} to choose epochs by, {given.test} to judge by, "
        f"{given.size} px, batch {given.batch}, "
        f"{given.epochs} epochs, learning rate {LEARNING_RATE:g}; medians",
        flush=True,
    )
    chosen = [name for name in CONTESTANTS if not given.only or name in given.only]
    rows = {name: Row() for name in chosen}
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        write_images(folder, given.images, given.valid, test=given.test, side=given.size)
        for number in range(1, given.rounds + 1):
            for place, contestant in enumerate(chosen):
                if contestant in ONCE and number > 1:
                    continue
                job = Job(
                    images=name, out=str(folder / f"{number}-{place}"), network=CONTESTANTS[contestant].network,
                    size=given.size, batch=given.batch, epochs=given.epochs, learning_rate=LEARNING_RATE, seed=number,
                )  # fmt: skip
                compete(contestant, job, rows[contestant])
    print_table(rows)
    print_targets(rows)


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in {"rounds": 3, "epochs": 15, "images": 96, "size": 160, "batch": 8}.items():
        parser.add_argument(f"--{name}", type=int, default=value, help=f"default {value}")
    parser.add_argument("--valid", type=int, help="images to choose epochs by; default 30, or fewer with few --images")
    parser.add_argument("--test", type=int, default=400, help="images to judge by; default 400")
    parser.add_argument("--only", action="append", choices=list(CONTESTANTS), help="this one; may be given again")
    given = parser.parse_args()
    given.valid = given.valid or min(30, given.images)
    return given


def compete(name: str, job: Job, row: Row) -> None:
    """One round of one contestant; one that failed is not asked again."""
    if row.failed:
        return
    try:
        run = CONTESTANTS[name].train(job)
        CONTESTANTS[name].detect(job)
    except c.Failed as error:
        row.failed = str(error)
        print(f"  round {job.seed}  {name:20} failed: {error}", flush=True)
        return
    row.add(run, judge(job))
    print(f"  round {job.seed}  {name:20} {row.loop[-1]:7.2f} images/s {run.seconds:7.1f} s  mAP {row.map[-1]:.3f}",
          flush=True)  # fmt: skip


def judge(job: Job) -> float:
    """mAP of a job's detections by our scorer."""
    snapshot = dataset_folder.load(job.own_data)
    truth = metrics.coco_truth(snapshot.of_split("test"), snapshot.classes)
    return metrics.score(truth, json.loads((job.folder / "detections.json").read_text())).map


def ratio(numbers: Sequence[float], reference: Sequence[float]) -> float:
    """Of medians."""
    return statistics.median(numbers) / statistics.median(reference)


def print_table(rows: dict[str, Row]) -> None:
    reference = rows.get(REFERENCE, Row())
    print(f"{'':20} {'loop/s':>8} {'x SG':>6} {'wall s':>8} {'x SG':>6} {'mAP (lowest to highest)':>24} {'peak MB':>8} "
          "rounds")  # fmt: skip
    for name, row in rows.items():
        if row.failed:
            print(f"{name:20} not to be had: {row.failed}")
            continue
        loop = wall = "-"
        if reference.loop:
            loop, wall = f"{ratio(row.loop, reference.loop):.2f}", f"{ratio(reference.wall, row.wall):.2f}"
        maps = f"{statistics.median(row.map):.3f} ({min(row.map):.3f} to {max(row.map):.3f})"
        print(f"{name:20} {statistics.median(row.loop):8.2f} {loop:>6} {statistics.median(row.wall):8.1f} {wall:>6} "
              f"{maps:>24} {statistics.median(row.peak) / 1e6:8.0f} {len(row.loop):6}  "
              f"{row.device}".rstrip())  # fmt: skip


def print_targets(rows: dict[str, Row]) -> None:
    """What our trainer has to reach beside super-gradients."""
    reference = rows.get(REFERENCE, Row())
    for name, loop, wall in (("nasflow", LOOP, WALL), ("nasflow fp32", LOOP_FP32, None)):
        row = rows.get(name, Row())
        if not row.loop or not reference.loop:
            print(f"targets of {name}: not measured")
            continue
        who = f"target of {name} ({row.device}):"
        print(who, verdict("loop", ratio(row.loop, reference.loop), loop))
        if wall is not None:
            print(who, verdict("wall", ratio(reference.wall, row.wall), wall))
        ours, theirs = statistics.median(row.map), statistics.median(reference.map)
        print(who, f"mAP not lower: {ours:.3f} beside {theirs:.3f}, {'met' if ours >= theirs else 'MISSED'}")


def verdict(what: str, got: float, least: float) -> str:
    return f"{what} >= {least:g} times super-gradients': {got:.2f}, {'met' if got >= least else 'MISSED'}"


if __name__ == "__main__":
    main()
