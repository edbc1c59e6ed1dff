"""Check of the rights of a worker: what it needs is allowed, and what it must not do is tried, and refused.

Nothing is written to find that out: a write on the condition that a missing object has a certain ETag is refused by the
condition where the right is there, and by the policy where it is not.
"""

import uuid
from collections.abc import Callable

from deployments.doctor.check import Check, check
from tasks.errors import BadSettings, LostRace
from tasks.storage import keys
from tasks.storage.s3 import Store

NO_ETAG = '"00000000000000000000000000000000"'
TOO_FEW = "give it the rights of infra/policies/{role}.json; see Rights in docs/operating.md"
TOO_MANY = (
    "give this worker keys of its own with the rights of infra/policies/worker.json, so that nobody who has them can "
    "replace or delete a model; see Rights in docs/operating.md"
)


def rights(store: Store, *, trains: bool) -> Check:
    """Whether a worker may do what it needs, and no more.

    Args:
        store: The store, with the keys of the worker. It was tried already, so a refusal means a missing right.
        trains: Whether the worker trains; else it is one of the control side, which publishes.

    Returns:
        The check: an error if a right is missing, a warning if a worker that trains may write or delete models.
    """
    token = uuid.uuid4().hex
    run, model = keys.run_state(f"{token}{token}"), keys.model_card(f"rights-{token}", 1)
    needed = {
        "write runs": _may_write(store, run),
        "read labels": _allowed(lambda: store.exists(keys.snapshot(f"{token}{token}"))),
        "read models": _allowed(lambda: store.exists(model)),
    }
    writes = _may_write(store, model)
    if not trains:
        needed["write models"] = writes
    if missing := [name for name, is_allowed in needed.items() if not is_allowed]:
        role = "worker" if trains else "control"
        return check("rights", "error", f"these keys may not {', nor '.join(missing)}", TOO_FEW.format(role=role))
    if not trains:
        return check("rights", "ok", "may write runs and models")
    deletes = _allowed(lambda: store.delete([model]))
    if too_many := [name for name, is_allowed in (("write", writes), ("delete", deletes)) if is_allowed]:
        return check("rights", "warning", f"these keys may {' and '.join(too_many)} models", TOO_MANY)
    return check("rights", "ok", "may write runs; to write and to delete models was tried, and refused")


def _may_write(store: Store, key: str) -> bool:
    try:
        return _allowed(lambda: store.replace(key, b"", NO_ETAG))
    except LostRace:
        return True


def _allowed(action: Callable[[], object]) -> bool:
    try:
        action()
    except BadSettings:
        return False
    return True
