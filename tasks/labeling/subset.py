"""A subset of the training images, to see what fewer labels would have given. Pure."""

from tasks.labeling.sources import names_of_share
from tasks.records import DatasetSnapshot


def subset_of(snapshot: DatasetSnapshot, share: float) -> DatasetSnapshot:
    """The snapshot with a share of its training sources; classes, valid and test stay as they are.

    The subset of a smaller share is part of that of a larger one, so that runs differ only by added labels.

    Args:
        snapshot: All labels.
        share: Fraction in [0, 1] of the sources with boxes, and of those without.

    Returns:
        The snapshot with fewer training images.
    """
    kept_names = names_of_share(snapshot.of_split("train"), share)
    images = tuple(image for image in snapshot.images if image.split != "train" or image.file_name in kept_names)
    return snapshot.model_copy(update={"images": images})
