"""Which settings of a deployment change on the server, and which people have set there and keep.

The three sides are the server, the file, and what nasflow has written before. A setting that differs from what nasflow
wrote was made by a person, and stays.
"""

from dataclasses import dataclass, field
from typing import Any

from deployments.remote.deployment_settings import Key, Settings

WORDS = {
    "paused": "pause",
    "concurrency_limit": "concurrency limit",
    "concurrency_options": "concurrency option",
    "enforce_parameter_schema": "enforcement of the parameter schema",
    "work_pool_name": "work pool",
    "work_queue_name": "work queue",
    "job_variables": "job variable",
    "parameters": "parameter",
    "tags": "tag",
    "schedules": "schedule",
}


@dataclass
class Merge:
    """What a deployment on the server is to have."""

    settings: Settings
    changed: list[str] = field(default_factory=list)
    """What the file changes, in words."""
    kept: list[str] = field(default_factory=list)
    """What people have set on the server, in words."""


def merge(server: Settings, file: Settings, written: list[Settings]) -> Merge:
    """Bring the changes of the file to the settings of the server.

    Args:
        server: What the server has.
        file: What the file says.
        written: What nasflow may have written last. Of an empty one follows that what the server lacks is added, and
            what differs is kept.

    Returns:
        The settings to have, and what that changes and keeps.
    """
    merged = Merge(dict(server))
    units: dict[Key, list[Key]] = {}
    for key in {**file, **server}:
        if server.get(key) != file.get(key):
            units.setdefault(_unit(key, server, file), []).append(key)
    for unit, keys in units.items():
        if all(_is_ours(key, server, written) for key in keys):
            for key in keys:
                if key in file:
                    merged.settings[key] = file[key]
                else:
                    del merged.settings[key]
            merged.changed.append(_describe_change(unit, keys, server, file))
        else:
            merged.kept.append(_describe(unit, server))
    return merged


def _unit(key: Key, server: Settings, file: Settings) -> Key:
    """What is kept or changed as a whole: a schedule that one side does not have, else a single setting."""
    if key[0] == "schedules" and _has(server, key[:2]) != _has(file, key[:2]):
        return key[:2]
    return key


def _is_ours(key: Key, server: Settings, written: list[Settings]) -> bool:
    return any(server.get(key) == settings.get(key) for settings in written)


def _has(settings: Settings, unit: Key) -> bool:
    return any(key[: len(unit)] == unit for key in settings)


def _describe(unit: Key, server: Settings) -> str:
    """Words for what a person has set. Values are not shown, since they may be secrets."""
    words = _name(unit, server)
    if unit[0] == "paused":
        return "paused" if server.get(unit) else "not paused"
    return words if _has(server, unit) else f"{words} removed"


def _describe_change(unit: Key, keys: list[Key], server: Settings, file: Settings) -> str:
    present = [any(key in settings for key in keys) for settings in (server, file)]
    verb = {(False, True): "added", (True, False): "removed"}.get((present[0], present[1]), "changed")
    return f"{_name(unit, file)} {verb}"


def _name(unit: Key, settings: Settings) -> str:
    first, *names = unit
    words = " ".join([WORDS.get(first, first), ".".join(names)]).strip()
    value: Any = settings.get(unit)
    return f"{words} {value}" if first == "concurrency_limit" and value is not None else words
