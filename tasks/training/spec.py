"""From a request and a snapshot to a TrainingSpec. Pure."""

import math

from tasks.errors import BadRequest
from tasks.records import ModelVersion, RetrainRequest, SnapshotRef, TrainingSpec, TrainJob
from tasks.storage.keys import STORE_SCHEME

STEPS_OF_AN_EPOCH = 10
SMALLEST_BATCH = 4
LARGEST_BATCH = 16
"""What batch ``auto`` aims at, and its bounds."""
RATE_FROM_RANDOM = 2e-3
RATE_FROM_WEIGHTS = 5e-4
"""Learning rate ``auto``."""
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
        patience=request.patience,
        augmentation=request.augmentation,
        settling_epochs=math.ceil(request.epochs * SETTLING_SHARE) if request.augmentation == "strong" else 0,
        seed=request.seed,
        weights_sha256=sha256,
    )
    return TrainJob(spec=spec, weights=weights, weights_licence=request.weights_licence)


def batch_size(request: RetrainRequest, pictures: int) -> int:
    """Pictures per optimiser step: as asked for, or for ``auto`` about ten steps an epoch; never more than there are.

    What a device holds at a time is another matter, and its own: see the trainer's micro-batch.
    """
    if request.batch_size != "auto":
        # A larger one would be cut at every step; who calls says that it was fitted.
        return min(request.batch_size, pictures)
    wanted = min(max(pictures / STEPS_OF_AN_EPOCH, SMALLEST_BATCH), LARGEST_BATCH)
    return min(1 << round(math.log2(wanted)), pictures)


def learning_rate(request: RetrainRequest) -> float:
    """The peak learning rate: as asked for, or for ``auto`` what learns best from random or from given weights."""
    if request.learning_rate != "auto":
        return request.learning_rate
    return RATE_FROM_RANDOM if request.weights == "none" else RATE_FROM_WEIGHTS


def fitted_batch(request: RetrainRequest, job: TrainJob) -> str | None:
    """What to tell when the batch was larger than the train split; None if it was not."""
    if request.batch_size == "auto" or job.spec.batch_size == request.batch_size:
        return None
    return (
        f"batch size {request.batch_size} is larger than the train split, {job.spec.batch_size} pictures; "
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
        BadRequest: with both lists.
    """
    if champion is not None and champion.classes != snapshot.classes:
        raise BadRequest(
            f"project {request.project}: the champion, version {champion.version}, knows classes "
            f"{', '.join(champion.classes)}; these labels have {', '.join(snapshot.classes)}; "
            "give the new classes a project name of their own"
        )
