"""Detecting the format of an export by its content, and where its splits lie."""

from pathlib import Path

from tasks.errors import BadExport
from tasks.labeling.findings import FindingCounter
from tasks.labeling.formats.layout import Layout, SplitFiles, SplitFolder, iterate_images
from tasks.labeling.formats.registry import FORMATS, FORMATS_IN_WORDS
from tasks.labeling.formats.unsupported import describe_unsupported
from tasks.records import SPLITS, Split

_SPLIT_OF_FOLDER: dict[str, Split] = {"train": "train", "valid": "valid", "val": "valid", "test": "test"}
_REMEDY = f"export it as one of: {FORMATS_IN_WORDS}"


def detect_layout(folder: Path, export_name: str, findings: FindingCounter) -> Layout:
    """Detect the format and find the splits of an export.

    A single folder around everything, as zipping a folder makes one, is looked into.

    Args:
        folder: The export, unpacked.
        export_name: Name of the export in errors.
        findings: Counts label folders with unusual names.

    Returns:
        The layout of the export.

    Raises:
        BadExport: the export is empty, of an unsupported format or task, of several formats, or has a split without
            labels.
    """
    root = _skip_outer_folders(folder)
    candidates = _split_folders(root)
    detected = {candidate: match for candidate in candidates if (match := _detect_format(candidate)) is not None}
    if not detected:
        raise BadExport(f"{export_name}: {_unsupported(root, candidates)}")
    for candidate in candidates:
        if candidate not in detected and next(iterate_images(candidate.folder), None):
            name = candidate.name
            raise BadExport(f"{export_name}: {name}/ has images but no labels; {_REMEDY}, or remove {name}/")
    formats = {format_name: candidate.name for candidate, (format_name, _) in detected.items()}
    if len(formats) > 1:
        several = ", ".join(f"{folder_name}/ is {format_name}" for format_name, folder_name in formats.items())
        raise BadExport(f"{export_name}: several formats ({several}); {_REMEDY}")
    splits: dict[Split, SplitFiles] = {}
    for candidate, (_, files) in detected.items():
        if candidate.split in splits:
            raise BadExport(f"{export_name}: has both valid/ and val/; merge them, or remove one")
        splits[candidate.split] = files
        _check_label_folder(candidate, files, findings)
    in_order = {split: splits[split] for split in SPLITS if split in splits}
    return Layout(export_name, next(iter(formats)), root, in_order)


def _skip_outer_folders(folder: Path) -> Path:
    while True:
        entries = [path for path in folder.iterdir() if not path.name.startswith((".", "__MACOSX"))]
        if len(entries) != 1 or not entries[0].is_dir() or entries[0].name in _SPLIT_OF_FOLDER:
            return folder
        folder = entries[0]


def _split_folders(root: Path) -> list[SplitFolder]:
    """Folders that may be splits: train/ and so on, or images/train/ with labels/train/; else everything as train."""
    splits = _SPLIT_OF_FOLDER.items()
    folders = [SplitFolder(name, split, root / name, root) for name, split in splits if (root / name).is_dir()]
    below_images = [
        SplitFolder(f"images/{name}", split, root / "images" / name, root, labels=root / "labels" / name)
        for name, split in splits
        if (root / "images" / name).is_dir()
    ]
    return folders or below_images or [SplitFolder(".", "train", root, root)]


def _detect_format(folder: SplitFolder) -> tuple[str, SplitFiles] | None:
    """Format and files of a folder, if it has labels."""
    for name, label_format in FORMATS.items():
        if (files := label_format.find_files(folder)) is not None:
            return name, files
    return None


def _check_label_folder(folder: SplitFolder, files: SplitFiles, findings: FindingCounter) -> None:
    usual = ("labels", folder.name.rpartition("/")[2], "Annotations", files.images.name)
    if files.labels.is_dir() and files.labels.name not in usual:
        findings.add("label-folder-odd", f"{folder.name}/{files.labels.name}")


def _unsupported(root: Path, folders: list[SplitFolder]) -> str:
    if not any(root.iterdir()):
        return f"empty; name an export, its folder or zip, as one of: {FORMATS_IN_WORDS}"
    return f"{describe_unsupported(root, folders)}; {_REMEDY}"
