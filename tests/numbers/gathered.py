"""All values of a number."""

from pathlib import Path
from typing import Any

from tests.fakes.libraries import imported
from tests.numbers import images, scores


def gather(name: str, folder: Path) -> dict[str, Any]:
    """The values of a number.

    Args:
        name: recipe or scoring.
        folder: For temporary files.

    Returns:
        Values by part. Both have how images go in and how boxes are selected: that decides scores, and by these the
        best epoch.
    """
    imported("tasks.training.worker.loop.step", folder)
    shared = {"images": images.scaled(folder / "scaled"), "boxes": images.selected_boxes()}
    if name == "scoring":
        return {**shared, "scores": scores.measured(), "comparison": scores.compared()}
    from tests.numbers import training

    return {**shared, "validation": scores.validated(), **training.values(folder)}
