"""A look at the store: how far it is behind running trainings, the champions, and what crashes cost.

Trainings are known from the server. Checkpoints are listed, not read.
"""

import logging
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TypeVar

from deployments.monitoring.figures import (
    Champion,
    Crash,
    RunningTraining,
    ServerFigures,
    StoreFigures,
    TrainingInStore,
)
from tasks.errors import CorruptObject
from tasks.promotion.aliases import find_alias
from tasks.promotion.registry import CHAMPION
from tasks.records import RunState
from tasks.storage import keys
from tasks.storage.checkpoints import SavedCheckpoint, list_checkpoints
from tasks.storage.documents import find_record
from tasks.storage.s3 import Store

MAX_PROJECTS = 500
CHAMPIONS_SECONDS = 300.0
"""Least time between two looks at the champions, each a request for each project."""
ANSWER_SECONDS = 10.0

T = TypeVar("T")

logger = logging.getLogger(__name__)


class StoreLook:
    """Looks at a store.

    Args:
        store: The store.
        server: Gives what the server said last; None while it does not answer.

    Attributes:
        lost_seconds: What crashes have cost since this was made, seconds.
    """

    def __init__(self, store: Store, server: Callable[[], ServerFigures | None]) -> None:
        self.lost_seconds = 0.0
        self._store, self._server = store.answering_within(ANSWER_SECONDS), server
        self._counted: set[str] = set()
        self._champions: list[Champion] = []
        self._projects_left_out = 0
        self._unreadable: set[str] = set()
        self._next_champions = float("-inf")

    def __call__(self) -> StoreFigures:
        """Look.

        Raises:
            NasflowError: the store does not answer, or refuses.
        """
        now = self._store.now()
        if time.monotonic() >= self._next_champions:
            self._look_at_champions()
            self._next_champions = time.monotonic() + CHAMPIONS_SECONDS
        server = self._server()
        trainings = [self._readable(_training, self._store, one, now) for one in (server.trainings if server else ())]
        if server:
            self._count(server.crashes)
        return StoreFigures(
            [one for one in trainings if one is not None],
            self._champions,
            {"projects": self._projects_left_out, "unreadable": len(self._unreadable)},
        )

    def _look_at_champions(self) -> None:
        """The champions of the first projects by name. What cannot be read is told again, if it is so still."""
        self._unreadable.clear()
        projects = self._store.folders(keys.all_models())
        self._projects_left_out = max(len(projects) - MAX_PROJECTS, 0)
        found = [self._readable(_champion, self._store, project) for project in projects[:MAX_PROJECTS]]
        self._champions = [champion for champion in found if champion is not None]

    def _readable(self, read: Callable[..., T | None], *arguments: object) -> T | None:
        """What a function reads of an object; None if it is damaged, or by a nasflow that writes more."""
        try:
            return read(*arguments)
        except CorruptObject as error:
            if str(error) not in self._unreadable:
                logger.warning("%s", error)
            self._unreadable.add(str(error))
            return None

    def _count(self, crashes: Sequence[Crash]) -> None:
        for crash in crashes:
            if crash.event not in self._counted:
                self.lost_seconds += lost_seconds(crash, list_checkpoints(self._store, crash.run_key))
                self._counted.add(crash.event)
        self._counted &= {crash.event for crash in crashes}  # the server tells of others no more


def lost_seconds(crash: Crash, checkpoints: Sequence[SavedCheckpoint]) -> float:
    """Seconds that a crashed run had run since its newest checkpoint, or since its attempt began.

    Args:
        crash: The crash.
        checkpoints: What the store has; the run may have gone on, and saved others since.

    Returns:
        The seconds.
    """
    saved = [checkpoint.saved for checkpoint in checkpoints if checkpoint.saved <= crash.at]
    return max((crash.at - max([crash.began, *saved])).total_seconds(), 0.0)


def _training(store: Store, training: RunningTraining, now: datetime) -> TrainingInStore | None:
    """How far the store is behind; None if the run does not train at present: it fetches images, or measures."""
    state = find_record(store, keys.run_state(training.run_key), RunState)
    if state is None or state.status != "running":
        return None
    checkpoints = list_checkpoints(store, training.run_key)
    in_store = max((checkpoint.epochs_done for checkpoint in checkpoints), default=0)
    ages = [(now - checkpoint.saved).total_seconds() for checkpoint in checkpoints]
    return TrainingInStore(
        run_key=training.run_key,
        lag_epochs=max(state.epochs_done - in_store, 0),
        unsaved_seconds=max(min([training.running_seconds, *ages]), 0.0),
    )


def _champion(store: Store, project: str) -> Champion | None:
    alias = find_alias(store, project, CHAMPION)
    return Champion(project, alias.version, alias.history[-1].at) if alias is not None and alias.history else None
