"""The images of an export: pairing what the labels list with files on disk, and checking each file and its boxes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tasks.images.orientation import AS_STORED
from tasks.labeling.annotations import AnnotatedImage, Annotations, Unit
from tasks.labeling.checks.box_meaning import FORMATS_OF_FRACTIONS, WrittenBox, as_written
from tasks.labeling.checks.boxes import box_example, clip_boxes, one_of_nearly_equal
from tasks.labeling.checks.images import DecodedImage, UnreadableImage, check_image
from tasks.labeling.checks.label_sizes import at_file_size
from tasks.labeling.checks.orientation import Meaning, meaning_of_boxes, on_upright_image
from tasks.labeling.findings import FindingCounter
from tasks.labeling.formats.layout import Layout, images_in
from tasks.records import Box, LabelledImage, LabelRules


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
        rules: Whether missing images are errors or skipped, and what becomes of images that nobody may have labelled.
        findings: Counts images without a file or without labels, and files that the labels do not list.

    Returns:
        The images that are on disk, in the order of the annotations.
    """
    unlisted = {files.images: images_in(files.images) for files in layout.splits.values()}
    images = []
    for image in annotations.images:
        folder = layout.splits[image.split].images
        path = unlisted[folder].pop(image.file_name, None) or folder / image.file_name
        found = ImageOnDisk(image, path)
        if not path.is_file():
            _count_unusable("image-missing", found.place, rules, findings)
        elif not _is_dropped_background(image, layout, rules, findings):
            images.append(found)
    split_of = {files.images: split for split, files in reversed(layout.splits.items())}
    for folder, paths in unlisted.items():
        for name in paths:
            findings.add("image-unlisted", f"{split_of[folder]}/{name}")
    return images


def _is_dropped_background(image: AnnotatedImage, layout: Layout, rules: LabelRules, findings: FindingCounter) -> bool:
    """Whether an image without boxes is left out, because maybe nobody looked at it. Counts either way."""
    if image.boxes or (image.is_labelled and not layout.is_of_label_studio):
        return False
    if rules.background == "drop":
        findings.add("background-dropped", f"{image.split}/{image.file_name}")
        return True
    if image.is_labelled:
        findings.add("background-unclear", f"{image.split}/{image.file_name}")
    return False


def on_upright_images(
    images: Sequence[ImageOnDisk],
    files: Sequence[DecodedImage | UnreadableImage],
    unit: Unit,
    rules: LabelRules,
    findings: FindingCounter,
) -> list[ImageOnDisk]:
    """Bring the boxes of images that EXIF asks to turn onto the upright images.

    Args:
        images: Images on disk.
        files: Their decoded files, in the same order.
        unit: Unit of the annotated boxes.
        rules: What the boxes mean, or that it is to be found out.
        findings: Counts the turned images, by what their boxes mean.

    Returns:
        The images in the same order, with boxes and stated sizes as on the upright images.
    """
    turned = {
        position: file
        for position, file in enumerate(files)
        if isinstance(file, DecodedImage) and file.orientation != AS_STORED
    }
    with_boxes = [(images[at].image, file) for at, file in turned.items() if images[at].image.boxes]
    if rules.orientation != "auto":
        meaning: Meaning | None = rules.orientation
    else:
        meaning = meaning_of_boxes(with_boxes, unit) if with_boxes else "turned"
    upright = list(images)
    for at, file in turned.items():
        undecided = meaning is None and images[at].image.boxes
        findings.add("exif-unclear" if undecided else f"exif-boxes-{meaning or 'turned'}", images[at].place)
        upright[at] = replace(images[at], image=on_upright_image(images[at].image, file, meaning or "turned", unit))
    return upright


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
        boxes = clip_boxes(annotated.boxes, file.width, file.height, image.place, findings, unit)
        labelled.append(
            LabelledImage(
                file_name=image.image.file_name,
                split=image.image.split,
                sha256=file.sha256,
                size=file.size,
                width=file.width,
                height=file.height,
                boxes=_one_of_doubles(boxes, image.place, rules, findings),
            )
        )
    return labelled


def _one_of_doubles(boxes: tuple[Box, ...], place: str, rules: LabelRules, findings: FindingCounter) -> tuple[Box, ...]:
    """Look for boxes that two annotators drew around one object, and keep both or one as the rules say."""
    remaining = one_of_nearly_equal(boxes)
    if len(remaining) == len(boxes):
        return boxes
    merged = rules.double_boxes == "merge"
    example = box_example(place, next(box for box in boxes if box not in remaining))
    code = "box-doubles-merged" if merged else "box-nearly-twice"
    findings.add(code, example, count=len(boxes) - len(remaining))
    return remaining if merged else boxes


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
