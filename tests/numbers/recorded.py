"""Recorded values: how they are kept, and how others are compared with them."""

import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.metrics.scoring_number import SCORING
from tasks.training.spec import RECIPE

TOLERANCE = 1e-4
"""Relative; other processors sum in another order."""
SHOWN = 4


@dataclass(frozen=True)
class Kind:
    """A number, and where its values are."""

    name: str
    number: int
    constant: str
    page: str

    @property
    def path(self) -> Path:
        return Path(__file__).with_name(f"{self.name}.json")

    def read(self) -> tuple[int, dict[str, Any]]:
        """The recorded number, and its values."""
        recorded = json.loads(self.path.read_text())
        return recorded["number"], recorded["values"]

    def write(self, values: dict[str, Any]) -> None:
        text = json.dumps({"number": self.number, "values": values}, indent=1)
        # What holds nothing but numbers and texts takes a line.
        short = re.sub(r"([\[{])\s+([^\[\]{}]*?)\s+([\]}])", lambda m: m[1] + " ".join(m[2].split()) + m[3], text)
        self.path.write_text(short + "\n")

    def problem(self, values: dict[str, Any]) -> str | None:
        """What is wrong, and what to do, in a line; None if these are the values of the number."""
        number, recorded = self.read()
        if number != self.number:
            return (
                f"{self.path.name} holds {self.name} {number}, and it is {self.number} now: run python -m tests.numbers"
            )
        if not (found := differences(recorded, values)):
            return None
        more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        return (
            f"{self.name} {number} gives other values than when it got its number: raise {self.constant} by one, "
            f"say in {self.page} what changed, and run python -m tests.numbers. "
            f"Differing: {'; '.join(found[:SHOWN])}{more}"
        )


KINDS = {
    "recipe": Kind("recipe", RECIPE, "RECIPE in tasks/training/spec.py", "docs/training.md"),
    "scoring": Kind("scoring", SCORING, "SCORING in tasks/metrics/scoring_number.py", "docs/evaluation.md"),
}


def about(value: float, within: float) -> dict[str, float]:
    """A value that processors round differently: of pixels that were computed in floating point."""
    return {"about": round(float(value), 2), "within": within}


def differences(recorded: Any, now: Any, place: str = "") -> list[str]:
    """Where values are not the recorded ones. What was not recorded is no difference.

    Args:
        recorded: Dicts and lists of numbers, texts and None.
        now: The same of now.
        place: Where they are.

    Returns:
        Place, recorded value and value of now.
    """
    if isinstance(recorded, dict) and isinstance(now, dict):
        if "within" in recorded and "about" in now:
            is_near = abs(recorded["about"] - now["about"]) <= recorded["within"]
            return [] if is_near else [f"{place}: {recorded['about']} recorded, {now['about']} now"]
        pairs = [(f"{place}.{name}".lstrip("."), value, now.get(name)) for name, value in recorded.items()]
        return [one for name, before, after in pairs for one in differences(before, after, name)]
    if isinstance(recorded, list) and isinstance(now, list) and len(recorded) == len(now):
        pairs = [(f"{place}[{at}]", *both) for at, both in enumerate(zip(recorded, now, strict=True))]
        return [one for name, before, after in pairs for one in differences(before, after, name)]
    if isinstance(recorded, float) and isinstance(now, int | float):
        is_same = math.isclose(recorded, now, rel_tol=TOLERANCE, abs_tol=1e-9)
    else:
        is_same = recorded == now
    return [] if is_same else [f"{place}: {recorded} recorded, {now} now"]
