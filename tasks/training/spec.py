"""From a request and a snapshot to a TrainingSpec. Pure."""

import math

from tasks.errors import BadRequest
from tasks.records import ModelVersion, RetrainRequest, SnapshotRef, TrainingSpec, TrainJob
from tasks.storage.keys import STORE_SCHEME

STEPS_OF_AN_EPOCH = 15
SMALLEST_BATCH = 4
LARGEST_BATCH = 16
"""What batch ``auto`` aims at, and its bounds."""
RATE_FROM_RANDOM = 2e-3
RATE_FROM_WEIGHTS = 5e-4
"""Learning rate ``auto``."""
WARMUP_FROM_RANDOM = 5
WARMUP_FROM_WEIGHTS = 100
"""Steps of warm-up; the trainer takes a tenth of the run at most. Random weights have nothing that it could protect."""
MIN_PATIENCE = 20
PATIENCE_SHARE = 0.25
"""Epochs of patience ``auto``, at least, and as a share of all."""
SETTLING_SHARE = 0.15
"""Share of the epochs, the last ones, without mosaics and mixtures."""


def plan(request: RetrainRequest, snapshot: SnapshotRef, champion: ModelVersion | None) -> TrainJob:
    """What to train, and from which weights.

    Raises:
        BadRequest: the weights are named in a way that cannot be used.
    """
    weights, sha256 = _start(request, champion)
    spec = TrainingSpec(
        snapshot_digest=snapshot.snapshot_digest,
        classes=snapshot.classes,
        variant=request.variant,
        epochs=request.epochs,
        image_size=request.image_size,
        batch_size=batch_size(request, snapshot.splits["train"].images),
        learning_rate=learning_rate(request),
        warmup_steps=WARMUP_FROM_RANDOM if weights == "none" else WARMUP_FROM_WEIGHTS,
        patience=patience(request),
        augmentation=request.augmentation,
        settling_epochs=math.ceil(request.epochs * SETTLING_SHARE) if request.augmentation == "strong" else 0,
        seed=request.seed,
        weights_sha256=sha256,
    )
    return TrainJob(spec=spec, weights=weights, weights_licence=request.weights_licence)


def batch_size(request: RetrainRequest, images: int) -> int:
    """Images per optimiser step: as asked for, or for ``auto`` about fifteen steps an epoch, from what there is.

    What a device holds at a time is another matter, and its own: see the trainer's micro-batch.
    """
    if request.batch_size != "auto":
        # A larger one would be cut at every step; who calls says that it was fitted.
        return min(request.batch_size, images)
    wanted = min(max(images / STEPS_OF_AN_EPOCH, SMALLEST_BATCH), LARGEST_BATCH)
    return min(1 << round(math.log2(wanted)), images)


def learning_rate(request: RetrainRequest) -> float:
    """The peak learning rate: as asked for, or for ``auto`` what learns best from random or from given weights."""
    if request.learning_rate != "auto":
        return request.learning_rate
    return RATE_FROM_RANDOM if request.weights == "none" else RATE_FROM_WEIGHTS


def patience(request: RetrainRequest) -> int:
    """Epochs without a better mAP that end a run: as asked for, or for ``auto`` more for longer runs."""
    if request.patience != "auto":
        return request.patience
    return max(MIN_PATIENCE, math.ceil(request.epochs * PATIENCE_SHARE))


def fitted_batch(request: RetrainRequest, job: TrainJob) -> str | None:
    """What to tell when the batch was larger than the train split; None if it was not."""
    if request.batch_size == "auto" or job.spec.batch_size == request.batch_size:
        return None
    return (
        f"batch size {request.batch_size} is larger than the train split, {job.spec.batch_size} images; "
        f"{job.spec.batch_size} is used"
    )


def _start(request: RetrainRequest, champion: ModelVersion | None) -> tuple[str, str | None]:
    """Where the weights are, and their SHA-256."""
    known_here = {"none": ("weights_sha256", "weights_licence"), "champion": ("weights_sha256",)}
    for name in known_here.get(request.weights, ()):
        if getattr(request, name) is not None:
            raise BadRequest(f"{name}: is given, but weights are {request.weights}; name the weights, or leave it out")
    if request.weights == "none":
        return "none", None
    if request.weights == "champion":
        if champion is None:
            raise BadRequest(f"weights: project {request.project} has no champion yet; start with weights none")
        return f"{STORE_SCHEME}{champion.weights.key}", champion.weights.sha256
    if request.weights_sha256 is None:
        raise BadRequest(f"weights: {request.weights} is given without weights_sha256; add it, as sha256sum prints it")
    return request.weights, request.weights_sha256


def check_line(request: RetrainRequest, snapshot: SnapshotRef, champion: ModelVersion | None) -> None:
    """Refuse labels whose classes are not those of the project's champion: their scores could not be compared.

    Raises:
        BadRequest: with the classes that vanished, and those that are new.
    """
    if champion is None or champion.classes == snapshot.classes:
        return
    gone = [name for name in champion.classes if name not in snapshot.classes]
    new = [name for name in snapshot.classes if name not in champion.classes]
    changes = [f"without {', '.join(gone)}"] * bool(gone) + [f"with {', '.join(new)}"] * bool(new)
    raise BadRequest(
        f"project {request.project}: the champion, version {champion.version}, knows classes "
        f"{', '.join(champion.classes)}; these labels come {' and '.join(changes) or 'in another order'}; bring them "
        "together with a class map, or give the new classes a project name of their own"
    )


def check_study(request: RetrainRequest) -> None:
    """Refuse a study whose models would know all images from the start: its curve would be flat.

    Raises:
        BadRequest: it starts from the champion.
    """
    if request.weights == "champion":
        raise BadRequest(
            "weights: the models of a study cannot start from the champion, which has learnt from these images, so "
            "that fewer of them would make no difference; start from none, or from weights that do not know them"
        )


def nothing_new(spec: TrainingSpec, trained: TrainingSpec, version: int) -> str | None:
    """Why the same labels need no training, if the champion was trained on them with the same settings.

    Args:
        spec: Planned.
        trained: The champion's; its labels have another digest where only the order or the rounding is another one.
        version: The champion's.
    """
    # That a model goes on from its own weights, on labels that it has learnt from, brings nothing new, either.
    aside = {"snapshot_digest", "classes", "weights_sha256"}
    if spec.model_dump(exclude=aside) != trained.model_dump(exclude=aside):
        return None
    return (
        f"skipped: no label and no setting changed since version {version}, the champion; label more, or ask otherwise"
    )
