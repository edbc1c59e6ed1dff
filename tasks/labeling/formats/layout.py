"""Where the images and labels of an export lie: its splits, and the files in them, in every format."""

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tasks.images.file_kinds import IMAGE_SUFFIXES
from tasks.records import Split

IMAGE_FOLDERS = ("images", "jpegimages", "data")
"""Names, in lower case, of folders that hold the images of a split."""


@dataclass(frozen=True)
class SplitFolder:
    """A folder that may be a split of an export."""

    name: str
    """Path below the root of the export; ``.`` for the root itself."""
    split: Split
    folder: Path
    root: Path
    """The export."""
    labels: Path | None = None
    """Folder or file of the labels, if it is not below ``folder``."""
    listed: frozenset[str] | None = None
    """Names of its images, if a list divides a folder of images among splits."""

    @property
    def images(self) -> Path:
        """Folder of the images: one below for them alone, or ``folder`` itself."""
        subfolders = {path.name.lower(): path for path in sorted(self.folder.iterdir()) if path.is_dir()}
        return next((subfolders[name] for name in IMAGE_FOLDERS if name in subfolders), self.folder)


@dataclass(frozen=True)
class SplitFiles:
    """Where the images and labels of one split lie."""

    images: Path
    """Folder of the images; names in labels are relative to it."""
    labels: Path
    """The only label file (COCO, CSV), or the folder of label files, one per image."""
    listed: frozenset[str] | None = None
    """Names of its images, if a list divides the folder of images among splits."""

    def list_images(self) -> dict[str, Path]:
        """All images of the split, by path relative to their folder, sorted."""
        images = images_in(self.images)
        return images if self.listed is None else {name: images[name] for name in images if name in self.listed}


@dataclass(frozen=True)
class Layout:
    """An export's format, and its splits in the order of SPLITS."""

    name: str
    """Name of the export in errors."""
    format: str
    """A key of FORMATS in the registry."""
    root: Path
    splits: dict[Split, SplitFiles]

    @property
    def is_of_label_studio(self) -> bool:
        """Whether Label Studio wrote it: YOLO with notes.json, or COCO in result.json."""
        if self.format == "yolo":
            return (self.root / "notes.json").is_file()
        return self.format == "coco" and {files.labels.name for files in self.splits.values()} == {"result.json"}


def images_in(folder: Path) -> dict[str, Path]:
    """All files below a folder that are images by their suffix, by path relative to it, sorted."""
    images = {path.relative_to(folder).as_posix(): path for path in iterate_images(folder)}
    return {name: images[name] for name in sorted(images)}


def iterate_images(folder: Path) -> Iterator[Path]:
    """Files below a folder that are images by their suffix, in any order; hidden ones are left out."""
    return (
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in IMAGE_SUFFIXES and not path.name.startswith(".") and path.is_file()
    )


def stays_inside(name: str) -> bool:
    """Whether a file name from a label file leads nowhere but into the folder that it is relative to."""
    path = PurePosixPath(name)
    return bool(name) and not path.is_absolute() and ".." not in path.parts and "\\" not in name and "\0" not in name


def folded(name: str) -> str:
    """A name without what other file systems do not tell apart: upper and lower case, and forms of Unicode."""
    return unicodedata.normalize("NFC", name).casefold()


def read_text(path: Path) -> str:
    """Text of a label file; bytes that are not UTF-8 are replaced."""
    return path.read_text(encoding="utf-8-sig", errors="replace")
