"""Moves of the champion that the command asks for."""

import getpass
from datetime import UTC, datetime
from typing import Any

from deployments.remote.models import find_model_version, find_named
from deployments.remote.project_page import page_after_move
from tasks.errors import BadInput
from tasks.promotion.by_hand import promote_by_hand, roll_back
from tasks.promotion.registry import CHAMPION
from tasks.records import AliasMove, ModelAlias
from tasks.storage.s3 import Store

MAX_REASON, MAX_NAME = 500, 100


def promote_version(store: Store, model: str, why: str, by: str | None) -> dict[str, Any]:
    """Make a version the champion.

    Args:
        store: Store of the registry.
        model: ``PROJECT/VERSION`` or ``PROJECT@ALIAS``.
        why: Reason.
        by: Who asks for it; None for the user of this machine.

    Returns:
        The version, and the one that was the champion before.

    Raises:
        BadInput: there is no such version, or no reason.
        LostRace: another run or person moved the champion at this moment.
    """
    why, by = _checked(why, by)
    card = find_named(store, model)
    move = AliasMove(version=card.version, at=datetime.now(UTC), reason=why, by=by)
    alias, before = promote_by_hand(store, card, move)
    return _moved(store, alias, before)


def roll_back_champion(store: Store, project: str, why: str, by: str | None) -> dict[str, Any]:
    """Make the version before the champion the champion again.

    Args:
        store: Store of the registry.
        project: Project of the model.
        why: Reason.
        by: Who asks for it; None for the user of this machine.

    Returns:
        The version, and the one that was rolled back.

    Raises:
        BadInput: there is no version to go back to, or no reason.
        LostRace: another run or person moved the champion at this moment.
    """
    why, by = _checked(why, by)
    find_model_version(store, project, CHAMPION)
    alias, left = roll_back(store, project, why, by, datetime.now(UTC))
    return _moved(store, alias, left)


def _moved(store: Store, alias: ModelAlias, before: int | None) -> dict[str, Any]:
    moved = {"ok": True, "project": alias.project, "alias": alias.name, "version": alias.version, "before": before}
    return {**moved, **page_after_move(store, alias.project)}


def _checked(why: str, by: str | None) -> tuple[str, str | None]:
    """Reason and name as they are kept."""
    why, by = why.strip(), (by or _user() or "").strip() or None
    if not why:
        raise BadInput("--why: the reason is empty; say why, those who come later will ask")
    for option, text, longest in (("--why", why, MAX_REASON), ("--by", by or "", MAX_NAME)):
        if len(text) > longest:
            raise BadInput(f"{option}: {len(text)} characters; at most {longest} are kept")
    return why, by


def _user() -> str | None:
    """The user of this machine; a container may have none."""
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return None
