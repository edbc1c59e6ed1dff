"""What a kind of findings is.

Add a kind to ``error_kinds`` or ``note_kinds`` when a check is added; findings are shown in the order of the tables.
"""

from typing import Literal, NamedTuple

Severity = Literal["error", "warning", "info"]


class FindingKind(NamedTuple):
    """One kind of finding."""

    severity: Severity
    """An error stops the run."""
    message: str
    """What was found and what to do about it, with ``{count}`` and maybe ``{limit:g}`` in it."""
    limit: float = 0
    """What is below this is too small or too few; 0 for kinds without a limit."""
