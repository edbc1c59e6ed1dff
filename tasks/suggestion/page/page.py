"""The gallery of chosen images: each with its boxes, its score and its reasons. It loads nothing from elsewhere."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote

from tasks.records import Choice, Suggestion
from tasks.rendering.pages import render

MAX_LISTED = 200
"""Images that are not suggested are listed up to this number; suggestions.json has all."""


@dataclass(frozen=True)
class Card:
    """A chosen image on the page."""

    suggestion: Suggestion
    link: str
    thumbnail: str
    alt: str


@dataclass(frozen=True)
class PageFacts:
    """What the page says about the run."""

    title: str
    sentences: Sequence[str]
    threshold: float
    failed: Sequence[tuple[str, str]]
    """Images that could not be read, and why."""
    files: Sequence[str]
    """Files beside the page that have it all."""


def suggestions_page(choice: Choice, annotated: Sequence[str], thumbnails: Sequence[str], facts: PageFacts) -> str:
    """The page.

    Args:
        choice: What to label next.
        annotated: Path of each annotated image, from the page.
        thumbnails: Path of each thumbnail, from the page.
        facts: What the page says about the run.

    Returns:
        The page as HTML.
    """
    cards = [
        Card(one, quote(link), quote(thumbnail), _alt(one, facts.threshold))
        for one, link, thumbnail in zip(choice.suggestions, annotated, thumbnails, strict=True)
    ]
    return render(
        "tasks.suggestion.page",
        "suggestions.html.j2",
        facts=facts,
        cards=cards,
        left_out=choice.left_out,
        listed=choice.left_out[:MAX_LISTED],
        counts=sorted(Counter(one.reason for one in choice.left_out).items()),
    )


def _alt(suggestion: Suggestion, threshold: float) -> str:
    counts = Counter(one.class_name for one in suggestion.candidate.detected(threshold))
    words = ", ".join(f"{count} {name}" for name, count in sorted(counts.items())) or "nothing detected"
    return f"{suggestion.candidate.image}: {words}"
