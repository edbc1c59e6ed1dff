"""The page about all versions of a project: written, linked to, copied."""

from pathlib import Path
from typing import Any

from deployments.remote.models import describe_link, require_project
from deployments.terminal.console import progress_bar
from tasks.errors import BadInput, NasflowError
from tasks.local.files import publish_bytes
from tasks.promotion.page_in_store import update_page
from tasks.storage.s3 import Store


def link_to_page(store: Store, project: str, days: float) -> dict[str, Any]:
    """Bring the page of a project up to date, and make a link to it that works without an account.

    Args:
        store: Store of the registry.
        project: The project.
        days: How long the link works.

    Returns:
        The project and the link.

    Raises:
        BadInput: the project has no published version.
    """
    require_project(store, project)
    key = _update(store, project)
    return {"ok": True, "project": project, **describe_link(store.link(key, round(days * 86_400)))}


def copy_page(store: Store, project: str, folder: Path) -> dict[str, Any]:
    """Bring the page of a project up to date, and copy it into a folder.

    Args:
        store: Store of the registry.
        project: The project.
        folder: Created if it does not exist.

    Returns:
        The project and the path of the page.

    Raises:
        BadInput: the project has no published version, or the folder cannot be written.
    """
    require_project(store, project)
    page, _ = store.get(_update(store, project))
    path = folder / "index.html"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        publish_bytes(path, page)
    except OSError as error:
        raise BadInput(f"--out {folder}: {error.strerror}; name a folder that can be written") from None
    return {"ok": True, "project": project, "page": str(path)}


def page_after_move(store: Store, project: str) -> dict[str, Any]:
    """Bring the page of a project up to date after its champion was moved, which a failure does not undo.

    Args:
        store: Store of the registry.
        project: The project.

    Returns:
        Field ``page_problem``: why the page is not up to date; None if it is.
    """
    try:
        _update(store, project)
    except NasflowError as error:
        return {"page_problem": f"{error}; `nasflow models page {project}` writes the page"}
    return {"page_problem": None}


def _update(store: Store, project: str) -> str:
    with progress_bar("reading the versions") as bar:
        return update_page(store, project, lambda done, total: bar.show(done, total, f"{done} of {total} versions"))
