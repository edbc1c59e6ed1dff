"""YOLO: one text file per image, and a data.yaml with the class names for all splits."""

from tasks.labeling.annotations import Annotations
from tasks.labeling.findings import FindingCounter
from tasks.labeling.formats.class_lists import read_class_list
from tasks.labeling.formats.label_files import find_label_folder, have_partner, label_files_in
from tasks.labeling.formats.layout import Layout, SplitFiles, SplitFolder, images_in
from tasks.labeling.formats.yolo_rows import read_rows


def find_files(folder: SplitFolder) -> SplitFiles | None:
    """Find a split's text files: in a folder of their own, or beside images with the same names."""
    images = folder.images
    labels = folder.labels or find_label_folder(folder.folder, ".txt", images)
    if not labels.is_dir():
        return None
    apart = labels != images
    files = label_files_in(labels, ".txt")
    if files and (apart or have_partner(files, images_in(images))):
        return SplitFiles(images, labels)
    if apart and any(folder.root.glob("*.y*ml")):  # every image is background
        return SplitFiles(images, labels)
    return None


def read_annotations(layout: Layout, findings: FindingCounter) -> Annotations:
    """Read the class list and the label files of all splits.

    Raises:
        BadExport: there is no list of class names.
    """
    classes = read_class_list(layout)
    return read_rows(layout, dict.fromkeys(layout.splits, classes.names), findings, keypoints=classes.keypoints)
