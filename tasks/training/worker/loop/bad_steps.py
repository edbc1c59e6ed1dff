"""Steps whose loss is not finite: single ones are skipped, several in a row end training with what was seen."""

import math
from collections.abc import Sequence

from tasks.errors import NotLearning
from tasks.records import LabelledImage, TrainingSpec
from tasks.training.worker.data.loaders import Batch
from tasks.training.worker.loop.step import StepResult, TrainingStep

MAX_IN_A_ROW = 5
"""Chosen; decision 0039."""
MAX_NAMES = 4
"""Images that a message names."""


class BadSteps:
    """Counts bad steps in a row.

    Args:
        training_step: Knows the learning rate and the other processes.
        images: Training images, for messages.
    """

    def __init__(self, training_step: TrainingStep, images: Sequence[LabelledImage]) -> None:
        self._training_step, self._images = training_step, images
        self._in_a_row = 0

    def count(self, result: StepResult, where: str) -> bool:
        """Whether a step was bad.

        Raises:
            NotLearning: it was one too many.
        """
        if math.isfinite(sum(result.parts)):
            self._in_a_row = 0
            return False
        self._in_a_row += 1
        if self._in_a_row >= MAX_IN_A_ROW:
            descriptions = self._training_step.process_group.all_gather(self._description(result.bad))
            last = "; ".join(text for text in descriptions if text)
            raise not_learning(
                self._training_step.spec,
                f"the loss is no finite number since {self._in_a_row} steps, in {where}; last {last}",
            )
        return True

    def _description(self, batch: Batch | None) -> str:
        """What a person would look at: learning rate, images, boxes."""
        if batch is None:
            return ""
        names = [self._images[index].file_name for index in batch.indices]
        boxes = f"{len(batch.targets)} boxes"
        if len(batch.targets):
            sides = batch.targets[:, 4:]
            boxes += f" with sides from {sides.min():.1f} to {sides.max():.1f} pixels"
        more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
        return f"learning rate {self._training_step.rate:.3g}, {boxes} in {', '.join(names[:MAX_NAMES])}{more}"


def not_learning(spec: TrainingSpec, what: str) -> NotLearning:
    """Make the error, with its remedy."""
    return NotLearning(f"{what}; lower the learning rate ({spec.learning_rate:g}) or look at the labels")
