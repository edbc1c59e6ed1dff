"""The check of an export on disk, folder or zip: what it is, what is wrong with it, and the snapshot of its labels.

The edge that reads files; the rules are in the pure modules beside it.
"""

import gc
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tasks.errors import BadExport
from tasks.labeling.annotations import Labels, ListedImage
from tasks.labeling.checks import boxes
from tasks.labeling.checks.images import FORMAT_OF_SUFFIX, UNUSUAL_MODES, DecodedImage, UnreadableImage, read_images
from tasks.labeling.checks.near_duplicates import note_near_duplicates
from tasks.labeling.findings import WORST_SHARE, Notes
from tasks.labeling.formats import layout, zips
from tasks.labeling.formats.class_map import drop_undeclared, map_classes
from tasks.labeling.formats.reader import read_labels
from tasks.labeling.snapshot import make_snapshot
from tasks.records import DatasetSnapshot, Finding, LabelledImage, LabelRules, LabelSource, Split, SplitCounts


@dataclass(frozen=True)
class Inspection:
    """What an export is and holds."""

    format: str
    classes: tuple[str, ...]
    splits: dict[Split, SplitCounts]
    """Images on disk and boxes as listed, before boxes are dropped or a valid split is held out."""
    findings: tuple[Finding, ...]
    snapshot: DatasetSnapshot | None
    """None if a finding is an error."""
    images: tuple[LabelledImage, ...]
    """All images that decode, with the boxes that are kept."""
    files: dict[str, Path]
    """Where an image's file is, by SHA-256."""


@dataclass(frozen=True)
class _Found:
    """A listed image that is on disk."""

    image: ListedImage
    path: Path

    @property
    def place(self) -> str:
        return f"{self.image.split}/{self.image.file_name}"


@contextmanager
def _few_collections() -> Iterator[None]:
    """Collect garbage less often: what a check makes stays to its end, and is looked through again and again."""
    before = gc.get_threshold()
    gc.set_threshold(100_000, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)


@_few_collections()
def inspect_export(
    path: Path,
    scratch: Path,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    rules: LabelRules | None = None,
) -> Inspection:
    """Read an export whole, decoding every image once.

    Args:
        path: The export's folder or untouched zip.
        scratch: Folder that a zip is unpacked under; ``Inspection.files`` point there, so keep it as long as those.
        on_progress: Told images done and images in all.
        rules: How to read the labels.

    Raises:
        BadExport: it is no export that can be read. What is wrong inside one becomes findings.
        BadRequest: the rules do not fit the labels.
    """
    notes, rules = Notes(), rules or LabelRules()
    places = layout.find_splits(_opened(path, scratch), path.name, notes)
    listed = map_classes(read_labels(places, path.name, notes), rules.class_map, notes)
    labels = drop_undeclared(listed, notes)
    if notes.count("label-line-bad") > WORST_SHARE * notes.lines:
        notes.add("label-lines-mostly-bad", f"{notes.count('label-line-bad')} of {notes.lines}")
    found = _find(labels, places, notes, rules)
    decoded = read_images([item.path for item in found], on_progress)
    images = _labelled(labels, found, decoded, notes, rules)
    if notes.count("image-skipped") > rules.max_unreadable_images * len(labels.images):
        notes.add("images-mostly-skipped", count=notes.count("image-skipped"))
    readable = {file.sha256: file for file in decoded if isinstance(file, DecodedImage)}
    note_near_duplicates(images, {sha256: file.look for sha256, file in readable.items()}, notes)
    snapshot = make_snapshot(labels.classes, images, LabelSource(kind="file", name=path.name), notes)
    return Inspection(
        format=places.format,
        classes=labels.classes,
        splits={split: _counts(split, listed, found) for split in places.splits},
        findings=notes.findings(),
        snapshot=snapshot,
        images=tuple(images),
        files={sha256: file.path for sha256, file in readable.items()},
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
        raise BadExport(f"{path}: not there; name an export, its folder or zip")
    scratch.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="export-", dir=scratch))
    zips.unpack(path, folder)
    return folder


def _find(labels: Labels, places: layout.Layout, notes: Notes, rules: LabelRules) -> list[_Found]:
    """Listed images that are on disk; the others, on either side, are noted."""
    on_disk = {split: layout.images_in(files.images) for split, files in places.splits.items()}
    found = []
    for image in labels.images:
        path = on_disk[image.split].pop(image.file_name, None)
        path = path or places.splits[image.split].images / image.file_name
        if path.is_file():
            found.append(_Found(image, path))
        else:
            _note_lost("image-missing", f"{image.split}/{image.file_name}", notes, rules)
    for split, rest in on_disk.items():
        for name in rest:
            notes.add("image-unlisted", f"{split}/{name}")
    return found


def _note_lost(code: str, place: str, notes: Notes, rules: LabelRules) -> None:
    """An image that cannot be used: an error, unless such shall be left out."""
    notes.add("image-skipped" if rules.on_unreadable_image == "skip" else code, place)


def _labelled(
    labels: Labels,
    found: Sequence[_Found],
    decoded: Sequence[DecodedImage | UnreadableImage],
    notes: Notes,
    rules: LabelRules,
) -> list[LabelledImage]:
    images = []
    for item, file in zip(found, decoded, strict=True):
        if isinstance(file, UnreadableImage):
            _note_lost("image-unreadable", f"{item.place}: {file.reason}", notes, rules)
            continue
        _note_file(item, file, notes)
        images.append(
            LabelledImage(
                file_name=item.image.file_name,
                split=item.image.split,
                sha256=file.sha256,
                size=file.size,
                width=file.width,
                height=file.height,
                boxes=boxes.clip(item.image.boxes, file.width, file.height, item.place, notes, labels.unit),
            )
        )
    return images


def _note_file(item: _Found, file: DecodedImage, notes: Notes) -> None:
    listed = item.image
    declared = (listed.width or file.width, listed.height or file.height)
    if declared != (file.width, file.height):
        size = f"{file.width}x{file.height}"
        notes.add("size-differs", f"{item.place}: {declared[0]}x{declared[1]} in the labels, {size} in the file")
    if file.rotated:
        notes.add("exif-rotation", item.place)
    if file.format not in FORMAT_OF_SUFFIX.get(file.path.suffix.lower(), ()):
        notes.add("suffix-differs", f"{item.place}: {file.format}")
    if file.mode in UNUSUAL_MODES:
        notes.add("unusual-mode", f"{item.place}: {file.mode}")


def _counts(split: Split, listed: Labels, found: Sequence[_Found]) -> SplitCounts:
    """Images on disk, and boxes as listed, those of missing images and of unknown classes too."""
    on_disk = {item.image.file_name for item in found if item.image.split == split}
    images = [image for image in listed.images if image.split == split]
    return SplitCounts(
        images=len(on_disk),
        boxes=sum(len(image.boxes) for image in images),
        background=sum(not image.boxes for image in images if image.file_name in on_disk),
    )
