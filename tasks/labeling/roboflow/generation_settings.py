"""Preprocessing and augmentation: how a version records them, and how a request for a new version has them.

The two differ. A record has ``enabled`` in each step, numbers as text, and a crop as ``percent`` and ``min``; a request
has numbers, and a crop as ``min`` and ``max``. Only what Roboflow documents for requests is sent: what it would not
understand could be left out silently.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any

from tasks.errors import RoboflowRefused

_TURNS = {"clockwise": "flag", "counter-clockwise": "flag", "upside-down": "flag"}
_LIGHT = {"brighten": "flag", "darken": "flag", "percent": "number"}
_FLIPS = {"horizontal": "flag", "vertical": "flag"}
_SHEARS = {"horizontal": "number", "vertical": "number"}
_CROP = {"min": "number", "max": "number"}
_PERCENT, _PIXELS, _DEGREES = {"percent": "number"}, {"pixels": "number"}, {"degrees": "number"}
_SWITCH: dict[str, str] = {}
"""A step without fields: it is on, or left out."""
_NAMES = {"*": "text"}
"""A step whose fields are names of classes."""

DOCUMENTED: dict[str, dict[str, dict[str, str]]] = {
    "preprocessing": {
        "auto-orient": _SWITCH, "contrast": {"type": "text"}, "filter-null": _PERCENT, "grayscale": _SWITCH,
        "isolate": _SWITCH, "remap": _NAMES, "resize": {"width": "number", "height": "number", "format": "text"},
        "static-crop": {"x_min": "number", "x_max": "number", "y_min": "number", "y_max": "number"},
        "tile": {"rows": "number", "columns": "number"},
    },
    "augmentation": {
        "bbblur": _PIXELS, "bbbrightness": _LIGHT, "bbcrop": _CROP, "bbexposure": _PERCENT, "bbflip": _FLIPS,
        "bbnoise": _PERCENT, "bbninety": _TURNS, "bbrotate": _DEGREES, "bbshear": _SHEARS, "blur": _PIXELS,
        "brightness": _LIGHT, "crop": _CROP, "cutout": {"count": "number", "percent": "number"}, "exposure": _PERCENT,
        "flip": _FLIPS, "hue": _DEGREES, "image": {"versions": "number"}, "mosaic": _SWITCH, "ninety": _TURNS,
        "noise": _PERCENT, "rgrayscale": _PERCENT, "rotate": _DEGREES, "saturation": _PERCENT, "shear": _SHEARS,
    },
}  # fmt: skip
"""Steps of a request, the fields of each, and what kind of value a field has."""


def steps_that_are_on(version: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Preprocessing or augmentation of a version, as recorded, without ``enabled``.

    Args:
        version: What Roboflow says about the version.
        kind: "preprocessing" or "augmentation".

    Returns:
        The fields of each step that is on.
    """
    recorded = version.get(kind)
    steps: dict[str, Any] = {}
    for name, step in (recorded if isinstance(recorded, dict) else {}).items():
        if isinstance(step, dict):
            if step.get("enabled", True):
                steps[name] = {field: value for field, value in step.items() if field != "enabled"}
        elif step:
            steps[name] = {}
    return steps


def same_settings(version: Mapping[str, Any], title: str) -> dict[str, Any]:
    """A request for a version with the preprocessing and augmentation of another one.

    Args:
        version: What Roboflow says about the other version.
        title: Its name, for messages.

    Returns:
        The request's body.

    Raises:
        RoboflowRefused: the version has what Roboflow documents no request for.
    """
    return {
        kind: {
            name: _requested(step, documented.get(name), f"Roboflow {title}: its {kind} has {name!r}")
            for name, step in steps_that_are_on(version, kind).items()
        }
        for kind, documented in DOCUMENTED.items()
    }


def _requested(step: Mapping[str, Any], fields: Mapping[str, str] | None, where: str) -> Any:
    remedy = "generate the new version in Roboflow, or start without --generate-after"
    if fields is None or (fields and not step):
        raise RoboflowRefused(f"{where}, and how to ask for it is not documented; {remedy}")
    if not fields and not step:
        return True
    request = {}
    for name, value in step.items():
        asked = "max" if fields is _CROP and name == "percent" else name
        kind = fields.get(asked, fields.get("*"))
        try:
            request[asked] = _CONVERSIONS[kind or ""](value)
        except (KeyError, TypeError, ValueError):
            raise RoboflowRefused(
                f"{where} with {name} = {value!r}, and how to ask for that is not documented; {remedy}"
            ) from None
    return request


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise TypeError(value)
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(value)
    return int(number) if number.is_integer() else number


def _flag(value: object) -> bool:
    if value not in (True, False, "true", "false"):
        raise ValueError(value)
    return value in (True, "true")


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(value)
    return value


_CONVERSIONS: dict[str, Callable[[object], object]] = {"number": _number, "flag": _flag, "text": _text}
