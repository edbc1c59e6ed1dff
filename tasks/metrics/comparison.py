"""Whether one model is better than another: paired bootstrap of the difference over source images."""

import numpy as np
from numpy.typing import NDArray

from tasks.metrics.matching import IOU_50, Matches
from tasks.metrics.resampling import LEVEL, ROUNDS, Resampled, draw, inside, once, quantile, resample, spread
from tasks.records import Comparison, Gain, Interval


def compare(
    before: Matches, after: Matches, version: int, confidence_level: float = LEVEL, seed: int = 0, left_out: int = 0
) -> Comparison:
    """Compare two models on the same images; each resample draws the same sources for both.

    The difference is not flattered by few images as each number is, since both are. In simulations of two equal
    models on 8 to 50 images 2 to 3 % of the 95 % intervals lay above zero.

    Args:
        before: What the champion found.
        after: What the candidate found, on the same truths.
        version: The champion's.
        confidence_level: What the gate asks for, a fraction.
        seed: Seed of the resampling.
        left_out: Images that neither was measured on, to be told.
    """
    draws = draw(before, ROUNDS, seed)
    drawn = [_numbers(matches, resample(matches, draws)) for matches in (before, after)]
    given = [_numbers(matches, resample(matches, once(matches))) for matches in (before, after)]
    sources = before.source_count
    gains, bounds = {}, (0.0, 0.0)
    for name, was in given[0].items():
        old, new = float(was[0]), float(given[1][name][0])
        if np.isnan(old):
            continue
        difference = drawn[1][name] - drawn[0][name]
        gains[name] = Gain(
            before=inside(old),
            after=inside(new),
            gain=round(new - old, 6),
            ci95=_interval(new - old, difference, LEVEL, sources),
        )
        if name == "map":
            bounds = _interval(new - old, difference, confidence_level, sources)
    return Comparison(
        champion_version=version,
        sources=sources,
        left_out=left_out,
        confidence_level=confidence_level,
        bounds=bounds,
        map=gains.pop("map"),
        map50=gains.pop("map50"),
        per_class={name.removeprefix("class "): gain for name, gain in gains.items()},
    )


def _numbers(matches: Matches, drawn: Resampled) -> dict[str, NDArray[np.float64]]:
    numbers = {"map": drawn.mean(drawn.ap.mean(axis=1)), "map50": drawn.mean(drawn.ap[:, IOU_50])}
    return numbers | {f"class {name}": drawn.ap[:, :, at].mean(axis=1) for at, name in enumerate(matches.classes)}


def _interval(value: float, drawn: NDArray[np.float64], confidence_level: float, sources: int) -> Interval:
    margin = quantile((1 + confidence_level) / 2, sources) * spread(drawn, sources)
    return round(value - margin, 6), round(value + margin, 6)
