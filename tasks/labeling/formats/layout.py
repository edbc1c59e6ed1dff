"""What an export's folder holds: its format, told by content, and where each split's images and labels lie."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from tasks.errors import BadExport
from tasks.labeling.checks.images import SUFFIXES
from tasks.labeling.findings import Notes
from tasks.labeling.formats.csv_rows import RETINANET, columns_of
from tasks.records import SPLITS, Split

Format = Literal["coco", "yolo", "darknet", "voc", "tensorflow-csv", "retinanet-csv"]
FORMATS = "COCO JSON, YOLO, darknet, Pascal VOC, or CSV of TensorFlow or RetinaNet"

COCO_NAME = "_annotations.coco.json"
CLASS_LISTS = ("_darknet.labels", "obj.names", "classes.names")
"""Darknet's, beside the images or at the top."""
OTHER_TEXTS = ("readme", "classes", "train", "valid", "val", "test", "license", "notes")
"""How text files begin that lie beside labels and are none."""
HEAD = 200_000
"""Characters that tell what a JSON or CSV file is."""
_FOLDERS: dict[str, Split] = {"train": "train", "valid": "valid", "val": "valid", "test": "test"}
_REMEDY = f"export it as {FORMATS}"


@dataclass(frozen=True)
class SplitFiles:
    """Where one split lies."""

    images: Path
    """Folder of its images; names in labels are relative to it."""
    labels: Path
    """The one file of labels (COCO, CSV), or the folder of those that each belong to an image."""


@dataclass(frozen=True)
class Layout:
    """An export's format, and its splits in the order of SPLITS."""

    format: Format
    root: Path
    splits: dict[Split, SplitFiles]


@dataclass(frozen=True)
class _Part:
    """A folder that may be a split."""

    name: str
    split: Split
    folder: Path
    labels: Path | None = None
    """Where labels lie if not below the folder."""


def find_splits(folder: Path, name: str, notes: Notes) -> Layout:
    """Find the splits of an export; one folder around everything, as zipping a folder makes, is looked through.

    Args:
        folder: The export, unpacked.
        name: Names the export in errors.
        notes: Told of what lies in unusual places.

    Raises:
        BadExport: empty, another format or task, several formats, or a split without labels.
    """
    root = _descend(folder)
    parts = _parts(root)
    found = {part: kind for part in parts if (kind := _kind(root, part)) is not None}
    if not found:
        raise BadExport(f"{name}: {_what_it_is(root, parts)}")
    without = [part for part in parts if part not in found and next(_images(part.folder), None)]
    if without:
        raise BadExport(f"{name}: {without[0].name}/ has images but no labels; {_REMEDY}, or remove {without[0].name}/")
    formats = {kind[0]: part.name for part, kind in found.items()}
    if len(formats) > 1:
        several = ", ".join(f"{part}/ is {kind}" for kind, part in formats.items())
        raise BadExport(f"{name}: several formats ({several}); {_REMEDY}")
    splits: dict[Split, SplitFiles] = {}
    for part, (_, files) in found.items():
        if part.split in splits:
            raise BadExport(f"{name}: has both valid/ and val/; merge them, or remove one")
        splits[part.split] = files
        _note_odd(part, files, notes)
    return Layout(next(iter(formats)), root, {split: splits[split] for split in SPLITS if split in splits})


def images_in(folder: Path) -> dict[str, Path]:
    """All files under a folder that are images by name, by their path relative to it."""
    found = {path.relative_to(folder).as_posix(): path for path in _images(folder)}
    return {name: found[name] for name in sorted(found)}


def _images(folder: Path) -> Iterator[Path]:
    return (
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in SUFFIXES and not path.name.startswith(".") and path.is_file()
    )


def label_files(folder: Path, suffix: str) -> dict[str, Path]:
    """Label files under a folder, by their path relative to it without the suffix: that of the image."""
    return {
        path.relative_to(folder).with_suffix("").as_posix(): path
        for path in sorted(folder.rglob(f"*{suffix}"))
        if not path.name.startswith(".")
    }


def is_other_text(path: Path) -> bool:
    """Whether a file that no image has the name of is no label file either, by its name."""
    return path.stem.lower().startswith(OTHER_TEXTS)


def _descend(folder: Path) -> Path:
    while True:
        entries = [path for path in folder.iterdir() if not path.name.startswith((".", "__MACOSX"))]
        if len(entries) != 1 or not entries[0].is_dir() or entries[0].name in _FOLDERS:
            return folder
        folder = entries[0]


