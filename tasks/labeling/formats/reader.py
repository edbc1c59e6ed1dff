"""The label files of an export, of every format, read into classes and images with boxes. The edge to them."""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from tasks.errors import BadExport
from tasks.labeling.annotations import Labels, ListedBox, ListedImage, Unit
from tasks.labeling.findings import Notes
from tasks.labeling.formats import coco, csv_rows, voc, yolo
from tasks.labeling.formats.layout import (
    CLASS_LISTS,
    Format,
    Layout,
    SplitFiles,
    images_in,
    is_other_text,
    label_files,
)
from tasks.records import Split

MAX_DOCUMENT_BYTES = 4 * 2**30
MAX_LIST_BYTES = 1_000_000
MAX_LABEL_BYTES = 50_000_000
"""Larger label files of one image are none."""
Named = tuple[str, float, float, float, float]
"""A box with its class's name."""


def read_labels(layout: Layout, name: str, notes: Notes) -> Labels:
    """The labels of an export.

    Args:
        layout: Where they are.
        name: Names the export in errors.
        notes: Told what was found.

    Raises:
        BadExport: a file of labels is not of its format at all.
    """
    return READERS[layout.format](layout, name, notes)


def _read_coco(layout: Layout, name: str, notes: Notes) -> Labels:
    documents = {split: _read_json(files.labels, name) for split, files in layout.splits.items()}
    return coco.parse(documents, notes)


def _read_json(path: Path, name: str) -> object:
    place = f"{name}: {path.parent.name}/{path.name}"
    try:
        if (size := path.stat().st_size) > MAX_DOCUMENT_BYTES:
            raise BadExport(f"{place}: {size} bytes are too many for one document; export in parts")
        content: object = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise BadExport(f"{place}: not JSON ({' '.join(str(error).split())}); export again as COCO JSON") from None
    except OSError as error:
        raise BadExport(f"{place}: cannot be read: {error.strerror}; check the file and its rights") from None
    return content


# A label file an image ------------------------------------------------------------------------------


def _read_yolo(layout: Layout, name: str, notes: Notes) -> Labels:
    path = next((path for path in sorted(layout.root.glob("*.y*ml")) if path.suffix in (".yaml", ".yml")), None)
    if path is None:
        raise BadExport(f"{name}: no data.yaml, so class ids have no names; add one with `names: [..]` at the top")
    if path.stat().st_size > MAX_LIST_BYTES:
        raise BadExport(f"{name}: {path.name}: {path.stat().st_size} bytes are no list of classes; export again")
    listed = yolo.read_class_list(_text(path), f"{name}: {path.name}")
    return _with_rows(layout, lambda _: listed.names, notes, keypoints=listed.keypoints)


def _read_darknet(layout: Layout, name: str, notes: Notes) -> Labels:
    def names(split: Split) -> dict[int, str]:
        folders = (layout.splits[split].images, layout.root)
        path = next(path for folder in folders for part in CLASS_LISTS if (path := folder / part).is_file())
        return yolo.read_names(_text(path))

    return _with_rows(layout, names, notes, keypoints=False)


def _with_rows(
    layout: Layout, names_of: Callable[[Split], Mapping[int, str]], notes: Notes, *, keypoints: bool
) -> Labels:
    """Labels of rows with class ids; an id that the list does not have becomes the class ``#id``."""
    declared: dict[str, None] = {}
    found: list[tuple[ListedImage, list[Named]]] = []
    for split, files in layout.splits.items():
        names = names_of(split)
        declared.update(dict.fromkeys(names[key] for key in sorted(names)))
        for image, path in _with_files(split, files, ".txt", notes):
            rows = [] if path is None else yolo.read_rows(
                _label_text(path, notes), f"{split}/{path.name}", notes, keypoints=keypoints
            )  # fmt: skip
            boxes = [(names.get(row.class_id, f"#{row.class_id}"), *row[1:]) for row in rows]
            found.append((ListedImage(split, image, None, None, ()), boxes))
    return _labels(tuple(declared), found, "fractions")


