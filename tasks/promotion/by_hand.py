"""Moves of the champion that a person asks for: promoting a version, and going back to the one before.

Both are in the alias's history, with who asked and why. What was rolled back is not promoted again by the gate.
"""

from datetime import datetime

from tasks.errors import BadInput
from tasks.promotion.aliases import find_alias, move_alias, previous_version, rollbacks
from tasks.promotion.registry import CHAMPION, confirm, find_version
from tasks.records import AliasMove, ModelAlias, ModelVersion
from tasks.storage.s3 import Store


def promote_by_hand(store: Store, card: ModelVersion, move: AliasMove) -> tuple[ModelAlias, int | None]:
    """Make a version the champion, whatever the gate said.

    Args:
        store: Store of the registry.
        card: The version.
        move: The move to it, with who asked and why.

    Returns:
        The alias as it is now, and the champion before; None if there was none.

    Raises:
        LostRace: another run or person moved the champion at this moment.
    """
    champion = find_alias(store, card.project, CHAMPION)
    before = champion.version if champion else None
    alias = move_alias(store, card.project, CHAMPION, move, before)
    if not card.decision.promote:
        # The card of a champion says why it is one. Told again if it was killed after the move.
        why = alias.history[-1].reason
        reason = f"Promoted on request ({why}). {card.decision.reason}"
        decision = card.decision.model_copy(update={"promote": True, "overridden": why, "reason": reason})
        confirm(store, card.model_copy(update={"decision": decision}))
    return alias, before


def roll_back(store: Store, project: str, reason: str, by: str | None, at: datetime) -> tuple[ModelAlias, int]:
    """Make the version the champion that was it before the present one.

    Args:
        store: Store of the registry.
        project: The project.
        reason: Why.
        by: Who asked.
        at: Time of the move, in UTC.

    Returns:
        The alias as it is now, and the version that was rolled back.

    Raises:
        BadInput: there is no champion, or none before it.
        LostRace: another run or person moved the champion at this moment.
    """
    champion = find_alias(store, project, CHAMPION)
    if champion is None:
        raise BadInput(f"project {project}: no champion; `nasflow models list` shows what there is")
    before = previous_version(champion.history)
    if before is None:
        raise BadInput(
            f"project {project}: no champion before version {champion.version} to go back to; "
            "`nasflow models promote` makes any version the champion"
        )
    move = AliasMove(version=before, at=at, reason=reason, by=by, rolled_back=champion.version)
    return move_alias(store, project, CHAMPION, move, champion.version), champion.version


def find_rollback(store: Store, project: str, weights_sha256: str) -> str | None:
    """Find out whether these weights were the champion and were rolled back.

    Args:
        store: Store of the registry.
        project: The project.
        weights_sha256: SHA-256 of the weights.

    Returns:
        Which version it was, who rolled it back, when and why, in a clause; None if they were not.
    """
    champion = find_alias(store, project, CHAMPION)
    for version, move in rollbacks(champion.history if champion else ()).items():
        card = find_version(store, project, version)
        if card is not None and card.weights.sha256 == weights_sha256:
            by = f" by {move.by}" if move.by else ""
            return f"version {version} was rolled back{by} on {move.at:%Y-%m-%d} ({move.reason})"
    return None
