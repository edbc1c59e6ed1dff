"""Asking for retrain and study runs, and following them to their end."""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deployments.remote.models import describe_link, find_model_version, save_report
from deployments.remote.outcome import champion_row, outcome_document
from deployments.remote.server import server_url
from deployments.terminal.console import progress_bar, say
from tasks.errors import BadExport
from tasks.evaluation.summary import STUDY
from tasks.labeling.formats import zips
from tasks.promotion.summary import OUTCOME
from tasks.records import LearningCurve, RetrainRequest
from tasks.storage import keys
from tasks.storage.datasets import save_export
from tasks.storage.documents import read_record
from tasks.storage.s3 import Store

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun


def retrain(request: RetrainRequest, export: Path | None, *, wait: bool, out: Path | None = None) -> dict[str, Any]:
    """Ask the retrain deployment for a run, and follow it to its end.

    Args:
        request: What to ask for.
        export: Export on this machine, to be sent to the store first, or None for labels from Roboflow.
        wait: False to return as soon as the run is asked for.
        out: Folder that the report page is copied to, or None for no copy.

    Returns:
        The outcome as JSON would have it, or the run alone if it was not followed.

    Raises:
        BadExport: the export does not exist.
        BadRequest: the server refuses the request.
        BadSettings: no server or no store is set.
        NasflowError: the run did not complete.
        ServerProblem: the server does not answer.
    """
    from deployments.remote import flow_runs

    store, run = _run("retrain/retrain", request, export, wait=wait)
    if store is None or not wait:
        return {"ok": True, **flow_runs.describe(run)}
    skipped = flow_runs.skip_reason(run)
    row = flow_runs.outcome_row(run, OUTCOME) if skipped is None else champion_row(store, request.project, skipped)
    version = find_model_version(store, row["project"], str(row["version"]))
    return {
        "ok": True,
        "skipped": skipped,
        **outcome_document(store, version, row),
        "steps": flow_runs.step_seconds(run),
        "reused": flow_runs.reused(run),
        "report": save_report(store, version, out) if out else store.uri(version.report.key),
        **flow_runs.describe(run),
    }


def study(request: RetrainRequest, export: Path | None, *, wait: bool) -> dict[str, Any]:
    """Ask the study deployment for a run, and follow it to its end.

    Args:
        request: What to ask for.
        export: Export on this machine, to be sent to the store first, or None for labels from Roboflow.
        wait: False to return as soon as the run is asked for.

    Returns:
        The learning curve as JSON would have it, or the run alone if it was not followed.

    Raises:
        BadExport: the export does not exist.
        BadRequest: the server refuses the request.
        BadSettings: no server or no store is set.
        NasflowError: the run did not complete.
        ServerProblem: the server does not answer.
    """
    from deployments.remote import flow_runs

    store, run = _run("study/study", request, export, wait=wait)
    if store is None or not wait:
        return {"ok": True, **flow_runs.describe(run)}
    row = flow_runs.outcome_row(run, STUDY)
    curve, _ = read_record(store, row["curve"], LearningCurve)
    return {
        "ok": True,
        **curve.model_dump(mode="json", exclude={"schema_version", "band"}),
        "report": store.uri(row["page"]),
        **describe_link(store.link(row["page"])),
        **flow_runs.describe(run),
    }


def _run(
    deployment: str, request: RetrainRequest, export: Path | None, *, wait: bool
) -> tuple[Store | None, "FlowRun"]:
    """Send the export, ask for a run, and follow it; the store is None if it was not needed."""
    from deployments.remote import flow_runs
    from deployments.remote.run_answers import how_to_answer

    server_url()
    # Connected to before the run, so that a wrong setting does not show only after hours of training.
    store = Store.from_environment() if wait or export is not None else None
    if store is not None and export is not None:
        say(f"sending {export}")
        request = request.model_copy(update={"export": _send_export(store, export)})
    run = flow_runs.ask_for(deployment, request)
    say(f"flow run {run.name}: {flow_runs.describe(run)['url'] or run.id}")
    if wait:
        with progress_bar(run.name) as bar:
            run = flow_runs.follow(run, bar.show, lambda asking: say(how_to_answer(asking)))
    return store, run


def _send_export(store: Store, export: Path) -> str:
    """Put an export into the store, where every worker finds it, and give its ``store://KEY``."""
    if not export.exists():
        raise BadExport(f"{export}: no such folder or zip; correct the path")
    with tempfile.TemporaryDirectory(prefix="nasflow-export-") as folder:
        archive = export
        if export.is_dir():
            archive = Path(folder) / "export.zip"
            zips.pack(export, archive)
        stored = save_export(store, archive)
    return f"{keys.STORE_SCHEME}{stored.key}"
