"""Findings about boxes."""

from tasks.labeling.explanations.explanation import Explanation

BOXES = {
    "truth-not-perfect": Explanation(
        "own boxes do not score mAP 1",
        "No model could reach the highest score, and none could be compared.",
        "Report it with the labels.",
        "none known: it guards against an error of the scoring",
    ),
    "box-in-pixels": Explanation(
        "YOLO rows are in pixels",
        "YOLO has fractions of the image; the boxes would all lie outside.",
        "Divide x and width by the image's width, y and height by its height.",
        "0 320 240 64 48",
    ),
    "boxes-mean-something-else": Explanation(
        "boxes have another order of numbers",
        "Boxes would lie in wrong places, and most would be dropped.",
        "Write the numbers as the format has them; the message says how to convert.",
        '"bbox": [300, 200, 400, 280] in COCO, meant as x1, y1, x2, y2',
    ),
    "boxes-in-fractions": Explanation(
        "boxes are fractions, not pixels",
        "All boxes would be smaller than a pixel, and be dropped.",
        "Multiply x and width by the image's width, y and height by its height.",
        '"bbox": [0.25, 0.5, 0.1, 0.1] in COCO',
    ),
    "boxes-contradict-area": Explanation(
        "boxes are corners by their area",
        "Read as width and height, the boxes would be far too large.",
        "Write x2 - x1 and y2 - y1 as width and height.",
        '"bbox": [10, 10, 30, 30], "area": 400',
    ),
    "box-not-a-list": Explanation(
        "a box is not a list of four numbers",
        "It cannot be told which number is what.",
        "Write bbox as [x, y, width, height] in pixels.",
        '"bbox": {"x": 10, "y": 10, "w": 20, "h": 20}',
    ),
    "shape-without-box": Explanation(
        "points, lines, skeletons, cuboids",
        "They have no box, so their objects would be learned as background.",
        "Draw a box around each object.",
        '<points label="apple"> in CVAT',
    ),
    "keypoints-ignored": Explanation(
        "annotations with keypoints",
        "Nothing for boxes: those are used. The keypoints are not learned.",
        "Nothing, if boxes are what you want.",
        '"keypoints": [10, 20, 2], "bbox": [0, 0, 40, 60]',
    ),
    "box-dropped": Explanation(
        "an invalid box is dropped",
        "Its object is then learned as background.",
        "Correct or remove the boxes that the examples name.",
        '"bbox": [10, 10, 0, 20], or a box outside the image',
    ),
    "box-clipped": Explanation(
        "a box is over the image's edge",
        "It is cut at the edge. Far over it suggests a wrong size or place.",
        "Look at these boxes with --report.",
        '"bbox": [600, 10, 80, 20] in an image 640 wide',
    ),
    "box-rounded": Explanation(
        "a box is over the edge by up to 1 px",
        "Nothing for training: it is taken as rounding, and cut.",
        "Nothing.",
        '"bbox": [600, 10, 40.5, 20] in an image 640 wide',
    ),
    "box-twice": Explanation(
        "a box is there twice",
        "An object counted twice could never be found twice: recall would be too low.",
        "Nothing: one is kept. Look why the label tool writes two.",
        "the same line twice in a.txt",
    ),
    "box-nearly-twice": Explanation(
        "a box nearly covers another",
        "If it is one object, recall is too low, and the network learns to answer twice.",
        "Remove one of them if two annotators drew it.",
        '"bbox": [10, 10, 40, 40] and [11, 10, 40, 41], both apple',
    ),
    "box-doubles-merged": Explanation(
        "doubles of boxes were merged",
        "One object has one box now, as it should.",
        "Nothing; --double-boxes keep keeps all.",
        "two cats a pixel apart, with --double-boxes merge",
    ),
    "box-of-two-annotators": Explanation(
        "boxes of two annotators are merged",
        "Nothing for training: one box of each object is kept, the first.",
        "Nothing.",
        "two entries of a.jpg with a box around the same apple",
    ),
    "box-tiny": Explanation(
        "a box has a side of under 3 px",
        "So few pixels show no object that could be told from others.",
        "Label larger images, or drop these boxes.",
        '"bbox": [10, 10, 2, 2]',
    ),
    "box-tiny-for-network": Explanation(
        "a box is tiny in the network's input",
        "Images are scaled to --image-size; under half a cell of the network's grid of 8 px an object is a smear.",
        "Train with a larger --image-size, or cut images into parts around small objects.",
        '"bbox": [10, 10, 12, 12] in an image of 640 x 480 at --image-size 64: 1.2 x 1.2 px',
    ),
    "boxes-over-limit": Explanation(
        "more boxes than the network can give",
        "It gives 300 boxes for an image at most (84 at --image-size 64); all others count as missed.",
        "Cut such images into parts, for training and for detection.",
        "a.txt with 412 lines",
    ),
    "box-whole-image": Explanation(
        "a box covers a whole image",
        "It says what the image shows, not where: the network learns no place.",
        "Right for close-ups; if all are so, the task is classification.",
        "0 0.5 0.5 1 1",
    ),
    "crowd-dropped": Explanation(
        "a group is marked as a crowd",
        "One box around many objects teaches a wrong size; left out, they become background.",
        "Label the objects one by one.",
        '"iscrowd": 1',
    ),
    "box-of-mask": Explanation(
        "a brush mask is marked as a crowd",
        "CVAT marks all brush masks so; each is taken as one object.",
        "Look with --report whether each mask is one object.",
        '"iscrowd": 1, "segmentation": {"counts": [...]} in an export of CVAT',
    ),
    "box-from-polygon": Explanation(
        "the box of a polygon was taken",
        "Boxes of slanted objects hold much background, which is right for a detector of boxes.",
        "Nothing.",
        "0 0.1 0.1 0.5 0.1 0.5 0.4 (a polygon's corners)",
    ),
}
