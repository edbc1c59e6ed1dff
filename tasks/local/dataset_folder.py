"""The dataset folder that the trainer reads: ``snapshot.json`` and ``images/<sha256>``.

Nothing here knows where images come from; the caller passes a function that fetches one.
"""

from collections.abc import Callable
from pathlib import Path

from pydantic import ValidationError

from tasks.errors import BadSpec, CorruptObject
from tasks.local.files import file_sha256, publish_bytes
from tasks.records import DatasetSnapshot, LabelledImage

MANIFEST = "snapshot.json"


def image_path(folder: Path, image: LabelledImage) -> Path:
    """Path of an image in the folder."""
    return folder / "images" / image.sha256


def fill(
    folder: Path,
    snapshot: DatasetSnapshot,
    fetch: Callable[[LabelledImage, Path], object],
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Fill a dataset folder with a snapshot; images that it has already are kept.

    Args:
        folder: The dataset folder; it is made if it does not exist.
        snapshot: What it shall hold.
        fetch: Puts an image at a path, by renaming or linking, whole or not at all.
        on_progress: Called with the images done and the images in all.

    Raises:
        CorruptObject: a fetched image does not have the SHA-256 that the snapshot names.
    """
    (folder / "images").mkdir(parents=True, exist_ok=True)
    unique = {image.sha256: image for image in snapshot.images}
    for done, image in enumerate(unique.values(), start=1):
        path = image_path(folder, image)
        if not path.exists() or path.stat().st_size != image.size:
            fetch(image, path)
            if (actual := file_sha256(path)) != image.sha256:
                path.unlink()
                raise CorruptObject(
                    f"image {image.file_name}: SHA-256 is {actual}, the snapshot says {image.sha256}; "
                    "its source is damaged, export again"
                )
        on_progress(done, len(unique))
    publish_bytes(folder / MANIFEST, snapshot.model_dump_json(indent=1).encode())


def load(folder: Path) -> DatasetSnapshot:
    """Read the manifest of a dataset folder.

    Raises:
        BadSpec: there is no manifest, or it is not a snapshot.
    """
    path = folder / MANIFEST
    try:
        return DatasetSnapshot.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise BadSpec(f"no {MANIFEST} in {folder}; name a folder that `nasflow train` or a train run made") from None
    except ValidationError as error:
        raise BadSpec(f"{path}: not a snapshot: {error.errors()[0]['msg']}") from None
