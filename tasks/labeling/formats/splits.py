"""The splits of an export: the folders that are named for one, and the lists that name the images of each."""

import os
import re
from collections.abc import Collection, Iterator
from pathlib import Path, PurePosixPath

from tasks.errors import BadExport
from tasks.images.file_kinds import IMAGE_SUFFIXES
from tasks.labeling.findings import FindingCounter
from tasks.labeling.formats import cvat
from tasks.labeling.formats.class_lists import data_yaml
from tasks.labeling.formats.coco_files import folders_by_documents
from tasks.labeling.formats.layout import SplitFolder, images_in, iterate_images, read_text
from tasks.labeling.formats.split_names import split_of_folder, split_of_word
from tasks.records import Split

_ASSIGNMENT = re.compile(r"^\s*(\w+)\s*=\s*(\S.*?)\s*$", re.MULTILINE)
"""A line of darknet's obj.data."""


def split_folders(root: Path, findings: FindingCounter) -> list[SplitFolder]:
    """Folders that may be splits; else splits by lists; else everything as train.

    The folders are train/ and so on, or images/train/ with labels/train/. The lists are those that data.yaml or
    obj.data names, and the ImageSets of Pascal VOC.

    Args:
        root: The export.
        findings: Counts entries of lists that name no image.

    Raises:
        BadExport: two lists name the same image.
    """
    base = _base(root)
    folders = [
        SplitFolder(path.relative_to(root).as_posix(), split, path, root)
        for path in _folders_in(base)
        if (split := split_of_folder(path.name))
    ]
    below_images = [
        SplitFolder(path.relative_to(root).as_posix(), split, path, root, labels=_label_folder(path, base))
        for images in _folders_in(base)
        if images.name.lower() == "images"
        for path in _folders_in(images)
        if (split := split_of_folder(path.name))
    ]
    return (
        cvat.split_folders(root)
        or folders
        or below_images
        or _by_entries(root, base, findings)
        or folders_by_documents(root)
        or [SplitFolder(".", "train", base, root)]
    )


def check_all_used(root: Path, used: list[SplitFolder], export_name: str) -> None:
    """Refuse an export with a folder of images that looks like a split and is none of those that are used.

    Args:
        root: The export.
        used: Folders that are read as splits.
        export_name: Name of the export in errors.

    Raises:
        BadExport: there is one.
    """
    taken = [folder.folder if folder.listed is None else folder.images for folder in used]
    taken = [folder for folder in taken if folder != root]
    for path in (path for folder in (root, *_folders_in(root)) for path in _folders_in(folder)):
        split = split_of_folder(path.name)
        if split is None or any(path.is_relative_to(folder) for folder in taken) or "label" in path.parent.name.lower():
            continue
        if any(folder.is_relative_to(path) for folder in taken) or not next(iterate_images(path), None):
            continue
        name, others = path.relative_to(root).as_posix(), ", ".join(f"{folder.name}/" for folder in used)
        raise BadExport(
            f"{export_name}: {name}/ looks like the {split} split, but is not read as one beside {others}; "
            "put all splits side by side, or remove it"
        )


def count_images_beside(root: Path, taken: Collection[Path], findings: FindingCounter) -> None:
    """Count the images of an export that lie in none of the folders of splits.

    Args:
        root: The export.
        taken: The folders of splits.
        findings: Counts the images, with the folders as examples.
    """
    if root in taken:
        return
    for name, folders, files in os.walk(root):
        path = Path(name)
        folders[:] = sorted(name for name in folders if path / name not in taken and not name.startswith("."))
        images = [file for file in files if Path(file).suffix.lower() in IMAGE_SUFFIXES and not file.startswith(".")]
        if images and path != root:
            findings.add("images-beside", f"{path.relative_to(root).as_posix()}/: {len(images)}", count=len(images))


def _base(root: Path) -> Path:
    """The folder that ``path`` in data.yaml names, if it is in the export; else the export itself."""
    path = data_yaml(root).get("path")
    return (isinstance(path, str) and _inside(root, path)) or root


