"""Names, sentences and numbers for the Markdown of Prefect's artifacts. Pure."""

import re

MISSING = "\N{EN DASH}"


def as_text(text: str) -> str:
    """Escape a sentence that may contain a class name."""
    return re.sub(r"[<>&|`*_\[\]\\~$#]", _entity, " ".join(text.split()))


def as_cell(name: str) -> str:
    """Escape a class name: whatever could be Markdown or HTML becomes an entity."""
    return re.sub(r"[^\w\s.,-]|_", _entity, " ".join(name.split()))


def as_number(value: float | None) -> str:
    """A fraction with three decimals, or a dash."""
    return MISSING if value is None else f"{value:.3f}"


def as_interval(interval: tuple[float, float] | None) -> str:
    """An interval with three decimals, or a dash."""
    return MISSING if interval is None else f"{interval[0]:.3f} to {interval[1]:.3f}"


def _entity(match: re.Match[str]) -> str:
    return f"&#{ord(match[0])};"
