"""What a job must be like before anything heavy is loaded: spec, snapshot, classes and weights belong together."""

from pathlib import Path

from tasks.errors import BadSpec, BadWeights
from tasks.local.files import file_sha256
from tasks.records import DatasetSnapshot, Split, TrainingSpec


def check_snapshot(spec: TrainingSpec, snapshot: DatasetSnapshot) -> None:
    """Refuse a spec that does not belong to the dataset folder, or labels that cannot be trained on.

    Raises:
        BadSpec: with what does not fit.
    """
    if spec.snapshot_digest != snapshot.digest:
        raise BadSpec(
            f"the spec is for snapshot {spec.snapshot_digest[:12]}, the dataset folder holds {snapshot.digest[:12]}; "
            "take the folder that belongs to the spec"
        )
    if spec.classes != snapshot.classes:
        raise BadSpec(f"the spec has classes {spec.classes}, the snapshot {snapshot.classes}; plan the spec again")
    for split in ("train", "valid"):
        if not any(image.boxes for image in snapshot.of_split(split)):
            raise BadSpec(f"split {split} has no labelled boxes, so there is nothing to learn or measure; label some")
    for image in snapshot.images:
        for box in image.boxes:
            if not 0 <= box.class_index < len(spec.classes):
                raise BadSpec(
                    f"image {image.file_name} ({image.split}) has a box with class index {box.class_index}, "
                    f"but there are {len(spec.classes)} classes, counted from 0; export again"
                )


def check_weights(spec: TrainingSpec, weights: Path | None) -> None:
    """Refuse weights other than those that the spec names.

    Raises:
        BadSpec: the spec names weights and none are given, or the other way round.
        BadWeights: not there, or with another SHA-256.
    """
    if (spec.weights_sha256 is None) != (weights is None):
        raise BadSpec("weights and their SHA-256 in the spec go together; give both or neither")
    if weights is None:
        return
    if not weights.is_file():
        raise BadWeights(f"weights {weights}: no such file; correct the path, or start without weights")
    if (sha256 := file_sha256(weights)) != spec.weights_sha256:
        raise BadWeights(f"weights {weights}: SHA-256 is {sha256}, expected {spec.weights_sha256}; fetch it again")


def refuse_empty(snapshot: DatasetSnapshot, splits: tuple[Split, ...]) -> None:
    """Refuse a split without images.

    Raises:
        BadSpec: there is one.
    """
    counts = snapshot.counts()
    if empty := [split for split in splits if split not in counts]:
        raise BadSpec(f"no images in {', '.join(empty)}, there are some in {', '.join(counts)}; name these alone")


def refuse_other_classes(classes: tuple[str, ...], snapshot: DatasetSnapshot) -> None:
    """Refuse weights of other classes.

    Raises:
        BadSpec: they are.
    """
    if classes != snapshot.classes:
        raise BadSpec(
            f"the weights know classes {', '.join(classes)}, the snapshot {', '.join(snapshot.classes)}; "
            "they cannot be measured on it"
        )
