"""Rows and sentences of the project's page, newest first. Pure."""

import posixpath
from collections.abc import Iterable
from typing import NamedTuple
from urllib.parse import quote

from tasks.promotion.aliases import rollbacks
from tasks.promotion.page.content import ProjectContent
from tasks.records import Interval, ModelVersion, PromotionDecision
from tasks.storage import keys

LATEST = 50
"""Rows of a table; how many others there are is said below it."""


class Link(NamedTuple):
    """A file beside the page, and the command that gives it where the link does not work."""

    name: str
    address: str
    command: str


class VersionRow(NamedTuple):
    """A version in the table of versions."""

    version: int
    date: str
    training_images: int | None
    map: float
    interval: Interval | None
    measured: str
    image_set: int
    verdict: str
    tone: str
    """How the verdict looks: yes, no or unsure."""
    alias: str
    """Champion, champion before, rolled back; empty for others."""
    links: tuple[Link, Link]


class MoveRow(NamedTuple):
    """A move of the champion."""

    date: str
    version: int
    what: str
    by: str
    reason: str


def version_rows(content: ProjectContent) -> list[VersionRow]:
    """The latest versions."""
    left = rollbacks(content.moves)
    return [_version_row(content, version, left.keys()) for version in list(content.versions)[: -LATEST - 1 : -1]]


def _version_row(content: ProjectContent, version: ModelVersion, rolled_back: Iterable[int]) -> VersionRow:
    number, labels = version.version, content.labels.get(version.version)
    alias = "champion before" if number in content.champions else ""
    if number == content.champion_number:
        alias = "champion"
    elif number in rolled_back:
        alias = "rolled back"
    verdict, tone = verdict_in_words(version.decision)
    return VersionRow(
        version=number,
        date=f"{version.created_at:%Y-%m-%d}",
        training_images=labels.training_images if labels else None,
        map=version.scores.map,
        interval=version.scores.ci95.get("map"),
        measured=_measured(content, version),
        image_set=content.image_sets[number],
        verdict=verdict,
        tone=tone,
        alias=alias,
        links=_links(version),
    )


def _measured(content: ProjectContent, version: ModelVersion) -> str:
    labels = content.labels.get(version.version)
    images = f"{labels.measured_images} images" if labels else "labels gone"
    return ", ".join([version.split, images, *([f"scoring {version.scoring}"] if len(content.scorings) > 1 else [])])


def _links(version: ModelVersion) -> tuple[Link, Link]:
    project, number = version.project, version.version
    report = Link("report", _relative(project, version.report.key), f"nasflow report {project} {number}")
    card_key = keys.model_card(project, number)
    return report, Link("card", _relative(project, card_key), f"nasflow models card {project}/{number}")


def _relative(project: str, key: str) -> str:
    """The address of an object, seen from the page."""
    return quote(posixpath.relpath(key, posixpath.dirname(keys.project_page(project))))


def move_rows(content: ProjectContent) -> list[MoveRow]:
    """The latest moves of the champion."""
    return [
        MoveRow(
            date=f"{move.at:%Y-%m-%d %H:%M}",
            version=move.version,
            what=f"back to it: version {move.rolled_back} was rolled back" if move.rolled_back else "promoted",
            by=move.by or "the gate",
            reason=move.reason,
        )
        for move in content.moves[: -LATEST - 1 : -1]
    ]


def verdict_in_words(decision: PromotionDecision) -> tuple[str, str]:
    """What became of a version when it was judged, and how that looks: yes, no or unsure."""
    if decision.answer is not None:
        answers = {"promote": ("promoted, as was answered", "yes"), "keep": ("not promoted, as was answered", "no")}
        return answers.get(decision.answer, ("not promoted, nobody answered", "unsure"))
    if decision.promote:
        return ("promoted on request" if decision.overridden is not None else "promoted"), "yes"
    return ("not promoted", "no") if decision.verdict == "keep" else ("not promoted: cannot tell", "unsure")


def comparability(content: ProjectContent) -> str:
    """Which scores can be compared, in a sentence."""
    sets = len(set(content.image_sets.values()))
    if len(content.versions) == 1:
        return "There is one version so far."
    if sets == 1:
        return "All were measured on the same images, so their scores can be compared."
    ways = f"on {sets} different sets of images"
    if len(content.scorings) > 1:
        ways = f"in {sets} different ways, on other images or by another scoring"
    return f"They were measured {ways}: scores of different sets cannot be compared. A line joins versions of one set."


def versions_in_words(numbers: Iterable[int]) -> str:
    """Version numbers with runs in short, such as "versions 1 to 3, 7"."""
    runs: list[list[int]] = []
    for number in sorted(numbers):
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    words = [f"{run[0]} to {run[-1]}" if len(run) > 1 else f"{run[0]}" for run in runs]
    return f"version{'' if len(runs) == 1 and len(runs[0]) == 1 else 's'} {', '.join(words)}"
