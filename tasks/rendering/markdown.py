"""Names, sentences and numbers as markdown shows them in Prefect. Plain."""

import re

NOTHING = "\N{EN DASH}"


def as_text(text: str) -> str:
    """A sentence that may hold a class name, as plain text."""
    return re.sub(r"[<>&|`*_\[\]\\~$#]", lambda found: f"&#{ord(found[0])};", " ".join(text.split()))


def as_cell(name: str) -> str:
    """A class name that is read as plain text: whatever could be markdown or HTML becomes an entity."""
    return re.sub(r"[^\w\s.,-]|_", lambda found: f"&#{ord(found[0])};", " ".join(name.split()))


def as_number(value: float | None) -> str:
    """A fraction."""
    return NOTHING if value is None else f"{value:.3f}"


def as_interval(interval: tuple[float, float] | None) -> str:
    """An interval."""
    return NOTHING if interval is None else f"{interval[0]:.3f} to {interval[1]:.3f}"
