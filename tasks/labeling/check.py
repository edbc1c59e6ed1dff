"""The check of an export on disk, folder or zip: what it is, what is wrong with it, and the snapshot of its labels.

The edge that reads files; the rules are in the pure modules beside it.
"""

import json
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.errors import BadExport
from tasks.labeling import boxes, coco, layout, zips
from tasks.labeling.findings import Notes
from tasks.labeling.pictures import BrokenPicture, Picture, read_pictures
from tasks.labeling.snapshot import make_snapshot
from tasks.records import DatasetSnapshot, Finding, LabelledImage, LabelSource, Split, SplitCounts


@dataclass(frozen=True)
class Inspection:
    """What an export is and holds."""

    format: str
    classes: tuple[str, ...]
    splits: dict[Split, SplitCounts]
    """Pictures on disk and boxes as listed, before boxes are dropped or a valid split is held out."""
    findings: tuple[Finding, ...]
    snapshot: DatasetSnapshot | None
    """None if a finding is an error."""
    files: dict[str, Path]
    """Where a picture's file is, by SHA-256."""


@dataclass(frozen=True)
class _Found:
    """A listed picture that is on disk."""

    image: coco.ListedImage
    path: Path

    @property
    def place(self) -> str:
        return f"{self.image.split}/{self.image.file_name}"


def inspect_export(
    path: Path, scratch: Path, on_progress: Callable[[int, int], None] = lambda done, total: None
) -> Inspection:
    """Read a COCO export whole, decoding every picture once.

    Args:
        path: The export's folder or untouched zip.
        scratch: Folder that a zip is unpacked under; ``Inspection.files`` point there, so keep it as long as those.
        on_progress: Told pictures done and pictures in all.

    Raises:
        BadExport: it is not a COCO export at all. What is wrong inside one becomes findings.
    """
    notes = Notes()
    places = layout.find_splits(_opened(path, scratch), path.name)
    documents = {split: _read_json(folder / layout.ANNOTATIONS, path.name) for split, folder in places.folders.items()}
    labels = coco.parse(documents, notes)
    found = _find(labels, places, notes)
    pictures = read_pictures([item.path for item in found], on_progress)
    images = _labelled(found, pictures, notes)
    source = LabelSource(kind="file", name=path.name)
    snapshot = make_snapshot(labels.classes, images, source, notes)
    return Inspection(
        format="coco",
        classes=labels.classes,
        splits={split: _counts(split, labels, found) for split in places.folders},
        findings=notes.findings(),
        snapshot=snapshot,
        files={picture.sha256: picture.path for picture in pictures if isinstance(picture, Picture)},
    )


def require_snapshot(inspection: Inspection) -> DatasetSnapshot:
    """The snapshot of an export that has no errors.

    Raises:
        BadExport: it has; the message holds them in one line.
    """
    if inspection.snapshot is not None:
        return inspection.snapshot
    errors = [finding for finding in inspection.findings if finding.severity == "error"]
    raise BadExport("; ".join(_line(finding) for finding in errors[:3]))


def _line(finding: Finding) -> str:
    return finding.message + (f" (such as {', '.join(finding.examples[:3])})" if finding.examples else "")


def _opened(path: Path, scratch: Path) -> Path:
    """The export as a folder."""
    if path.is_dir():
        return path
    if not path.is_file():
        raise BadExport(f"{path}: not there; name a COCO export, its folder or zip")
    scratch.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="export-", dir=scratch))
    zips.unpack(path, folder)
    return folder


def _read_json(path: Path, name: str) -> object:
    place = f"{name}: {path.parent.name}/{path.name}"
    try:
        content: object = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise BadExport(f"{place}: not JSON ({' '.join(str(error).split())}); export again as COCO JSON") from None
    except OSError as error:
        raise BadExport(f"{place}: cannot be read: {error.strerror}; check the file and its rights") from None
    return content


def _find(labels: coco.Labels, places: layout.Layout, notes: Notes) -> list[_Found]:
    """Listed pictures that are on disk; the others, on either side, are noted."""
    on_disk = {split: layout.pictures_in(folder) for split, folder in places.folders.items()}
    found = []
    for image in labels.images:
        path = on_disk[image.split].pop(image.file_name, None) or places.folders[image.split] / image.file_name
        if path.is_file():
            found.append(_Found(image, path))
        else:
            notes.add("picture-missing", f"{image.split}/{image.file_name}")
    for split, rest in on_disk.items():
        for name in rest:
            notes.add("picture-unlisted", f"{split}/{name}")
    return found


def _labelled(
    found: Sequence[_Found], pictures: Sequence[Picture | BrokenPicture], notes: Notes
) -> list[LabelledImage]:
    images = []
    for item, picture in zip(found, pictures, strict=True):
        if isinstance(picture, BrokenPicture):
            notes.add("picture-broken", f"{item.place}: {picture.reason}")
        else:
            images.append(_labelled_image(item, picture, notes))
    return images


def _labelled_image(item: _Found, picture: Picture, notes: Notes) -> LabelledImage:
    listed = item.image
    declared = (listed.width or picture.width, listed.height or picture.height)
    if declared != (picture.width, picture.height):
        size = f"{picture.width}x{picture.height}"
        notes.add("size-differs", f"{item.place}: {declared[0]}x{declared[1]} in the JSON, {size} in the file")
    if picture.rotated:
        notes.add("exif-rotation", item.place)
    return LabelledImage(
        file_name=listed.file_name,
        split=listed.split,
        sha256=picture.sha256,
        size=picture.size,
        width=picture.width,
        height=picture.height,
        boxes=boxes.clip(listed.boxes, picture.width, picture.height, item.place, notes),
    )


def _counts(split: Split, labels: coco.Labels, found: Sequence[_Found]) -> SplitCounts:
    """Pictures on disk, and boxes as the JSON lists them, those of missing pictures too."""
    on_disk = [item.image for item in found if item.image.split == split]
    return SplitCounts(
        images=len(on_disk),
        boxes=sum(len(image.boxes) for image in labels.images if image.split == split),
        background=sum(not image.boxes for image in on_disk),
    )
