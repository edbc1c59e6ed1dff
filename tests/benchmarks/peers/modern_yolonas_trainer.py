"""modern-yolonas' own training runner on a COCO folder, from scratch: YOLO-NAS on lightning, fp32 on a CPU.

Its recipe for small data sets (affine, HSV, flip) with our learning rate; its own EMA, and mAP each epoch. It takes no
callbacks, so the loop is timed by hooks of its lightning module.
"""

import json
import os
from pathlib import Path

from tests.benchmarks.peers import jobs


def quiet(job: jobs.Job) -> None:
    """Keep its files in the job's folder; call this before it is imported."""
    os.environ.update(NO_ALBUMENTATIONS_UPDATE="1", HF_HUB_OFFLINE="1", HF_HOME=str(job.folder / "hub"))


def dataset(job: jobs.Job, split: str, transforms):
    """Make its own dataset; images without boxes stay in, as with the others."""
    from modern_yolonas.data.coco import COCODetectionDataset

    folder, labels = job.peers_data / "images" / split, job.peers_data / "annotations" / f"{split}.json"
    return COCODetectionDataset(folder, labels, transforms, input_size=job.size, ignore_empty_annotations=False)


def train(job: jobs.Job) -> None:
    """Train, and report images per second; its loader drops a last batch that is not full."""
    quiet(job)
    import lightning
    import modern_yolonas.training.run as runner
    from modern_yolonas.training import RF100VL_RECIPE

    lightning.seed_everything(job.seed)
    laps = jobs.Laps()

    class Timed(runner.YoloNASLightningModule):
        def on_train_epoch_start(self):
            laps.start()

        def on_validation_start(self):
            if not self.trainer.sanity_checking:
                laps.end()

    runner.YoloNASLightningModule = Timed
    recipe = {
        **RF100VL_RECIPE, "lr": job.learning_rate, "weight_decay": jobs.WEIGHT_DECAY, "input_size": job.size,
        "cosine_final_lr_ratio": jobs.FINAL_RATIO, "workers": jobs.LOADERS, "precision": "32-true",
        "augmentations": {**RF100VL_RECIPE["augmentations"], "channel_shuffle": False},
    }  # fmt: skip
    train_set = dataset(job, "train", runner.build_transforms(recipe, train=True))
    best = runner.run_training(
        job.network, recipe, train_set, dataset(job, "val", runner.build_transforms(recipe, train=False)),
        val_ann_file=job.peers_data / "annotations" / "val.json", output_dir=job.folder / "run",
        num_classes=len(train_set.class_names), pretrained=False, epochs=job.epochs, batch_size=job.batch,
    )  # fmt: skip
    (job.folder / "best.txt").write_text(str(best))
    jobs.write_report(job, len(train_set) // job.batch * job.batch, laps)


def detect(job: jobs.Job) -> None:
    """Detect with its best checkpoint on the test split, with its own post-processing and thresholds."""
    quiet(job)
    import torch
    from modern_yolonas import YoloNAS, load_checkpoint
    from modern_yolonas.inference.postprocess import postprocess, rescale_boxes
    from modern_yolonas.training.run import build_transforms

    images = dataset(job, "test", build_transforms({"input_size": job.size}, train=False))
    network = YoloNAS.from_config(job.network, num_classes=len(images.class_names))
    load_checkpoint(network, str(Path((job.folder / "best.txt").read_text()))).eval()
    detections = []
    for place, image_id in enumerate(images.ids):
        image = images.coco.imgs[image_id]
        scale = job.size / max(image["width"], image["height"])
        pad = tuple((job.size - round(image[side] * scale)) // 2 for side in ("width", "height"))
        with torch.no_grad():
            outputs = network(torch.from_numpy(images[place][0])[None])
        [(boxes, scores, classes)] = postprocess(*outputs, conf_threshold=0.001, iou_threshold=0.65)
        boxes = rescale_boxes(boxes, scale, pad, (image["height"], image["width"]))
        detections += jobs.detections_of(image_id, boxes.tolist(), classes.tolist(), scores.tolist())
    (job.folder / "detections.json").write_text(json.dumps(detections))


if __name__ == "__main__":
    jobs.serve(train, detect)
