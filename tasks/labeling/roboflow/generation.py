"""When to generate a new version of a Roboflow project, and generating it.

Roboflow says how many images of a project are labelled now, and how large each version is, but not how many images were
labelled when a version was generated. So that number is remembered for every version that is generated here. For other
versions it is estimated from the size: the train images divided by the number of augmented copies, and the images of
the other splits. The estimate is not exact, since images without labels are in a version too, and copies may be
missing. It is used only until a version is generated here, so a wrong one costs a single version.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tasks.errors import RoboflowRefused
from tasks.labeling.roboflow.access import ProjectAccess
from tasks.labeling.roboflow.api import call_once
from tasks.labeling.roboflow.project import get_project, get_version, is_generating, version_numbers
from tasks.labeling.roboflow.retries import retried

log = logging.getLogger(__name__)

_NOT_GENERATED = "it generates no version; try it in Roboflow, which says why"
_CHANGE_THE_NUMBER = {"tile", "isolate", "filter-null"}
"""Preprocessing steps that make several images of one, or drop some."""


@dataclass(frozen=True)
class GenerationRule:
    """When to generate a new version."""

    after: int
    """Number of images that have to be labelled since the last version."""
    recall: Callable[[int], int | None]
    """Number of images that were labelled when a version was generated, if it is known."""
    remember: Callable[[int, int], None]
    """Stores that number: version, images."""


@dataclass(frozen=True)
class ChosenVersion:
    """The version to take."""

    number: int
    is_new: bool = False
    """Whether it may have been asked for just now."""


def generate_if_due(access: ProjectAccess, latest: int | None, labelled: int, rule: GenerationRule) -> ChosenVersion:
    """Generate a version if enough images were labelled since the latest one.

    Args:
        access: The fetch.
        latest: Number of the latest version; None if there is none.
        labelled: Number of images that are labelled now.
        rule: When to generate.

    Returns:
        The new version, or else the latest one.

    Raises:
        RoboflowRefused: there is no version, and too few images are labelled for a first one; or Roboflow says no.
        RoboflowUnavailable: no answer.
    """
    if latest is None:
        return _generate_first(access, labelled, rule)
    version = get_version(access, latest)
    remembered = rule.recall(latest)
    if is_generating(version):
        log.info("version %d is being generated already: it is used", latest)
        if remembered is None:
            rule.remember(latest, labelled)
        return ChosenVersion(latest)
    labelled_before = _estimate_labelled(version, latest, labelled, rule) if remembered is None else remembered
    new_images = labelled - labelled_before
    about = "about " if remembered is None else ""
    text = f"{about}{max(0, new_images)} images labelled since version {latest}"
    if new_images < rule.after:
        log.info("%s, fewer than %d: version %d is used", text, rule.after, latest)
        return ChosenVersion(latest, is_new=remembered is not None)
    log.info("%s, at least %d: a new version is generated, with its preprocessing and augmentation", text, rule.after)
    settings = {name: _steps(version, name) for name in ("preprocessing", "augmentation")}
    return _generate(access, latest, labelled, settings, rule)


def _generate_first(access: ProjectAccess, labelled: int, rule: GenerationRule) -> ChosenVersion:
    if labelled < rule.after:
        raise RoboflowRefused(
            f"Roboflow {access.title} has no version, and {labelled} images labelled, fewer than {rule.after}; "
            "label more, or generate one there"
        )
    log.info("%d images labelled, and no version: the first one is generated, without augmentation", labelled)
    return _generate(access, 0, labelled, {"preprocessing": {}, "augmentation": {}}, rule)


def _estimate_labelled(version: Mapping[str, Any], number: int, labelled: int, rule: GenerationRule) -> int:
    """Number of images that a version was made of; if its size does not tell, counting begins now."""
    sources = _count_sources(version)
    if sources is not None:
        return sources
    log.info("the size of version %d does not tell how many images it was made of: counting begins now", number)
    rule.remember(number, labelled)
    return labelled


def _count_sources(version: Mapping[str, Any]) -> int | None:
    if _CHANGE_THE_NUMBER & _steps(version, "preprocessing").keys():
        return None
    copies = _steps(version, "augmentation").get("image", {})
    try:
        splits = {name: int(count) for name, count in version["splits"].items()}
        train, copies_per_source = splits.pop("train", 0), max(1, int(copies.get("versions", 1)))
    except (AttributeError, KeyError, TypeError, ValueError):
        return None
    return -(-train // copies_per_source) + sum(splits.values())


def _steps(version: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Preprocessing or augmentation of a version as a request takes it: steps that are on, without ``enabled``."""
    recorded = version.get(kind)
    steps = {}
    for name, step in (recorded if isinstance(recorded, dict) else {}).items():
        if not isinstance(step, dict):
            steps[name] = step
        elif step.get("enabled", True):
            steps[name] = {key: value for key, value in step.items() if key != "enabled"} or True
    return steps


def _generate(
    access: ProjectAccess, latest: int, labelled: int, settings: Mapping[str, Any], rule: GenerationRule
) -> ChosenVersion:
    """Ask for a version, and remember how many images are labelled.

    A request that got no answer may have been carried out, so each attempt first looks for a newer version. Two runs at
    the same moment can still generate two versions.
    """

    def attempt() -> int:
        newest = max(version_numbers(get_project(access, retry=False), access.title), default=0)
        if newest > latest:
            return newest
        answer = call_once(
            access, f"{access.title}, a new version", lambda adapter: _post(access, adapter, settings), _NOT_GENERATED
        )
        number = str(answer.get("version") if isinstance(answer, dict) else "")
        if not number.isdigit():
            raise RoboflowRefused(
                f"Roboflow {access.title}: no number came for a new version; look there whether one is made"
            )
        return int(number)

    number = retried(access, access.title, attempt)
    rule.remember(number, labelled)
    log.info("version %d is generated", number)
    return ChosenVersion(number, is_new=True)


def _post(access: ProjectAccess, adapter: Any, settings: Mapping[str, Any]) -> object:
    # The adapter has no function for this. The package's Project.generate_version() sends this request, but needs an
    # answer about the project with fields that nothing here uses.
    url = f"{adapter.API_URL}/{access.workspace}/{access.project}/generate?api_key={access.key}"
    answer: object = adapter.http.post(url, json=settings).json()
    return answer
