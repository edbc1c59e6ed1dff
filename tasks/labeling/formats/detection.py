"""Detecting the format of an export by its content, and where its splits lie."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from tasks.errors import BadExport
from tasks.labeling.findings import FindingCounter
from tasks.labeling.formats.coco_files import check_documents_used
from tasks.labeling.formats.layout import Layout, SplitFiles, SplitFolder, iterate_images
from tasks.labeling.formats.registry import FORMATS, FORMATS_IN_WORDS
from tasks.labeling.formats.split_names import split_of_folder
from tasks.labeling.formats.splits import check_all_used, count_images_beside, split_folders
from tasks.labeling.formats.unsupported import describe_unsupported
from tasks.records import SPLITS, Split

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
    candidates = split_folders(root, findings)
    detected = {
        candidate: match
        for candidate in candidates
        if (match := _detect_format(candidate)) is not None and not _is_unlabelled_test(candidate, match[1])
    }
    if not detected:
        raise BadExport(f"{export_name}: {_unsupported(root, candidates)}")
    for candidate in candidates:
        if candidate not in detected and next(iterate_images(candidate.folder), None):
            name = candidate.name
            if candidate.split == "test":
                findings.add("test-without-labels", f"{name}/")
                continue
            raise BadExport(f"{export_name}: {name}/ has images but no labels; {_REMEDY}, or remove {name}/")
    formats = {format_name: candidate.name for candidate, (format_name, _) in detected.items()}
    if len(formats) > 1:
        several = ", ".join(f"{folder_name}/ is {format_name}" for format_name, folder_name in formats.items())
        raise BadExport(f"{export_name}: several formats ({several}); {_REMEDY}")
    check_all_used(root, candidates, export_name)
    taken = [folder.folder for folder in candidates if folder.folder != root]
    count_images_beside(root, [*taken, *(files.images for _, files in detected.values())], findings)
    splits = _files_by_split({folder: files for folder, (_, files) in detected.items()}, export_name)
    for candidate, (_, files) in detected.items():
        _check_label_folder(candidate, files, findings)
    check_documents_used(root, splits, export_name)
    in_order = {split: splits[split] for split in SPLITS if split in splits}
    return Layout(export_name, next(iter(formats)), root, in_order)


def _files_by_split(files_by_folder: Mapping[SplitFolder, SplitFiles], export_name: str) -> dict[Split, SplitFiles]:
    splits: dict[Split, SplitFiles] = {}
    names: dict[Split, str] = {}
    for folder, files in files_by_folder.items():
        if folder.split in splits:
            raise BadExport(
                f"{export_name}: has both {names[folder.split]}/ and {folder.name}/, two folders of the "
                f"{folder.split} split; merge them, or remove one"
            )
        splits[folder.split], names[folder.split] = replace(files, listed=folder.listed), folder.name
    return splits


def _skip_outer_folders(folder: Path) -> Path:
    while True:
        entries = [path for path in folder.iterdir() if not path.name.startswith((".", "__MACOSX"))]
        if len(entries) != 1 or not entries[0].is_dir() or _is_split(entries[0]):
            return folder
        folder = entries[0]


def _is_unlabelled_test(folder: SplitFolder, files: SplitFiles) -> bool:
    """Whether a folder is a test split whose label folder is empty."""
    is_empty = files.labels.is_dir() and files.labels != files.images and not any(files.labels.iterdir())
    return folder.split == "test" and is_empty


def _is_split(folder: Path) -> bool:
    """Whether a folder is named for a split, and has no splits of its own."""
    return split_of_folder(folder.name) is not None and not any(split_of_folder(path.name) for path in folder.iterdir())


def _detect_format(folder: SplitFolder) -> tuple[str, SplitFiles] | None:
    """Format and files of a folder, if it has labels."""
    for name, label_format in FORMATS.items():
        if (files := label_format.find_files(folder)) is not None:
            return name, files
    return None


def _check_label_folder(folder: SplitFolder, files: SplitFiles, findings: FindingCounter) -> None:
    usual = ("labels", "annotations", folder.name.rpartition("/")[2].lower(), files.images.name.lower())
    if files.labels.is_dir() and files.labels.name.lower() not in usual:
        findings.add("label-folder-odd", f"{folder.name}/{files.labels.name}")


def _unsupported(root: Path, folders: list[SplitFolder]) -> str:
    if not any(root.iterdir()):
        return f"empty; name an export, its folder or zip, as one of: {FORMATS_IN_WORDS}"
    description = describe_unsupported(root, folders)
    return description if ";" in description else f"{description}; {_REMEDY}"
