"""Published models and the aliases that point to them. What is in use is an alias; what was decided is in the card.

A version is claimed first, so that numbers are given once; then its files are written, and the card last: a version
without a card does not exist. Aliases move by compare-and-swap.
"""

import logging
import re
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path

from pydantic import Field

from tasks.errors import CorruptObject, LostRace, NotInStore
from tasks.local.files import file_sha256
from tasks.records import (
    AliasMove,
    EvaluationReport,
    ModelAlias,
    ModelVersion,
    PromotionDecision,
    Record,
    Sha256,
    TrainedModel,
)
from tasks.storage import keys
from tasks.storage.documents import create_record, find_record, read_record, replace_record
from tasks.storage.s3 import Store

logger = logging.getLogger(__name__)

Clock = Callable[[], datetime]
"""Tells the time in UTC."""


class _Claim(Record):
    """models/<project>/<version>/claim.json: what the version is for."""

    run_key: Sha256 = Field(description="Run that trained the model.")
    report_digest: Sha256 = Field(description="Digest of the EvaluationReport it is published with.")


def publish(
    store: Store,
    project: str,
    model: TrainedModel,
    report: EvaluationReport,
    decision: PromotionDecision,
    weights_path: Path,
    report_path: Path,
    clock: Clock,
) -> ModelVersion:
    """Publish a model as the next version of its line. The same model and report again give the version they have.

    Args:
        store: Where to.
        project: Line of models.
        model: The run.
        report: How its best weights did.
        decision: The gate's word.
        weights_path: best.safetensors.
        report_path: The report page.
        clock: Tells the time in UTC.

    Raises:
        CorruptObject: the weights file, the run and the report are not about the same weights.
    """
    _check_weights(model, report, weights_path)
    claim = _Claim(run_key=model.run_key, report_digest=report.digest)
    version = _claim_version(store, project, claim)
    if card := find_version(store, project, version):
        return card
    card = ModelVersion(
        project=project,
        version=version,
        run_key=model.run_key,
        snapshot_digest=report.snapshot_digest,
        classes=model.spec.classes,
        variant=model.spec.variant,
        image_size=model.spec.image_size,
        weights=store.upload(weights_path, keys.model_file(project, version, "weights.safetensors")),
        report=store.upload(report_path, keys.model_file(project, version, "report.html"), content_type="text/html"),
        split=report.split,
        scores=report.scores,
        decision=decision,
        created_at=clock(),
    )
    try:
        create_record(store, keys.model_card(project, version), card)
    except LostRace:
        # The claim says that it is the same model: a second run of this very step was faster.
        return read_record(store, keys.model_card(project, version), ModelVersion)[0]
    logger.info("published %s version %d, mAP %.4f", project, version, card.scores.map)
    return card


def versions(store: Store, project: str) -> list[ModelVersion]:
    """All published versions of a line of models, oldest first."""
    numbers = _numbers(store.list(keys.models(project)), "card.json")
    found = [find_version(store, project, number) for number in numbers]
    return [card for card in found if card is not None]


def projects(store: Store) -> list[str]:
    """All lines of models that have a published version, by name."""
    root = keys.all_models()
    parts = [key.removeprefix(root).split("/") for key in store.list(root)]
    return sorted({part[0] for part in parts if len(part) == 3 and part[2] == "card.json"})


def find_version(store: Store, project: str, version: int) -> ModelVersion | None:
    """The card of a version, or None if it is not published."""
    return find_record(store, keys.model_card(project, version), ModelVersion)


def find_alias(store: Store, project: str, name: str) -> ModelAlias | None:
    """Where an alias points, or None if it was never set."""
    return find_record(store, keys.model_alias(project, name), ModelAlias)


def move_alias(
    store: Store,
    project: str,
    name: str,
    version: int,
    expected: int | None,
    reason: str,
    clock: Clock,
) -> ModelAlias:
    """Point an alias to another version; where it points there already, nothing is done.

    Args:
        store: Where the alias is.
        project: Line of models.
        name: Name of the alias.
        version: Published version it shall point to.
        expected: Version that it pointed to when this was decided; None if it was not set.
        reason: Why, for its history.
        clock: Tells the time in UTC.

    Raises:
        LostRace: it points elsewhere by now, so the decision is out of date.
        NotInStore: that version is not published.
    """
    current, etag = _read_alias(store, project, name)
    if current and current.version == version:
        return current
    if (current.version if current else None) != expected:
        raise _out_of_date(project, name, current, expected)
    if find_version(store, project, version) is None:
        raise NotInStore(f"{project} has no version {version}; `nasflow models list` shows those there are")
    move = AliasMove(version=version, at=clock(), reason=reason)
    history = (*(current.history if current else ()), move)
    alias = ModelAlias(project=project, name=name, version=version, history=history)
    try:
        if etag is None:
            create_record(store, keys.model_alias(project, name), alias)
        else:
            replace_record(store, keys.model_alias(project, name), alias, etag)
    except LostRace:
        current, _ = _read_alias(store, project, name)
        if current and current.version == version:
            return current
        raise _out_of_date(project, name, current, expected) from None
    logger.info("%s of %s: version %d: %s", name, project, version, reason)
    return alias


def _check_weights(model: TrainedModel, report: EvaluationReport, weights_path: Path) -> None:
    there = file_sha256(weights_path)
    for what, sha256 in (("the run's weights", model.weights.sha256), ("the measured weights", report.weights_sha256)):
        if sha256 != there:
            raise CorruptObject(
                f"{weights_path}: SHA-256 is {there}, that of {what} {sha256}; evaluate and publish the same weights"
            )


def _claim_version(store: Store, project: str, claim: _Claim) -> int:
    """The version that was claimed for this model and report, or else the next free one, claimed."""
    claimed = _numbers(store.list(keys.models(project)), "claim.json")
    for version in reversed(claimed):
        if find_record(store, keys.model_claim(project, version), _Claim) == claim:
            return version
    version = max(claimed, default=0) + 1
    # A number that someone took meanwhile is passed over, unless it was for this very model.
    while not _claims(store, project, version, claim):
        version += 1
    return version


def _claims(store: Store, project: str, version: int, claim: _Claim) -> bool:
    """Claim a version; say whether it is ours."""
    key = keys.model_claim(project, version)
    try:
        create_record(store, key, claim)
    except LostRace:
        return find_record(store, key, _Claim) == claim
    return True


def _numbers(found: Iterable[str], name: str) -> list[int]:
    """Versions, in order, that have a file of this name."""
    matches = (re.search(rf"/(\d+)/{re.escape(name)}$", key) for key in found)
    return sorted(int(match[1]) for match in matches if match)


def _read_alias(store: Store, project: str, name: str) -> tuple[ModelAlias | None, str | None]:
    try:
        return read_record(store, keys.model_alias(project, name), ModelAlias)
    except NotInStore:
        return None, None


def _out_of_date(project: str, name: str, current: ModelAlias | None, expected: int | None) -> LostRace:
    now = f"points to version {current.version}" if current else "is not set"
    then = f"version {expected}" if expected else "none"
    return LostRace(f"{name} of {project} {now}, this was decided against {then}; compare with it anew")
