"""The registry of published models: publishing a version, and finding versions.

A version is claimed first, so that each number is used once. Then its files are written, and its card last: a version
without a card does not exist.
"""

import logging
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import Field

from tasks.errors import CorruptObject, LostRace
from tasks.local.files import file_sha256
from tasks.records import EvaluationReport, ModelVersion, PromotionDecision, Record, Sha256, TrainedModel
from tasks.storage import keys
from tasks.storage.documents import create_record, find_record, read_record
from tasks.storage.s3 import Store

logger = logging.getLogger(__name__)

Clock = Callable[[], datetime]
"""Gives the current time in UTC."""


class _Claim(Record):
    """models/<project>/<version>/claim.json: what a version number is reserved for."""

    run_key: Sha256 = Field(description="Key of the run that trained the model.")
    report_digest: Sha256 = Field(description="Digest of the EvaluationReport it is published with.")


@dataclass(frozen=True)
class Publication:
    """A judged model with its files, to be published as a version of a project."""

    project: str
    model: TrainedModel
    report: EvaluationReport
    decision: PromotionDecision
    weights_path: Path
    """best.safetensors."""
    page_path: Path
    """The report page."""


def publish(store: Store, publication: Publication, clock: Clock) -> ModelVersion:
    """Publish a model as the next version of its project.

    Args:
        store: Store of the registry.
        publication: The model and its files.
        clock: Gives the time of publication, in UTC.

    Returns:
        The card of the version; for a model and report that are already published, the existing one.

    Raises:
        CorruptObject: weights file, run and report are not about the same weights.
    """
    _check_weights(publication)
    project, report = publication.project, publication.report
    claim = _Claim(run_key=publication.model.run_key, report_digest=report.digest)
    version = _claim_version(store, project, claim)
    if card := find_version(store, project, version):
        return card
    card = _upload(store, publication, version, clock)
    try:
        create_record(store, keys.model_card(project, version), card)
    except LostRace:
        # By the claim it is the same model: a second run of this very step was faster.
        return read_record(store, keys.model_card(project, version), ModelVersion)[0]
    logger.info("published %s version %d, mAP %.4f", project, version, card.scores.map)
    return card


def versions(store: Store, project: str) -> list[ModelVersion]:
    """All published versions of a project, oldest first."""
    numbers = _numbers(store.list(keys.models(project)), "card.json")
    cards = [find_version(store, project, number) for number in numbers]
    return [card for card in cards if card is not None]


def projects(store: Store) -> list[str]:
    """All projects that have a published version, by name."""
    root = keys.all_models()
    parts = [key.removeprefix(root).split("/") for key in store.list(root)]
    return sorted({part[0] for part in parts if len(part) == 3 and part[2] == "card.json"})


def find_version(store: Store, project: str, version: int) -> ModelVersion | None:
    """Find a published version.

    Args:
        store: Store of the registry.
        project: Project of the model.
        version: Version number, from 1.

    Returns:
        The card of the version, or None if it is not published.
    """
    return find_record(store, keys.model_card(project, version), ModelVersion)


def _check_weights(publication: Publication) -> None:
    path, file_digest = publication.weights_path, file_sha256(publication.weights_path)
    for name, sha256 in (
        ("the run's weights", publication.model.weights.sha256),
        ("the measured weights", publication.report.weights_sha256),
    ):
        if sha256 != file_digest:
            raise CorruptObject(
                f"{path}: SHA-256 is {file_digest}, that of {name} {sha256}; evaluate and publish the same weights"
            )


def _upload(store: Store, publication: Publication, version: int, clock: Clock) -> ModelVersion:
    """Upload the files of a version, and describe it."""
    project, model, report = publication.project, publication.model, publication.report
    weights_key = keys.model_file(project, version, "weights.safetensors")
    page_key = keys.model_file(project, version, "report.html")
    return ModelVersion(
        project=project,
        version=version,
        run_key=model.run_key,
        snapshot_digest=report.snapshot_digest,
        classes=model.spec.classes,
        variant=model.spec.variant,
        image_size=model.spec.image_size,
        weights=store.upload(publication.weights_path, weights_key),
        report=store.upload(publication.page_path, page_key, content_type="text/html"),
        split=report.split,
        scores=report.scores,
        decision=publication.decision,
        created_at=clock(),
    )


def _claim_version(store: Store, project: str, claim: _Claim) -> int:
    """The version that is already claimed for this model and report, or else the next free one, claimed."""
    claimed = _numbers(store.list(keys.models(project)), "claim.json")
    for version in reversed(claimed):
        if find_record(store, keys.model_claim(project, version), _Claim) == claim:
            return version
    version = max(claimed, default=0) + 1
    # A number that another publisher claimed meanwhile is skipped, unless it is for this very model.
    while not _try_claim(store, project, version, claim):
        version += 1
    return version


def _try_claim(store: Store, project: str, version: int, claim: _Claim) -> bool:
    """Claim a version; whether it is claimed for this model."""
    key = keys.model_claim(project, version)
    try:
        create_record(store, key, claim)
    except LostRace:
        return find_record(store, key, _Claim) == claim
    return True


def _numbers(stored_keys: Iterable[str], file_name: str) -> list[int]:
    """Version numbers, in order, that have a file of this name."""
    matches = (re.search(rf"/(\d+)/{re.escape(file_name)}$", key) for key in stored_keys)
    return sorted(int(match[1]) for match in matches if match)
