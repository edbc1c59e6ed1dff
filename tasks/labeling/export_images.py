"""The images of an export: pairing what the labels list with files on disk, and checking each file and its boxes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tasks.labeling.annotations import AnnotatedImage, Annotations, Unit
from tasks.labeling.checks.box_meaning import FORMATS_OF_FRACTIONS, WrittenBox, as_written
from tasks.labeling.checks.boxes import clip_boxes
from tasks.labeling.checks.images import DecodedImage, UnreadableImage, check_image
from tasks.labeling.checks.label_sizes import at_file_size
from tasks.labeling.findings import FindingCounter
from tasks.labeling.formats.layout import Layout, images_in
from tasks.records import LabelledImage, LabelRules


@dataclass(frozen=True)
class ImageOnDisk:
    """An annotated image with its file."""

    image: AnnotatedImage
    path: Path

    @property
    def place(self) -> str:
        """Name of the image in findings."""
        return f"{self.image.split}/{self.image.file_name}"


def find_images(
    annotations: Annotations, layout: Layout, rules: LabelRules, findings: FindingCounter
) -> list[ImageOnDisk]:
    """Find the files of all annotated images.

    Args:
        annotations: The annotations of an export.
        layout: Its files.
        rules: Whether missing images are errors or skipped.
        findings: Counts images without a file, and files that the labels do not list.

    Returns:
        The images that are on disk, in the order of the annotations.
    """
    unlisted = {files.images: images_in(files.images) for files in layout.splits.values()}
    images = []
    for image in annotations.images:
        folder = layout.splits[image.split].images
        path = unlisted[folder].pop(image.file_name, None) or folder / image.file_name
        if path.is_file():
            images.append(ImageOnDisk(image, path))
        else:
            _count_unusable("image-missing", f"{image.split}/{image.file_name}", rules, findings)
    split_of = {files.images: split for split, files in reversed(layout.splits.items())}
    for folder, paths in unlisted.items():
        for name in paths:
            findings.add("image-unlisted", f"{split_of[folder]}/{name}")
    return images


def label_images(
    images: Sequence[ImageOnDisk],
    files: Sequence[DecodedImage | UnreadableImage],
    unit: Unit,
    rules: LabelRules,
    findings: FindingCounter,
) -> list[LabelledImage]:
    """Check all images and their boxes, and combine each file with its clipped boxes.

    Args:
        images: Images on disk.
        files: Their decoded files, in the same order.
        unit: Unit of the annotated boxes.
        rules: Whether unreadable images are errors or skipped.
        findings: Counts what is wrong with files and boxes.

    Returns:
        The readable images with the boxes that remain, in the same order.
    """
    labelled = []
    for image, file in zip(images, files, strict=True):
        if isinstance(file, UnreadableImage):
            _count_unusable("image-unreadable", f"{image.place}: {file.reason}", rules, findings)
            continue
        check_image(file, image.place, findings)
        annotated = at_file_size(image.image, file, image.place, findings)
        labelled.append(
            LabelledImage(
                file_name=image.image.file_name,
                split=image.image.split,
                sha256=file.sha256,
                size=file.size,
                width=file.width,
                height=file.height,
                boxes=clip_boxes(annotated.boxes, file.width, file.height, image.place, findings, unit),
            )
        )
    return labelled


def written_boxes(
    images: Sequence[ImageOnDisk], files: Sequence[DecodedImage | UnreadableImage], label_format: str
) -> Iterator[WrittenBox]:
    """The numbers of all boxes of readable images as the labels have them, before anything is made of them.

    Args:
        images: Images on disk.
        files: Their decoded files, in the same order.
        label_format: A key of FORMATS in the registry.

    Yields:
        The boxes, in the order of the images.
    """
    for image, file in zip(images, files, strict=True):
        if not isinstance(file, UnreadableImage):
            sides = (file.width, file.height)
            if label_format not in FORMATS_OF_FRACTIONS and image.image.width and image.image.height:
                sides = (image.image.width, image.image.height)
            for box in image.image.boxes:
                yield WrittenBox(as_written(box[1:], label_format, sides), *sides)


def _count_unusable(code: str, place: str, rules: LabelRules, findings: FindingCounter) -> None:
    """Count an image that cannot be used: an error, unless such images are to be skipped."""
    findings.add("image-skipped" if rules.on_unreadable_image == "skip" else code, place)
