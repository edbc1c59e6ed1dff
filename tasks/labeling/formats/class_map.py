"""Classes renamed, merged and dropped on request. Pure."""

from collections.abc import Mapping
from dataclasses import replace

from tasks.errors import BadRequest
from tasks.labeling.annotations import Labels, ListedImage
from tasks.labeling.findings import Notes


def map_classes(labels: Labels, mapping: Mapping[str, str], notes: Notes) -> Labels:
    """Give classes other names; two with one name become one class, and one with an empty name is dropped.

    Images stay, without the boxes of dropped classes. An id without a name in the class list is the class ``#id``.

    Args:
        labels: As listed.
        mapping: New names by the old ones.
        notes: Told how many boxes were dropped.

    Raises:
        BadRequest: it names a class that is not there, or leaves none.
    """
    if not mapping:
        return labels
    if unknown := [name for name in mapping if name not in labels.classes]:
        known = ", ".join(labels.classes[:20])
        raise BadRequest(f"class map: there is no class {unknown[0]!r}; the labels have {known}")
    names = [mapping.get(name, name).strip() for name in labels.classes]
    classes = tuple(dict.fromkeys(name for name in names if name))
    if not classes:
        raise BadRequest("class map: it drops every class; keep at least one")
    positions = [classes.index(name) if name else None for name in names]
    undeclared = labels.undeclared - mapping.keys()
    images = tuple(_mapped(image, positions, labels.classes, notes) for image in labels.images)
    return replace(labels, classes=classes, images=images, undeclared=undeclared)


def _mapped(image: ListedImage, positions: list[int | None], classes: tuple[str, ...], notes: Notes) -> ListedImage:
    boxes = []
    for box in image.boxes:
        position = positions[box.class_index]
        if position is None:
            notes.add("class-dropped", classes[box.class_index])
        else:
            boxes.append(box._replace(class_index=position))
    return replace(image, boxes=tuple(boxes))


def drop_undeclared(labels: Labels, notes: Notes) -> Labels:
    """Labels without the classes that no list names, whose boxes are noted."""
    if not labels.undeclared:
        return labels
    kept = tuple(name for name in labels.classes if name not in labels.undeclared)
    positions = [kept.index(name) if name in kept else None for name in labels.classes]
    images = []
    for image in labels.images:
        for box in image.boxes:
            if positions[box.class_index] is None:
                name = labels.classes[box.class_index]
                notes.add("unknown-class-id", f"{image.split}/{image.file_name}: id {name.removeprefix('#')}")
        boxes = [(positions[box.class_index], box) for box in image.boxes]
        images.append(replace(image, boxes=tuple(box._replace(class_index=at) for at, box in boxes if at is not None)))
    return replace(labels, classes=kept, images=tuple(images), undeclared=frozenset())
