"""The training loop: epochs of steps, validation, the best weights, checkpoints, and going on after a stop."""

import math
import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from super_gradients.training.losses import PPYoloELoss
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from tasks import metrics
from tasks.dataset_folder import file_sha256, publish_bytes
from tasks.errors import BadCheckpoint, NotLearning, TrainingStopped
from tasks.records import DatasetSnapshot, EpochResult, TrainingResult, TrainingSpec
from tasks.training import files
from tasks.training.worker.checkpoint import Checkpoint, newest_checkpoint, write_checkpoint
from tasks.training.worker.convolutions import subsample_first
from tasks.training.worker.device import Device, make_fabric
from tasks.training.worker.events import Events
from tasks.training.worker.network import build_network
from tasks.training.worker.pictures import (
    Batch,
    EpochBatches,
    PictureFolder,
    PlainPictures,
    TrainingPictures,
    plain_loader,
    training_loader,
)
from tasks.training.worker.progress import Ending, Progress
from tasks.training.worker.schedule import average_decay, learning_rate
from tasks.training.worker.validate import LOSS_PARTS, move, run_over
from tasks.training.worker.watchdog import Watchdog
from tasks.training.worker.weights import load_matching, read_metadata, write_weights

Tensors = tuple[Tensor, ...] | list[Tensor]

MOST_BAD_STEPS = 5
"""Steps in a row whose loss is no finite number before training is given up; single ones are left out."""


