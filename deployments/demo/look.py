"""What one animal looks like, apart from its kind."""

import random
from dataclasses import dataclass

from deployments.demo.pen import Colour, jitter

FURS: tuple[tuple[Colour, Colour], ...] = (
    ((235, 150, 70), (255, 235, 205)),
    ((120, 120, 128), (215, 215, 220)),
    ((60, 56, 60), (235, 235, 235)),
    ((240, 232, 218), (205, 170, 130)),
    ((150, 98, 60), (232, 205, 170)),
    ((200, 165, 110), (250, 235, 205)),
    ((98, 74, 62), (185, 150, 120)),
    ((170, 140, 125), (240, 225, 215)),
)
_EYES: tuple[Colour, ...] = ((90, 160, 80), (210, 160, 50), (90, 140, 200), (95, 62, 40))
COLLARS: tuple[Colour, ...] = ((200, 50, 60), (40, 110, 190), (240, 190, 40), (90, 170, 90), (150, 80, 170))


@dataclass(frozen=True)
class Look:
    """Colours, pose and mood of one animal."""

    fur: Colour
    light: Colour
    eyes: Colour
    collar: Colour | None
    pattern: str
    sitting: bool
    turn: float
    """Where the head is turned to, from -1, left, to 1, right."""
    tail: float
    """How high the tail is held, in [0, 1]."""
    squint: bool


def random_look(rng: random.Random) -> Look:
    """A look at random; no part of it depends on the kind of the animal."""
    fur, light = rng.choice(FURS)
    return Look(
        fur=jitter(rng, fur, 14),
        light=jitter(rng, light, 8),
        eyes=rng.choice(_EYES),
        collar=rng.choice(COLLARS) if rng.random() < 0.4 else None,
        pattern=rng.choice(("plain", "stripes", "spots", "patch")),
        sitting=rng.random() < 0.5,
        turn=rng.uniform(-1, 1),
        tail=rng.uniform(0, 1),
        squint=rng.random() < 0.3,
    )
