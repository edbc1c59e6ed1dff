"""What the store keeps of the training runs that flow runs worked on."""

import logging
from collections.abc import Iterable
from typing import Any

from prefect.client.schemas.objects import FlowRun
from pydantic import ValidationError

from tasks.errors import NasflowError
from tasks.records import TrainJob
from tasks.storage.checkpoints import newest_epoch
from tasks.storage.runs import find_model
from tasks.storage.s3 import Store

logger = logging.getLogger(__name__)


def kept_of(runs: Iterable[FlowRun]) -> list[dict[str, Any]]:
    """What is kept of the training runs of some flow runs, as far as the store can be asked.

    Returns:
        For each train run its ``run_key``, the whole epochs of its newest checkpoint as ``epoch`` (None without one),
        and whether it is ``finished``. Empty without a store, or if it does not answer.
    """
    run_keys = [key for run in runs if (key := _run_key(run)) is not None]
    if not run_keys:
        return []
    try:
        store = Store.from_environment()
        return [_kept(store, key) for key in run_keys]
    except NasflowError as error:
        logger.info("the store was not asked what it keeps: %s", error)
        return []


def _run_key(run: FlowRun) -> str | None:
    """The key of the training run that a train flow run works on; None for other flow runs."""
    try:
        return TrainJob.model_validate(run.parameters["job"]).spec.digest
    except (KeyError, ValidationError):
        return None


def _kept(store: Store, run_key: str) -> dict[str, Any]:
    epoch = newest_epoch(store, run_key)
    return {
        "run_key": run_key,
        "epoch": epoch if epoch >= 0 else None,
        "finished": find_model(store, run_key) is not None,
    }
