"""The settings of a deployment, from prefect.yaml and from a server, in one form that can be compared.

A setting is a key and a JSON value, such as ``("schedules", "daily", "active")``. What has Prefect's default is left
out, so that a setting that nobody made is the same as one that was made and taken back.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prefect.client.schemas.responses import DeploymentResponse

Key = tuple[str, ...]
Settings = dict[Key, Any]

DEFAULTS: dict[str, Any] = {
    "description": None,
    "paused": False,
    "concurrency_limit": None,
    "concurrency_options": {},
    "enforce_parameter_schema": True,
    "work_pool_name": None,
    "work_queue_name": "default",
    "job_variables": {},
    "parameters": {},
    "tags": {},
    "schedules": {},
}
"""Fields that people can set on a server, and Prefect's default of each. Tags are a dict to True."""

DEPTHS = {"concurrency_options": 1, "job_variables": 2, "parameters": 1, "tags": 1, "schedules": 2}
"""How deep a field is compared by key. What is below, such as the time of a schedule, is one value."""

FILE_KEYS = {
    "name", "entrypoint", "description", "tags", "parameters", "work_pool", "schedules", "concurrency_limit", "paused",
    "enforce_parameter_schema",
}  # fmt: skip
"""Keys of a deployment in prefect.yaml that are registered."""

ANCHOR = "2020-01-01T00:00:00Z"
"""Intervals are counted from here if the file does not say. Prefect would take now, which differs each time."""


def flatten(fields: dict[str, Any]) -> Settings:
    """Settings from fields as in ``DEFAULTS``; those with the default are left out."""
    settings: Settings = {}
    for name, default in DEFAULTS.items():
        if (value := fields.get(name, default)) not in (None, default):
            settings.update(_flatten_field((name,), value, DEPTHS.get(name, 0)))
    return settings


def unflatten(settings: Settings) -> dict[str, Any]:
    """Fields from settings, with Prefect's default for the others."""
    fields = {name: dict(value) if isinstance(value, dict) else value for name, value in DEFAULTS.items()}
    for key, value in settings.items():
        place = fields
        for name in key[:-1]:
            place = place.setdefault(name, {})
        place[key[-1]] = value
    return fields


def _flatten_field(key: Key, value: Any, depth: int) -> Settings:
    if not depth or not isinstance(value, dict):
        return {key: value}
    return {
        p: leaf for name, child in value.items() for p, leaf in _flatten_field((*key, name), child, depth - 1).items()
    }


def of_file(entry: dict[str, Any]) -> Settings:
    """Settings of a deployment in prefect.yaml."""
    pool, limit = entry.get("work_pool", {}), entry.get("concurrency_limit")
    options = dict(limit) if isinstance(limit, dict) else {"limit": limit}
    return flatten(
        {
            **{name: entry.get(name) for name in ("description", "paused", "enforce_parameter_schema", "parameters")},
            "concurrency_limit": options.pop("limit"),
            "concurrency_options": options,
            "work_pool_name": pool.get("name"),
            "work_queue_name": pool.get("work_queue_name"),
            "job_variables": pool.get("job_variables"),
            "tags": dict.fromkeys(entry.get("tags", []), True),
            "schedules": {schedule["slug"]: _schedule_of_file(schedule) for schedule in entry.get("schedules", [])},
        }
    )


def _schedule_of_file(entry: dict[str, Any]) -> dict[str, Any]:
    from prefect.client.schemas.schedules import SCHEDULE_TYPES
    from pydantic import TypeAdapter

    adapter: TypeAdapter[SCHEDULE_TYPES] = TypeAdapter(SCHEDULE_TYPES)
    timing = {name: value for name, value in entry.items() if name not in ("slug", "active", "parameters")}
    if "interval" in timing:
        timing.setdefault("anchor_date", ANCHOR)
    return {
        "active": entry.get("active", True),
        "parameters": entry.get("parameters", {}),
        "schedule": adapter.validate_python(timing).model_dump(mode="json"),
    }


def of_server(deployment: "DeploymentResponse") -> Settings:
    """Settings of a deployment on a server. A schedule without a slug is named by its time."""
    fields = deployment.model_dump(mode="json", include=set(DEFAULTS))
    limit, options = deployment.global_concurrency_limit, fields["concurrency_options"] or {}
    schedules = [schedule.model_dump(mode="json") for schedule in deployment.schedules]
    return flatten(
        {
            **fields,
            "concurrency_limit": limit and limit.limit,
            "concurrency_options": {name: value for name, value in options.items() if value is not None},
            "tags": dict.fromkeys(deployment.tags, True),
            "schedules": {
                schedule["slug"] or _time_of(schedule["schedule"]): {
                    name: schedule[name] for name in ("active", "parameters", "schedule")
                }
                for schedule in schedules
            },
        }
    )


def _time_of(schedule: dict[str, Any]) -> str:
    return next((f"{name} {schedule[name]}" for name in ("cron", "interval", "rrule") if schedule.get(name)), "")
