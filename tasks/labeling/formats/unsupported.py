"""Recognizing exports that cannot be read, so that the error can say what they are."""

from collections.abc import Sequence
from pathlib import Path

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
    return "no labels in it"
