"""Labels: exports, snapshots, and what changed from one to another. Plain data."""

from collections.abc import Sequence
from typing import Annotated, Literal, NamedTuple

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from tasks.images.source_names import source_name
from tasks.records.base import DEFAULT_IMAGE_SIZE, SPLITS, Fraction, ImageSize, Part, Record, Sha256, Split

BoxOrientation = Annotated[
    Literal["auto", "turned", "stored"],
    Field(
        description="Which image the boxes mean where EXIF data ask to turn it: the turned one, the one as stored, or "
        "auto to find out."
    ),
]
Background = Annotated[
    Literal["keep", "drop"],
    Field(
        description="What to do with images that maybe nobody labelled, without a label file or row: keep them as "
        "images without objects, or drop them."
    ),
]
DoubleBoxes = Annotated[
    Literal["keep", "merge"],
    Field(
        description="What to do with boxes of one class that nearly cover each other (IoU of 0.9 or more): keep all, "
        "or merge them."
    ),
]
Annotator = Annotated[
    str | None,
    Field(
        min_length=1,
        max_length=200,
        description="The annotator whose boxes are used, by name or id as COCO JSON of Label Studio names it; empty "
        "for all.",
    ),
]
UNTURNED = "exif-rotation"
"""Finding of snapshots whose images were not turned as their EXIF data ask; now they are."""


class Box(NamedTuple):
    """One labelled object: class index, and corners in pixels of its image."""

    class_index: int
    x1: float
    y1: float
    x2: float
    y2: float


class LabelledImage(Part):
    """One image and its boxes; without boxes it is a background image."""

    file_name: str = Field(description="Name in the export, without its folder.")
    split: Split = Field(description="Split the image belongs to.")
    sha256: Sha256 = Field(description="SHA-256 of the file's bytes.")
    size: int = Field(ge=1, description="Size of the file in bytes.")
    width: int = Field(ge=1, description="Width in pixels of the upright image.")
    height: int = Field(ge=1, description="Height in pixels of the upright image.")
    boxes: tuple[Box, ...] = Field(description="Boxes, xyxy in pixels, inside the image.")


class Finding(Part):
    """One kind of problem that a check found, with count and examples."""

    code: str = Field(description="Stable name of the kind of finding.")
    severity: Literal["error", "warning", "info"] = Field(description="Severity; an error stops the run.")
    count: int = Field(ge=1, description="Number of occurrences.")
    message: str = Field(description="What was found, and what was done or should be done about it.")
    examples: tuple[str, ...] = Field(default=(), description="A few places where it occurs.")


class LabelSource(Part):
    """Where labels came from."""

    kind: Literal["file", "roboflow"] = Field(description="An export on disk, or Roboflow.")
    name: str = Field(description="File name, or workspace/project.")
    version: int | None = Field(default=None, ge=1, description="Roboflow version number.")


class VersionCount(Record):
    """How many images were labelled in a Roboflow project when one of its versions was generated."""

    labelled: int = Field(ge=0, description="Number of labelled images at that time.")


class LabelRules(Part):
    """How labels are read, and what they are checked against."""

    class_map: dict[str, str] = Field(
        default_factory=dict,
        description="New class names by old ones: classes with the same new name are merged, an empty name drops the "
        "class. A class without a name in the export is called #ID.",
    )
    on_unreadable_image: Literal["fail", "skip"] = Field(
        default="fail", description="What to do with unreadable images: fail or skip."
    )
    max_unreadable_images: Fraction = Field(
        default=0.1, description="Maximum share of unreadable images; above it a run fails although they are skipped."
    )
    orientation: BoxOrientation = "auto"
    background: Background = "keep"
    double_boxes: DoubleBoxes = "keep"
    annotator: Annotator = None
    image_size: ImageSize = Field(
        default=DEFAULT_IMAGE_SIZE,
        description="Side of the square network input in pixels, for findings about boxes that are too small in it.",
    )


class LabelExport(Record):
    """An export as it was fetched: one zip in the store, unchanged."""

    not_identity = frozenset({"source"})

    source: LabelSource = Field(description="Where it came from.")
    key: str = Field(description="Store key of the zip.")
    sha256: Sha256 = Field(description="SHA-256 of the zip.")
    size: int = Field(ge=1, description="Size of the zip in bytes.")


class ListedCounts(Part):
    """Counts of what the labels of one split list, whatever becomes of it."""

    images: int = Field(ge=0, description="Number of images, missing and broken ones among them.")
    boxes: int = Field(ge=0, description="Number of boxes, invalid ones among them.")


class SplitCounts(Part):
    """Counts of images and boxes of one split."""

    images: int = Field(ge=0, description="Number of images.")
    boxes: int = Field(ge=0, description="Number of labelled boxes.")
    background: int = Field(ge=0, description="Number of images without boxes.")
    sources: int = Field(
        default=0,
        ge=0,
        description="Number of source images: copies that share the name before .rf. count once; 0 if not counted.",
    )

    @property
    def independent_images(self) -> int:
        """Images that say something of their own: the sources, or all images where sources were not counted."""
        return self.sources or self.images


