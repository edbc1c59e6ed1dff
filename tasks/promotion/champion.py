"""The champion, and the run that it came from: to measure it and to compare with it, or why that cannot be.

The champion's card and weights are its project's. Its run and its labels may be gone: a lifecycle rule of the bucket
removed them, or a person did.
"""

from tasks.errors import NotInStore
from tasks.promotion.aliases import find_alias
from tasks.promotion.registry import CHAMPION, find_version
from tasks.records import ModelVersion, SnapshotRef, TrainedModel
from tasks.storage import keys
from tasks.storage.runs import find_model
from tasks.storage.s3 import Store


def find_current_champion(store: Store, project: str) -> ModelVersion | None:
    """The model in use, or None before the first promotion.

    Raises:
        NotInStore: the alias points to a version that is not there.
    """
    alias = find_alias(store, project, CHAMPION)
    if alias is None:
        return None
    champion = find_version(store, project, alias.version)
    if champion is None:
        card, pointer = (
            store.uri(key) for key in (keys.model_card(project, alias.version), keys.model_alias(project, CHAMPION))
        )
        raise NotInStore(
            f"{card}: no such object, and it is the champion's card; restore it, or delete {pointer} to begin anew"
        )
    return champion


def find_champion_run(
    store: Store, champion: ModelVersion, snapshot: SnapshotRef
) -> tuple[TrainedModel | None, str | None]:
    """Find the run that the champion came from.

    Args:
        store: Store of the run.
        champion: The version in use.
        snapshot: The labels to measure it on.

    Returns:
        The run and no obstacle, or no run and the obstacle: why the champion cannot be compared with, in a clause.
    """
    run = find_model(store, champion.run_key)
    if run is None:
        return None, f"its run {champion.run_key[:12]} is not in the store any more"
    obstacle = _find_obstacle(store, champion, run, snapshot)
    return (None, obstacle) if obstacle else (run, None)


def _find_obstacle(store: Store, champion: ModelVersion, run: TrainedModel, snapshot: SnapshotRef) -> str | None:
    if champion.classes != snapshot.classes:
        return f"it knows classes {', '.join(champion.classes)}, these labels have {', '.join(snapshot.classes)}"
    if run.weights.sha256 != champion.weights.sha256:
        return f"its run {run.run_key[:12]} was trained again, and has other weights now"
    for file in (run.weights, run.history):
        if not store.exists(file.key):
            return f"{file.key} is not in the store any more"
    if not store.exists(keys.snapshot(champion.snapshot_digest)):
        # Without them its training images cannot be left out, and would flatter it.
        return f"the labels that it was trained on, {champion.snapshot_digest[:12]}, are not in the store any more"
    return None
