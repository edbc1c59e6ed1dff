"""Recognizing exports that cannot be read, so that the error can say what they are."""

from collections.abc import Sequence
from pathlib import Path

from tasks.labeling.formats.coco_files import has_coco_keys
from tasks.labeling.formats.layout import SplitFolder, iterate_images

_PATTERNS = {
    "**/*.tfrecord": "TFRecord",
    "**/_annotations.createml.json": "CreateML",
    "**/_annotations.txt": "a list of boxes as txt",
    "**/_classes.csv": "classification (a class an image, no boxes)",
    "**/*_mask.png": "segmentation masks",
}


def describe_unsupported(root: Path, folders: Sequence[SplitFolder]) -> str:
    """Say what an export without readable labels looks like.

    Args:
        root: The export.
        folders: Its split folders.

    Returns:
        A phrase such as "looks like TFRecord".
    """
    for pattern, description in _PATTERNS.items():
        if next(root.glob(pattern), None) is not None:
            return f"looks like {description}"
    for folder in folders:
        parents = (path.parent for path in iterate_images(folder.folder))
        if any(parent.parent == folder.folder and parent.name != "images" for parent in parents):
            return "looks like classification (a folder of images a class, no boxes)"
    return _nearest(root)


def _nearest(root: Path) -> str:
    """What comes nearest to labels."""
    if archives := sorted(path.name for path in root.glob("*.zip")):
        return f"no labels in it, but the zip {archives[0]}; name the zip itself, or unpack it"
    images = sum(1 for _ in iterate_images(root))
    for path in sorted(root.rglob("*.json")):
        if has_coco_keys(path):
            where = path.relative_to(root).as_posix()
            return (
                f"COCO JSON in {where}, but its name tells no split of {images} images; put it beside its images, or "
                "name it for its split, such as annotations/instances_train.json"
            )
    return f"no labels in it{f', only {images} images' if images else ''}"
