"""Ultralytics' trainer on a network built from its yaml, from scratch, without the network and without plots.

fp32, since its mixed precision is CUDA's; affine, HSV and flip as its defaults have them, and no mosaics, which nobody
here has. Every batch is a step (``nbs``), as with the others.
"""

import json
import os

from tests.benchmarks.peers import jobs


def quiet(job: jobs.Job) -> None:
    """Keep it in the job's folder; before it is imported."""
    os.environ.update(
        YOLO_CONFIG_DIR=str(job.folder / "settings"), YOLO_OFFLINE="true", YOLO_AUTOINSTALL="false",
        YOLO_VERBOSE="false", MPLCONFIGDIR=str(job.folder / "settings"),
    )  # fmt: skip
    (job.folder / "settings").mkdir(exist_ok=True)


def train(job: jobs.Job) -> None:
    """Train, and tell images a second."""
    quiet(job)
    from ultralytics import YOLO

    model, laps = YOLO(f"{job.network}.yaml"), jobs.Laps()
    model.add_callback("on_train_epoch_start", laps.start)
    model.add_callback("on_train_epoch_end", laps.end)
    model.train(
        data=str(job.peers_data / "data.yaml"), epochs=job.epochs, patience=job.epochs, imgsz=job.size, batch=job.batch,
        nbs=job.batch, lr0=job.learning_rate, lrf=jobs.FINAL_RATIO, cos_lr=True, optimizer="AdamW",
        weight_decay=jobs.WEIGHT_DECAY, mosaic=0.0, pretrained=False, amp=False, plots=False, device="cpu",
        workers=jobs.LOADERS, seed=job.seed, project=str(job.folder), name="run", verbose=False,
    )  # fmt: skip
    jobs.tell(job, len(list((job.peers_data / "images" / "train").iterdir())), laps)


def detect(job: jobs.Job) -> None:
    """Its best checkpoint on the test split, by its own validation: prediction gives a box but one class."""
    quiet(job)
    from ultralytics import YOLO

    YOLO(str(job.folder / "run" / "weights" / "best.pt")).val(
        data=str(job.peers_data / "data.yaml"), imgsz=job.size, batch=job.batch, device="cpu", workers=jobs.LOADERS,
        save_json=True, plots=False, project=str(job.folder), name="test", split="test", verbose=False,
    )  # fmt: skip
    found = json.loads((job.folder / "test" / "predictions.json").read_text())
    truth = json.loads((job.peers_data / "annotations" / "test.json").read_text())
    ids = {image["file_name"]: image["id"] for image in truth["images"]}
    found = [{**one, "image_id": ids[one["file_name"]]} for one in found]
    (job.folder / "detections.json").write_text(json.dumps(found))


if __name__ == "__main__":
    jobs.serve(train, detect)
