"""From a request and a snapshot to a TrainingSpec, and reasons not to train. Pure."""

import math

from tasks.errors import BadRequest, BadSpec
from tasks.records import ModelVersion, RetrainRequest, RunState, SnapshotRef, SplitCounts, TrainingSpec, TrainJob
from tasks.storage.keys import STORE_SCHEME

RECIPE = 2
"""Number of all that decides a run and is in no other field of its spec: the code, and the libraries that it calls.

Raise it by one with each change after which the same spec gives other weights by more than rounding: augmentation,
order of images, loss, optimizer, schedule, EMA, running statistics, precision, validation, choice of the best epoch.
``docs/training.md`` lists what changed with each number. ``tests/integration/test_numbers.py`` sees most changes.
"""
STEPS_PER_EPOCH = 15
"""Batch size ``auto`` aims at this many."""
MIN_BATCH_SIZE = 4
MAX_BATCH_SIZE = 16
"""Limits of batch size ``auto``."""
RATE_FROM_RANDOM = 2e-3
RATE_FROM_WEIGHTS = 5e-4
"""Learning rate ``auto``, by the initial weights."""
WARMUP_FROM_RANDOM = 5
WARMUP_FROM_WEIGHTS = 100
"""Steps of warm-up, by the initial weights: random ones have nothing to protect. The trainer takes a tenth of the run
at most."""
MIN_PATIENCE = 20
PATIENCE_SHARE = 0.25
"""Patience ``auto`` is this share of the epochs, and ``MIN_PATIENCE`` epochs at least."""
SHARE_WITHOUT_MOSAIC = 0.15
"""Share of the epochs, the last ones, without mosaic and mixup."""


def plan(request: RetrainRequest, snapshot: SnapshotRef, champion: ModelVersion | None) -> TrainJob:
    """Decide what to train, and from which weights.

    Args:
        request: What was asked for.
        snapshot: The labels.
        champion: The project's champion, if it has one.

    Returns:
        The spec, and where its initial weights are.

    Raises:
        BadRequest: the weights are named in a way that cannot be used.
    """
    weights, sha256 = _initial_weights(request, champion)
    spec = TrainingSpec(
        snapshot_digest=snapshot.snapshot_digest,
        classes=snapshot.classes,
        variant=request.variant,
        epochs=request.epochs,
        image_size=request.image_size,
        batch_size=batch_size(request, snapshot.splits["train"]),
        learning_rate=learning_rate(request),
        warmup_steps=WARMUP_FROM_RANDOM if weights == "none" else WARMUP_FROM_WEIGHTS,
        patience=patience(request),
        augmentation=request.augmentation,
        settling_epochs=math.ceil(request.epochs * SHARE_WITHOUT_MOSAIC) if request.augmentation == "strong" else 0,
        seed=request.seed,
        weights_sha256=sha256,
        recipe=RECIPE,
    )
    return TrainJob(spec=spec, weights=weights, weights_licence=request.weights_licence)


def batch_size(request: RetrainRequest, train: SplitCounts) -> int:
    """Images per optimiser step: as asked for, or for ``auto`` about fifteen steps an epoch; never more than there are.

    ``auto`` counts source images: with augmented copies there are more steps an epoch, not larger batches. How many
    images a device holds at a time, the micro-batch, is up to the trainer.
    """
    if request.batch_size != "auto":
        # A larger one would be cut at every step; ``fitted_batch`` says that it was fitted.
        return min(request.batch_size, train.images)
    target = min(max(train.independent_images / STEPS_PER_EPOCH, MIN_BATCH_SIZE), MAX_BATCH_SIZE)
    return min(1 << round(math.log2(target)), train.images)


def learning_rate(request: RetrainRequest) -> float:
    """The peak learning rate: as asked for, or for ``auto`` what trains best from random or from other weights."""
    if request.learning_rate != "auto":
        return request.learning_rate
    return RATE_FROM_RANDOM if request.weights == "none" else RATE_FROM_WEIGHTS


def patience(request: RetrainRequest) -> int:
    """Epochs without a better mAP that end a run: as asked for, or for ``auto`` more for longer runs."""
    if request.patience != "auto":
        return request.patience
    return max(MIN_PATIENCE, math.ceil(request.epochs * PATIENCE_SHARE))


def fitted_batch(request: RetrainRequest, job: TrainJob) -> str | None:
    """A warning that the batch was larger than the train split; None if it was not."""
    if request.batch_size == "auto" or job.spec.batch_size == request.batch_size:
        return None
    return (
        f"batch size {request.batch_size} is larger than the train split, {job.spec.batch_size} images; "
        f"{job.spec.batch_size} is used"
    )


