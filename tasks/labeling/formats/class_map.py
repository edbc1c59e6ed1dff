"""Classes renamed, merged and dropped on request, and classes that no list declares. Pure."""

from collections.abc import Mapping
from dataclasses import replace

from tasks.errors import BadRequest
from tasks.labeling.annotations import AnnotatedImage, Annotations
from tasks.labeling.findings import FindingCounter


def map_classes(annotations: Annotations, class_map: Mapping[str, str], findings: FindingCounter) -> Annotations:
    """Rename classes; those with the same new name are merged, those with an empty one are dropped.

    Images stay, without the boxes of dropped classes.

    Args:
        annotations: Annotations as read.
        class_map: New class names by old ones. An id without a name in the class list is the class ``#id``.
        findings: Counts the boxes of dropped classes.

    Returns:
        Annotations with the new classes.

    Raises:
        BadRequest: the map names a class that does not exist, or leaves none.
    """
    if not class_map:
        return annotations
    if unknown := [name for name in class_map if name not in annotations.classes]:
        class_names = ", ".join(annotations.classes[:20])
        raise BadRequest(f"class map: there is no class {unknown[0]!r}; the labels have {class_names}")
    new_names = [class_map.get(name, name).strip() for name in annotations.classes]
    classes = tuple(dict.fromkeys(name for name in new_names if name))
    if not classes:
        raise BadRequest("class map: it drops every class; keep at least one")
    new_indices = [classes.index(name) if name else None for name in new_names]
    return replace(
        annotations,
        classes=classes,
        images=tuple(_mapped(image, new_indices, annotations.classes, findings) for image in annotations.images),
        undeclared_classes=annotations.undeclared_classes - class_map.keys(),
    )


def _mapped(
    image: AnnotatedImage, new_indices: list[int | None], classes: tuple[str, ...], findings: FindingCounter
) -> AnnotatedImage:
    boxes = []
    for box in image.boxes:
        new_index = new_indices[box.class_index]
        if new_index is None:
            findings.add("class-dropped", classes[box.class_index])
        else:
            boxes.append(box._replace(class_index=new_index))
    return replace(image, boxes=tuple(boxes))


def drop_undeclared(annotations: Annotations, findings: FindingCounter) -> Annotations:
    """Drop the classes that no class list declares; their boxes are counted as errors."""
    if not annotations.undeclared_classes:
        return annotations
    classes = tuple(name for name in annotations.classes if name not in annotations.undeclared_classes)
    new_indices = [classes.index(name) if name in classes else None for name in annotations.classes]
    images = []
    for image in annotations.images:
        boxes = []
        for box in image.boxes:
            new_index = new_indices[box.class_index]
            if new_index is None:
                class_id = annotations.classes[box.class_index].removeprefix("#")
                findings.add("unknown-class-id", f"{image.split}/{image.file_name}: id {class_id}")
            else:
                boxes.append(box._replace(class_index=new_index))
        images.append(replace(image, boxes=tuple(boxes)))
    return replace(annotations, classes=classes, images=tuple(images), undeclared_classes=frozenset())
