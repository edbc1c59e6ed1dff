"""What a retrain run came to: training, evaluation, the published model and the decision of the gate."""

from typing import Any

from deployments.remote.models import alias_of, find_model_version
from tasks.errors import NasflowError
from tasks.records import ModelVersion, TrainedModel
from tasks.storage.runs import find_model
from tasks.storage.s3 import Store

DECISION = (
    "promote", "verdict", "reason", "overridden", "answer", "answered_by", "answered_why", "candidate_map",
    "champion_map", "champion_version",
)  # fmt: skip
"""Fields of an outcome's row that are the decision."""


def outcome_document(store: Store, version: ModelVersion, row: dict[str, Any]) -> dict[str, Any]:
    """Describe the outcome of a run.

    Args:
        store: The store that the model is in.
        version: The model that the run published; the champion if the run was skipped.
        row: The outcome as the run shows it.

    Returns:
        Parts ``training``, ``evaluation``, ``model`` and ``decision``, as JSON would have them.

    Raises:
        NasflowError: the training run is in another store.
    """
    model = find_model(store, version.run_key)
    if model is None:
        raise NasflowError(f"run {version.run_key[:12]} is not in the store that NASFLOW_STORE_ENDPOINT names")
    return {
        "training": _training(store, model),
        "evaluation": {"split": version.split, **version.scores.model_dump(mode="json")},
        "model": {
            "project": version.project,
            "version": version.version,
            "alias": alias_of(store, version),
            "weights": store.uri(version.weights.key),
        },
        "decision": {name: row[name] for name in DECISION},
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


def champion_row(store: Store, project: str, reason: str) -> dict[str, Any]:
    """Make the outcome's row of a skipped run, after which the champion stays.

    Args:
        store: The store that the champion is in.
        project: Project of the model.
        reason: Why the run was skipped.

    Returns:
        A row with the fields that a run shows.
    """
    champion = find_model_version(store, project, "champion")
    score = champion.scores.map
    return {
        "project": project, "version": champion.version, "promote": False, "verdict": "keep",
        "reason": reason, "overridden": None, "answer": None, "answered_by": None, "answered_why": None,
        "candidate_map": score, "champion_map": score, "champion_version": champion.version,
    }  # fmt: skip
