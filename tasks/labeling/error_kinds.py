"""Kinds of findings that stop a run."""

from tasks.labeling.finding_kind import FindingKind

ERRORS: dict[str, FindingKind] = {
    "no-train-split": FindingKind("error", "no train/ with images; export with at least a train split"),
    "no-train-boxes": FindingKind("error", "train has no boxes; label some images of the train split and export again"),
    "too-small-to-split": FindingKind(
        "error",
        "no valid split, and train is too small to split one off: it takes two source images with boxes; "
        "label more, or export with a valid split",
    ),
    "image-missing": FindingKind(
        "error",
        "images listed in the labels but not on disk: {count}; export again, remove them from the labels, or leave "
        "them out with --on-unreadable-image skip",
    ),
    "image-unreadable": FindingKind(
        "error",
        "images that cannot be decoded whole: {count}; replace or delete them and export again, or leave them out "
        "with --on-unreadable-image skip",
    ),
    "images-mostly-skipped": FindingKind(
        "error",
        "more images are missing or cannot be decoded than may be left out: {count}; export again, or allow a larger "
        "share with --max-unreadable-images",
    ),
    "bad-file-name": FindingKind(
        "error", "file names that lead out of the split's folder: {count}; use names inside it"
    ),
    "image-name-ambiguous": FindingKind(
        "error",
        "file names in the labels that fit several images: {count}; list each image by its path below the export",
    ),
    "unknown-image-id": FindingKind(
        "error", "annotations of an image id that the JSON does not list: {count}; export again, or remove them"
    ),
    "unknown-category-id": FindingKind(
        "error", "annotations of a category id that the JSON does not list: {count}; export again, or remove them"
    ),
    "unknown-class-id": FindingKind(
        "error",
        "rows with a class id that the class list does not have: {count}; correct the list, or name the id with a "
        "class map such as --class-map '#2=cat'",
    ),
    "label-file-bad": FindingKind(
        "error", "label files that cannot be read: {count}; export again, or delete those that are not label files"
    ),
    "class-names-alike": FindingKind(
        "error",
        "classes whose names differ by upper and lower case or spaces alone: {count}; merge them as the examples say, "
        "or give one another name",
    ),
    "truth-not-perfect": FindingKind(
        "error",
        "splits whose own boxes, taken as detections, do not score mAP 1: {count}; no model could be measured on them, "
        "report this with the labels",
    ),
    "label-lines-mostly-bad": FindingKind(
        "error",
        "too many label lines are not boxes: {count}; this is another format or task, export again for detection",
    ),
    "box-in-pixels": FindingKind(
        "error",
        "rows whose numbers are not fractions of the image: {count}; YOLO's labels go from 0 to 1, divide pixels by "
        "the image's width and height",
    ),
    "list-entry-missing": FindingKind(
        "error",
        "entries of the lists of splits that name no image: {count}; correct the lists, or bring the images",
    ),
    "size-other-ratio": FindingKind(
        "error",
        "images whose width and height in the labels have another ratio than the file: {count}; boxes cannot be "
        "placed, export labels and images together",
    ),
    "boxes-mean-something-else": FindingKind(
        "error",
        "boxes that do not fit into their images as the format means them: {count}; write the numbers as the format "
        "has them, for corners to width: x2 - x1, to centre: (x1 + x2) / 2, and the same for y",
    ),
    "boxes-in-fractions": FindingKind(
        "error",
        "boxes in fractions of the image where the format has pixels: {count}; multiply x and width by the image's "
        "width, y and height by its height",
    ),
    "boxes-contradict-area": FindingKind(
        "error",
        "boxes that are x1, y1, x2, y2 by their area, where COCO has x, y, width, height: {count}; write x2 - x1 and "
        "y2 - y1 as width and height",
    ),
    "exif-unclear": FindingKind(
        "error",
        "images that their EXIF data ask to turn, and whose boxes may be those of the turned image or of the one as "
        "stored: {count}; look at one, and say which with --orientation turned or --orientation stored",
    ),
    "box-not-a-list": FindingKind(
        "error",
        "boxes that are not a list of four numbers: {count}; write bbox as [x, y, width, height] in pixels",
    ),
    "split-without-labels": FindingKind(
        "error",
        "splits with images but not one label file for them: {count}; look where the labels lie, or remove the split",
    ),
}
