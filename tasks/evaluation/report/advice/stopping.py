"""When to stop training: the best epoch, plateau, overfitting, and whether more epochs would help."""

from collections.abc import Sequence

from tasks.evaluation.report.advice.sentences import Advice
from tasks.metrics.history import RISE, still_rising
from tasks.records import EpochResult, TrainingResult

PLATEAU_GAIN = 0.01
"""A gain of mAP below this share of the best does not count. Chosen, as the numbers below are."""
MIN_PLATEAU_EPOCHS = 3
"""Minimum number of epochs without gain that make a plateau; or a tenth of all, if that is more."""
OVERFITTING_RISE = 0.05
"""Rise of the validation loss over its minimum, as a share of it, that is overfitting."""
LAST_EPOCHS = 3
"""Epochs at the end that all have to show the rise."""


def when_to_stop(history: Sequence[EpochResult], result: TrainingResult | None) -> list[Advice]:
    """Best epoch, plateau, overfitting, and whether more epochs would help; nothing without a history."""
    if not history:
        return []
    best = best_epoch(history, result)
    max_map = max(epoch.map for epoch in history)
    if max_map <= 0:
        return [Advice("mAP stayed at 0: nothing was learnt that could be measured.", "mAP on the valid split.")]
    best_map = next((epoch.map for epoch in history if epoch.epoch == best), max_map)
    return [
        Advice(
            f"The weights of epoch {best} were kept: mAP {best_map:.3f} on the valid split, the highest.",
            "Highest mAP; of equals the one with the lowest validation loss.",
            best,
            "best",
        ),
        _plateau(history),
        _overfitting(history),
        _more_epochs(history, result),
    ]


def best_epoch(history: Sequence[EpochResult], result: TrainingResult | None) -> int:
    """The epoch whose weights were kept."""
    if result:
        return result.best_epoch
    return max(history, key=lambda epoch: (epoch.map, -epoch.valid_losses["total"])).epoch


def plateau_since(history: Sequence[EpochResult]) -> int | None:
    """The first epoch within 1 % of the best mAP, if enough epochs came after it to call that a plateau."""
    enough = (1 - PLATEAU_GAIN) * max(epoch.map for epoch in history)
    first = next(index for index, epoch in enumerate(history) if epoch.map >= enough)
    epochs_after = len(history) - 1 - first
    return history[first].epoch if epochs_after >= max(MIN_PLATEAU_EPOCHS, len(history) / 10) else None


def overfits_since(history: Sequence[EpochResult]) -> int | None:
    """The epoch of the lowest validation loss, if that rose for good afterwards while the training loss fell."""
    lowest = min(range(len(history)), key=lambda index: history[index].valid_losses["total"])
    last = history[-LAST_EPOCHS:]
    if lowest >= len(history) - LAST_EPOCHS:
        return None
    min_loss = history[lowest].valid_losses["total"]
    has_risen = min(epoch.valid_losses["total"] for epoch in last) > (1 + OVERFITTING_RISE) * min_loss
    has_fallen = sum(epoch.losses["total"] for epoch in last) / len(last) < history[lowest].losses["total"]
    return history[lowest].epoch if has_risen and has_fallen else None


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _plateau(history: Sequence[EpochResult]) -> Advice:
    rule = (
        f"At least {MIN_PLATEAU_EPOCHS} epochs, and a tenth of all, after the first one within "
        f"{_percent(PLATEAU_GAIN)} of the best mAP."
    )
    epoch = plateau_since(history)
    if epoch is None:
        return Advice("There is no plateau: mAP came to its best near the end.", rule)
    epochs_after = history[-1].epoch - epoch
    return Advice(
        f"Since epoch {epoch} nothing more was gained: the {epochs_after} epochs after it raised mAP by less than "
        f"{_percent(PLATEAU_GAIN)}.",
        rule,
        epoch,
        "flat since",
    )


def _overfitting(history: Sequence[EpochResult]) -> Advice:
    rule = (
        f"Validation loss of the last {LAST_EPOCHS} epochs over {_percent(OVERFITTING_RISE)} above its minimum, while "
        "the training loss fell."
    )
    epoch = overfits_since(history)
    if epoch is None:
        return Advice("There is no sign of overfitting.", rule)
    return Advice(
        f"After epoch {epoch} it overfits: it learnt the training images by heart, while the loss on others rose. "
        "More labels or stronger augmentation help; more epochs do not.",
        rule,
        epoch,
        "overfits after",
    )


def _more_epochs(history: Sequence[EpochResult], result: TrainingResult | None) -> Advice:
    if result and result.ended == "patience":
        return Advice(
            "More epochs would hardly help: training ended by itself.", "No better mAP for as many epochs as patience."
        )
    rising = result.still_rising if result else still_rising(history)
    rule = f"Best mAP of the last fifth of the epochs at least {RISE:.2f} above the best before it."
    if rising:
        return Advice("More epochs would probably help: mAP was still rising at the end.", rule)
    return Advice("More epochs would hardly help: mAP was not rising any more.", rule)
