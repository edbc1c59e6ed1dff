"""Everything a check of labels can say: the stable codes, how grave each is, and its words.

Only the words and the counting belong here; who finds what is in the modules that look.
"""

from typing import Literal, NamedTuple

from tasks.records import Finding

MAX_EXAMPLES = 5
TINY = 3.0
"""Pixels; what has a shorter side is hardly ever found."""
FEW = {"split-tiny": 10, "train-below-batch": 4, "train-tiny": 20, "class-rare": 10}
"""Numbers below which there are too few."""
WORST_SHARE = 0.01
"""Share of label lines that may be no boxes."""
Severity = Literal["error", "warning", "info"]


class Kind(NamedTuple):
    """How grave one kind of finding is, and its message, with ``{count}`` in it."""

    severity: Severity
    message: str


KINDS: dict[str, Kind] = {
    "no-train-split": Kind("error", "no train/ with images; export with at least a train split"),
    "no-train-boxes": Kind("error", "train has no boxes; label some images of the train split and export again"),
    "too-small-to-split": Kind(
        "error",
        "no valid split, and train is too small to hold one out: it takes two source images with boxes; "
        "label more, or export with a valid split",
    ),
    "image-missing": Kind(
        "error",
        "images listed in the labels but not on disk: {count}; export again, remove them from the labels, or leave "
        "them out with --on-unreadable-image skip",
    ),
    "image-unreadable": Kind(
        "error",
        "images that cannot be decoded whole: {count}; replace or delete them and export again, or leave them out "
        "with --on-unreadable-image skip",
    ),
    "images-mostly-skipped": Kind(
        "error",
        "more images are missing or cannot be decoded than may be left out: {count}; export again, or allow a larger "
        "share with --max-unreadable-images",
    ),
    "image-listed-twice": Kind(
        "error", "images listed more than once in one split: {count}; keep one entry with all its annotations"
    ),
    "bad-file-name": Kind("error", "file names that lead out of the split's folder: {count}; use names inside it"),
    "unknown-image-id": Kind(
        "error", "annotations of an image id that the JSON does not list: {count}; export again, or remove them"
    ),
    "unknown-category-id": Kind(
        "error", "annotations of a category id that the JSON does not list: {count}; export again, or remove them"
    ),
    "unknown-class-id": Kind(
        "error",
        "rows with a class id that the class list does not have: {count}; correct the list, or name the id with a "
        "class map such as --class-map '#2=cat'",
    ),
    "label-file-bad": Kind(
        "error", "label files that cannot be read: {count}; export again, or delete those that are none"
    ),
    "truth-not-perfect": Kind(
        "error",
        "splits whose own boxes, taken as detections, do not score mAP 1: {count}; no model could be measured on them, "
        "report this with the labels",
    ),
    "label-lines-mostly-bad": Kind(
        "error",
        "too many label lines are no boxes: {count}; this is another format or task, export again for detection",
    ),
    "box-in-pixels": Kind(
        "error",
        "rows whose numbers are no fractions of the image: {count}; YOLO's labels go from 0 to 1, divide pixels by "
        "the image's width and height",
    ),
    "split-without-labels": Kind(
        "error",
        "splits with images but not one label file for them: {count}; look where the labels lie, or remove the split",
    ),
    "image-skipped": Kind(
        "warning", "images that are missing or cannot be decoded: {count} left out, as was asked for"
    ),
    "label-line-bad": Kind("warning", "label lines that are no boxes: {count} left out; correct or remove them"),
    "label-missing": Kind(
        "warning", "images without a label file or row: {count}, taken as images without objects; see that they are"
    ),
    "label-without-image": Kind(
        "warning", "label files without an image: {count} left out; bring the images, or delete the files"
    ),
    "keypoints-ignored": Kind("warning", "annotations with keypoints: {count}, of which only the boxes are used"),
    "no-valid-split": Kind(
        "warning",
        "no valid split with boxes: {count} images of train were held out as valid (a fifth of the source images, "
        "those with the lowest SHA-256 of the name before .rf.); export with a valid split to choose them yourself",
    ),
    "box-dropped": Kind(
        "warning",
        "boxes that are no boxes: {count} dropped (a side under 1 px inside the image, negative, or not a number); "
        "the images are kept",
    ),
    "box-clipped": Kind(
        "warning", "boxes over the image's edge by more than 1 px: {count}, cut at the edge; look whether they belong"
    ),
    "box-twice": Kind(
        "warning", "boxes that are there twice, with one class and the same corners: {count} dropped, one of each kept"
    ),
    "box-tiny": Kind(
        "warning",
        "boxes with a side under {tiny:g} px: {count}; too small to be found, label larger images or drop them",
    ),
    "box-whole-image": Kind(
        "warning", "boxes that cover a whole image: {count}; right for close-ups, wrong if the task is classification"
    ),
    "crowd-dropped": Kind("warning", "annotations marked iscrowd: {count} dropped; label the objects one by one"),
    "image-unlisted": Kind(
        "warning", "images on disk that the labels do not list: {count}, left out; list them to use them"
    ),
    "size-differs": Kind(
        "warning",
        "images whose width or height in the labels is not that of the file: {count}; boxes were taken as pixels of "
        "the file as stored; export again with auto-orient if they are turned",
    ),
    "exif-rotation": Kind(
        "warning",
        "images with an EXIF rotation: {count}, used as stored, not turned; export with auto-orient to be sure that "
        "boxes fit",
    ),
    "suffix-differs": Kind(
        "info", "images whose suffix names another format than the file is: {count}; they are read as what they are"
    ),
    "unusual-mode": Kind(
        "warning",
        "images with an alpha channel, 16 bits or CMYK: {count}; alpha is ignored, 16 bits are cut to 8, and hidden "
        "colours show: convert them to 8-bit RGB to be sure",
    ),
    "leak-identical": Kind(
        "warning", "byte-identical images in more than one split: {count}; scores will flatter, split again"
    ),
    "leak-source": Kind(
        "warning",
        "source images (name before .rf.) in more than one split: {count}; scores will flatter, split before "
        "augmenting",
    ),
    "leak-frames": Kind(
        "warning",
        "video clips with frames in more than one split: {count}; scores will flatter, keep a clip in one split",
    ),
    "leak-near-duplicate": Kind(
        "warning",
        "images that look the same as one in another split: {count}; scores will flatter if they are copies",
    ),
    "split-tiny": Kind(
        "warning", "splits to measure on with fewer than {few} images: {count}; their scores say little, label more"
    ),
    "train-below-batch": Kind(
        "warning",
        "train has fewer images than the least batch of {few}: {count}; batches will be as small, label some dozens",
    ),
    "train-tiny": Kind("warning", "train has fewer than {few} images: {count}; a detector learns from some dozens"),
    "class-rare": Kind(
        "warning", "classes with fewer than {few} boxes in train: {count}; label more of them, or merge them"
    ),
    "class-unused": Kind("warning", "classes without a box: {count}; they stay classes, and are never learned"),
    "class-not-in-train": Kind("warning", "classes with boxes, but none in train: {count}; they cannot be learned"),
    "class-not-in-every-split": Kind(
        "warning",
        "classes with boxes in train, but not in every other split: {count}; those splits do not measure them",
    ),
    "class-name-twice": Kind(
        "warning", "category names with more than one id in one file: {count}, taken as one class each"
    ),
    "root-category": Kind(
        "info", "parent categories without a box: {count}, not classes (Roboflow puts one before the real ones)"
    ),
    "class-imbalance": Kind(
        "info", "classes with less than a twentieth of the boxes that the most frequent one has in train: {count}"
    ),
    "class-dropped": Kind("info", "boxes of classes that the class map drops: {count}; their images are kept"),
    "label-folder-odd": Kind("info", "label folders with an unusual name: {count}; their files are used"),
    "stray-file": Kind("info", "files that are neither images nor labels: {count} left out"),
    "no-test-split": Kind("info", "no test split with images; the evaluation will use valid"),
    "box-rounded": Kind("info", "boxes over the edge by at most 1 px: {count}, taken as rounding and cut at the edge"),
    "box-from-polygon": Kind("info", "polygons and turned boxes: {count}, the bounding box of each was taken"),
    "duplicate-images": Kind("info", "byte-identical images within one split: {count} more than needed"),
}


