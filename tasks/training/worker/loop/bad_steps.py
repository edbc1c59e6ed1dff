"""Steps whose loss is no finite number: single ones are left out, several in a row end training with what was seen."""

import math
from collections.abc import Sequence

from tasks.errors import NotLearning
from tasks.records import LabelledImage, TrainingSpec
from tasks.training.worker.data.loaders import Batch
from tasks.training.worker.loop.step import Learner, Outcome
from tasks.training.worker.runtime.distributed import Team

MOST_IN_A_ROW = 5
MOST_NAMES = 4
"""How many pictures a message names."""


class BadSteps:
    """Counts bad steps in a row."""

    def __init__(self, learner: Learner, team: Team, images: Sequence[LabelledImage]) -> None:
        self._learner, self._team, self._images = learner, team, images
        self._in_a_row = 0

    def count(self, outcome: Outcome, where: str) -> bool:
        """Whether a step was bad.

        Raises:
            NotLearning: it was one too many.
        """
        if math.isfinite(sum(outcome.parts)):
            self._in_a_row = 0
            return False
        self._in_a_row += 1
        if self._in_a_row >= MOST_IN_A_ROW:
            seen = "; ".join(text for text in self._team.gathered(self._seen(outcome.bad)) if text)
            raise not_learning(
                self._learner.spec,
                f"the loss is no finite number since {self._in_a_row} steps, in {where}; last {seen}",
            )
        return True

    def _seen(self, batch: Batch | None) -> str:
        """What a person would look at: learning rate, pictures, boxes."""
        if batch is None:
            return ""
        names = [self._images[index].file_name for index in batch.indices]
        boxes = f"{len(batch.targets)} boxes"
        if len(batch.targets):
            sides = batch.targets[:, 4:]
            boxes += f" with sides from {sides.min():.1f} to {sides.max():.1f} pixels"
        more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
        return f"learning rate {self._learner.rate:.3g}, {boxes} in {', '.join(names[:MOST_NAMES])}{more}"


def not_learning(spec: TrainingSpec, what: str) -> NotLearning:
    """The error, with what to do."""
    return NotLearning(f"{what}; lower the learning rate ({spec.learning_rate:g}) or look at the labels")
