"""Which model of a study to take: the rule, and the recommendation in words. Pure.

The most accurate of many models is partly so by chance, and a slower model has to be worth its time. So it is the
rule of one standard error (Breiman et al. 1984, Classification and Regression Trees, section 3.4.3): take the simplest
model that comes within one standard error of the best. Simplest is here what takes the least time for an image.
"""

from collections.abc import Sequence
from statistics import median
from typing import NamedTuple

from tasks.metrics.intervals import CONFIDENCE, t_quantile
from tasks.records import GatePolicy, StudiedModel, Trial

RULE = (
    "Of all models that come within one standard error of the most accurate, the fastest is taken, and of equally fast "
    "ones the most accurate. The standard error is that of the difference on the same images, by bootstrap over source "
    "images."
)
MIN_SOURCES: int = GatePolicy.model_fields["min_images"].default
"""So many source images it takes to compare models, as for the gate."""


class Recommendation(NamedTuple):
    """What a study recommends."""

    model: StudiedModel | None
    """None if nothing can be recommended."""
    sentence: str
    caveats: tuple[str, ...]


def recommend(models: Sequence[StudiedModel], left_out: Sequence[Trial], sources: int) -> Recommendation:
    """Choose a model of a study.

    Args:
        models: Measured models, the most accurate first.
        left_out: Trials without a model.
        sources: Number of source images that they were measured on.

    Returns:
        The model, why it is chosen, and what else to know.
    """
    best = models[0]
    caveats = tuple(_caveats(models, left_out))
    if sources < MIN_SOURCES:
        images = f"{sources} source image{'' if sources == 1 else 's'} to measure on"
        sentence = (
            f"It cannot be told which settings are best: {images}, it takes {MIN_SOURCES}. Label more test images."
        )
        return Recommendation(None, sentence, caveats)
    if best.map.ci95 is None or best.map.ci95[0] <= 0:
        sentence = (
            f"It cannot be told which settings are best: the most accurate, {best.name}, has mAP {best.map.value:.3f}, "
            "which may be 0. Train for more epochs, or label more images."
        )
        return Recommendation(None, sentence, caveats)
    near = [model for model in models if _is_near(model, sources)]
    choice = min(near, key=lambda model: (_cost(model, models), -model.map.value))
    if len(models) > 1:
        chance = (
            f"The best of {len(models)} models looks a little better than it is, because it was chosen on the "
            f"{sources} source images that it was measured on."
        )
        caveats = (*caveats, chance)
    return Recommendation(choice, _sentence(choice, best, sources), caveats)


def _is_near(model: StudiedModel, sources: int) -> bool:
    """Whether a model comes within one standard error of the most accurate."""
    if model.behind is None:
        return True
    low, high = model.behind.ci95
    standard_error = (high - low) / 2 / t_quantile((1 + CONFIDENCE) / 2, sources)
    return -model.behind.gain <= standard_error


def _cost(model: StudiedModel, models: Sequence[StudiedModel]) -> float:
    """What an image costs: time, of all models of this size together, since two measurements of one network differ.

    Where speeds are not comparable it is the number of multiplications, which grows with parameters and pixels.
    """
    size = model.settings.variant, model.settings.image_size
    if len({one.device for one in models}) == 1 and all(one.latency_ms is not None for one in models):
        same = [one for one in models if (one.settings.variant, one.settings.image_size) == size]
        return median(one.latency_ms or 0.0 for one in same)
    return (model.parameters or model.file_bytes) * float(model.settings.image_size) ** 2


def _sentence(choice: StudiedModel, best: StudiedModel, sources: int) -> str:
    start = f"Take {choice.name}: mAP {_with_interval(choice)}{_time(choice)}."
    if choice.behind is None:
        return f"{start} It is the most accurate, and no faster model comes within one standard error of it."
    low, high = choice.behind.ci95
    return (
        f"{start} The most accurate, {best.name}, has {best.map.value:.3f}{_time(best)}; the difference, "
        f"{choice.behind.gain:+.3f} (95 %: {low:+.3f} to {high:+.3f}), is within one standard error on these "
        f"{sources} source images."
    )


def _with_interval(model: StudiedModel) -> str:
    interval = model.map.ci95
    return f"{model.map.value:.3f}" + (f" (95 %: {interval[0]:.3f} to {interval[1]:.3f})" if interval else "")


def _time(model: StudiedModel) -> str:
    return f", {model.latency_ms:.1f} ms an image" if model.latency_ms is not None else ""


def _caveats(models: Sequence[StudiedModel], left_out: Sequence[Trial]) -> list[str]:
    caveats = []
    if rising := [model.name for model in models if model.still_rising]:
        caveats.append(f"mAP was still rising at the end of {'; '.join(rising)}: more epochs may change the order.")
    devices = sorted({model.device for model in models if model.device})
    if len(devices) > 1:
        caveats.append(f"Speeds were measured on different devices ({', '.join(devices)}), and are not comparable.")
    for status, words in (("stopped", "stopped early"), ("failed", "failed")):
        if numbers := [trial.number for trial in left_out if trial.status == status]:
            caveats.append(
                f"{len(numbers)} of the trials {words}, and {'is' if len(numbers) == 1 else 'are'} not measured."
            )
    return caveats
