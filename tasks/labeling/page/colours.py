"""Colours of classes: as many as eyes can tell apart. The other classes are grey, and told by their names."""

from collections import Counter

from tasks.labeling.inspection import Inspection

COLOURS = (
    "#0078ff", "#ffc33c", "#f00096", "#4ba50f", "#00d2ff", "#ff0000", "#b4ff00", "#a5783c", "#ffc3ff", "#009687",
    "#ffb4a5", "#00ffe1",
)  # fmt: skip
"""Chosen so that any two, and each and the grey, differ by 22 or more as CIEDE2000 counts it. Dark text is readable on
all of them."""
OTHERS = "#969da5"


def class_colours(inspection: Inspection) -> dict[int, str]:
    """The colour of each class by its index: one of its own for the classes with most boxes, grey for the others."""
    indices = range(len(inspection.classes))
    boxes = Counter(box.class_index for image in inspection.images for box in image.boxes)
    frequent = sorted(indices, key=lambda index: -boxes[index])[: len(COLOURS)]
    colours = dict(zip(sorted(frequent), COLOURS, strict=False))
    return {index: colours.get(index, OTHERS) for index in indices}


def colours_in_words(inspection: Inspection) -> str:
    """What colours mean, if there are more classes than colours."""
    others = len(inspection.classes) - len(COLOURS)
    if others <= 0:
        return "Each class has a colour of its own on the images below."
    return (
        f"More than {len(COLOURS)} colours could not be told apart: the {len(COLOURS)} classes with most boxes have "
        f"one each, the other {others} share grey, and each of their boxes has its name."
    )