def _initial_weights(request: RetrainRequest, champion: ModelVersion | None) -> tuple[str, str | None]:
    """Where the weights are, and their SHA-256."""
    needless = {"none": ("weights_sha256", "weights_licence"), "champion": ("weights_sha256",)}
    for name in needless.get(request.weights, ()):
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


def check_classes(request: RetrainRequest, snapshot: SnapshotRef, champion: ModelVersion | None) -> None:
    """Refuse labels whose classes are not those of the project's champion: their scores could not be compared.

    Args:
        request: What was asked for; it names the project.
        snapshot: The labels.
        champion: The project's champion, if it has one.

    Raises:
        BadRequest: the classes differ; the message names those that vanished, and those that are new.
    """
    if champion is None or champion.classes == snapshot.classes:
        return
    removed = [name for name in champion.classes if name not in snapshot.classes]
    added = [name for name in snapshot.classes if name not in champion.classes]
    changes = [f"without {', '.join(removed)}"] * bool(removed) + [f"with {', '.join(added)}"] * bool(added)
    raise BadRequest(
        f"project {request.project}: the champion, version {champion.version}, knows classes "
        f"{', '.join(champion.classes)}; these labels come {' and '.join(changes) or 'in another order'}; bring them "
        "together with a class map, or give the new classes a project name of their own"
    )


def check_study(request: RetrainRequest) -> None:
    """Refuse a study whose models would start from weights that know all images: its curve would be flat.

    Raises:
        BadRequest: the study starts from the champion.
    """
    if request.weights == "champion":
        raise BadRequest(
            "weights: the models of a study cannot start from the champion, which has learnt from these images, so "
            "that fewer of them would make no difference; start from none, or from weights that do not know them"
        )


def reason_to_skip(spec: TrainingSpec, champion_spec: TrainingSpec, version: int) -> str | None:
    """Why labels that did not change need no training.

    Args:
        spec: The planned run.
        champion_spec: The champion's run; the digest of its labels differs where only order or rounding changed.
        version: The champion's version.

    Returns:
        The reason, in a sentence; None if the champion was trained with other settings.
    """
    if _differing(spec, champion_spec):
        return None
    return (
        f"skipped: no label and no setting changed since version {version}, the champion; label more, or ask otherwise"
    )


def reason_not_to_skip(spec: TrainingSpec, champion_spec: TrainingSpec, version: int) -> str | None:
    """Why a run is not skipped though labels and settings did not change.

    Args:
        spec: The planned run.
        champion_spec: The champion's run.
        version: The champion's version.

    Returns:
        The reason, in a sentence; None if settings changed, or nothing at all.
    """
    if _differing(spec, champion_spec) != {"recipe"}:
        return None
    return (
        f"no label and no setting changed since version {version}, the champion, but that was trained by recipe "
        f"{champion_spec.recipe}, and this nasflow trains by recipe {spec.recipe}, so the run is not skipped"
    )


def _differing(spec: TrainingSpec, champion_spec: TrainingSpec) -> set[str]:
    """Fields that may make another model of the same labels."""
    # Training a model further on labels that it was trained on brings nothing new either.
    ignored = {"snapshot_digest", "classes", "weights_sha256"}
    theirs = champion_spec.model_dump(exclude=ignored)
    return {name for name, value in spec.model_dump(exclude=ignored).items() if value != theirs[name]}


def older_run_in_words(spec: TrainingSpec, recipe: int, older: RunState) -> str:
    """That a run with the same settings by an older recipe is not used.

    Args:
        spec: The planned run.
        recipe: Recipe of the older run.
        older: State of the older run.

    Returns:
        The sentence.
    """
    has = f"run {older.run_key[:12]} by recipe {recipe} has the same settings"
    unused = "used again" if older.model else f"gone on with from its epoch {older.epochs_done}"
    return f"{has}; it is kept, and not {unused}, since this nasflow trains by recipe {spec.recipe}"


def require_present_recipe(spec: TrainingSpec) -> None:
    """Refuse to train what another nasflow planned: its name would promise what this one does not do.

    Raises:
        BadSpec: the spec has the number of another recipe.
    """
    if spec.recipe != RECIPE:
        raise BadSpec(
            f"run {spec.digest[:12]}: it was planned for recipe {spec.recipe}, and this nasflow trains by recipe "
            f"{RECIPE}; install the same nasflow everywhere, then ask for the run again"
        )
