"""The gallery: pages of thumbnails with counts, which load nothing from outside their folder."""

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from urllib.parse import quote

from tasks.detection.outputs.drawing import COLOURS
from tasks.detection.outputs.folder import DETECTIONS, IMAGES, INDEX, PAGES, TABLE, THUMBNAILS
from tasks.detection.results import ImageResult, Totals
from tasks.rendering.pages import render

IMAGES_PER_PAGE = 120


@dataclass(frozen=True)
class Card:
    """An image on a page."""

    name: str
    link: str
    thumbnail: str
    alt: str
    classes: Sequence[tuple[str, int, str]]
    """Name of each class in the image, number of its detections, and their colour."""


def write_gallery(
    folder: Path, results: Iterable[ImageResult], totals: Totals, title: str, facts: Sequence[str]
) -> None:
    """Write index.html, and further pages if there are many images.

    Args:
        folder: Folder of the results.
        results: Detections by image.
        totals: What they come to.
        title: Heading of the pages.
        facts: Sentences about the run.
    """
    remaining, pages = iter(results), max(1, math.ceil(totals.images / IMAGES_PER_PAGE))
    for number in range(1, pages + 1):
        up = "" if number == 1 else "../"
        text = render(
            "tasks.detection.outputs",
            "gallery.html.j2",
            title=title,
            facts=facts,
            totals=totals,
            rows=list(_class_rows(totals)),
            cards=[_card(result, totals.classes, up) for result in islice(remaining, IMAGES_PER_PAGE)],
            page=number,
            pages=[(other, _link(other, up)) for other in range(1, pages + 1)],
            files=[(name, f"{up}{name}") for name in (DETECTIONS, TABLE)],
        )
        path = folder / _link(number, "")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")


def _link(page: int, up: str) -> str:
    return f"{up}{INDEX}" if page == 1 else f"{up}{PAGES}/{page:04d}.html"


def _class_rows(totals: Totals) -> Iterator[tuple[str, str, int, float]]:
    """Name, colour, number of detections, and their share of the most frequent class in percent."""
    largest = max(totals.per_class.values(), default=0) or 1
    for index, (name, count) in enumerate(totals.by_class().items()):
        yield name, _colour(index), count, 100 * count / largest


def _card(result: ImageResult, classes: Sequence[str], up: str) -> Card:
    counts = Counter(one.class_index for one in result.detections)
    by_class = [(classes[index], count, _colour(index)) for index, count in sorted(counts.items())]
    words = ", ".join(f"{count} {name}" for name, count, _ in by_class) or "nothing detected"
    path = quote(result.annotated)
    return Card(
        name=result.image, link=f"{up}{IMAGES}/{path}", thumbnail=f"{up}{THUMBNAILS}/{path}",
        alt=f"{result.image}: {words}", classes=by_class,
    )  # fmt: skip


def _colour(class_index: int) -> str:
    return COLOURS[class_index % len(COLOURS)]
