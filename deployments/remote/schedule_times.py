"""When a schedule has runs start: read from options, said in words, and the next times of it."""

import asyncio
import re
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from prefect.client.schemas.schedules import SCHEDULE_TYPES, CronSchedule, IntervalSchedule
from pydantic import TypeAdapter, ValidationError

from tasks.errors import BadRequest

UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
MIN_INTERVAL = timedelta(seconds=60)
CRON_FIELDS = 5
"""With a sixth field, cron expressions of Prefect count seconds."""
SHOWN = 3
"""How many of the next times are shown."""


def local_zone() -> str | None:
    """The IANA name of this machine's time zone; None if it has none."""
    from tzlocal import get_localzone_name  # comes with dateparser, which Prefect needs

    try:
        return get_localzone_name() or None
    except LookupError:  # ZoneInfoNotFoundError is one: TZ or /etc/localtime names no zone
        return None


def schedule_from(cron: str | None, every: str | None, zone: str) -> SCHEDULE_TYPES:
    """Make a schedule from the values of options.

    Args:
        cron: Cron expression, or None.
        every: Interval such as ``6h``, or None.
        zone: IANA time zone.

    Returns:
        The schedule. An interval is counted from the last midnight of the zone.

    Raises:
        BadRequest: not exactly one of the two is given, or a value cannot be.
    """
    if (cron is None) == (every is None):
        raise BadRequest('schedule set: give either --cron, such as "0 3 * * *", or --every, such as 6h')
    midnight = datetime.now(_known_zone(zone)).replace(hour=0, minute=0, second=0, microsecond=0)
    if every is not None:
        return IntervalSchedule(interval=_interval(every), anchor_date=midnight, timezone=zone)
    try:
        schedule = CronSchedule(cron=str(cron), timezone=zone)
        next_times(schedule)
    except (ValidationError, ValueError):
        raise BadRequest(f'--cron {cron!r}: no time that comes; give five fields such as "0 3 * * *"') from None
    if len(schedule.cron.split()) > CRON_FIELDS:
        raise BadRequest(f"--cron {cron!r}: more fields than five would start runs less than 60 s apart")
    return schedule


def _known_zone(zone: str) -> ZoneInfo:
    try:
        CronSchedule(cron="0 0 * * *", timezone=zone)
        return ZoneInfo(zone)
    except (ValidationError, ValueError, LookupError, OSError):
        raise BadRequest(f"--timezone {zone!r}: no time zone; give an IANA name such as Europe/Berlin") from None


def _interval(every: str) -> timedelta:
    match = re.fullmatch(r"(\d{1,4})([smhdw])", every.strip())
    if match is None:
        raise BadRequest(f"--every {every!r}: no interval; give a number and s, m, h, d or w, such as 6h")
    interval = timedelta(**{UNITS[match[2]]: int(match[1])})
    if interval < MIN_INTERVAL:
        raise BadRequest(f"--every {every!r}: too short; give at least 60s")
    return interval


def next_times(schedule: SCHEDULE_TYPES, count: int = SHOWN, after: datetime | None = None) -> list[datetime]:
    """The next times of a schedule, computed as the Prefect server does.

    Args:
        schedule: The schedule.
        count: How many, at most.
        after: None for now.

    Returns:
        The times, in the schedule's zone.
    """
    from prefect.server.schemas.schedules import SCHEDULE_TYPES as SERVER_TYPES

    content = schedule.model_dump(mode="json")
    same: Any = TypeAdapter(SERVER_TYPES).validate_python(content)
    times = asyncio.run(same.get_dates(n=count, start=after or datetime.now(UTC)))
    zone = ZoneInfo(zone_of(schedule))
    return [datetime.fromtimestamp(time.timestamp(), zone) for time in times]


def zone_of(schedule: SCHEDULE_TYPES) -> str:
    """The time zone of a schedule."""
    return getattr(schedule, "timezone", None) or "UTC"


def in_words(schedule: SCHEDULE_TYPES) -> str:
    """When a schedule has runs start, as its options would say it."""
    if isinstance(schedule, CronSchedule):
        return schedule.cron
    if isinstance(schedule, IntervalSchedule):
        return f"every {_short(schedule.interval)}"
    return str(getattr(schedule, "rrule", "never"))


def _short(interval: timedelta) -> str:
    seconds = round(interval.total_seconds())
    for unit, words in reversed(UNITS.items()):
        length = round(timedelta(**{words: 1}).total_seconds())
        if seconds % length == 0:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"
