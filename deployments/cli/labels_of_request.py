"""Where the labels of a run come from: Roboflow, or an export that is sent to the store."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from deployments.cli.option_values import request_from
from tasks.errors import BadRequest

if TYPE_CHECKING:
    from tasks.records import RetrainRequest

SentExport = Annotated[Path | None, typer.Option(help="Instead of Roboflow: an export on this machine.")]
Wait = Annotated[bool, typer.Option(help="Follow the run to its end.")]


def request_for(verb: str, values: dict[str, Any], export: Path | None) -> "RetrainRequest":
    """Make the request of a verb for labels from either Roboflow or an export.

    Args:
        verb: Name of the verb.
        values: Values of its options, by field name.
        export: The export, or None for labels from Roboflow.

    Returns:
        The request.

    Raises:
        BadRequest: labels from neither or both are asked for, or a value does not fit.
    """
    project, workspace = values["project"], values["workspace"]
    if (workspace is None) == (export is None):
        raise BadRequest(f"{verb}: give either --workspace with --project, or --export")
    if export is None and project is None:
        raise BadRequest(f"{verb}: --workspace needs --project, the Roboflow project")
    return request_from({**values, "project": project or _project_from(export or Path())})


def _project_from(export: Path) -> str:
    """The name of a project for an export: its file name, as far as projects can have it."""
    name = re.sub(r"[^a-z0-9_-]+", "-", export.stem.lower()).strip("-_")[:60]
    return name or "labels"