class TrainingRun:
    """One run in one folder; ``train`` starts it, or goes on where its last checkpoint stands."""

    def __init__(
        self,
        spec: TrainingSpec,
        snapshot: DatasetSnapshot,
        data: Path,
        out: Path,
        *,
        device: Device,
        events: Events,
        stop: threading.Event,
        checkpoint_seconds: float = 600.0,
        loader_workers: int | None = None,
        watchdog: Watchdog | None = None,
    ) -> None:
        self.spec, self.out, self.device, self.events, self.stop = spec, out, device, events, stop
        self.checkpoint_seconds, self.loader_workers = checkpoint_seconds, loader_workers
        self.watchdog = watchdog or Watchdog(None)
        self.fabric = make_fabric(device)
        torch.manual_seed(spec.seed)
        self._set_up_pictures(snapshot, data)
        self._set_up_network()
        self.progress = Progress()
        self.resumed_from_epoch: int | None = None
        self._bad_steps = 0
        self._last_checkpoint = time.monotonic()

    def _set_up_pictures(self, snapshot: DatasetSnapshot, data: Path) -> None:
        spec = self.spec
        as_needed = min(8, (os.cpu_count() or 1) - 1) if self.device.accelerator == "cuda" else 0
        self.workers = as_needed if self.loader_workers is None else self.loader_workers
        train = PictureFolder(data, snapshot.of_split("train"), spec.image_size)
        valid = PictureFolder(data, snapshot.of_split("valid"), spec.image_size)
        for pictures in (train, valid):
            pictures.fill_cache(os.cpu_count() or 1, self.watchdog.pat)
        self.train_pictures = TrainingPictures(train, spec.seed)
        self.valid_images = valid.images
        self.valid_loader = plain_loader(PlainPictures(valid), spec.batch_size, self.workers)
        self.valid_truth = metrics.coco_truth(valid.images, spec.classes)
        self.steps_per_epoch = math.ceil(len(train.images) / spec.batch_size)
        self.total_steps = self.steps_per_epoch * spec.epochs

    def _set_up_network(self) -> None:
        spec = self.spec
        self.plain = build_network(spec.variant, len(spec.classes))
        if self.device.accelerator == "cpu" and self.device.channels_last:
            subsample_first(self.plain)
        self.loss = PPYoloELoss(num_classes=len(spec.classes), use_static_assigner=False)
        self.average = AveragedModel(self.plain, multi_avg_fn=self._average_step, use_buffers=True)
        self.average = self.fabric.to_device(self.average).to(memory_format=self.device.memory_format)
        self.plain = self.plain.to(memory_format=self.device.memory_format)
        optimizer = torch.optim.AdamW(parameter_groups(self.plain, spec.weight_decay), spec.learning_rate, fused=True)
        self.network, self.optimizer = self.fabric.setup(self.plain, optimizer)

    def start_from(self, weights: Path) -> None:
        """Put given weights into the network before the first step."""
        loaded = load_matching(self.plain, weights, self.spec.classes)
        self.events.tell("log", message=f"{weights.name}: {loaded.sentence()}")

    @torch.no_grad()
    def _average_step(self, averages: Tensors, current: Tensors, updates: Tensor | int) -> None:
        decay = average_decay(self.spec.ema_decay, int(updates))
        if averages[0].is_floating_point():
            torch._foreach_lerp_(list(averages), list(current), 1 - decay)
        else:  # counters of batches seen
            torch._foreach_copy_(list(averages), list(current))

    # The story -----------------------------------------------------------------------------------

    def train(self) -> TrainingResult:
        """Train until all epochs are done or nothing is gained any more.

        Raises:
            TrainingStopped: a stop was asked for; last.ckpt holds everything up to the last step.
            NotLearning: the loss is no number any more; last.ckpt holds the last whole epoch.
        """
        self._resume()
        self.events.tell("started", **self._facts())
        while (ended := self.progress.ended(self.spec.epochs, self.spec.patience)) is None:
            self._train_epoch()
            self._end_epoch()
        return self._finish(ended)

    def _facts(self) -> dict[str, Any]:
        return {
            "device": str(self.device),
            "epochs": self.spec.epochs,
            "epochs_done": self.progress.epochs_done,
            "steps_done": self.progress.steps_done,
            "steps_per_epoch": self.steps_per_epoch,
            "resumed_from_epoch": self.resumed_from_epoch,
            "history": [line.model_dump() for line in self.progress.history],
        }

    def _train_epoch(self) -> None:
        progress, spec = self.progress, self.spec
        batches = EpochBatches(
            len(self.train_pictures.pictures.images), spec.batch_size, spec.seed, progress.epochs_done + 1,
            progress.steps_done,
        )  # fmt: skip
        self.network.train()
        began = time.monotonic()
        for batch in training_loader(self.train_pictures, batches, self.workers):
            parts = self._step(batch.pictures, batch.targets)
            self.watchdog.pat()
            self._check_step(parts, batch)
            self.progress.add_step(len(batch.indices), time.monotonic() - began)
            self._tell_step(parts[-1])
            self._stop_or_save()
            began = time.monotonic()  # waiting for the next pictures counts, saving does not

    def _step(self, pictures: Tensor, targets: Tensor) -> list[float]:
        """One optimiser step; gives the loss's parts in the order of LOSS_PARTS."""
        global_step = self.progress.epochs_done * self.steps_per_epoch + self.progress.steps_done
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(self.spec, global_step, self.total_steps)
        outputs = self.network(move(pictures, self.fabric, self.device))
        loss, parts = self.loss(outputs, self.fabric.to_device(targets))
        if torch.isfinite(loss):
            self.fabric.backward(loss)
            self.optimizer.step()
            self.average.update_parameters(self.plain)
        self.optimizer.zero_grad(set_to_none=True)
        values: list[float] = parts.tolist()
        return values

    def _check_step(self, parts: Sequence[float], batch: Batch) -> None:
        """Add a step's loss to the epoch's, or count it as a bad one."""
        progress = self.progress
        if math.isfinite(sum(parts)):
            self._bad_steps = 0
            progress.good_steps += 1
            progress.loss_sums = [total + part for total, part in zip(progress.loss_sums, parts, strict=True)]
            return
        self._bad_steps += 1
        if self._bad_steps >= MOST_BAD_STEPS:
            raise self._not_learning(
                f"the loss is no finite number since {self._bad_steps} steps, in epoch {progress.epochs_done + 1}, "
                f"step {progress.steps_done + 1}; last {self._seen(batch)}"
            )

    def _seen(self, batch: Batch) -> str:
        """What a person would look at after a bad step: learning rate, pictures, boxes."""
        names = [self.train_pictures.pictures.images[index].file_name for index in batch.indices]
        boxes = f"{len(batch.targets)} boxes"
        if len(batch.targets):
            sides = batch.targets[:, 4:]
            boxes += f" with sides from {sides.min():.1f} to {sides.max():.1f} pixels"
        more = f" and {len(names) - 4} more" if len(names) > 4 else ""
        return f"learning rate {self.optimizer.param_groups[0]['lr']:.3g}, {boxes} in {', '.join(names[:4])}{more}"

    def _not_learning(self, what: str) -> NotLearning:
        return NotLearning(f"{what}; lower the learning rate ({self.spec.learning_rate:g}) or look at the labels")

    def _tell_step(self, loss: float) -> None:
        progress = self.progress
        self.events.tell_step(
            epoch=progress.epochs_done + 1,
            epochs=self.spec.epochs,
            step=progress.steps_done,
            steps=self.steps_per_epoch,
            loss=round(loss, 4) if math.isfinite(loss) else None,
            images_per_second=round(progress.images_per_second, 2),
            seconds_left=self._seconds_left(),
        )

    def _seconds_left(self) -> float:
        return round(self.progress.seconds_left(self.spec.epochs, self.steps_per_epoch), 1)

    def _stop_or_save(self) -> None:
        self._stop_if_asked()
        if time.monotonic() - self._last_checkpoint > self.checkpoint_seconds:
            self._save()

    def _stop_if_asked(self) -> None:
        if self.stop.is_set():
            self._save()
            raise TrainingStopped(
                f"stopped on request in epoch {self.progress.epochs_done + 1} with a checkpoint; "
                "run the same again to go on"
            )

    def _after_valid_batch(self, done: int, total: int) -> None:
        self.watchdog.pat()
        self._stop_if_asked()

    def _end_epoch(self) -> None:
        """Validate the averaged weights, and publish history, checkpoint and best weights in this order."""
        began = time.monotonic()
        result = self._validate()
        result = self.progress.add_epoch(result, time.monotonic() - began)
        self._save()
        self._write_best_if_due()
        best = self.progress.best
        self.events.tell("epoch", **result.model_dump(), best_epoch=best and best.epoch,
                         epochs=self.spec.epochs, seconds_left=self._seconds_left())  # fmt: skip

    def _validate(self) -> EpochResult:
        progress = self.progress
        found = run_over(
            self.valid_loader, self.average.module, self.valid_images,
            size=self.spec.image_size, fabric=self.fabric, device=self.device, loss=self.loss,
            on_batch=self._after_valid_batch,
        )  # fmt: skip
        if progress.good_steps == 0 or not math.isfinite(found.losses["total"]):
            raise self._not_learning(
                f"the loss on the valid split is no finite number in epoch {progress.epochs_done + 1}"
            )
        scores = metrics.score(self.valid_truth, found.detections)
        means = [total / progress.good_steps for total in progress.loss_sums]
        return EpochResult(
            epoch=progress.epochs_done + 1,
            losses=rounded(dict(zip(LOSS_PARTS, means, strict=True))),
            valid_losses=rounded(found.losses),
            map=round(scores.map, 6),
            map50=round(scores.map50, 6),
            precision=round(scores.precision, 6),
            recall=round(scores.recall, 6),
            lr=self.optimizer.param_groups[0]["lr"],
            seconds=0,
        )

    # Files ---------------------------------------------------------------------------------------

    def _save(self) -> None:
        """Write history.jsonl and last.ckpt, and tell.

        Raises:
            NotLearning: the weights are no finite numbers, so the last checkpoint is kept.
        """
        if not all(torch.isfinite(parameter).all() for parameter in self.plain.parameters()):
            raise self._not_learning("the weights are no finite numbers any more")
        self._write_history()
        checkpoint = Checkpoint(
            progress=self.progress,
            network=self.plain.state_dict(),
            average=self.average.state_dict(),
            optimizer=self.optimizer.state_dict(),
            scaler=self.fabric.strategy.precision.state_dict(),
            random_state=torch.get_rng_state(),
        )
        sha256, size = write_checkpoint(self.out, self.spec, checkpoint)
        self.watchdog.pat()
        self._last_checkpoint = time.monotonic()
        progress = self.progress
        self.events.tell(
            "checkpoint", epochs_done=progress.epochs_done, steps_done=progress.steps_done, sha256=sha256, size=size
        )

    def _write_history(self) -> None:
        history = "".join(line.model_dump_json() + "\n" for line in self.progress.history)
        publish_bytes(self.out / files.HISTORY, history.encode())

    def _write_best_if_due(self) -> None:
        """Write best.safetensors when the epoch just done is the best one.

        It comes after last.ckpt, which holds the same weights: a kill between the two loses nothing, since resuming
        makes it up.
        """
        best = self.progress.best
        if best and best.epoch == self.progress.epochs_done:
            write_weights(self.out / files.BEST, self.average.module, self.spec, best)

    def _resume(self) -> None:
        found = newest_checkpoint(self.out, self.spec)
        if found is None:
            return
        checkpoint, damaged = found
        if damaged:
            self.events.tell("log", message=f"{damaged.partition(';')[0]}; the one before it is used")
        self.plain.load_state_dict(checkpoint.network)
        self.average.load_state_dict(checkpoint.average)
        self.optimizer.load_state_dict(checkpoint.optimizer)
        self.fabric.strategy.precision.load_state_dict(checkpoint.scaler)
        torch.set_rng_state(checkpoint.random_state)
        self.progress = checkpoint.progress
        self.resumed_from_epoch = self.progress.epochs_done
        self._check_best()
        self._write_history()  # of an older checkpoint than the one that wrote the file

    def _check_best(self) -> None:
        """Make best.safetensors the one that the checkpoint speaks of."""
        best = self.progress.best
        if best is None or (self.progress.steps_done == 0 and best.epoch == self.progress.epochs_done):
            return self._write_best_if_due()
        path = self.out / files.BEST
        there = read_metadata(path) if path.exists() else {}
        # A later epoch's: this is an older checkpoint, and the epoch that wrote it comes again, and writes it again.
        if there.get("run_key") != self.spec.digest or int(there.get("epoch", 0)) < best.epoch:
            raise BadCheckpoint(
                f"{path}: is not the best epoch ({best.epoch}) of {self.out / files.LAST}; "
                "restore it, or remove both to start from the beginning"
            )
        return None

    def _finish(self, ended: Ending) -> TrainingResult:
        progress = self.progress
        if progress.best is None:
            raise NotLearning("no epoch was validated")
        result = TrainingResult(
            run_key=self.spec.digest,
            epochs_done=progress.epochs_done,
            best_epoch=progress.best.epoch,
            best_map=progress.best.map,
            ended=ended,
            seconds=round(progress.seconds, 3),
            images_per_second=round(progress.images_per_second, 3),
            weights_sha256=file_sha256(self.out / files.BEST),
            resumed_from_epoch=self.resumed_from_epoch,
            device=str(self.device),
        )
        publish_bytes(self.out / files.RESULT, result.model_dump_json(indent=1).encode())
        return result


def rounded(values: dict[str, float]) -> dict[str, float]:
    """Six decimals, for people who read the file."""
    return {name: round(value, 6) for name, value in values.items()}


def parameter_groups(network: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """AdamW's groups: weight decay on all but biases and norms, as in super-gradients; shortcut gains are neither."""
    norms = {id(p) for part in network.modules() if isinstance(part, nn.BatchNorm2d) for p in part.parameters()}
    decayed: list[nn.Parameter] = []
    plain: list[nn.Parameter] = []
    for name, parameter in network.named_parameters():
        (plain if name.endswith("bias") or id(parameter) in norms else decayed).append(parameter)
    return [{"params": decayed, "weight_decay": weight_decay}, {"params": plain, "weight_decay": 0.0}]