def _read_voc(layout: Layout, name: str, notes: Notes) -> Labels:
    found: list[tuple[ListedImage, list[Named]]] = []
    for split, files in layout.splits.items():
        for image, path in _with_files(split, files, ".xml", notes):
            read = path and voc.read_annotation(_label_text(path, notes), f"{split}/{path.name}", notes)
            size = (read.width, read.height) if read else (None, None)
            found.append(
                (
                    ListedImage(split, image, *size, ()),
                    [(item.name, *item[1:]) for item in read.objects] if read else [],
                )
            )
    return _labels(_names_in(found), found, "pixels")


def _with_files(split: Split, files: SplitFiles, suffix: str, notes: Notes) -> Iterator[tuple[str, Path | None]]:
    """Every image of a split with its label file, which not all need to have."""
    labels, images = label_files(files.labels, suffix), images_in(files.images)
    without = 0
    for name in images:
        path = labels.pop(str(Path(name).with_suffix("")), None)
        without += path is None
        if path is None:
            notes.add("label-missing", f"{split}/{name}")
        yield name, path
    if images and without == len(images):
        notes.add("split-without-labels", f"{split}: {files.labels.name}/")
    for path in labels.values():
        notes.add("stray-file" if is_other_text(path) else "label-without-image", f"{split}/{path.name}")
    if files.labels != files.images:
        for path in sorted(files.labels.rglob("*")):
            if path.is_file() and path.suffix != suffix and not path.name.startswith("."):
                notes.add("stray-file", f"{split}/{files.labels.name}/{path.name}")


# A label file a split --------------------------------------------------------------------------------


def _read_csv(layout: Layout, name: str, notes: Notes) -> Labels:
    found: list[tuple[ListedImage, list[Named]]] = []
    for split, files in layout.splits.items():
        boxes: dict[str, list[Named]] = {file_name: [] for file_name in images_in(files.images)}
        sizes: dict[str, tuple[int | None, int | None]] = {}
        for row in csv_rows.read_rows(_text(files.labels), f"{split}/{files.labels.name}", notes):
            named = boxes.setdefault(row.file_name, [])
            sizes[row.file_name] = row.image_width, row.image_height
            if row.name:
                named.append(row[1:6])
        for file_name, named in boxes.items():
            if file_name not in sizes:
                notes.add("label-missing", f"{split}/{file_name}")
            if coco.stays_inside(file_name):
                image = ListedImage(split, file_name, *sizes.get(file_name, (None, None)), ())
                found.append((image, named))
            else:
                notes.add("bad-file-name", f"{split}/{file_name}")
    return _labels(_names_in(found), found, "pixels")


def _names_in(found: list[tuple[ListedImage, list[Named]]]) -> tuple[str, ...]:
    """Classes that only the rows name, in alphabetical order."""
    names = tuple(sorted({name for _, boxes in found for name, *_ in boxes}))
    if not names:
        raise BadExport("no label names a class; label at least one image and export again")
    return names


def _labels(classes: tuple[str, ...], found: list[tuple[ListedImage, list[Named]]], unit: Unit) -> Labels:
    undeclared = sorted({name for _, boxes in found for name, *_ in boxes} - set(classes))
    index = {name: position for position, name in enumerate((*classes, *undeclared))}
    images = tuple(
        ListedImage(
            image.split, image.file_name, image.width, image.height,
            tuple(ListedBox(index[name], *sides) for name, *sides in boxes),
        )
        for image, boxes in found
    )  # fmt: skip
    return Labels(tuple(index), images, unit, frozenset(undeclared))


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8-sig", errors="replace")


def _label_text(path: Path, notes: Notes) -> str:
    if path.stat().st_size > MAX_LABEL_BYTES:
        notes.add("label-file-bad", f"{path.name}: {path.stat().st_size} bytes")
        return ""
    return _text(path)


READERS: dict[Format, Callable[[Layout, str, Notes], Labels]] = {
    "coco": _read_coco,
    "yolo": _read_yolo,
    "darknet": _read_darknet,
    "voc": _read_voc,
    "tensorflow-csv": _read_csv,
    "retinanet-csv": _read_csv,
}
