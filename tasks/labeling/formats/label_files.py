"""Label files of formats with one file per image: finding their folder, and pairing them with images."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from tasks.labeling.findings import FindingCounter
from tasks.labeling.formats.layout import SplitFiles, folded, images_in, read_text
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
    exact = [path for path in similar if path.name.lower() == "labels"]
    filled = (path for path in (*exact, *similar) if next(path.rglob(any_case(suffix)), None))
    return next(filled, (*exact, images)[0])


def label_files_in(folder: Path, suffix: str) -> dict[str, Path]:
    """Label files below a folder, by their path relative to it without the suffix, which is that of their image."""
    return {
        path.relative_to(folder).with_suffix("").as_posix(): path
        for path in sorted(folder.rglob(any_case(suffix)))
        if not path.name.startswith(".")
    }


def have_partner(labels: Iterable[str], images: Iterable[str]) -> bool:
    """Whether any label file has the name of an image, whatever its case or form of Unicode."""
    keys = {folded(label) for label in labels}
    return any(folded(name) in keys or folded(str(Path(name).with_suffix(""))) in keys for name in images)


def any_case(suffix: str) -> str:
    """Pattern of the file names with a suffix, in upper or lower case."""
    return "*" + "".join(f"[{letter.lower()}{letter.upper()}]" if letter.isalpha() else letter for letter in suffix)


class _Labels:
    """Label files of a split that have no image yet."""

    def __init__(self, paths: dict[str, Path]) -> None:
        self.paths = paths
        self._by_folded: dict[str, list[str]] = defaultdict(list)
        for key in paths:
            self._by_folded[folded(key)].append(key)

    def take(self, image: str, place: str, findings: FindingCounter) -> Path | None:
        """The label file of an image: by its name without suffix, else the only one that differs by case or form."""
        stem = str(Path(image).with_suffix(""))
        if stem in self.paths:
            return self.paths.pop(stem)
        for name in (image, stem):  # some tools write x.jpg.txt
            keys = [key for key in self._by_folded.get(folded(name), ()) if key in self.paths]
            if len(keys) == 1:
                path = self.paths.pop(keys[0])
                findings.add("label-name-differs", f"{place}: {path.name}")
                return path
        return None


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
    labels, images = _Labels(label_files_in(files.labels, suffix)), files.list_images()
    missing = 0
    for name in images:
        path = labels.take(name, f"{split}/{name}", findings)
        if path is None:
            missing += 1
            findings.add("label-missing", f"{split}/{name}")
        yield name, path
    if images and missing == len(images):
        findings.add("split-without-labels", f"{split}: {files.labels.name}/")
    if files.listed is not None:  # the others belong to other splits
        for name in images_in(files.images):
            labels.take(name, name, FindingCounter())
    for path in labels.paths.values():
        is_other_text = path.stem.lower().startswith(OTHER_TEXT_FILES)
        findings.add("stray-file" if is_other_text else "label-without-image", f"{split}/{path.name}")
    if files.labels != files.images:
        for path in sorted(files.labels.rglob("*")):
            if path.is_file() and path.suffix.lower() != suffix and not path.name.startswith("."):
                findings.add("stray-file", f"{split}/{files.labels.name}/{path.name}")


def read_label_file(path: Path, findings: FindingCounter) -> str:
    """Text of the label file of one image; empty, and counted, if it is too large for one."""
    if path.stat().st_size > MAX_LABEL_BYTES:
        findings.add("label-file-bad", f"{path.name}: {path.stat().st_size} bytes")
        return ""
    return read_text(path)
