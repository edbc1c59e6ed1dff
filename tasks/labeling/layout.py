"""How an export's folder is laid out: where its splits are, and which format it is when it is not COCO."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tasks.errors import BadExport
from tasks.labeling.pictures import SUFFIXES
from tasks.records import SPLITS, Split

ANNOTATIONS = "_annotations.coco.json"
_FOLDERS: dict[str, Split] = {"train": "train", "valid": "valid", "val": "valid", "test": "test"}
_REMEDY = "this version reads COCO JSON: export it as COCO"


@dataclass(frozen=True)
class Layout:
    """Folders of the splits that have a COCO document."""

    folders: dict[Split, Path]


def find_splits(folder: Path, name: str) -> Layout:
    """Find the splits of a COCO export; one folder around everything, as zipping a folder makes, is looked through.

    Args:
        folder: The export, unpacked.
        name: Names the export in errors.

    Raises:
        BadExport: empty, another format, or a split without its document.
    """
    root = _descend(folder)
    folders: dict[Split, Path] = {}
    without: list[str] = []
    for part, split in _FOLDERS.items():
        path = root / part
        if (path / ANNOTATIONS).is_file():
            if split in folders:
                raise BadExport(f"{name}: has both valid/ and val/; merge them, or remove one")
            folders[split] = path
        elif path.is_dir() and pictures_in(path):
            without.append(part)
    if not folders:
        raise BadExport(f"{name}: {_what_it_is(root)}")
    if without:
        raise BadExport(f"{name}: {without[0]}/ has pictures but no {ANNOTATIONS}; {_REMEDY}, or remove {without[0]}/")
    return Layout({split: folders[split] for split in SPLITS if split in folders})


def pictures_in(folder: Path) -> dict[str, Path]:
    """All files under a folder that are pictures by name, by their path relative to it."""
    return {
        path.relative_to(folder).as_posix(): path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in SUFFIXES and path.is_file() and not path.name.startswith(".")
    }


def _descend(folder: Path) -> Path:
    while True:
        entries = [path for path in folder.iterdir() if not path.name.startswith((".", "__MACOSX"))]
        if len(entries) != 1 or not entries[0].is_dir() or entries[0].name in _FOLDERS:
            return folder
        folder = entries[0]


def _any(pattern: str) -> Callable[[Path], bool]:
    return lambda root: next(root.glob(pattern), None) is not None


# The first that fits: a YOLO export has txt files as darknet has, but only darknet has its list of names.
_OTHERS: tuple[tuple[str, Callable[[Path], bool]], ...] = (
    ("TFRecord", _any("**/*.tfrecord")),
    ("darknet", _any("**/_darknet.labels")),
    ("YOLO", _any("*.y*ml")),
    ("YOLO", _any("**/label*/*.txt")),
    ("CSV", _any("**/*.csv")),
    ("CreateML", _any("**/_annotations.createml.json")),
    ("Pascal VOC", _any("**/*.xml")),
    ("a list of boxes as txt", _any("**/_annotations.txt")),
)


def _what_it_is(root: Path) -> str:
    if not any(root.iterdir()):
        return "empty; name a COCO export, its folder or zip"
    if (root / ANNOTATIONS).is_file():
        return f"{ANNOTATIONS} lies at the top; move it and its pictures into a folder train/"
    kind = next((kind for kind, fits in _OTHERS if fits(root)), None)
    if kind:
        return f"looks like {kind}; {_REMEDY}"
    return f"no train/{ANNOTATIONS} in it; {_REMEDY}"
