"""Labels: exports, snapshots, and what changed from one to another. Plain data."""

from typing import Literal, NamedTuple

from pydantic import Field

from tasks.records.base import SPLITS, Fraction, Part, Record, Sha256, Split


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
    split: Split = Field(description="Part of the data set this image belongs to.")
    sha256: Sha256 = Field(description="SHA-256 of the file's bytes.")
    size: int = Field(ge=1, description="Size of the file in bytes.")
    width: int = Field(ge=1, description="Width in pixels, as decoded.")
    height: int = Field(ge=1, description="Height in pixels, as decoded.")
    boxes: tuple[Box, ...] = Field(description="Boxes, xyxy in pixels, inside the image.")


class Finding(Part):
    """One kind of thing that a check found, with how often and where."""

    code: str = Field(description="Stable name of this kind of finding.")
    severity: Literal["error", "warning", "info"] = Field(description="Errors stop a run.")
    count: int = Field(ge=1, description="How many times it was found.")
    message: str = Field(description="What it is, and what was done or should be done about it.")
    examples: tuple[str, ...] = Field(default=(), description="A few places where it was found.")


class LabelSource(Part):
    """Where labels came from."""

    kind: Literal["file", "roboflow"] = Field(description="An export on disk, or Roboflow itself.")
    name: str = Field(description="File name, or workspace/project.")
    version: int | None = Field(default=None, ge=1, description="Roboflow version number.")


class VersionCount(Record):
    """What was labelled in a Roboflow project when one of its versions was generated."""

    labelled: int = Field(ge=0, description="Labelled images of the project at that time.")


class LabelRules(Part):
    """How labels are read."""

    class_map: dict[str, str] = Field(
        default_factory=dict,
        description="New class names by the old ones: two with one name are merged, an empty name drops the class. "
        "An id that no class list names is #ID.",
    )
    on_unreadable_image: Literal["fail", "skip"] = Field(
        default="fail", description="What to do with images that are missing or cannot be decoded."
    )
    max_unreadable_images: Fraction = Field(
        default=0.1, description="Share of such images above which skipping stops the run after all."
    )


class LabelExport(Record):
    """An export as it was fetched: one zip in the store, untouched."""

    not_identity = frozenset({"source"})

    source: LabelSource = Field(description="Where it came from.")
    key: str = Field(description="Store key of the zip.")
    sha256: Sha256 = Field(description="SHA-256 of the zip.")
    size: int = Field(ge=1, description="Size of the zip in bytes.")


class SplitCounts(Part):
    """How much one split holds."""

    images: int = Field(ge=0, description="Images.")
    boxes: int = Field(ge=0, description="Labelled boxes.")
    background: int = Field(ge=0, description="Images without boxes.")


class DatasetSnapshot(Record):
    """One frozen state of the labels: the manifest of all images, classes and boxes."""

    not_identity = frozenset({"source", "findings", "held_out"})

    classes: tuple[str, ...] = Field(min_length=1, description="Class names; a box's class index points here.")
    images: tuple[LabelledImage, ...] = Field(min_length=1, description="All images, by split and file name.")
    source: LabelSource = Field(description="Where the labels came from first.")
    findings: tuple[Finding, ...] = Field(default=(), description="What the check saw, dropped or changed.")
    held_out: int = Field(
        default=0,
        ge=0,
        description="Images of train that became valid, since the export had no valid split: a fifth of the source "
        "images, those with the lowest SHA-256 of the name before .rf.",
    )

    def of_split(self, split: Split) -> tuple[LabelledImage, ...]:
        """Images of one split, in order."""
        return tuple(image for image in self.images if image.split == split)

    def counts(self) -> dict[Split, SplitCounts]:
        """Counts of each split that has images."""
        return {split: count_images(images) for split in SPLITS if (images := self.of_split(split))}


def count_images(images: tuple[LabelledImage, ...]) -> SplitCounts:
    """Count images, boxes and background images."""
    return SplitCounts(
        images=len(images),
        boxes=sum(len(image.boxes) for image in images),
        background=sum(not image.boxes for image in images),
    )


class SnapshotRef(Record):
    """A snapshot as steps pass it on: its digest, and what people ask about it."""

    snapshot_digest: Sha256 = Field(description="Digest of the DatasetSnapshot.")
    classes: tuple[str, ...] = Field(description="Class names in order.")
    splits: dict[Split, SplitCounts] = Field(description="Counts per split.")
    findings: tuple[Finding, ...] = Field(description="What the check saw, dropped or changed.")

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
    """Images that changed in one way."""

    count: int = Field(ge=0, description="How many.")
    examples: tuple[str, ...] = Field(default=(), description="A few of them, as split/name.")


class BoxesOfClass(Part):
    """Boxes of one class in two snapshots."""

    before: int = Field(ge=0, description="Boxes in the first.")
    after: int = Field(ge=0, description="Boxes in the second.")


class SnapshotDifference(Record):
    """What changed from one snapshot to another."""

    before_digest: Sha256 = Field(description="Digest of the first DatasetSnapshot.")
    after_digest: Sha256 = Field(description="Digest of the second.")
    classes_added: tuple[str, ...] = Field(description="Classes that only the second has.")
    classes_removed: tuple[str, ...] = Field(description="Classes that only the first has.")
    classes_reordered: bool = Field(description="Whether classes of both stand in another order.")
    images_added: ImageChanges = Field(description="Images that only the second has.")
    images_removed: ImageChanges = Field(description="Images that only the first has.")
    images_relabelled: ImageChanges = Field(description="Images of both with other boxes or classes.")
    images_moved: ImageChanges = Field(description="Images of both in another split.")
    images_encoded_again: ImageChanges = Field(description="Images of both whose file is another one.")
    boxes: dict[str, BoxesOfClass] = Field(description="Boxes by class name.")

    @property
    def changes(self) -> dict[str, ImageChanges]:
        """Changed images, by what changed, in words."""
        return {
            "added": self.images_added,
            "removed": self.images_removed,
            "relabelled": self.images_relabelled,
            "moved to another split": self.images_moved,
            "encoded again": self.images_encoded_again,
        }

    @property
    def is_empty(self) -> bool:
        """Whether the labels are the same, whatever the order of the classes."""
        changed = any(change.count for change in self.changes.values())
        return not (self.classes_added or self.classes_removed or changed)
