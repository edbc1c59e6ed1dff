"""Label files of formats with one file per image: finding their folder, and pairing them with images."""

from collections.abc import Iterator
from pathlib import Path

from tasks.labeling.findings import FindingCounter
from tasks.labeling.formats.layout import SplitFiles, images_in, read_text
from tasks.records import Split

MAX_LABEL_BYTES = 50_000_000
"""A larger file is not the label file of one image."""
OTHER_TEXT_FILES = ("readme", "classes", "train", "valid", "val", "test", "license", "notes")
"""How the names of text files begin that lie beside labels but are not label files."""


def find_label_folder(folder: Path, suffix: str, images: Path) -> Path:
    """Find the folder of a split's label files.

    Args:
        folder: The split's folder.
        suffix: Suffix of label files, with the dot.
        images: Folder of the split's images.

    Returns:
        A folder beside the images, called ``labels`` or by a similar name; else the images' own.
    """
    subfolders = sorted(path for path in folder.iterdir() if path.is_dir() and path != images)
    similar = [path for path in subfolders if path.name.lower().startswith(("label", "annotation"))]
    exact = [path for path in similar if path.name == "labels"]
    filled = (path for path in (*exact, *similar) if next(path.rglob(f"*{suffix}"), None))
    return next(filled, (*exact, images)[0])


def label_files_in(folder: Path, suffix: str) -> dict[str, Path]:
    """Label files below a folder, by their path relative to it without the suffix, which is that of their image."""
    return {
        path.relative_to(folder).with_suffix("").as_posix(): path
        for path in sorted(folder.rglob(f"*{suffix}"))
        if not path.name.startswith(".")
    }


def images_with_label_files(
    split: Split, files: SplitFiles, suffix: str, findings: FindingCounter
) -> Iterator[tuple[str, Path | None]]:
    """Pair the images of a split with their label files.

    Args:
        split: The split.
        files: Where its images and labels lie.
        suffix: Suffix of label files, with the dot.
        findings: Counts images and label files without a partner, and other files.

    Yields:
        Name of an image, and its label file or None.
    """
    labels, images = label_files_in(files.labels, suffix), images_in(files.images)
    missing = 0
    for name in images:
        path = labels.pop(str(Path(name).with_suffix("")), None)
        if path is None:
            missing += 1
            findings.add("label-missing", f"{split}/{name}")
        yield name, path
    if images and missing == len(images):
        findings.add("split-without-labels", f"{split}: {files.labels.name}/")
    for path in labels.values():
        is_other_text = path.stem.lower().startswith(OTHER_TEXT_FILES)
        findings.add("stray-file" if is_other_text else "label-without-image", f"{split}/{path.name}")
    if files.labels != files.images:
        for path in sorted(files.labels.rglob("*")):
            if path.is_file() and path.suffix != suffix and not path.name.startswith("."):
                findings.add("stray-file", f"{split}/{files.labels.name}/{path.name}")


def read_label_file(path: Path, findings: FindingCounter) -> str:
    """Text of the label file of one image; empty, and counted, if it is too large for one."""
    if path.stat().st_size > MAX_LABEL_BYTES:
        findings.add("label-file-bad", f"{path.name}: {path.stat().st_size} bytes")
        return ""
    return read_text(path)
