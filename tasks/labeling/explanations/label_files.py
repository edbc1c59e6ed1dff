"""Findings about label files and what is written in them."""

from tasks.labeling.explanations.explanation import Explanation

LABEL_FILES = {
    "unknown-image-id": Explanation(
        "a box names an image not in the list",
        "Its image is not known, so an object would be learned as background.",
        "Export again, or remove the annotation.",
        '"image_id": 9, and no image has the id 9',
    ),
    "unknown-category-id": Explanation(
        "a box names a category not in the list",
        "Its class is not known.",
        "Export again, or remove the annotation.",
        '"category_id": 7, and categories 1 to 3',
    ),
    "unknown-class-id": Explanation(
        "a row has a class id without a name",
        "Its class is not known.",
        "Correct the class list, or name the id: --class-map '#2=cat'.",
        "2 0.5 0.5 0.1 0.1, and names: [apple, pear] in data.yaml",
    ),
    "label-file-bad": Explanation(
        "a label file cannot be read",
        "Its boxes are lost, and its objects would be learned as background.",
        "Export again, or delete files that hold no labels.",
        "a.txt that is not text, a.xml that ends in the middle",
    ),
    "label-lines-mostly-bad": Explanation(
        "too many label lines are no boxes",
        "This is another format or task, and what was read may mean something else.",
        "Export again for object detection.",
        "files of a classification: lines such as apple 0.93",
    ),
    "label-line-bad": Explanation(
        "a label line is no box",
        "The line is left out; its object would be learned as background.",
        "Correct or remove the lines that the examples name.",
        "0 0.5 0.5 0.1 (a number is missing)",
    ),
    "label-missing": Explanation(
        "an image without a label file",
        "It is background. If it shows objects, they are learned as background.",
        "Look at these images; add empty label files to those that are background.",
        "images/a.jpg without labels/a.txt",
    ),
    "background-unclear": Explanation(
        "maybe nobody looked at an image",
        "Objects in it would be learned as background.",
        "Label all tasks in Label Studio, or leave these out with --background drop.",
        "an empty b.txt in a YOLO export of Label Studio",
    ),
    "background-dropped": Explanation(
        "an image that may lack labels is out",
        "It is not trained on, as requested.",
        "Nothing; --background keep keeps them as images without objects.",
        "a.jpg without a.txt, with --background drop",
    ),
    "voc-first-pixel": Explanation(
        "from 0 or from 1? VOC does not say",
        "If it counts from 1, boxes are one pixel too far right and down, which small objects feel.",
        "Look at small boxes with --report; export COCO or YOLO if they are off.",
        "an XML file without <source><database> of a known tool",
    ),
    "voc-whole-pixels": Explanation(
        "Label Studio cut corners to pixels",
        "Boxes may be one pixel off, which small objects feel.",
        "Export COCO or YOLO from Label Studio, which keep fractions.",
        "<owner><name>Label Studio</name></owner> in the XML",
    ),
    "label-without-image": Explanation(
        "a label file without an image",
        "Its boxes are not trained on.",
        "Bring the image, or delete the file.",
        "labels/a.txt without images/a.jpg",
    ),
    "confidence-dropped": Explanation(
        "rows with a confidence",
        "A model made these boxes: its mistakes are learned again.",
        "Check them before you train on them.",
        "0 0.5 0.5 0.1 0.1 0.87",
    ),
    "label-name-differs": Explanation(
        "label and image names differ a little",
        "They are paired all the same. Other tools may not pair them.",
        "Rename the files, if another tool reads them.",
        "images/A.jpg and labels/a.txt",
    ),
    "label-folder-odd": Explanation(
        "a label folder has an unusual name",
        "Nothing for training: its files are used.",
        "Name it labels/, if another tool reads it.",
        "train/images/ and train/annotations/",
    ),
    "stray-file": Explanation(
        "a file is neither image nor label",
        "Nothing for training: it is left out.",
        "Look whether it should be an image or a label.",
        "train/notes.docx",
    ),
}
