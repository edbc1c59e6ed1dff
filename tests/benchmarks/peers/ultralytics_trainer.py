"""Ultralytics' trainer on a network built from its yaml, from scratch, offline and without plots.

fp32 on a CPU, and its mixed precision on a GPU; affine, HSV and flip as its defaults have them, and no mosaic, as with
the others. Every batch is a step (``nbs``), as with the others.
"""

import json
import os

from tests.benchmarks.peers import jobs


def quiet(job: jobs.Job) -> None:
    """Keep its files in the job's folder; call this before it is imported."""
    os.environ.update(
        YOLO_CONFIG_DIR=str(job.folder / "settings"), YOLO_OFFLINE="true", YOLO_AUTOINSTALL="false",
        YOLO_VERBOSE="false", MPLCONFIGDIR=str(job.folder / "settings"),
    )  # fmt: skip
    (job.folder / "settings").mkdir(exist_ok=True)


def device(job: jobs.Job) -> str:
    """Give its name of the job's device."""
    return "0" if job.device == "cuda" else "cpu"


def train(job: jobs.Job) -> None:
    """Train, and report images per second."""
    quiet(job)
    from ultralytics import YOLO

    model, laps = YOLO(f"{job.network}.yaml"), jobs.Laps()
    model.add_callback("on_train_epoch_start", laps.start)
    model.add_callback("on_train_epoch_end", laps.end)
    model.train(
        data=str(job.peers_data / "data.yaml"), epochs=job.epochs, patience=job.epochs, imgsz=job.size, batch=job.batch,
        nbs=job.batch, lr0=job.learning_rate, lrf=jobs.FINAL_RATIO, cos_lr=True, optimizer="AdamW",
        weight_decay=jobs.WEIGHT_DECAY, mosaic=0.0, pretrained=False, amp=job.device == "cuda", plots=False,
        device=device(job), workers=job.loaders, seed=job.seed, project=str(job.folder), name="run", verbose=False,
    )  # fmt: skip
    jobs.write_report(job, len(list((job.peers_data / "images" / "train").iterdir())), laps)


def detect(job: jobs.Job) -> None:
    """Detect with its best checkpoint by its own validation: its prediction gives each box only one class."""
    quiet(job)
    from ultralytics import YOLO

    YOLO(str(job.folder / "run" / "weights" / "best.pt")).val(
        data=str(job.peers_data / "data.yaml"), imgsz=job.size, batch=job.batch, device=device(job),
        workers=job.loaders, save_json=True, plots=False, project=str(job.folder), name="test", split="test",
        verbose=False,
    )  # fmt: skip
    predictions = json.loads((job.folder / "test" / "predictions.json").read_text())
    ground_truth = json.loads((job.peers_data / "annotations" / "test.json").read_text())
    ids = {image["file_name"]: image["id"] for image in ground_truth["images"]}
    detections = [{**row, "image_id": ids[row["file_name"]]} for row in predictions]
    (job.folder / "detections.json").write_text(json.dumps(detections))


if __name__ == "__main__":
    jobs.serve(train, detect)
