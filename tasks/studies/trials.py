"""Where the trials of a study come from, and where what became of them is kept."""

from collections.abc import Callable, Sequence
from typing import Protocol

from tasks.errors import LostRace
from tasks.records import SettingsSpace, Trial, TrialSettings
from tasks.storage import keys
from tasks.storage.documents import create_record, put_record, read_record
from tasks.storage.runs import find_model
from tasks.storage.s3 import Store
from tasks.studies.search import is_hopeless, suggest


class Trials(Protocol):
    """The trials of a study."""

    total: int
    """How many there will be."""

    def all(self) -> Sequence[Trial]:
        """All trials so far, by number."""

    def next(self) -> Trial | None:
        """The next trial to train; None if there is none, at least for now."""

    def keep(self, trial: Trial) -> None:
        """Keep what became of a trial, or how far it is."""

    @property
    def is_hopeless(self) -> Callable[[Trial], bool] | None:
        """Says of an open trial whether it is to be stopped; None if none ever is."""


class Combinations:
    """All combinations of given values. Finished runs are found again by their settings, so nothing else is kept.

    Args:
        trials: The combinations.
    """

    is_hopeless = None
    """All combinations are asked for."""

    def __init__(self, trials: Sequence[Trial]) -> None:
        self.total = len(trials)
        self._trials = {trial.number: trial for trial in trials}
        self._waiting = list(trials)

    def all(self) -> Sequence[Trial]:
        """All combinations."""
        return tuple(self._trials.values())

    def next(self) -> Trial | None:
        """The next combination."""
        return self._waiting.pop(0) if self._waiting else None

    def keep(self, trial: Trial) -> None:
        """Keep it for this run of the study."""
        self._trials[trial.number] = trial


class Search:
    """Trials that Optuna chooses, kept in the store: a search that was killed, or gets more trials, goes on.

    Trials that were open when a search was killed are trained to their end first; those that failed are tried again.

    Args:
        store: The object store.
        prefix: Project and digest of the study.
        base: Settings of the request, with numbers instead of ``auto``.
        space: The values to try.
        train_images: Number of training images.
        seed: Seed of the search.
    """

    def __init__(
        self,
        store: Store,
        prefix: tuple[str, str],
        base: TrialSettings,
        space: SettingsSpace,
        train_images: int,
        seed: int,
    ) -> None:
        self._store, self._prefix, self._base, self._space = store, prefix, base, space
        self._train_images, self._seed = train_images, seed
        self._trials: dict[int, Trial] = {}
        self._read()
        self.total = max(space.trials or 0, len(self._trials))
        self._waiting = [trial.model_copy(update={"status": "open", "why": None}) for trial in self._unfinished()]

    def all(self) -> Sequence[Trial]:
        """All trials so far, those of earlier runs of the study too."""
        return tuple(self._trials[number] for number in sorted(self._trials))

    def next(self) -> Trial | None:
        """An unfinished trial, or one that Optuna chooses now."""
        if self._waiting:
            return self._waiting.pop(0)
        while len(self._trials) < self.total:
            settings = suggest(self._base, self._space, self._train_images, self.all(), self._seed)
            trial = Trial(number=len(self._trials) + 1, settings=settings)
            try:
                create_record(self._store, self._key(trial.number), trial)
            except LostRace:
                self._read()  # another run of the same study chose one meanwhile
                continue
            self._trials[trial.number] = trial
            return trial
        return None

    def keep(self, trial: Trial) -> None:
        """Keep it in the store, unless it is just on its way."""
        self._trials[trial.number] = trial
        if trial.status != "open":
            put_record(self._store, self._key(trial.number), trial)

    def is_hopeless(self, trial: Trial) -> bool:
        """Whether it is behind the median of the others."""
        return is_hopeless(trial, self.all())

    def _unfinished(self) -> list[Trial]:
        """Trials that were open when a search was killed, that failed, or whose model was removed since."""
        return [trial for trial in self.all() if trial.status in ("open", "failed") or self._has_lost_model(trial)]

    def _has_lost_model(self, trial: Trial) -> bool:
        return trial.status == "trained" and (trial.run_key is None or find_model(self._store, trial.run_key) is None)

    def _read(self) -> None:
        for key in self._store.list(keys.study_trials(*self._prefix)):
            trial, _ = read_record(self._store, key, Trial)
            self._trials[trial.number] = trial

    def _key(self, number: int) -> str:
        return keys.study_trial(*self._prefix, number)
