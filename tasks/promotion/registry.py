"""The registry of published models: publishing a version, and finding versions.

A version is claimed first, so that each number is used once, and each run has one version in a project. Then its files
are written, and its card last: a version without a card does not exist. A card has the latest decision of the gate; the
champion's card has the decision that promoted it. Who answered to keep the champion is not asked the same again.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path

from pydantic import Field

from tasks.errors import CorruptObject, LostRace, NotInStore
from tasks.local.files import file_sha256
from tasks.promotion.index import ProjectIndex
from tasks.promotion.model_files import with_version
from tasks.records import (
    FORMAT_FILES,
    EvaluationReport,
    ModelAlias,
    ModelFormat,
    ModelFormats,
    ModelVersion,
    PromotionDecision,
    Record,
    Sha256,
    StoredFile,
    TrainedModel,
)
from tasks.storage import keys
from tasks.storage.documents import create_record, find_record, read_record, replace_record
from tasks.storage.s3 import Store

logger = logging.getLogger(__name__)

CHAMPION = "champion"
"""The alias of the model in use."""

Clock = Callable[[], datetime]
"""Gives the current time in UTC."""
Upload = Callable[..., StoredFile]
"""``Store.upload``."""


class _Claim(Record):
    """models/<project>/<version>/claim.json: what a version number is reserved for."""

    run_key: Sha256 = Field(description="Key of the run that trained the model.")
    weights_sha256: Sha256 | None = Field(default=None, description="SHA-256 of the weights; empty in older claims.")
    report_digest: Sha256 | None = Field(default=None, description="In older claims only: digest of a report.")

    def is_for(self, model: TrainedModel) -> bool:
        """Whether it is for this model. A run whose files were lost may have other weights when it is trained again."""
        return self.run_key == model.run_key and self.weights_sha256 in (None, model.weights.sha256)


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
    formats: ModelFormats | None = None
    """The other formats; None if the model was not exported."""
    format_paths: Mapping[str, Path] = field(default_factory=dict)
    """Their files, by format."""


def publish(store: Store, publication: Publication, clock: Clock) -> ModelVersion:
    """Publish a model as the next version of its project, or bring its version to the latest decision.

    Measured times are no part of what is equal: a run is published once, whatever the report says. The champion's card
    is left alone: another run of the same request may just have promoted it.

    Args:
        store: Store of the registry.
        publication: The model and its files.
        clock: Gives the time of publication, in UTC.

    Returns:
        The card of the version; its decision is the one that stands.

    Raises:
        CorruptObject: weights file, run and report are not about the same weights.
    """
    _check_weights(publication)
    version, is_new = _claim_version(store, publication.project, publication.model)
    while True:
        current, etag = _read_card(store, publication.project, version)
        if current and (_stands(current.decision, publication.decision) or _is_champion(store, current)):
            return current
        card = _upload(
            partial(store.upload, is_new=is_new), publication, version, current.created_at if current else clock()
        )
        if not _write_card(store, card, etag):
            continue  # another run of this very step was faster
        if current and _is_champion(store, current):
            confirm(store, current)  # another run has just promoted it, by the decision that was on the card
            return current
        logger.info("published %s version %d, mAP %.4f", card.project, version, card.scores.map)
        return card


def confirm(store: Store, card: ModelVersion) -> None:
    """Have the card of a promoted version say why: another run may have judged the same model just before.

    Args:
        store: Store of the registry.
        card: The card, with the decision that promoted the version.
    """
    while True:
        current, etag = _read_card(store, card.project, card.version)
        if (current and current.decision == card.decision) or _write_card(store, card, etag):
            return


def versions(store: Store, project: str) -> list[ModelVersion]:
    """All published versions of a project, oldest first."""
    return list(ProjectIndex(store, project).read("card.json", ModelVersion).values())


def projects(store: Store) -> list[str]:
    """All projects by name, with a request for each thousand. A first version may still be on its way."""
    return list(store.folders(keys.all_models()))


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


def _stands(current: PromotionDecision, new: PromotionDecision) -> bool:
    """Whether the decision on a card stays: it is the new one, or what a person answered when it was asked."""
    asked_before = current.answer == "keep" and new.is_open and current.checks == new.checks
    return current == new or (asked_before and current.policy == new.policy)


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


def _read_card(store: Store, project: str, version: int) -> tuple[ModelVersion | None, str | None]:
    try:
        return read_record(store, keys.model_card(project, version), ModelVersion)
    except NotInStore:
        return None, None


def _write_card(store: Store, card: ModelVersion, etag: str | None) -> bool:
    """Write a card in place of the one with this ETag; False if another run was faster."""
    key = keys.model_card(card.project, card.version)
    try:
        create_record(store, key, card) if etag is None else replace_record(store, key, card, etag)
    except LostRace:
        return False
    return True


def _is_champion(store: Store, card: ModelVersion) -> bool:
    alias = find_record(store, keys.model_alias(card.project, CHAMPION), ModelAlias)
    return alias is not None and alias.version == card.version


def _upload(upload: Upload, publication: Publication, version: int, created_at: datetime) -> ModelVersion:
    """Upload the files of a version, and describe it."""
    project, model, report = publication.project, publication.model, publication.report
    weights_key = keys.model_file(project, version, "weights.safetensors")

    def page_key(sha256: str) -> str:
        return keys.model_file(project, version, f"{sha256[:16]}-report.html")

    return ModelVersion(
        project=project,
        version=version,
        run_key=model.run_key,
        snapshot_digest=report.snapshot_digest,
        classes=model.spec.classes,
        variant=model.spec.variant,
        image_size=model.spec.image_size,
        weights=upload(publication.weights_path, weights_key),
        report=upload(publication.page_path, page_key, content_type="text/html"),
        split=report.split,
        scores=report.scores,
        decision=publication.decision,
        created_at=created_at,
        formats=_upload_formats(upload, publication, version),
        formats_refused=publication.formats.refused if publication.formats else {},
        scoring=report.scoring,
    )


def _upload_formats(upload: Upload, publication: Publication, version: int) -> tuple[ModelFormat, ...]:
    """Upload the other formats, named by content: their threshold depends on the report."""

    def key(name: str) -> Callable[[str], str]:
        return lambda sha256: keys.model_file(publication.project, version, f"{sha256[:16]}-{FORMAT_FILES[name]}")

    return tuple(
        one.model_copy(
            update={
                "file": upload(
                    with_version(publication.format_paths[one.name], publication.project, version), key(one.name)
                )
            }
        )
        for one in (publication.formats.formats if publication.formats else ())
    )


def _claim_version(store: Store, project: str, model: TrainedModel) -> tuple[int, bool]:
    """The version that is already claimed for this model, or else the next free one, claimed; and whether it is new."""
    index = ProjectIndex(store, project)
    claims = index.read("claim.json", _Claim)
    index.keep()
    for version, claim in reversed(claims.items()):
        # The claim itself has the last word, not its copy.
        if claim.is_for(model) and _is_claimed(store, project, version, model):
            return version, False
    version = max(index.numbers("claim.json"), default=0) + 1
    # A number that another publisher claimed meanwhile is skipped, unless it is for this very model.
    while not _try_claim(store, project, version, model):
        version += 1
    return version, True


def _try_claim(store: Store, project: str, version: int, model: TrainedModel) -> bool:
    """Claim a version; whether it is claimed for this model."""
    claim = _Claim(run_key=model.run_key, weights_sha256=model.weights.sha256)
    try:
        create_record(store, keys.model_claim(project, version), claim)
    except LostRace:
        return _is_claimed(store, project, version, model)
    return True


def _is_claimed(store: Store, project: str, version: int, model: TrainedModel) -> bool:
    claim = find_record(store, keys.model_claim(project, version), _Claim)
    return claim is not None and claim.is_for(model)
