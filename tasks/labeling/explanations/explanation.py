"""The form of an explanation."""

from typing import NamedTuple

MAX_TITLE = 38
"""Characters; with code and severity beside it, a title fits into a line of 80."""


class Explanation(NamedTuple):
    """What one code means."""

    title: str
    """What was seen, in MAX_TITLE characters."""
    why: str
    """Why it matters for training or measuring."""
    remedy: str
    """What to do."""
    example: str
    """An input that has the finding."""
