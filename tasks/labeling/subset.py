"""A part of the training images, to see what fewer labels would have given. Pure."""

from tasks.labeling.sources import names_of_share
from tasks.records import DatasetSnapshot


def part_of(snapshot: DatasetSnapshot, share: float) -> DatasetSnapshot:
    """The snapshot with a share of its training sources; classes, valid and test stay what they are.

    A smaller part is in every larger one, so that runs differ by the labels that were added, not by other images.

    Args:
        snapshot: All labels.
        share: From 0 to 1, of the sources with boxes and of those without.
    """
    kept = names_of_share(snapshot.of_split("train"), share)
    images = tuple(image for image in snapshot.images if image.split != "train" or image.file_name in kept)
    return snapshot.model_copy(update={"images": images})
