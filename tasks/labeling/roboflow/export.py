"""Fetching an export from Roboflow: choose a version or search, wait for the COCO export, and download the zip.

Of the ``roboflow`` package only the login and the API adapter are used. Its ``Version.download()`` and ``export()``
take any existing folder for a finished download, never check status, length or CRC, print the signed link on failure,
and wait without limit, even for an empty version. Its ``Workspace`` and ``Project`` objects print, and need fields of
answers that an export does not.
"""

import logging
from pathlib import Path

from tasks.labeling.roboflow.access import OnProgress, ProjectAccess, open_access
from tasks.labeling.roboflow.api import call
from tasks.labeling.roboflow.download import download_zip
from tasks.labeling.roboflow.patches import log_in
from tasks.labeling.roboflow.refusals import missing
from tasks.labeling.roboflow.search import export_found
from tasks.labeling.roboflow.version_labels import count_images
from tasks.labeling.roboflow.versions import VersionRequest, choose_version
from tasks.labeling.roboflow.waiting import wait_for_export
from tasks.records import LabelSource
from tasks.settings import RoboflowSettings

log = logging.getLogger(__name__)

_NO_WORKSPACE = missing("workspace", "take its name from the project's URL")


def fetch_export(
    settings: RoboflowSettings,
    request: VersionRequest,
    target: Path,
    on_progress: OnProgress = lambda done, total, text: None,
) -> LabelSource:
    """Download the COCO export of a version, or of what a search finds, as a zip.

    Args:
        settings: Key, address and timeout; ``deadline`` is for the whole fetch, in seconds.
        request: The version, or the search.
        target: The zip, written whole and checked, or not at all.
        on_progress: Called while waiting and downloading.

    Returns:
        Where the labels came from, with the version's number or the query.

    Raises:
        BadSettings: there is no key, or the address is wrong.
        BadRequest: a name that no workspace or project can have.
        RoboflowRefused: bad key; no such workspace, project, version or format; empty or failed version; an answer
            that lacks what is needed.
        RoboflowUnavailable: no answer, too many requests, a broken zip, or not ready within the deadline.
    """
    access = open_access(settings, request.workspace, request.project, on_progress)
    call(access, "the login", lambda _: log_in(access.key))
    call(
        access,
        f"workspace {access.workspace}",
        lambda adapter: adapter.get_workspace(access.key, access.workspace),
        _NO_WORKSPACE,
    )
    name = f"{access.workspace}/{access.project}"
    if request.query is not None:
        return _fetch_found(access, request.query, target, name)
    version = choose_version(access, request, target)
    if not version.is_downloaded:
        link = wait_for_export(access, version.number, is_new=version.is_new)
        download_zip(access, access.version_title(version.number), link, target)
    log.info("fetched %s: %d bytes", access.version_title(version.number), target.stat().st_size)
    return LabelSource(kind="roboflow", name=name, version=version.number)


def _fetch_found(access: ProjectAccess, query: str, target: Path, name: str) -> LabelSource:
    link = export_found(access, query)
    download_zip(access, f"{access.title}, search {query!r}", link, target)
    counted = count_images(target)
    if counted is not None:
        log.info("the search %r finds %d images", query, counted.images)
        if counted.without_boxes:
            log.warning("%d of them have no boxes, and count as images without objects", counted.without_boxes)
    return LabelSource(kind="roboflow", name=f"{name}, search {query}")
