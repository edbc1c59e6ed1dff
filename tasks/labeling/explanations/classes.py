"""Findings about classes."""

from tasks.labeling.explanations.explanation import Explanation

CLASSES = {
    "class-names-alike": Explanation(
        "class names differ by case or spaces",
        "If they are one class, its boxes are divided, and each detection is wrong for one of them.",
        "Merge them with the class map in the examples, or give one another name.",
        "Apple and apple",
    ),
    "class-rare": Explanation(
        "a class has few boxes in train",
        "It is hardly learned, and its AP draws mAP down.",
        "Label more of it, or merge it with another: --class-map old=new.",
        "3 boxes of pear, and 300 of apple",
    ),
    "class-unused": Explanation(
        "a class has no boxes",
        "It is never learned. It takes part in no score.",
        "Drop it with --class-map pear=, or label it.",
        "names: [apple, pear], and no row with id 1",
    ),
    "class-not-in-train": Explanation(
        "a class has boxes, but none in train",
        "It cannot be learned, and each of its boxes counts as missed.",
        "Move some of its images to train.",
        "pear in valid/ alone",
    ),
    "class-not-in-every-split": Explanation(
        "a split has no box of a class",
        "That split does not measure the class, so mAP there is about other classes.",
        "Move some of its images to each split.",
        "pear in train/ and valid/, not in test/",
    ),
    "class-name-twice": Explanation(
        "a class name has more than one id",
        "Taken apart, it would be two classes that look the same; they are one.",
        "Nothing, if it is one class; else rename one.",
        '{"id": 0, "name": "apple"} and {"id": 1, "name": "apple"}',
    ),
    "root-category": Explanation(
        "a parent category is no class",
        "As a class it would have no boxes, and shift the ids of all others.",
        "Nothing: Roboflow puts one before the classes.",
        '{"id": 0, "name": "fruit"}, {"id": 1, "name": "apple", "supercategory": "fruit"}',
    ),
    "class-imbalance": Explanation(
        "a class has few boxes beside another",
        "The frequent class is learned first; the rare one needs more epochs or boxes.",
        "Label more of the rare class, and look at its AP, not at mAP alone.",
        "10 boxes of pear, and 1000 of apple",
    ),
    "class-dropped": Explanation(
        "boxes are dropped by the class map",
        "Their objects are now background, as requested.",
        "Nothing, if that is meant.",
        "--class-map pear=, with 40 boxes of pear",
    ),
}
