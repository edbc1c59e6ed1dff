"""``nasflow clean``: what of the store nothing needs any more, counted or removed."""

import re
import time
from datetime import timedelta
from typing import Any

from deployments.terminal.console import progress_bar, time_left
from tasks.errors import BadRequest
from tasks.housekeeping import in_store
from tasks.settings import WorkSettings, from_environment
from tasks.storage.s3 import Store

UNITS = {"d": "days", "w": "weeks"}
MIN_AGE = timedelta(days=1)


def clean(store: Store, older_than: str, *, remove: bool) -> dict[str, Any]:
    """Count what nothing needs any more, or remove it.

    Args:
        store: The store.
        older_than: Age up to which everything is kept, such as 30d.
        remove: Whether to remove it.

    Returns:
        What was found, as JSON would have it.

    Raises:
        BadRequest: the age cannot be.
        CorruptObject: a record cannot be read, so what it needs is unknown.
        LeaseHeld: another removal is under way.
    """
    age = _age(older_than)
    if not remove:
        return {"ok": True, **in_store.count(store, age).model_dump(mode="json")}
    began = time.monotonic()
    with progress_bar("looking for what nothing needs") as bar:

        def on_progress(done: int, total: int) -> None:
            left = (time.monotonic() - began) * (total - done) / max(done, 1)
            bar.show(done, total, f"removed {done} of {total} objects, {time_left(left)}")

        report = in_store.remove(store, age, on_progress, from_environment(WorkSettings).lease_seconds)
    return {"ok": True, **report.model_dump(mode="json")}


def _age(older_than: str) -> timedelta:
    match = re.fullmatch(r"(\d{1,4})([dw])", older_than.strip())
    if match is None:
        raise BadRequest(f"--older-than {older_than!r}: no age; give a number and d or w, such as 30d")
    age = timedelta(**{UNITS[match[2]]: int(match[1])})
    if age < MIN_AGE:
        raise BadRequest(f"--older-than {older_than!r}: too young, runs need what is new; give at least 1d")
    return age
