"""Records from the values of options. A value that does not fit is an error that names its option."""

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from tasks.errors import BadRequest

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic_settings import BaseSettings

    from tasks.records import RetrainRequest

Model = TypeVar("Model", bound="BaseModel")
Settings = TypeVar("Settings", bound="BaseSettings")


def flag_of(name: str) -> str:
    """The option of a field: ``--image-size`` of ``image_size``."""
    return "--" + name.replace("_", "-")


def class_map_of(pairs: Sequence[str]) -> dict[str, str]:
    """New class names by the old ones, from values such as ``Cat=cat``.

    Raises:
        BadRequest: a value has no ``=``, or nothing before it.
    """
    for pair in pairs:
        if not re.match(r"[^=]+=", pair):
            raise BadRequest(f"--class-map {pair!r}: no OLD=NEW; write the old name, =, and the new one or nothing")
    return {old: new for old, _, new in (pair.partition("=") for pair in pairs)}


def min_ap_of(pairs: Sequence[str]) -> dict[str, str]:
    """The AP that classes must reach, from values such as ``cat=0.5``.

    Raises:
        BadRequest: a value does not end in ``=`` and a number.
    """
    for pair in pairs:
        if not re.fullmatch(r".+=\d*\.?\d+", pair):
            raise BadRequest(f"--min-ap {pair!r}: no CLASS=AP; write the class, =, and a fraction such as 0.5")
    return {name: ap for name, _, ap in (pair.rpartition("=") for pair in pairs)}


def list_of(text: str) -> list[str]:
    """The values of a list such as ``30,100``; an empty one stays, for the record to refuse."""
    return [value.strip() for value in text.split(",")]


def record_from(kind: type[Model], values: Mapping[str, Any]) -> Model:
    """Make a record from the values of options.

    Args:
        kind: Class of the record.
        values: Values by field name.

    Returns:
        The record.

    Raises:
        BadRequest: a value does not fit; the message names its option.
    """
    from pydantic import ValidationError

    try:
        return kind.model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        name = next(str(part) for part in first["loc"] if part != "gate")
        raise BadRequest(f"{flag_of(name)}: {first['msg']}, got {first['input']}") from None


def request_from(values: Mapping[str, Any]) -> "RetrainRequest":
    """Make a request from the values of options, those of the gate's fields among them.

    Raises:
        BadRequest: a value does not fit; the message names its option.
    """
    from tasks.records import GatePolicy, RetrainRequest

    gate = {name: value for name, value in values.items() if name in GatePolicy.model_fields}
    request = {name: value for name, value in values.items() if name not in gate}
    return record_from(RetrainRequest, {**request, "gate": gate})


def settings_from(kind: type[Settings], values: Mapping[str, Any]) -> Settings:
    """Read settings from the environment, with the values of options in place of variables.

    Raises:
        BadRequest: a value does not fit; the message names its option.
        BadSettings: a variable has a value that cannot be.
    """
    from tasks.settings import from_environment

    chosen = {name: value for name, value in values.items() if value is not None}
    return record_from(kind, {**from_environment(kind).model_dump(), **chosen})
