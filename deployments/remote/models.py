"""Published models as the store has them: lists, cards, report pages and weights."""

import re
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from tasks.errors import BadInput
from tasks.promotion import aliases, registry
from tasks.promotion.model_card import card_markdown, make_card
from tasks.promotion.registry import CHAMPION
from tasks.records import PROJECT_PATTERN, ModelAlias, ModelVersion
from tasks.storage.s3 import Store
from tasks.storage.s3_links import Link

PROJECTS_AT_A_TIME = 4
"""Each reads up to eight cards at once, and a store's client keeps 32 connections."""


def list_models(store: Store, project: str | None) -> list[dict[str, Any]]:
    """List the versions of one project, or of all.

    Raises:
        BadInput: the project's name is none that a project can have.
    """
    if project is not None:
        _check_name("project", project)
    names = [project] if project else registry.projects(store)
    with ThreadPoolExecutor(PROJECTS_AT_A_TIME) as pool:
        return [line for lines in pool.map(partial(_lines, store), names) for line in lines]


def _lines(store: Store, project: str) -> list[dict[str, Any]]:
    champion = aliases.find_alias(store, project, CHAMPION)
    return [_line(card, champion) for card in registry.versions(store, project)]


def _line(card: ModelVersion, champion: ModelAlias | None) -> dict[str, Any]:
    return {
        "project": card.project,
        "version": card.version,
        "alias": _alias(card, champion),
        "map": card.scores.map,
        "map50": card.scores.map50,
        "split": card.split,
        "variant": card.variant,
        "classes": list(card.classes),
        "created_at": card.created_at.isoformat(),
    }


def _alias(card: ModelVersion, champion: ModelAlias | None) -> str | None:
    return CHAMPION if champion and champion.version == card.version else None


def show_model(store: Store, project: str, which: str) -> dict[str, Any]:
    """Describe a published version.

    Args:
        store: The store that it is in.
        project: Project of the model.
        which: Version number or alias.

    Returns:
        Its card, with its alias, the history of that, and where its files are.

    Raises:
        BadInput: there is no such version.
    """
    card = find_model_version(store, project, which)
    champion = aliases.find_alias(store, project, CHAMPION)
    return {
        **card.model_dump(mode="json"),
        "alias": _alias(card, champion),
        "alias_history": [move.model_dump(mode="json") for move in champion.history] if champion else [],
        "weights_uri": store.uri(card.weights.key),
        "report_uri": store.uri(card.report.key),
    }


def describe_model(store: Store, model: str) -> dict[str, Any]:
    """Make the model card of a version.

    Args:
        store: The store that it is in.
        model: ``PROJECT`` for the champion, ``PROJECT/VERSION`` or ``PROJECT@ALIAS``.

    Returns:
        The card, and as ``text`` the same in Markdown.

    Raises:
        BadInput: there is no such version.
    """
    card = make_card(store, find_named(store, model))
    return {"ok": True, "card": card.model_dump(mode="json"), "text": card_markdown(card)}


def find_model_version(store: Store, project: str, which: str) -> ModelVersion:
    """Find a published version.

    Args:
        store: The store that it is in.
        project: Project of the model.
        which: Version number or alias.

    Returns:
        Its card.

    Raises:
        BadInput: there is no such version.
    """
    _check_name("project", project)
    if which.isdecimal():
        number = int(which)
    else:
        _check_name("alias", which)
        alias = aliases.find_alias(store, project, which)
        if alias is None:
            raise BadInput(f"project {project}: no alias {which}; `nasflow models list` shows what there is")
        number = alias.version
    card = registry.find_version(store, project, number) if number > 0 else None
    if card is None:
        raise BadInput(f"project {project}: no version {which}; `nasflow models list` shows what there is")
    return card


def require_project(store: Store, project: str) -> None:
    """Make sure that a project has a published version.

    Raises:
        BadInput: it has none.
    """
    _check_name("project", project)
    if not registry.versions(store, project):
        raise BadInput(f"project {project}: no published version; `nasflow models list` shows what there is")


def find_named(store: Store, model: str) -> ModelVersion:
    """Find the version that a person typed.

    Args:
        store: The store that it is in.
        model: ``PROJECT`` for the champion, ``PROJECT/VERSION`` or ``PROJECT@ALIAS``.

    Returns:
        Its card.

    Raises:
        BadInput: there is no such version.
    """
    return find_model_version(store, *_parse_model(model))


def _parse_model(model: str) -> tuple[str, str]:
    """Project, and version or alias, of what a person typed.

    Raises:
        BadInput: it is neither ``PROJECT`` nor ``PROJECT/VERSION`` nor ``PROJECT@ALIAS``.
    """
    match = re.fullmatch(r"([^/@]+)(?:/(\d+)|@([^/@]+))?", model)
    if match is None:
        raise BadInput(f"model {model}: give PROJECT, PROJECT/VERSION or PROJECT@ALIAS, such as pets, pets/3, pets@old")
    return match[1], match[2] or match[3] or CHAMPION


def _check_name(kind: str, name: str) -> None:
    if not re.fullmatch(PROJECT_PATTERN.removesuffix("$"), name):
        raise BadInput(f"{kind} {name}: no such name can be; names have small letters, digits, - and _")


def alias_of(store: Store, version: ModelVersion) -> str | None:
    """``champion`` if that alias points to this version."""
    return _alias(version, aliases.find_alias(store, version.project, CHAMPION))


def link_to_report(store: Store, project: str, which: str, days: float) -> dict[str, Any]:
    """Make a link to the report page of a version that works without an account.

    Args:
        store: The store that it is in.
        project: Project of the model.
        which: Version number or alias.
        days: How long the link works.

    Returns:
        The version and the link.

    Raises:
        BadInput: there is no such version.
    """
    version = find_model_version(store, project, which)
    link = store.link(version.report.key, round(days * 86_400))
    return {"ok": True, "project": project, "version": version.version, **describe_link(link)}


def describe_link(link: Link) -> dict[str, Any]:
    """The fields of a document about a link."""
    return {
        "link": link.url,
        "link_ends": link.ends.isoformat(timespec="seconds") if link.ends else None,
        "link_validity": link.validity,
    }


def copy_report(store: Store, project: str, which: str, folder: Path) -> dict[str, Any]:
    """Copy the report page of a version into a folder.

    Args:
        store: The store that it is in.
        project: Project of the model.
        which: Version number or alias.
        folder: Created if it does not exist.

    Returns:
        The version and the path of the page.

    Raises:
        BadInput: there is no such version, or the folder cannot be written.
    """
    version = find_model_version(store, project, which)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path = save_report(store, version, folder)
    except OSError as error:
        raise BadInput(f"--out {folder}: {error.strerror}; name a folder that can be written") from None
    return {"ok": True, "project": project, "version": version.version, "report": path}


def save_report(store: Store, version: ModelVersion, folder: Path) -> str:
    """Copy the report page of a version into a folder.

    Args:
        store: The store that it is in.
        version: The version.
        folder: An existing folder.

    Returns:
        Path of the page.
    """
    path = folder / "report.html"
    store.download(version.report, path)
    return str(path)


def save_weights(store: Store, version: ModelVersion, folder: Path) -> str:
    """Copy the weights of a version into a folder.

    Args:
        store: The store that it is in.
        version: The version.
        folder: An existing folder.

    Returns:
        Path of the weights.
    """
    path = folder / "weights.safetensors"
    store.download(version.weights, path)
    return str(path)