class Notes:
    """Counts findings while a check goes on."""

    def __init__(self) -> None:
        self.lines = 0
        """Rows and objects in label files, those that are no boxes, too."""
        self._counts: dict[str, int] = {}
        self._examples: dict[str, list[str]] = {}

    def add(self, code: str, example: str | None = None, *, count: int = 1) -> None:
        """Count ``code``, one of KINDS; the first few examples are kept."""
        self._counts[code] = self._counts.get(code, 0) + count
        examples = self._examples.setdefault(code, [])
        if example is not None and len(examples) < MAX_EXAMPLES:
            examples.append(example)

    def count(self, code: str) -> int:
        """How often ``code`` was noted so far."""
        return self._counts.get(code, 0)

    @property
    def has_errors(self) -> bool:
        """True if something was found that stops a run."""
        return any(KINDS[code].severity == "error" for code in self._counts)

    def findings(self) -> tuple[Finding, ...]:
        """What was found, gravest first, in the order of KINDS."""
        return tuple(
            Finding(
                code=code,
                severity=kind.severity,
                count=self._counts[code],
                message=kind.message.format(count=self._counts[code], few=FEW.get(code), tiny=TINY),
                examples=tuple(self._examples[code]),
            )
            for code, kind in KINDS.items()
            if code in self._counts
        )
