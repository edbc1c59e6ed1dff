"""Everything a check of labels can say: the stable codes, how grave each is, and its words.

Only the words and the counting belong here; who finds what is in the modules that look.
"""

from typing import Literal, NamedTuple

from tasks.records import Finding

MOST_EXAMPLES = 5
Severity = Literal["error", "warning", "info"]


class Kind(NamedTuple):
    """How grave one kind of finding is, and its message, with ``{count}`` in it."""

    severity: Severity
    message: str


KINDS: dict[str, Kind] = {
    "no-train-split": Kind("error", "no train/ with pictures; export with at least a train split"),
    "no-train-boxes": Kind("error", "train has no boxes; label some pictures of the train split and export again"),
    "too-small-to-split": Kind(
        "error",
        "no valid split, and train is too small to hold one out: it takes two source pictures with boxes; "
        "label more, or export with a valid split",
    ),
    "picture-missing": Kind(
        "error", "pictures listed in the JSON but not on disk: {count}; export again, or remove them from the JSON"
    ),
    "picture-broken": Kind(
        "error", "pictures that cannot be decoded whole: {count}; replace or delete them and export again"
    ),
    "picture-listed-twice": Kind(
        "error", "pictures listed more than once in one split: {count}; keep one entry with all its annotations"
    ),
    "bad-file-name": Kind("error", "file names that lead out of the split's folder: {count}; use names inside it"),
    "unknown-image-id": Kind(
        "error", "annotations of a picture id that the JSON does not list: {count}; export again, or remove them"
    ),
    "unknown-category-id": Kind(
        "error", "annotations of a category id that the JSON does not list: {count}; export again, or remove them"
    ),
    "no-valid-split": Kind(
        "warning",
        "no valid split with boxes: {count} pictures of train were held out as valid (a fifth of the source pictures, "
        "those with the lowest SHA-256 of the name before .rf.); export with a valid split to choose them yourself",
    ),
    "box-dropped": Kind(
        "warning",
        "boxes that are no boxes: {count} dropped (a side under 1 px inside the picture, negative, or not a number); "
        "the pictures are kept",
    ),
    "box-clipped": Kind(
        "warning", "boxes over the picture's edge by more than 1 px: {count}, cut at the edge; look whether they belong"
    ),
    "crowd-dropped": Kind("warning", "annotations marked iscrowd: {count} dropped; label the objects one by one"),
    "picture-unlisted": Kind(
        "warning", "pictures on disk that the JSON does not list: {count}, left out; list them to use them"
    ),
    "size-differs": Kind(
        "warning",
        "pictures whose width or height in the JSON is not that of the file: {count}; boxes were taken as pixels of "
        "the file as stored; export again with auto-orient if they are turned",
    ),
    "exif-rotation": Kind(
        "warning",
        "pictures with an EXIF rotation: {count}, used as stored, not turned; export with auto-orient to be sure that "
        "boxes fit",
    ),
    "leak-identical": Kind(
        "warning", "byte-identical pictures in more than one split: {count}; scores will flatter, split again"
    ),
    "leak-source": Kind(
        "warning",
        "source pictures (name before .rf.) in more than one split: {count}; scores will flatter, split before "
        "augmenting",
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
    "no-test-split": Kind("info", "no test split with pictures; the evaluation will use valid"),
    "box-rounded": Kind("info", "boxes over the edge by at most 1 px: {count}, taken as rounding and cut at the edge"),
    "box-from-polygon": Kind("info", "annotations without bbox: {count}, the polygon's bounding box was taken"),
    "twin-pictures": Kind("info", "byte-identical pictures within one split: {count} more than needed"),
}


class Notes:
    """Counts findings while a check goes on."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._examples: dict[str, list[str]] = {}

    def add(self, code: str, example: str | None = None, *, count: int = 1) -> None:
        """Count ``code``, one of KINDS; the first few examples are kept."""
        self._counts[code] = self._counts.get(code, 0) + count
        examples = self._examples.setdefault(code, [])
        if example is not None and len(examples) < MOST_EXAMPLES:
            examples.append(example)

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
                message=kind.message.format(count=self._counts[code]),
                examples=tuple(self._examples[code]),
            )
            for code, kind in KINDS.items()
            if code in self._counts
        )
