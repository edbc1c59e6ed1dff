"""Kinds of findings that do not stop a run: warnings, and what is worth knowing."""

from tasks.images.network_output import MAX_DETECTIONS
from tasks.labeling.finding_kind import FindingKind

NOTES: dict[str, FindingKind] = {
    "image-by-last-part": FindingKind(
        "warning",
        "file names in the labels that are not those on disk: {count}, each taken for the only image that fits (paths "
        "of another machine, other case)",
    ),
    "image-skipped": FindingKind(
        "warning", "images that are missing or cannot be decoded: {count} left out, as requested"
    ),
    "label-line-bad": FindingKind(
        "warning", "label lines that are not boxes: {count} left out; correct or remove them"
    ),
    "label-missing": FindingKind(
        "warning",
        "images without a label file or row: {count}, taken as background; check that they show no objects, "
        "or leave them out with --background drop",
    ),
    "background-unclear": FindingKind(
        "warning",
        "images without boxes in an export of Label Studio, which writes images without objects and images that nobody "
        "looked at alike: {count}, taken as background; label all tasks, or leave them out with --background drop",
    ),
    "background-dropped": FindingKind(
        "warning", "images without boxes that maybe nobody labelled: {count} left out, as requested"
    ),
    "annotator-other": FindingKind(
        "warning", "images that another annotator than the chosen one labelled: {count} left out, as requested"
    ),
    "image-listed-twice": FindingKind(
        "warning",
        "images listed more than once in one split: {count}, taken as one image with the boxes of all entries (Label "
        "Studio writes one for each annotator; --annotator chooses one)",
    ),
    "annotators-disagree": FindingKind(
        "warning",
        "boxes that one entry of an image has and another has not: {count}, all kept; review them, two annotators do "
        "not agree",
    ),
    "label-without-image": FindingKind(
        "warning", "label files without an image: {count} left out; bring the images, or delete the files"
    ),
    "test-without-labels": FindingKind(
        "warning",
        "test folders with images but without labels: {count} left out, and the evaluation will use valid; label "
        "the images to measure on them",
    ),
    "confidence-dropped": FindingKind(
        "warning",
        "rows with a sixth number, a confidence: {count}, of which only the boxes are used; a model made these labels, "
        "so check them before you train on them",
    ),
    "shape-without-box": FindingKind(
        "warning", "points, lines, skeletons and cuboids: {count} left out; draw a box around each object"
    ),
    "keypoints-ignored": FindingKind(
        "warning", "annotations with keypoints: {count}, of which only the boxes are used"
    ),
    "no-valid-split": FindingKind(
        "warning",
        "no valid split with boxes: {count} images of train were split off as the validation split (a fifth of the "
        "source images, those with the lowest SHA-256 of the name before .rf.; neighbours by number stay together); "
        "export with a valid split to choose "
        "them yourself",
    ),
    "box-dropped": FindingKind(
        "warning",
        "invalid boxes: {count} dropped (a side under 1 px inside the image, negative, or not a number); "
        "the images are kept",
    ),
    "box-clipped": FindingKind(
        "warning",
        "boxes over the image's edge by more than 1 px: {count}, cut at the edge; check whether they are right",
    ),
    "box-twice": FindingKind(
        "warning", "duplicate boxes, with the same class and corners: {count} dropped, one of each kept"
    ),
    "box-nearly-twice": FindingKind(
        "warning",
        "boxes that nearly cover another of the same class: {count}, both kept; if two annotators drew them, keep one "
        "of each with --double-boxes merge",
    ),
    "box-doubles-merged": FindingKind(
        "warning", "boxes that nearly cover another of the same class: {count} dropped, one of each kept, as requested"
    ),
    "box-tiny": FindingKind(
        "warning",
        "boxes with a side under {limit:g} px: {count}; too small to be found, label larger images or drop them",
        limit=3.0,
    ),
    "box-tiny-for-network": FindingKind(
        "warning",
        "boxes with a side under {limit:g} px in the network's input: {count}; they will hardly be found, train with a "
        "larger --image-size, or cut images into parts",
        limit=4.0,
    ),
    "boxes-over-limit": FindingKind(
        "warning",
        "images with more boxes than the network gives for one, {limit:g} or fewer at a small --image-size: {count}; "
        "the others are always missed, cut such images into parts",
        limit=MAX_DETECTIONS,
    ),
    "box-whole-image": FindingKind(
        "warning", "boxes that cover a whole image: {count}; right for close-ups, wrong if the task is classification"
    ),
    "crowd-dropped": FindingKind(
        "warning", "annotations marked iscrowd: {count} dropped; label the objects one by one"
    ),
    "image-unlisted": FindingKind(
        "warning", "images on disk that the labels do not list: {count}, left out; list them to use them"
    ),
    "images-beside": FindingKind(
        "warning", "images in folders beside the splits: {count} left out; move them into a split to use them"
    ),
    "size-scaled": FindingKind(
        "warning",
        "images that the labels state at another size of the same ratio: {count}, whose boxes were scaled to the file",
    ),
    "box-of-mask": FindingKind(
        "warning",
        "brush masks marked iscrowd, as CVAT marks all of them: {count}, of which the box was taken as one object",
    ),
    "exif-boxes-turned": FindingKind(
        "warning",
        "images that their EXIF data ask to turn: {count}, which are turned where they are read; their boxes are those "
        "of the turned image",
    ),
    "exif-boxes-stored": FindingKind(
        "warning",
        "images that their EXIF data ask to turn, with boxes of the image as stored: {count}; both are turned where "
        "they are read",
    ),
    "unusual-format": FindingKind(
        "info", "images in GIF, AVIF or JPEG 2000: {count}, of which the first frame is used"
    ),
    "voc-whole-pixels": FindingKind(
        "info",
        "files of Pascal VOC by Label Studio: {count}, whose corners it cuts down to whole pixels, so that they may be "
        "one pixel off; export COCO or YOLO",
    ),
    "voc-first-pixel": FindingKind(
        "info",
        "files of Pascal VOC whose writer is unknown: {count}, read as counting from pixel 0, as most tools write; if "
        "yours counts from 1, boxes are one pixel too far right and down",
    ),
    "suffix-differs": FindingKind(
        "info", "images whose suffix names another format than the file is: {count}; they are read as what they are"
    ),
    "unusual-mode": FindingKind(
        "warning",
        "images with an alpha channel, 16 bits or CMYK: {count}; alpha is ignored, 16 bits are cut to 8, and hidden "
        "colours show: convert them to 8-bit RGB to be sure",
    ),
    "leak-identical": FindingKind(
        "warning", "byte-identical images in more than one split: {count}; scores will be too high, split again"
    ),
    "leak-source": FindingKind(
        "warning",
        "source images (name before .rf.) in more than one split: {count}; scores will be too high, split before "
        "augmenting",
    ),
    "leak-frames": FindingKind(
        "warning",
        "video clips with frames in more than one split: {count}; scores will be too high, keep a clip in one split",
    ),
    "leak-tiles": FindingKind(
        "warning",
        "images whose tiles (names up to the position) are in more than one split: {count}; scores will be too high if "
        "tiles overlap, keep the tiles of an image in one split",
    ),
    "leak-near-duplicate": FindingKind(
        "warning",
        "near duplicates of images in another split: {count}; scores will be too high if they are copies",
    ),
    "split-tiny": FindingKind(
        "warning",
        "splits to measure on with fewer than {limit:g} source images: {count}; their scores say little, label more",
        limit=10,
    ),
    "train-below-batch": FindingKind(
        "warning",
        "train has fewer images than the smallest batch of {limit:g}: {count}; batches will be as small, label some "
        "dozens",
        limit=4,
    ),
    "train-tiny": FindingKind(
        "warning",
        "train has fewer than {limit:g} source images (augmented copies of one count once): {count}; a detector learns "
        "from some dozens",
        limit=20,
    ),
    "class-rare": FindingKind(
        "warning",
        "classes with fewer than {limit:g} boxes in train: {count}; label more of them, or merge them",
        limit=10,
    ),
    "class-unused": FindingKind("warning", "classes without a box: {count}; they stay classes, and are never learned"),
    "class-not-in-train": FindingKind(
        "warning", "classes with boxes, but none in train: {count}; they cannot be learned"
    ),
    "class-not-in-every-split": FindingKind(
        "warning",
        "classes with boxes in train, but not in every other split: {count}; those splits do not measure them",
    ),
    "class-name-twice": FindingKind(
        "warning", "class names with more than one id in one file: {count}, taken as one class each"
    ),
    "root-category": FindingKind(
        "info", "parent categories without a box: {count}, not classes (Roboflow puts one before the real ones)"
    ),
    "class-imbalance": FindingKind(
        "info", "classes with less than a twentieth of the boxes that the most frequent one has in train: {count}"
    ),
    "class-dropped": FindingKind("info", "boxes of classes that the class map drops: {count}; their images are kept"),
    "label-name-differs": FindingKind(
        "info",
        "label files whose name differs from their image's by case, form of Unicode or a second suffix: {count}, "
        "paired all the same",
    ),
    "label-folder-odd": FindingKind("info", "label folders with an unusual name: {count}; their files are used"),
    "stray-file": FindingKind("info", "files that are neither images nor labels: {count} left out"),
    "no-test-split": FindingKind("info", "no test split with images; the evaluation will use valid"),
    "box-of-two-annotators": FindingKind(
        "info", "boxes around an object that another entry of the image has too: {count} merged, the first one kept"
    ),
    "box-rounded": FindingKind(
        "info", "boxes over the edge by at most 1 px: {count}, taken as rounding and cut at the edge"
    ),
    "box-from-polygon": FindingKind(
        "info", "polygons, masks and turned boxes: {count}, the bounding box of each was taken"
    ),
    "duplicate-images": FindingKind("info", "byte-identical images within one split: {count} more than needed"),
}
