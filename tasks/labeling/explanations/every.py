"""All explanations, by code."""

from tasks.labeling.explanations.boxes import BOXES
from tasks.labeling.explanations.classes import CLASSES
from tasks.labeling.explanations.images import IMAGES
from tasks.labeling.explanations.label_files import LABEL_FILES
from tasks.labeling.explanations.splits import SPLITS

EXPLANATIONS = {**SPLITS, **IMAGES, **LABEL_FILES, **BOXES, **CLASSES}
