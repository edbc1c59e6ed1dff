"""Where COCO JSON and its images lie: one document beside the images of a split, or all in ``annotations/``.

The second is how COCO itself, CVAT, FiftyOne and datumaro write it; a document's name tells its split there.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from tasks.errors import BadExport
from tasks.labeling.formats.layout import SplitFiles, SplitFolder
from tasks.labeling.formats.split_names import split_of_document
from tasks.records import Split

USUAL_NAME = "_annotations.coco.json"
BOXES_PREFIX = "instances"
"""How the names of documents with boxes begin, where those of key points and captions lie beside."""


def find_files(folder: SplitFolder) -> SplitFiles | None:
    """Find a split's COCO document: by its usual name, the only JSON with the keys of COCO, or the one named for it.

    Raises:
        BadExport: there are several.
    """
    if folder.labels is not None and folder.labels.suffix == ".json":
        return SplitFiles(folder.images, folder.labels)
    path = folder.folder / USUAL_NAME
    if path.is_file():
        return SplitFiles(folder.folder, path)
    document = _only_document(folder.folder, _documents_in(folder.folder))
    if document is None and folder.folder != folder.root:
        beside = (path for path in _documents_for_all(folder.root) if split_of_document(path.stem) == folder.split)
        document = _only_document(folder.root / "annotations", beside)
    return SplitFiles(folder.folder, document) if document else None


def folders_by_documents(root: Path) -> list[SplitFolder]:
    """Splits of one folder of images, by the documents in ``annotations/``; the document lists the images of each."""
    images = SplitFolder(".", "train", root, root).images
    documents = [path for path in _documents_for_all(root) if path.parent != root and has_coco_keys(path)]
    boxes = [path for path in documents if path.name.startswith(BOXES_PREFIX)] or documents
    splits = {path: split_of_document(path.stem) or "train" for path in boxes}
    return [SplitFolder(_place(path, root), split, images, root, labels=path) for path, split in splits.items()]


def check_documents_used(root: Path, used: Mapping[Split, SplitFiles], export_name: str) -> None:
    """Refuse an export with a COCO document of a split that has no folder of images.

    Args:
        root: The export.
        used: The splits that are read.
        export_name: Name of the export in errors.

    Raises:
        BadExport: there is one.
    """
    for path in _documents_for_all(root):
        split = split_of_document(path.stem)
        if path.parent != root and split and split not in used and has_coco_keys(path):
            name = path.stem.rpartition("_")[2]
            raise BadExport(
                f"{export_name}: COCO JSON in {_place(path, root)}, but no images of the {split} split beside it; put "
                f"them into {name}/ or images/{name}/"
            )


def _documents_for_all(root: Path) -> Iterator[Path]:
    """JSON files at the top of an export and in its ``annotations/``."""
    for folder in (root, *sorted(path for path in root.iterdir() if path.is_dir())):
        if folder == root or folder.name.lower() == "annotations":
            yield from _documents_in(folder)


def _documents_in(folder: Path) -> Iterator[Path]:
    return (path for path in sorted(folder.glob("*.json")) if not path.name.startswith("."))


def _only_document(folder: Path, paths: Iterator[Path]) -> Path | None:
    documents = [path for path in paths if has_coco_keys(path)]
    boxes = [path for path in documents if path.name.startswith(BOXES_PREFIX)]
    documents = boxes if len(boxes) == 1 else documents
    if len(documents) > 1:
        names = ", ".join(path.name for path in documents[:3])
        raise BadExport(f"{folder.name}/: several COCO files ({names}); keep the one that counts")
    return documents[0] if documents else None


def has_coco_keys(path: Path) -> bool:
    """Whether a file is JSON with the keys of COCO that boxes need."""
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(content, dict) and {"images", "annotations", "categories"} <= content.keys()


def _place(path: Path, root: Path) -> str:
    return path.relative_to(root).as_posix()