def _parts(root: Path) -> list[_Part]:
    """Folders of splits: train/, or images/train/ with labels/train/, or, without any of them, everything as train."""
    parts = [_Part(part, split, root / part) for part, split in _FOLDERS.items() if (root / part).is_dir()]
    images = [
        _Part(f"images/{part}", split, root / "images" / part, root / "labels" / part)
        for part, split in _FOLDERS.items()
        if (root / "images" / part).is_dir()
    ]
    return parts or images or [_Part(".", "train", root)]


def _kind(root: Path, part: _Part) -> tuple[Format, SplitFiles] | None:
    """Format and files of a folder, if there are labels in it."""
    apart = (part.folder / name for name in ("images", "JPEGImages"))
    images = next((folder for folder in apart if folder.is_dir()), part.folder)
    if (document := _coco_document(part.folder)) is not None:
        return "coco", SplitFiles(part.folder, document)
    for path in sorted(part.folder.glob("*.csv")):
        if (columns := columns_of(_first_line(path))) is not None:
            return "retinanet-csv" if columns is RETINANET else "tensorflow-csv", SplitFiles(part.folder, path)
    if next(part.folder.rglob("*.xml"), None):
        return "voc", SplitFiles(images, _folder_of(part.folder, ".xml", images))
    if any((folder / name).is_file() for folder in (part.folder, root) for name in CLASS_LISTS):
        return "darknet", SplitFiles(images, images)
    labels = part.labels or _folder_of(part.folder, ".txt", images)
    if labels.is_dir() and _are_of(label_files(labels, ".txt"), labels, images):
        return "yolo", SplitFiles(images, labels)
    if any(root.glob("*.y*ml")) and labels.is_dir() and labels != images:  # every image is background
        return "yolo", SplitFiles(images, labels)
    return None


def _are_of(files: dict[str, Path], labels: Path, images: Path) -> bool:
    """Whether text files are labels: in a folder of their own, or beside an image of their name."""
    return bool(files) and (
        labels != images or any(str(Path(name).with_suffix("")) in files for name in images_in(images))
    )


def _folder_of(folder: Path, suffix: str, images: Path) -> Path:
    """The folder of label files: beside the images', as ``labels`` or by a name near it, or the images' own."""
    names = sorted(path for path in folder.iterdir() if path.is_dir() and path != images)
    near = [path for path in names if path.name.lower().startswith(("label", "annotation"))]
    exact = [path for path in near if path.name == "labels"]
    return next((path for path in (*exact, *near) if next(path.rglob(f"*{suffix}"), None)), (*exact, images)[0])


def _coco_document(folder: Path) -> Path | None:
    usual = folder / COCO_NAME
    if usual.is_file():
        return usual
    others = [
        path for path in sorted(folder.glob("*.json")) if not path.name.startswith(".") and _looks_like_coco(path)
    ]
    if len(others) > 1:
        names = ", ".join(path.name for path in others[:3])
        raise BadExport(f"{folder.name}/: several COCO files ({names}); keep the one that counts")
    return others[0] if others else None


def _looks_like_coco(path: Path) -> bool:
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and {"images", "annotations", "categories"} <= content.keys()


def _first_line(path: Path) -> str:
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        return file.readline(HEAD)


def _note_odd(part: _Part, files: SplitFiles, notes: Notes) -> None:
    usual = ("labels", part.name.rpartition("/")[2], "Annotations", files.images.name)
    if files.labels.is_dir() and files.labels.name not in usual:
        notes.add("label-folder-odd", f"{part.name}/{files.labels.name}")


# What cannot be read ---------------------------------------------------------------------------------


def _any(pattern: str) -> Callable[[Path], bool]:
    return lambda root: next(root.glob(pattern), None) is not None


_OTHERS: tuple[tuple[str, Callable[[Path], bool]], ...] = (
    ("TFRecord", _any("**/*.tfrecord")),
    ("CreateML", _any("**/_annotations.createml.json")),
    ("a list of boxes as txt", _any("**/_annotations.txt")),
    ("classification (a class an image, no boxes)", _any("**/_classes.csv")),
    ("segmentation masks", _any("**/*_mask.png")),
)


def _what_it_is(root: Path, parts: list[_Part]) -> str:
    if not any(root.iterdir()):
        return f"empty; name an export, its folder or zip: {FORMATS}"
    kind = next((kind for kind, fits in _OTHERS if fits(root)), None)
    if kind:
        return f"looks like {kind}; {_REMEDY}"
    for part in parts:
        if any(path.parent.parent == part.folder for path in _images(part.folder) if path.parent.name != "images"):
            return f"looks like classification (a folder of images a class, no boxes); {_REMEDY}"
    return f"no labels in it; {_REMEDY}"
