"""What a network took from the weights it starts with, for people and for the result of a run."""

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.records import StartWeights

CLASS_HEAD = ".cls_pred."
"""Part of the names of the tensors that have one row per class."""
MAX_NAMES = 6
"""A message gives so many names, and then only counts."""


@dataclass(frozen=True)
class LoadedWeights:
    """What a network took from a weights file."""

    matched: int
    """Tensors of the network whose every value is the file's."""
    total: int
    """Tensors of the network."""
    left_out: tuple[str, ...]
    """Tensors that stay random, as a whole or, class heads, in the rows of new classes."""
    named: bool
    """Whether the file names its classes. If not, the next three are empty."""
    kept: tuple[str, ...]
    """Classes whose rows are the file's."""
    new: tuple[str, ...]
    """Classes that the file does not have; their rows stay random."""
    gone: tuple[str, ...]
    """Classes that only the file has."""
    licence: str | None
    """As the file's metadata say; None if they do not."""

    def sentence(self) -> str:
        """What was kept, in numbers and names, for people."""
        others = [name for name in self.left_out if CLASS_HEAD not in name]
        random = f"; not in the file, random instead: {shortened(others)}" if others else ""
        return f"{self.matched} of {self.total} tensors kept; {self._class_rows()}{random}"

    def _class_rows(self) -> str:
        if not self.named:
            random = any(CLASS_HEAD in name for name in self.left_out)
            heads = "random, the file has none for as many classes" if random else "kept in their order"
            return f"class names unknown; heads {heads}"
        names = f" ({shortened(self.kept)})" if self.kept else ""
        return (
            f"class rows: {len(self.kept)} of {len(self.kept) + len(self.new)} by name{names}"
            + (f", new: {shortened(self.new)}" if self.new else "")
            + (f", gone: {shortened(self.gone)}" if self.gone else "")
        )


def shortened(names: Sequence[str]) -> str:
    """Give the first names, and how many more there are."""
    more = f" and {len(names) - MAX_NAMES} more" if len(names) > MAX_NAMES else ""
    return ", ".join(names[:MAX_NAMES]) + more


def start_weights(loaded: LoadedWeights, source: str, sha256: str, licence: str | None) -> StartWeights:
    """Describe the weights that a run started with.

    Args:
        loaded: What the network took.
        source: Where the file came from.
        sha256: Of the file.
        licence: As the user said; None for what the file says, if it does.

    Returns:
        The part of a training result.
    """
    return StartWeights(
        source=source, sha256=sha256, licence=licence or loaded.licence or None, loaded=loaded.sentence()
    )
