"""The inspection of an export on disk, a folder or zip: its format, what is wrong with it, and its snapshot.

Here files are read. What is read and what is checked is in ``formats`` and ``checks``.
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.errors import BadExport
from tasks.labeling.annotations import Annotations
from tasks.labeling.checks.box_meaning import check_box_meaning
from tasks.labeling.checks.classes import check_class_names
from tasks.labeling.checks.images import LFS_REASON, DecodedImage, UnreadableImage, read_images
from tasks.labeling.checks.network import check_network_fit
from tasks.labeling.export_images import find_images, label_images, on_upright_images, written_boxes
from tasks.labeling.findings import FindingCounter
from tasks.labeling.formats import zips
from tasks.labeling.formats.class_map import drop_undeclared, map_classes
from tasks.labeling.formats.detection import detect_layout
from tasks.labeling.formats.registry import read_annotations
from tasks.labeling.licence import find_licence
from tasks.labeling.snapshot import make_snapshot
from tasks.local.garbage import rare_garbage_collection
from tasks.records import (
    DatasetSnapshot,
    Finding,
    LabelledImage,
    LabelRules,
    LabelSource,
    ListedCounts,
    Split,
    SplitCounts,
    count_images,
)

MAX_BAD_LINES = 0.01
"""Maximum share of label lines that are not boxes."""


@dataclass(frozen=True)
class Inspection:
    """What an export is and holds."""

    format: str
    """A key of FORMATS in the registry of formats."""
    classes: tuple[str, ...]
    listed: dict[Split, ListedCounts]
    """What the labels list, also of images that are missing or broken, and boxes that are dropped."""
    splits: dict[Split, SplitCounts]
    """What is used of it: ``images``, before a validation split is split off."""
    findings: tuple[Finding, ...]
    snapshot: DatasetSnapshot | None
    """None if a finding is an error."""
    images: tuple[LabelledImage, ...]
    """All images that decode, with the boxes that remain."""
    files: dict[str, Path]
    """Path of an image's file by its SHA-256."""


@rare_garbage_collection()
def inspect_export(
    path: Path,
    scratch: Path,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
    rules: LabelRules | None = None,
) -> Inspection:
    """Read and check an export, decoding every image once.

    Args:
        path: The export's folder or untouched zip.
        scratch: Folder below which a zip is unpacked. ``Inspection.files`` are there, so keep it as long as those.
        on_progress: Called with the number of images done and of all images.
        rules: How to read the labels; None for the defaults.

    Returns:
        The inspection; what is wrong inside the export is among its findings.

    Raises:
        BadExport: it cannot be read as an export at all.
        BadRequest: the class map does not fit the labels.
    """
    findings, rules = FindingCounter(), rules or LabelRules()
    layout = detect_layout(_unpacked(path, scratch), path.name, findings)
    annotations = map_classes(read_annotations(layout, findings, rules.annotator), rules.class_map, findings)
    check_class_names(annotations, findings)
    declared = drop_undeclared(annotations, findings)
    _check_label_lines(findings)
    images_on_disk = find_images(declared, layout, rules, findings)
    files = read_images([image.path for image in images_on_disk], on_progress)
    _refuse_pointers(path.name, files)
    images_on_disk = on_upright_images(images_on_disk, files, declared.unit, rules, findings)
    images = label_images(images_on_disk, files, declared.unit, rules, findings)
    if findings.count("box-dropped") + findings.count("box-clipped"):  # else each box fits into its image
        check_box_meaning(layout.format, list(written_boxes(images_on_disk, files, layout.format)), findings)
    _check_skipped(len(declared.images), rules, findings)
    check_network_fit(images, rules.image_size, findings)
    decoded = {file.sha256: file for file in files if isinstance(file, DecodedImage)}
    hashes = {sha256: file.difference_hash for sha256, file in decoded.items()}
    snapshot = make_snapshot(declared.classes, images, hashes, LabelSource(kind="file", name=path.name), findings)
    return Inspection(
        format=layout.format,
        classes=declared.classes,
        listed={split: _listed(split, annotations) for split in layout.splits},
        splits={split: count_images([image for image in images if image.split == split]) for split in layout.splits},
        findings=findings.summary(),
        snapshot=snapshot and snapshot.model_copy(update={"licence": find_licence(layout.root)}),
        images=tuple(images),
        files={sha256: file.path for sha256, file in decoded.items()},
    )


def require_snapshot(inspection: Inspection) -> DatasetSnapshot:
    """The snapshot of an export without errors.

    Raises:
        BadExport: it has errors; the message is one line with the first of them.
    """
    if inspection.snapshot is not None:
        return inspection.snapshot
    errors = [finding for finding in inspection.findings if finding.severity == "error"]
    raise BadExport("; ".join(_line(finding) for finding in errors[:3]))


def _line(finding: Finding) -> str:
    return finding.message + (f" (such as {', '.join(finding.examples[:3])})" if finding.examples else "")


def _unpacked(path: Path, scratch: Path) -> Path:
    """The export as a folder."""
    if path.is_dir():
        return path
    if not path.is_file():
        raise BadExport(f"{path}: not there; name an export, its folder or zip")
    scratch.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix="export-", dir=scratch))
    zips.unpack(path, folder)
    return folder


def _refuse_pointers(export_name: str, files: Sequence[DecodedImage | UnreadableImage]) -> None:
    """Refuse an export whose images all wait in Git LFS: whatever else is found would only follow from that."""
    if files and all(isinstance(file, UnreadableImage) and file.reason == LFS_REASON for file in files):
        raise BadExport(
            f"{export_name}: all {len(files)} images are Git LFS pointers, not images; fetch them with `git lfs pull`"
        )


def _check_skipped(images: int, rules: LabelRules, findings: FindingCounter) -> None:
    if (skipped := findings.count("image-skipped")) > rules.max_unreadable_images * images:
        findings.add("images-mostly-skipped", count=skipped)


def _check_label_lines(findings: FindingCounter) -> None:
    bad_lines = findings.count("label-line-bad")
    if bad_lines > MAX_BAD_LINES * findings.label_lines:
        findings.add("label-lines-mostly-bad", f"{bad_lines} of {findings.label_lines}")


def _listed(split: Split, annotations: Annotations) -> ListedCounts:
    images = [image for image in annotations.images if image.split == split]
    return ListedCounts(images=len(images), boxes=sum(len(image.boxes) for image in images))
