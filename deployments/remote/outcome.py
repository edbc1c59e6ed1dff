"""What a retrain run came to, as the run stored it, with the training and the scores of its model."""

from typing import TYPE_CHECKING, Any

from deployments.remote import models
from tasks.errors import NasflowError, NotInStore
from tasks.promotion.aliases import find_alias
from tasks.promotion.registry import CHAMPION
from tasks.records import ModelVersion, RunOutcome, TrainedModel
from tasks.storage import keys
from tasks.storage.documents import read_record
from tasks.storage.runs import find_model
from tasks.storage.s3 import Store

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun


def read_outcome(store: Store, project: str, run: "FlowRun") -> RunOutcome:
    """Read what a completed run came to.

    Args:
        store: The store of the run.
        project: Project of the run.
        run: The flow run.

    Returns:
        The outcome.

    Raises:
        NasflowError: it is not in this store.
    """
    try:
        return read_record(store, keys.outcome(project, str(run.id)), RunOutcome)[0]
    except NotInStore:
        raise NasflowError(
            f"flow run {run.name} completed, but its outcome is not in the store that NASFLOW_STORE_ENDPOINT names; "
            "set it to the store of the workers, and install the same nasflow there"
        ) from None


def find_version_of(store: Store, outcome: RunOutcome) -> ModelVersion | None:
    """The version that a run published; after a skipped one the champion, None if there is none."""
    if outcome.version is not None:
        return models.find_model_version(store, outcome.project, str(outcome.version))
    alias = find_alias(store, outcome.project, CHAMPION)
    return models.find_model_version(store, outcome.project, str(alias.version)) if alias else None


def outcome_document(store: Store, outcome: RunOutcome, version: ModelVersion | None) -> dict[str, Any]:
    """Describe what a run came to.

    Args:
        store: The store that the model is in.
        outcome: The outcome.
        version: The version that it published, or the champion that stays; None if there is neither.

    Returns:
        ``skipped``, ``reused``, ``decision``, and about the version ``training``, ``evaluation`` and ``model``, as JSON
        would have them.

    Raises:
        NasflowError: the training run is in another store.
    """
    decision = outcome.decision
    return {
        "skipped": outcome.skipped,
        **(_about(store, version) if version else dict.fromkeys(("training", "evaluation", "model"))),
        "decision": decision.model_dump(mode="json", exclude={"schema_version", "checks"}) if decision else None,
        "reused": list(outcome.reused),
    }


def _about(store: Store, version: ModelVersion) -> dict[str, Any]:
    model = find_model(store, version.run_key)
    if model is None:
        raise NasflowError(f"run {version.run_key[:12]} is not in the store that NASFLOW_STORE_ENDPOINT names")
    return {
        "training": _training(store, model),
        "evaluation": {"split": version.split, **version.scores.model_dump(mode="json")},
        "model": {
            "project": version.project,
            "version": version.version,
            "alias": models.alias_of(store, version),
            "weights": store.uri(version.weights.key),
        },
    }


def _training(store: Store, model: TrainedModel) -> dict[str, Any]:
    result = model.result
    return {
        "run_key": result.run_key,
        "epochs_done": result.epochs_done,
        "best_epoch": result.best_epoch,
        "best_map": result.best_map,
        "ended": result.ended,
        "seconds": result.seconds,
        "images_per_second": result.images_per_second,
        "history": store.uri(model.history.key),
        "weights": store.uri(model.weights.key),
        "weights_sha256": result.weights_sha256,
        "resumed_from_epoch": result.resumed_from_epoch,
        "device": result.device,
        "still_rising": result.still_rising,
        "micro_batch": result.micro_batch,
        "shortages": list(result.shortages),
        "start": result.start.model_dump() if result.start else None,
    }
