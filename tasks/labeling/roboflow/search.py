"""The export of what a search finds in a project: labels without a version.

The package's ``Workspace.search_export()`` prints, waits by a clock of its own, and checks neither length nor CRC of
the zip. The two requests are made here through its adapter.
"""

from typing import Any

from tasks.labeling.roboflow.access import ProjectAccess
from tasks.labeling.roboflow.api import call, field
from tasks.labeling.roboflow.project import get_project
from tasks.labeling.roboflow.waiting import NotReady, poll

_NO_EXPORT = "it does not export this search; try the query in Roboflow's search"


def export_found(access: ProjectAccess, query: str) -> str:
    """Export the images of the project that a query finds, and wait for the export.

    Args:
        access: The fetch, with its deadline.
        query: In the language of Roboflow's search.

    Returns:
        The link to the zip.

    Raises:
        RoboflowRefused: no such project, or the query is refused.
        RoboflowUnavailable: no answer, or not ready within the deadline.
    """
    get_project(access)
    subject = f"{access.title}, export of the search {query!r}"

    def start(adapter: Any) -> object:
        return adapter.start_search_export(
            access.key, access.workspace, query, "coco", session=adapter.http, dataset=access.project
        )

    export_id = str(call(access, subject, start, _NO_EXPORT))

    def ask(adapter: Any) -> object:
        return adapter.get_search_export(access.key, access.workspace, export_id, session=adapter.http)

    def ask_link() -> str | NotReady:
        answer = call(access, subject, ask, _NO_EXPORT)
        if not field(answer, "ready", bool, subject):
            return NotReady(None)
        link: str = field(answer, "link", str, subject)
        return link

    return poll(access, "the export of the search", subject, ask_link)
