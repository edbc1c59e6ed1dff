"""The job of a contestant of a benchmark, and what the programs of the peers share.

torch is imported here for a job on a GPU alone.

A peer is a module of this package with two verbs, each a process of its own. ``train`` writes ``peer.json`` into the
job's folder: images per second in the training loop, and what else it reports. ``detect`` writes ``detections.json``:
COCO results of its best checkpoint on the test split.
"""

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

LOADERS = 2
"""Processes that load images for a peer."""
FINAL_RATIO, WEIGHT_DECAY = 0.1, 1e-5
"""Last over peak learning rate, and weight decay, for all contestants: those of YOLO-NAS's recipe."""


@dataclass(frozen=True)
class Job:
    """What to train, on what, and where to write."""

    images: str
    """Folder that ``images.write_images`` made."""
    out: str
    network: str
    size: int
    batch: int
    epochs: int
    learning_rate: float
    seed: int = 1
    warmup: int | None = None
    """Steps of linear warm-up of a peer; None for its own."""
    device: str = "cpu"
    """``cpu``, or ``cuda`` for the first GPU, with mixed precision."""
    loaders: int = LOADERS
    """Processes that load images for a peer."""

    @property
    def folder(self) -> Path:
        """Where to write; whoever runs the job creates it."""
        return Path(self.out)

    @property
    def peers_data(self) -> Path:
        """The images as COCO and YOLO folders."""
        return Path(self.images) / "peers"

    @property
    def own_data(self) -> Path:
        """The images as our dataset folder."""
        return Path(self.images) / "data"

    def as_argument(self) -> str:
        """Make it an argument of a command line."""
        return json.dumps(asdict(self))


class Laps:
    """Times between starts and ends."""

    def __init__(self) -> None:
        self.spans: list[tuple[float, float]] = []
        self._began = 0.0

    def start(self, *_: Any) -> None:
        """Begin a lap."""
        self._began = time.monotonic()

    def end(self, *_: Any) -> None:
        """End a lap."""
        self.spans.append((self._began, time.monotonic()))

    @property
    def seconds(self) -> float:
        """Seconds of all laps."""
        return sum(end - began for began, end in self.spans)

    @property
    def later_seconds(self) -> float:
        """Mean seconds of a lap, without the first one where there are more: it chooses kernels and fills caches."""
        later = self.spans[1:] or self.spans
        return sum(end - began for began, end in later) / len(later)


def warmup_steps(images: int, job: Job) -> int:
    """Steps of super-gradients' warm-up: a tenth of the run, since the 1000 of its recipe are more than a run."""
    if job.warmup is not None:
        return job.warmup
    return min(100, -(-images // job.batch) * job.epochs // 10)


def write_report(job: Job, images: int, laps: Laps, **more: float) -> None:
    """Write ``peer.json`` for a run with so many images per epoch."""
    content = {
        "images_per_second": images * job.epochs / laps.seconds,
        "later_images_per_second": images / laps.later_seconds,
        **more,
    }
    if job.device == "cuda":
        import torch

        content["peak_memory_bytes"] = torch.cuda.max_memory_allocated()
    (job.folder / "peer.json").write_text(json.dumps(content))


def detection(job: Job, weights: Path) -> Path:
    """Write the job file of our detector for a weights file of ours on the test split."""
    # Here, since other trainers read this module beside packages of their own.
    from tasks.training.contract.job import DetectionWork, write_job

    path = job.folder / "detection.json"
    write_job(path, DetectionWork(data=job.own_data, out=job.folder / "detected", weights=weights, splits=("test",)))
    return path


def keep_detections(job: Job) -> None:
    """Move our detector's detections to where every contestant's are."""
    (job.folder / "detected" / "test.json").replace(job.folder / "detections.json")


def detections_of(image_id: int, corners: Any, classes: Any, scores: Any) -> list[dict[str, Any]]:
    """Make COCO results of one image from lists: boxes xyxy in its pixels, class indices from 0, scores."""
    return [
        {
            "image_id": image_id,
            "category_id": int(index) + 1,
            "bbox": [x1, y1, x2 - x1, y2 - y1],
            "score": min(1.0, score),
        }
        for (x1, y1, x2, y2), index, score in zip(corners, classes, scores, strict=True)
    ]


def serve(train: Callable[[Job], None], detect: Callable[[Job], None]) -> None:
    """Run the command line of a peer: ``train JOB`` or ``detect JOB``, the job as JSON."""
    {"train": train, "detect": detect}[sys.argv[1]](Job(**json.loads(sys.argv[2])))