class DatasetSnapshot(Record):
    """One frozen state of the labels: the manifest of all images, classes and boxes."""

    not_identity = frozenset({"source", "findings", "held_out", "licence"})

    classes: tuple[str, ...] = Field(min_length=1, description="Class names; a box's class index points here.")
    images: tuple[LabelledImage, ...] = Field(min_length=1, description="All images, by split and file name.")
    source: LabelSource = Field(description="Where the labels first came from.")
    findings: tuple[Finding, ...] = Field(default=(), description="Findings of the check.")
    held_out: int = Field(
        default=0,
        ge=0,
        description="Number of images split off train as the validation split, because the export had none: a fifth "
        "of the source images, those with the lowest SHA-256 of the name before .rf.",
    )
    licence: str | None = Field(default=None, description="Licence that the export states; empty if it states none.")

    @field_validator("findings")
    @classmethod
    def _images_are_turned(cls, value: tuple[Finding, ...]) -> tuple[Finding, ...]:
        """Refuse labels of images that were used as stored, because the boxes would be in the wrong places."""
        if any(finding.code == UNTURNED for finding in value):
            raise PydanticCustomError(
                "unturned", "has images that were not turned as their EXIF data ask; read the export again"
            )
        return value

    def of_split(self, split: Split) -> tuple[LabelledImage, ...]:
        """Images of one split, in order."""
        return tuple(image for image in self.images if image.split == split)

    def counts(self) -> dict[Split, SplitCounts]:
        """Counts of each split that has images."""
        return {split: count_images(images) for split in SPLITS if (images := self.of_split(split))}


def count_images(images: Sequence[LabelledImage]) -> SplitCounts:
    """Count images, their sources, boxes and background images."""
    return SplitCounts(
        images=len(images),
        boxes=sum(len(image.boxes) for image in images),
        background=sum(not image.boxes for image in images),
        sources=len({source_name(image.file_name) for image in images}),
    )


class SnapshotRef(Record):
    """A snapshot as steps pass it on: its digest, classes, counts and findings."""

    snapshot_digest: Sha256 = Field(description="Digest of the DatasetSnapshot.")
    classes: tuple[str, ...] = Field(description="Class names by class index.")
    splits: dict[Split, SplitCounts] = Field(description="Counts by split.")
    findings: tuple[Finding, ...] = Field(description="Findings of the check.")

    @classmethod
    def of(cls, snapshot: DatasetSnapshot) -> "SnapshotRef":
        """The reference to a snapshot."""
        return cls(
            snapshot_digest=snapshot.digest,
            classes=snapshot.classes,
            splits=snapshot.counts(),
            findings=snapshot.findings,
        )


class ImageChanges(Part):
    """Images with one kind of change."""

    count: int = Field(ge=0, description="Number of images.")
    examples: tuple[str, ...] = Field(default=(), description="A few of them, as split/file name.")


class BoxesOfClass(Part):
    """Numbers of boxes of one class in two snapshots."""

    before: int = Field(ge=0, description="Number of boxes in the first snapshot.")
    after: int = Field(ge=0, description="Number of boxes in the second snapshot.")


class SnapshotDifference(Record):
    """The changes from one snapshot to another."""

    before_digest: Sha256 = Field(description="Digest of the first snapshot.")
    after_digest: Sha256 = Field(description="Digest of the second snapshot.")
    classes_added: tuple[str, ...] = Field(description="Classes only in the second snapshot.")
    classes_removed: tuple[str, ...] = Field(description="Classes only in the first snapshot.")
    classes_reordered: bool = Field(description="Whether common classes are in a different order.")
    images_added: ImageChanges = Field(description="Images only in the second snapshot.")
    images_removed: ImageChanges = Field(description="Images only in the first snapshot.")
    images_relabelled: ImageChanges = Field(description="Images of both with different boxes or classes.")
    images_moved: ImageChanges = Field(description="Images of both in different splits.")
    images_encoded_again: ImageChanges = Field(description="Images of both with a different file.")
    boxes: dict[str, BoxesOfClass] = Field(description="Numbers of boxes by class name.")

    @property
    def changes(self) -> dict[str, ImageChanges]:
        """Changed images by the kind of change, in words."""
        return {
            "added": self.images_added,
            "removed": self.images_removed,
            "relabelled": self.images_relabelled,
            "moved to another split": self.images_moved,
            "encoded again": self.images_encoded_again,
        }

    @property
    def is_empty(self) -> bool:
        """Whether the labels are the same; the order of the classes does not matter."""
        changed = any(change.count for change in self.changes.values())
        return not (self.classes_added or self.classes_removed or changed)
