"""Which workers a machine starts, and whether it may: by the checks."""

import os
import platform
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from deployments.worker.checks import checks_of
from deployments.worker.places import Gpus, Place, control_place, training_places

CONTROL_POOL = "default"
"""Flow runs of all other pools train."""


@dataclass(frozen=True)
class Start:
    """What comes of the checks.

    Attributes:
        document: ``ok``, ``pool``, ``workers`` and ``checks``, as JSON has them.
        places: The workers to start; none if the checks refuse it.
    """

    document: dict[str, Any]
    places: Sequence[Place]


def prepare(pool: str, name: str, gpus: Gpus, *, strict: bool) -> Start:
    """Check this machine, the store and the server, and say which workers to start.

    Args:
        pool: The work pool.
        name: Begin of the names of the workers; empty for the name of this machine and the pool.
        gpus: A worker for each GPU, or one whose runs train on all of them.
        strict: Whether a warning keeps them from starting, too.

    Returns:
        What came of it.
    """
    trains = pool != CONTROL_POOL
    findings = checks_of(pool, trains=trains)
    begin, visible = name or f"{platform.node()}-{pool}", os.environ.get("CUDA_VISIBLE_DEVICES", "")
    places = training_places(begin, findings.gpus, visible, gpus) if trains else control_place(begin)
    if findings.refuse(strict=strict):
        places = []
    document = {
        "ok": bool(places),
        "pool": pool,
        "workers": [place.name for place in places],
        "checks": list(findings.checks),
    }
    return Start(document, places)