def _folders_in(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))


def _label_folder(images: Path, root: Path) -> Path:
    """Folder of the labels of ``images/<name>``: ``labels/<name>``, whatever the case of either."""
    wanted = [part.lower() for part in ("labels", *images.relative_to(root).parts[1:])]
    found = root
    for part in wanted:
        found = next((path for path in _folders_in(found) if path.name.lower() == part), found / part)
        if not found.is_dir():
            return root.joinpath("labels", *images.relative_to(root).parts[1:])
    return found


# Lists --------------------------------------------------------------------------------------------


def _by_entries(root: Path, base: Path, findings: FindingCounter) -> list[SplitFolder]:
    folders: dict[Split, SplitFolder] = {}
    lists: dict[Split, list[str]] = {}
    for split, entry in _entries(root):
        path = _inside(base, entry) or _inside(root, entry)
        if path is None or split in folders or split in lists:
            continue
        if path.is_file() and path.suffix == ".txt":
            lists[split] = read_text(path).split("\n")
        elif path.is_dir() and path not in (root, base) and path not in {folder.folder for folder in folders.values()}:
            name = path.relative_to(root).as_posix()
            folders[split] = SplitFolder(name, split, path, root, labels=_label_folder_of_entry(path, base))
    return list(folders.values()) or _by_lists(root, base, lists, findings)


def _entries(root: Path) -> Iterator[tuple[Split, str]]:
    """Splits with the folder or list that data.yaml, obj.data or Pascal VOC's ImageSets give them."""
    for path in sorted(root.glob("ImageSets/Main/*.txt")):
        if split := split_of_word(path.stem):
            yield split, path.relative_to(root).as_posix()
    for path in sorted(root.glob("*.data")):
        for key, value in _ASSIGNMENT.findall(read_text(path)):
            if split := split_of_word(key):
                yield split, value
    content = data_yaml(root)
    for key, value in content.items():
        if isinstance(value, str) and (split := split_of_word(str(key))):
            yield split, value


def _inside(root: Path, entry: str) -> Path | None:
    """The file or folder of the export that a path names, as it is or without its first part, such as CVAT's data/."""
    parts = [part for part in PurePosixPath(entry.strip().replace("\\", "/")).parts if part not in ("/", "..", ".")]
    paths = [root.joinpath(*parts)] if parts else []
    if len(parts) > 1 and not split_of_folder(parts[0]):
        paths.append(root.joinpath(*parts[1:]))
    return next((path for path in paths if path.exists()), None)


def _label_folder_of_entry(images: Path, base: Path) -> Path | None:
    is_below_images = images.is_relative_to(base) and images.relative_to(base).parts[0].lower() == "images"
    return _label_folder(images, base) if is_below_images else None


def _by_lists(root: Path, base: Path, lists: dict[Split, list[str]], findings: FindingCounter) -> list[SplitFolder]:
    """One folder of images that lists divide; a line is a path, or the name of an image without its suffix."""
    images = SplitFolder(".", "train", base, root).images
    names = {key: name for name in images_in(images) for key in (name, PurePosixPath(name).with_suffix("").as_posix())}
    folders: list[SplitFolder] = []
    listed_before: set[str] = set()
    for split, lines in lists.items():
        listed = set()
        for line in filter(None, (line.strip().replace("\\", "/") for line in lines)):
            parts = PurePosixPath(line).parts
            keys = ("/".join(parts[first:]) for first in range(len(parts)))
            name = next((names[key] for key in keys if key in names), None)
            if name is None:
                findings.add("list-entry-missing", f"{split}: {line[:100]}")
            else:
                listed.add(name)
        if twice := listed & listed_before:
            raise BadExport(f"{min(twice)} is in the lists of two splits ({len(twice)} images are); list each in one")
        listed_before |= listed
        if listed:
            folders.append(SplitFolder(".", split, base, root, listed=frozenset(listed)))
    return folders
