"""Ground truth and detections from COCO files of other programs, checked: every detection has a known image and class.

Used by the ``score`` command; nothing else in nasflow reads foreign detections.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NotRequired, TypeVar

from pydantic import BaseModel, Field, FiniteFloat, NonNegativeInt, TypeAdapter, ValidationError
from typing_extensions import TypedDict  # pydantic asks for it before Python 3.12

from tasks.errors import BadInput

_T = TypeVar("_T")
_Side = Annotated[float, Field(ge=0, allow_inf_nan=False)]
_BBox = tuple[FiniteFloat, FiniteFloat, _Side, _Side]


class _Image(BaseModel):
    id: NonNegativeInt
    file_name: str = ""
    width: int = 0
    height: int = 0


class _Category(BaseModel):
    id: NonNegativeInt
    name: str


# Dicts and not models, because there may be hundreds of thousands.
class _Annotation(TypedDict):
    image_id: int
    category_id: int
    bbox: _BBox
    iscrowd: NotRequired[bool]
    area: NotRequired[_Side]


class _GroundTruthFile(BaseModel):
    images: list[_Image]
    categories: list[_Category]
    annotations: list[_Annotation]


class _Detection(TypedDict):
    image_id: int
    category_id: int
    bbox: _BBox
    score: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class _DetectionFile(BaseModel):
    annotations: list[_Detection]
    images: list[_Image] = []
    categories: list[_Category] = []


def load_ground_truth(path: Path) -> dict[str, Any]:
    """Read a COCO annotation file; annotations get new ids from 1.

    Returns:
        A COCO document with ``images``, ``categories`` and ``annotations``, boxes ``[x, y, width, height]`` in pixels.

    Raises:
        BadInput: the file is missing, not JSON, not in COCO's format, or has repeated or unknown ids.
    """
    expected = "COCO annotations: images, categories and annotations"
    content = _parse(path, _read(path), TypeAdapter(_GroundTruthFile), expected)
    _check_unique(path, "image id", [image.id for image in content.images])
    _check_unique(path, "category id", [category.id for category in content.categories])
    _check_unique(path, "category name", [category.name for category in content.categories])
    _check_known(path, "annotations", content.annotations, content.images, content.categories)
    return {
        "images": [image.model_dump() for image in content.images],
        "categories": [category.model_dump() for category in content.categories],
        # From 1, because COCO's reference code takes a match with id 0 for no match. New, because files repeat ids.
        "annotations": [
            {
                "id": number,
                "image_id": annotation["image_id"],
                "category_id": annotation["category_id"],
                "bbox": list(annotation["bbox"]),
                "area": annotation.get("area", annotation["bbox"][2] * annotation["bbox"][3]),
                "iscrowd": int(annotation.get("iscrowd", False)),
            }
            for number, annotation in enumerate(content.annotations, start=1)
        ],
    }


def load_detections(path: Path, ground_truth: dict[str, Any]) -> list[dict[str, Any]]:
    """Read COCO results: a list, or a document that holds one as ``annotations``.

    Args:
        path: The file.
        ground_truth: What :func:`load_ground_truth` read; every detection has to be on its images and of its classes.

    Returns:
        COCO results: ``image_id``, ``category_id``, ``bbox`` in pixels and ``score`` in [0, 1].

    Raises:
        BadInput: the file is missing, not JSON or not in COCO's format, or has a score outside [0, 1] or an id that
            the ground truth does not have.
    """
    expected = "COCO results: a list of image_id, category_id, bbox and score"
    data = _read(path)
    if data.lstrip()[:1] == b"[":
        content = _DetectionFile.model_construct(
            annotations=_parse(path, data, TypeAdapter(list[_Detection]), expected)
        )
    else:
        content = _parse(path, data, TypeAdapter(_DetectionFile), expected)
    images = TypeAdapter(list[_Image]).validate_python(ground_truth["images"])
    categories = TypeAdapter(list[_Category]).validate_python(ground_truth["categories"])
    _check_names(path, "category", _names(content.categories), _names(categories))
    _check_names(path, "image", _file_names(content.images), _file_names(images))
    _check_known(path, "detections", content.annotations, images, categories)
    return [dict(detection) for detection in content.annotations]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror}; name a COCO JSON file") from None


def _parse(path: Path, data: bytes, adapter: TypeAdapter[_T], expected: str) -> _T:
    try:
        return adapter.validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]).lstrip(".")
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        place = f" at {where}" if where else ""
        raise BadInput(f"{path}: {first['msg']}{place}{more}; expected {expected}") from None


def _check_unique(path: Path, what: str, values: Sequence[int | str]) -> None:
    if repeated := [value for value, times in Counter(values).items() if times > 1]:
        raise BadInput(f"{path}: {what} {_some(repeated)} occurs more than once; each needs its own")


def _check_known(
    path: Path,
    what: str,
    boxes: Sequence[_Annotation] | Sequence[_Detection],
    images: Sequence[_Image],
    categories: Sequence[_Category],
) -> None:
    for kind, known, used in (
        ("image", {image.id for image in images}, [box["image_id"] for box in boxes]),
        ("category", {category.id for category in categories}, [box["category_id"] for box in boxes]),
    ):
        if unknown := [value for value in used if value not in known]:
            raise BadInput(
                f"{path}: {len(unknown)} of {len(boxes)} {what} have an unknown {kind} id: "
                f"{_some(sorted(set(unknown)))}; the ground truth has {_some(sorted(known))}, "
                "so give both files the same ids"
            )


def _check_names(path: Path, what: str, names: dict[int, str], ground_truth_names: dict[int, str]) -> None:
    """If the detections have names, too, an id has to mean the same in both files."""
    for key, name in names.items():
        if key in ground_truth_names and ground_truth_names[key] != name:
            raise BadInput(
                f"{path}: {what} id {key} is {name!r} here and {ground_truth_names[key]!r} in the ground truth; "
                "give both the same ids"
            )


def _names(categories: Sequence[_Category]) -> dict[int, str]:
    return {category.id: category.name for category in categories}


def _file_names(images: Sequence[_Image]) -> dict[int, str]:
    return {image.id: image.file_name for image in images if image.file_name}


def _some(values: Sequence[int | str], limit: int = 5) -> str:
    """The first few of a list, and how many more."""
    more = f" and {len(values) - limit} more" if len(values) > limit else ""
    return ", ".join(map(str, values[:limit])) + more if values else "none"
