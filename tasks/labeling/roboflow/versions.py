"""Which version of a Roboflow project to take, and when to generate a new one first.

Roboflow tells how many images of a project are labelled now, and how large each version is, but not how many images
were labelled when a version was generated. So that number is remembered for every version that is generated here.
For other versions it is told from the size: their train images divided by the copies that augmentation made, and the
others. That is not exact: images without labels are in a version, too, and copies may be missing. It is used only
until a version is generated here, so a wrong number costs one version, not one a day.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tasks.errors import RoboflowRefused
from tasks.labeling.roboflow.http import Access, ask, call, field, retried
from tasks.labeling.roboflow.waiting import NO_VERSION, is_generating

log = logging.getLogger(__name__)

_NO_PROJECT = "there is no such project; take its name from its URL"
_NO_GENERATING = "it generates no version; try it in Roboflow, which says why"
_CHANGE_THE_NUMBER = {"tile", "isolate", "filter-null"}
"""Preprocessing that makes several images of one, or drops some."""


@dataclass(frozen=True)
class Generating:
    """When to generate a new version."""

    after: int
    """Images that have to be labelled since the last one."""
    recall: Callable[[int], int | None]
    """Images that were labelled when a version was generated, if that is known."""
    remember: Callable[[int, int], None]
    """Keep that number: version, images."""


@dataclass(frozen=True)
class Chosen:
    """The version to take."""

    number: int
    new: bool = False
    """Whether it has just been asked for."""


def choose_version(access: Access, version: int | None, generating: Generating | None) -> Chosen:
    """The version with this number; for None the latest one, which may be generated first.

    Args:
        access: What is asked of whom.
        version: Its number.
        generating: When to generate one; None for never.

    Raises:
        RoboflowRefused: there is no such version, or none at all.
    """
    place = _place(access)
    answer = call(access, place, lambda rfapi: _project(access, rfapi), _NO_PROJECT)
    numbers = _numbers(answer, place)
    if version is not None:
        if version not in numbers:
            known = ", ".join(map(str, sorted(numbers)[-10:])) or "none"
            raise RoboflowRefused(f"Roboflow {place} has no version {version}; it has {known}")
        return Chosen(version)
    latest = max(numbers, default=None)
    if generating is None:
        if latest is None:
            raise RoboflowRefused(f"Roboflow {place} has no version; generate one there first")
        return Chosen(latest)
    labelled = _labelled(answer, place)
    if latest is None:
        return _first(access, labelled, generating)
    return _latest_or_next(access, latest, labelled, generating)


def _place(access: Access) -> str:
    return f"project {access.workspace}/{access.project}"


def _project(access: Access, rfapi: Any) -> object:
    return rfapi.get_project(access.key, access.workspace, access.project)


def _numbers(answer: object, place: str) -> list[int]:
    numbers = []
    for item in field(answer, "versions", list, place):
        number = str(field(item, "id", str, place)).rpartition("/")[2]
        if number.isdigit():
            numbers.append(int(number))
    return numbers


def _labelled(answer: object, place: str) -> int:
    project = field(answer, "project", dict, place)
    images: int = field(project, "images", int, place)
    unlabelled: int = field(project, "unannotated", int, place)
    return max(0, images - unlabelled)


# A new one ----------------------------------------------------------------------------------------


def _first(access: Access, labelled: int, rule: Generating) -> Chosen:
    if labelled < rule.after:
        raise RoboflowRefused(
            f"Roboflow {_place(access)} has no version, and {labelled} images labelled, fewer than {rule.after}; "
            "label more, or generate one there"
        )
    log.info("%d images labelled, and no version: the first one is generated, without augmentation", labelled)
    return _generate(access, 0, labelled, {"preprocessing": {}, "augmentation": {}}, rule)


def _latest_or_next(access: Access, latest: int, labelled: int, rule: Generating) -> Chosen:
    version = _version(access, latest)
    known = rule.recall(latest)
    if is_generating(version):
        log.info("version %d is being generated already: it is used", latest)
        if known is None:
            rule.remember(latest, labelled)
        return Chosen(latest)
    before = _labelled_before(version, latest, labelled, rule) if known is None else known
    added = f"{'about ' if known is None else ''}{max(0, labelled - before)} images labelled since version {latest}"
    if labelled - before < rule.after:
        log.info("%s, fewer than %d: version %d is used", added, rule.after, latest)
        return Chosen(latest, new=known is not None)
    log.info("%s, at least %d: a new version is generated, with its preprocessing and augmentation", added, rule.after)
    settings = {name: _steps(version, name) for name in ("preprocessing", "augmentation")}
    return _generate(access, latest, labelled, settings, rule)


def _version(access: Access, number: int) -> dict[str, Any]:
    place = f"{access.workspace}/{access.project} version {number}"
    names = (access.key, access.workspace, access.project, str(number))
    answer = call(access, place, lambda rfapi: rfapi.get_version(*names, nocache=True), NO_VERSION)
    version: dict[str, Any] = field(answer, "version", dict, place)
    return version


def _labelled_before(version: Mapping[str, Any], number: int, labelled: int, rule: Generating) -> int:
    """Images that a version was made of, by its size; where that does not tell, counting begins now."""
    if (sources := _sources(version)) is not None:
        return sources
    log.info("the size of version %d does not tell how many images it was made of: counting begins now", number)
    rule.remember(number, labelled)
    return labelled


def _sources(version: Mapping[str, Any]) -> int | None:
    if _CHANGE_THE_NUMBER & _steps(version, "preprocessing").keys():
        return None
    copies = _steps(version, "augmentation").get("image", {})
    try:
        splits = {name: int(count) for name, count in version["splits"].items()}
        train, made = splits.pop("train", 0), max(1, int(copies.get("versions", 1)))
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
    return -(-train // made) + sum(splits.values())


def _steps(version: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Steps of a version as generating takes them: those that are on, without the word for that."""
    steps = version.get(kind)
    plain = {}
    for name, step in (steps if isinstance(steps, dict) else {}).items():
        if not isinstance(step, dict):
            plain[name] = step
        elif step.get("enabled", True):
            plain[name] = {key: value for key, value in step.items() if key != "enabled"} or True
    return plain


def _generate(access: Access, latest: int, labelled: int, settings: Mapping[str, Any], rule: Generating) -> Chosen:
    """Ask for a version, and remember what was labelled.

    A request without an answer may have been heard, so before each one it is looked whether there is a newer version.
    Two runs at the same moment can still make two.
    """
    place = _place(access)

    def once() -> int:
        newest = max(_numbers(ask(access, place, lambda api: _project(access, api), _NO_PROJECT), place), default=0)
        if newest > latest:
            return newest
        answer = ask(access, f"{place}, a new version", lambda api: _post(access, api, settings), _NO_GENERATING)
        number = str(answer.get("version") if isinstance(answer, dict) else "")
        if not number.isdigit():
            raise RoboflowRefused(f"Roboflow {place}: no number came for a new version; look there whether one is made")
        return int(number)

    number = retried(access, place, once)
    rule.remember(number, labelled)
    log.info("version %d is generated", number)
    return Chosen(number, new=True)


def _post(access: Access, rfapi: Any, settings: Mapping[str, Any]) -> object:
    from roboflow.util import http

    # As Project.generate_version() asks; that needs a Project, and with it answers that this has no use for.
    url = f"{rfapi.API_URL}/{access.workspace}/{access.project}/generate?api_key={access.key}"
    answer: object = http.post(url, json=settings).json()
    return answer
