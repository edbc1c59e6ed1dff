"""Aliases of published models, such as champion. An alias moves by compare-and-swap and keeps its history."""

import logging
from collections.abc import Sequence

from tasks.errors import LostRace, NotInStore
from tasks.promotion.registry import find_version
from tasks.records import AliasMove, ModelAlias
from tasks.storage import keys
from tasks.storage.documents import create_record, find_record, read_record, replace_record
from tasks.storage.s3 import Store

logger = logging.getLogger(__name__)


def find_alias(store: Store, project: str, name: str) -> ModelAlias | None:
    """Find where an alias points.

    Args:
        store: Store of the registry.
        project: Project of the model.
        name: Name of the alias.

    Returns:
        The alias, or None if it was never set.
    """
    return find_record(store, keys.model_alias(project, name), ModelAlias)


def move_alias(store: Store, project: str, name: str, move: AliasMove, expected: int | None) -> ModelAlias:
    """Point an alias to another version; nothing is written if it already points there.

    Args:
        store: Store of the registry.
        project: Project of the model.
        name: Name of the alias.
        move: The published version to point to, with time and reason for the history.
        expected: Version that the alias pointed to when the move was decided; None if it was not set.

    Returns:
        The alias as it is now.

    Raises:
        LostRace: the alias points elsewhere by now, so the decision is outdated.
        NotInStore: the version is not published.
    """
    current, etag = _read_alias(store, project, name)
    if current and current.version == move.version:
        return current
    if (current.version if current else None) != expected:
        raise _outdated(project, name, current, expected)
    if find_version(store, project, move.version) is None:
        raise NotInStore(f"{project} has no version {move.version}; `nasflow models list` shows the published versions")
    history = (*(current.history if current else ()), move)
    alias = ModelAlias(project=project, name=name, version=move.version, history=history)
    try:
        if etag is None:
            create_record(store, keys.model_alias(project, name), alias)
        else:
            replace_record(store, keys.model_alias(project, name), alias, etag)
    except LostRace:
        current, _ = _read_alias(store, project, name)
        if current and current.version == move.version:
            return current
        raise _outdated(project, name, current, expected) from None
    logger.info("%s of %s: version %d: %s", name, project, move.version, move.reason)
    return alias


def previous_version(history: Sequence[AliasMove]) -> int | None:
    """The version that a rollback goes to: the one that the last promotion which still holds came after.

    Args:
        history: All moves of an alias, oldest first.

    Returns:
        Its number; None if the alias has had no other version, or all others were rolled back.
    """
    held: list[int] = []
    for move in history:
        if move.rolled_back is None:
            held.append(move.version)
        elif len(held) > 1:
            held.pop()
    return held[-2] if len(held) > 1 else None


def rollbacks(history: Sequence[AliasMove]) -> dict[int, AliasMove]:
    """Versions that were rolled back and are not in use again, each with the move that did it.

    Args:
        history: All moves of an alias, oldest first.

    Returns:
        The moves by the number of the version that they left.
    """
    left: dict[int, AliasMove] = {}
    for move in history:
        left.pop(move.version, None)
        if move.rolled_back is not None:
            left[move.rolled_back] = move
    return left


def _read_alias(store: Store, project: str, name: str) -> tuple[ModelAlias | None, str | None]:
    try:
        return read_record(store, keys.model_alias(project, name), ModelAlias)
    except NotInStore:
        return None, None


def _outdated(project: str, name: str, current: ModelAlias | None, expected: int | None) -> LostRace:
    now = f"points to version {current.version}" if current else "is not set"
    then = f"version {expected}" if expected else "none"
    return LostRace(f"{name} of {project} {now}, this was decided against {then}; compare with it anew")
