"""The labels that a published model was made from: the images that nobody has to label again, and boxes by class."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from deployments.remote.models import find_named
from deployments.terminal.console import progress_bar, say, show_on
from tasks.errors import NotInStore
from tasks.labeling.checks.images import DecodedImage, read_images
from tasks.local.dataset_folder import image_path
from tasks.records import DatasetSnapshot, SeenImage
from tasks.settings import WorkSettings, from_environment
from tasks.storage.blob_cache import BlobCache
from tasks.storage.datasets import fetch_dataset
from tasks.storage.s3 import Store


@dataclass(frozen=True)
class LabelledImages:
    """What is labelled already, as far as it is known."""

    images: Sequence[SeenImage] = ()
    boxes: Mapping[str, int] | None = None
    """Boxes of the train split by class; None where the labels are not at hand."""


def labelled_images(store: Store, model: str) -> LabelledImages:
    """Find what is labelled already, in all splits.

    Args:
        store: The store that the model is in.
        model: ``PROJECT/VERSION`` of a published model.

    Returns:
        The images with their hashes, and boxes by class.

    Raises:
        BadInput: there is no such model.
    """
    version = find_named(store, model)
    settings = from_environment(WorkSettings)
    settings.work_dir.mkdir(parents=True, exist_ok=True)
    try:
        # Beside the cache, so that its images are linked and not copied.
        with TemporaryDirectory(prefix="suggest-", dir=settings.work_dir) as folder:
            cache = BlobCache.of(settings)
            with progress_bar("labelled images") as bar:
                snapshot = fetch_dataset(store, version.snapshot_digest, Path(folder), cache, show_on(bar.show))
                seen = _hashed(snapshot, Path(folder))
    except NotInStore:
        say(f"warning: the labels of {version.project}/{version.version} are not in the store any more")
        return LabelledImages()
    return LabelledImages(seen, _boxes(snapshot))


def _hashed(snapshot: DatasetSnapshot, folder: Path) -> list[SeenImage]:
    unique = list({image.sha256: image for image in snapshot.images}.values())
    with progress_bar("hashes of labelled images") as bar:
        files = read_images([image_path(folder, image) for image in unique], show_on(bar.show))
    return [
        SeenImage(
            image=f"{image.split}/{image.file_name}", sha256=image.sha256, seen="labelled already",
            difference_hash=file.difference_hash if isinstance(file, DecodedImage) else 0,
        )
        for image, file in zip(unique, files, strict=True)
    ]  # fmt: skip


def _boxes(snapshot: DatasetSnapshot) -> dict[str, int]:
    boxes = dict.fromkeys(snapshot.classes, 0)
    for image in snapshot.of_split("train"):
        for box in image.boxes:
            boxes[snapshot.classes[box.class_index]] += 1
    return boxes
