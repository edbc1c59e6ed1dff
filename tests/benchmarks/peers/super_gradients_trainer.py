"""super-gradients' ``Trainer``, run as its users run it: its dataset, its validation and its checkpoints.

It computes in fp32 on a CPU, and in fp16 on a GPU, which is its mixed precision; there its loaders pin memory, as its
recipes have it. Its YOLO-NAS recipe with our augmentation, in its own transforms. ``average_best_models`` is off: with
torch >= 2.6 it ends a run after the first validation.
"""

import json

from tasks.training.worker.runtime.process import quiet_libraries
from tests.benchmarks.peers import jobs


def train(job: jobs.Job) -> None:
    """Train, and report images per second, and the seconds of epochs and of saving."""
    quiet_libraries(job.folder)
    from super_gradients.training import Trainer, models

    class TimedSaving(Trainer):
        laps = jobs.Laps()

        def _save_checkpoint(self, *args, **kwargs):
            self.laps.start()
            super()._save_checkpoint(*args, **kwargs)
            self.laps.end()

    train_set, valid_set = dataset(job, "train"), dataset(job, "val")
    trainer, laps = TimedSaving("peer", ckpt_root_dir=str(job.folder / "checkpoints")), jobs.Laps()
    trainer.train(
        models.get(job.network, num_classes=len(train_set.classes)),
        recipe(job, len(train_set), len(train_set.classes), laps),
        train_loader=loader(job, train_set, shuffle=True),
        valid_loader=loader(job, valid_set, shuffle=False),
    )
    saves = TimedSaving.laps
    total = saves.spans[-1][1] - laps.spans[0][0]
    jobs.write_report(job, len(train_set), laps, save_seconds=saves.seconds, epoch_seconds=total - saves.seconds)


def dataset(job: jobs.Job, split: str):
    """Make its own dataset of a COCO folder."""
    from super_gradients.training.datasets.detection_datasets.coco_format_detection import COCOFormatDetectionDataset
    from super_gradients.training.transforms import transforms as t

    side = (job.size, job.size)
    augmentation = [
        t.DetectionRandomAffine(degrees=0.0, translate=0.1, scales=(0.5, 1.5), shear=0.0, target_size=side,
                                filter_box_candidates=True, wh_thr=2, area_thr=0.1, ar_thr=20),
        t.DetectionHSV(prob=0.5, hgain=18, sgain=30, vgain=30),
        t.DetectionHorizontalFlip(prob=0.5),
    ]  # fmt: skip
    return COCOFormatDetectionDataset(
        data_dir=str(job.peers_data),
        json_annotation_file=f"annotations/{split}.json",
        images_dir=f"images/{split}",
        input_dim=side,
        with_crowd=False,
        ignore_empty_annotations=False,
        verbose=False,
        transforms=[
            *(augmentation if split == "train" else []),
            t.DetectionRGB2BGR(prob=1.0),  # images are read as BGR; this makes them RGB, as in the recipe's validation
            t.DetectionPaddedRescale(input_dim=side, pad_value=114),
            t.DetectionStandardize(max_value=255.0),
            t.DetectionTargetsFormatTransform(input_dim=side, output_format="LABEL_CXCYWH"),
        ],
    )


def loader(job: jobs.Job, images, *, shuffle: bool):
    """Make its own loader."""
    from super_gradients.training import dataloaders
    from super_gradients.training.utils.collate_fn import DetectionCollateFN

    settings = {
        "batch_size": job.batch, "num_workers": job.loaders, "collate_fn": DetectionCollateFN(),
        "pin_memory": job.device == "cuda",
    }  # fmt: skip
    return dataloaders.get(dataset=images, dataloader_params={**settings, "shuffle": shuffle, "drop_last": False})


def recipe(job: jobs.Job, images: int, classes: int, laps: jobs.Laps) -> dict:
    """Make its recipe for YOLO-NAS, with our learning rate."""
    from super_gradients.training.metrics import DetectionMetrics_050_095
    from super_gradients.training.models.detection_models.pp_yolo_e import PPYoloEPostPredictionCallback
    from super_gradients.training.utils.callbacks import Phase, PhaseCallback

    class Timed(PhaseCallback):
        def __init__(self, phase, call):
            super().__init__(phase)
            self.call = call

        def __call__(self, context):
            self.call()

    validation_metric = DetectionMetrics_050_095(
        num_cls=classes, normalize_targets=True, score_thres=0.1, top_k_predictions=300,
        post_prediction_callback=PPYoloEPostPredictionCallback(
            score_threshold=0.01, nms_top_k=1000, max_predictions=300, nms_threshold=0.7
        ),
    )  # fmt: skip
    return {
        "max_epochs": job.epochs,
        "initial_lr": job.learning_rate,
        "warmup_mode": "LinearBatchLRWarmup",
        "warmup_initial_lr": 1e-6,
        "lr_warmup_steps": jobs.warmup_steps(images, job),
        "lr_warmup_epochs": 0,
        "lr_mode": "CosineLRScheduler",
        "cosine_final_lr_ratio": jobs.FINAL_RATIO,
        "optimizer": "AdamW",
        "optimizer_params": {"weight_decay": jobs.WEIGHT_DECAY},
        "zero_weight_decay_on_bias_and_bn": True,
        "loss": "PPYoloELoss",
        "criterion_params": {"use_static_assigner": False, "num_classes": classes},
        "ema": True,
        "ema_params": {"decay": 0.9997, "decay_type": "threshold"},
        "mixed_precision": job.device == "cuda",
        "average_best_models": False,
        "valid_metrics_list": [validation_metric],
        "metric_to_watch": "mAP@0.50:0.95",
        "greater_metric_to_watch_is_better": True,
        "silent_mode": True,
        "seed": job.seed,
        "phase_callbacks": [Timed(Phase.TRAIN_EPOCH_START, laps.start), Timed(Phase.TRAIN_EPOCH_END, laps.end)],
    }


def detect(job: jobs.Job) -> None:
    """Write the EMA of its best checkpoint to a file of ours, and run our detector."""
    quiet_libraries(job.folder)
    import torch
    from safetensors.torch import save_file

    from tasks.local import dataset_folder
    from tasks.training.worker import __main__ as our_trainer

    [best] = (job.folder / "checkpoints").rglob("ckpt_best.pth")
    tensors = torch.load(best, map_location="cpu", weights_only=False)["ema_net"]  # written by the run before this one
    classes = json.dumps(dataset_folder.load(job.own_data).classes)
    variant = job.network.removeprefix("yolo_nas_")
    path = job.folder / "best.safetensors"
    save_file(tensors, path, {"classes": classes, "variant": variant, "image_size": str(job.size)})
    if code := our_trainer.main([f"--job={jobs.detection(job, path)}"]):
        raise SystemExit(code)
    jobs.keep_detections(job)


if __name__ == "__main__":
    jobs.serve(train, detect)
