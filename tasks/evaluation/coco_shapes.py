"""The shape of COCO files of other programs, checked while they are read: keys, types and ranges of numbers."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NotRequired, TypeVar

from pydantic import BaseModel, Field, FiniteFloat, NonNegativeInt, TypeAdapter, ValidationError
from typing_extensions import TypedDict  # pydantic asks for it before Python 3.12

from tasks.errors import BadInput

_T = TypeVar("_T")
Side = Annotated[float, Field(ge=0, allow_inf_nan=False)]
BBox = tuple[FiniteFloat, FiniteFloat, Side, Side]
ImageId = int | str
"""COCO has numbers; ultralytics writes the file's stem, and Label Studio texts."""


class Image(BaseModel):
    """An image of a COCO file."""

    id: ImageId
    file_name: str = ""
    width: int = 0
    height: int = 0


class Category(BaseModel):
    """A class, or the parent of classes."""

    id: NonNegativeInt
    name: Annotated[str, Field(min_length=1)]
    supercategory: str | None = None


# Dicts and not models, because there may be hundreds of thousands.
class Annotation(TypedDict):
    """A labelled box."""

    image_id: ImageId
    category_id: int
    bbox: BBox
    iscrowd: NotRequired[bool]
    area: NotRequired[Side]


class GroundTruthFile(BaseModel):
    """COCO annotations."""

    images: list[Image]
    categories: list[Category]
    annotations: list[Annotation]


class Detection(TypedDict):
    """A detected box; some programs write the names of its image and class instead of ids, or beside them."""

    image_id: ImageId
    category_id: int | str
    bbox: BBox
    score: Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
    file_name: NotRequired[str]
    category_name: NotRequired[str]


class DetectionFile(BaseModel):
    """COCO results in a document, which may say what its ids mean."""

    annotations: list[Detection]
    images: list[Image] = []
    categories: list[Category] = []


def read_file(path: Path) -> bytes:
    """The bytes of a file, without a byte order mark.

    Raises:
        BadInput: it cannot be read.
    """
    try:
        return path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    except OSError as error:
        raise BadInput(f"{path}: cannot be read: {error.strerror}; name a COCO JSON file") from None


def parse(path: Path, data: bytes, adapter: TypeAdapter[_T], expected: str) -> _T:
    """Parse JSON of a shape.

    Args:
        path: The file, for messages.
        data: Its bytes.
        adapter: The shape.
        expected: The shape in words.

    Returns:
        The content.

    Raises:
        BadInput: it is not JSON, or has another shape; the message says where.
    """
    try:
        return adapter.validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in first["loc"]).lstrip(".")
        more = f" (and {error.error_count() - 1} more)" if error.error_count() > 1 else ""
        place = f" at {where}" if where else ""
        raise BadInput(f"{path}: {first['msg']}{place}{more}; expected {expected}") from None


def some(values: Sequence[object], limit: int = 5) -> str:
    """The first few of a list, and how many more."""
    more = f" and {len(values) - limit} more" if len(values) > limit else ""
    return ", ".join(map(str, values[:limit])) + more if values else "none"
