"""Asking for retrain, study, study-settings, compare and replay runs, and following them to their end."""

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deployments.remote.models import describe_link, find_named, save_report
from deployments.remote.outcome import find_version_of, outcome_document, read_outcome
from deployments.remote.server import server_url
from deployments.terminal.console import say
from deployments.terminal.step_lines import followed
from tasks.errors import BadExport, BadInput
from tasks.evaluation.comparison_summary import COMPARISON
from tasks.evaluation.report.gain_tables import gains
from tasks.evaluation.summary import STUDY
from tasks.labeling.formats import zips
from tasks.records import (
    CompareRequest,
    Comparison,
    LearningCurve,
    ModelVersion,
    Part,
    ReplayRequest,
    RetrainRequest,
    SettingsSpace,
    SettingsStudy,
)
from tasks.storage import keys
from tasks.storage.datasets import save_export
from tasks.storage.documents import read_record
from tasks.storage.runs import find_model
from tasks.storage.s3 import Store
from tasks.studies.rows import options_of
from tasks.studies.summary import SETTINGS_STUDY
from tasks.training.replay import REPLAY, recipe_differs
from tasks.training.spec import RECIPE

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
    outcome = read_outcome(store, request.project, run)
    version = find_version_of(store, outcome)
    return {
        "ok": True,
        **outcome_document(store, outcome, version),
        "steps": flow_runs.seconds_of_steps(run),
        "report": _report_of(store, version, out) if version else None,
        **flow_runs.describe(run),
    }


def _report_of(store: Store, version: ModelVersion, out: Path | None) -> str:
    """Where the report page of a version is: in the store, or copied into a folder."""
    return save_report(store, version, out) if out else store.uri(version.report.key)


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


def study_settings(request: RetrainRequest, space: SettingsSpace, export: Path | None, *, wait: bool) -> dict[str, Any]:
    """Ask the study-settings deployment for a run, and follow it to its end.

    Args:
        request: What the models have in common.
        space: The settings to try.
        export: Export on this machine, to be sent to the store first, or None for labels from Roboflow.
        wait: False to return as soon as the run is asked for.

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

    store, run = _run("study-settings/study-settings", request, export, wait=wait, space=space)
    if store is None or not wait:
        return {"ok": True, **flow_runs.describe(run)}
    row = flow_runs.outcome_row(run, SETTINGS_STUDY)
    outcome, _ = read_record(store, row["study"], SettingsStudy)
    return {
        "ok": True,
        **outcome.model_dump(mode="json", exclude={"schema_version"}),
        "options": options_of(outcome.choice) if outcome.choice else None,
        "page": store.uri(row["page"]),
        **describe_link(store.link(row["page"])),
        **flow_runs.describe(run),
    }


def compare(baseline: str, version: str, *, wait: bool) -> dict[str, Any]:
    """Ask the compare deployment for a run, and follow it to its end.

    Args:
        baseline: Model to compare with: ``PROJECT``, ``PROJECT/VERSION`` or ``PROJECT@ALIAS``.
        version: Model of the same project that may be better.
        wait: False to return as soon as the run is asked for.

    Returns:
        The comparison as JSON would have it, or the run alone if it was not followed.

    Raises:
        BadInput: there is no such version, or both are the same one, or of two projects.
        BadSettings: no server or no store is set.
        NasflowError: the run did not complete.
        ServerProblem: the server does not answer.
    """
    from deployments.remote import flow_runs

    server_url()
    store = Store.from_environment()
    first, second = (find_named(store, name) for name in (baseline, version))
    if first.project != second.project:
        raise BadInput(f"{baseline} and {version} are of two projects; name two versions of one")
    if first.version == second.version:
        raise BadInput(f"{baseline} and {version} are the same version, {second.version}; name two versions")
    request = CompareRequest(project=second.project, baseline=first.version, version=second.version)
    run = _follow(flow_runs.ask_for("compare/compare", request), wait=wait)
    if not wait:
        return {"ok": True, **flow_runs.describe(run)}
    row = flow_runs.outcome_row(run, COMPARISON)
    comparison, _ = read_record(store, row["comparison"], Comparison)
    return {
        "ok": True,
        **{name: row[name] for name in ("project", "baseline", "version", "verdict", "sentence")},
        "sources": comparison.sources,
        "left_out": comparison.left_out,
        "gains": {one.name: one.gain.model_dump(mode="json") for one in gains(comparison)},
        **describe_link(store.link(row["page"])),
        **flow_runs.describe(run),
    }


def replay(model: str, *, wait: bool) -> dict[str, Any]:
    """Ask the replay deployment for a run, and follow it to its end.

    Args:
        model: ``PROJECT``, ``PROJECT/VERSION`` or ``PROJECT@ALIAS``.
        wait: False to return as soon as the run is asked for.

    Returns:
        Whether the weights are the same, and what may explain it if not; or the run alone if it was not followed.

    Raises:
        BadInput: there is no such version.
        BadSettings: no server or no store is set.
        NasflowError: the run did not complete.
        ServerProblem: the server does not answer.
    """
    from deployments.remote import flow_runs

    server_url()
    store = Store.from_environment()
    version = find_named(store, model)
    trained = find_model(store, version.run_key)
    if trained and (expected := recipe_differs(trained.spec.recipe, RECIPE)):
        say(f"warning: {version.project} version {version.version}: {expected}")
    request = ReplayRequest(project=version.project, version=version.version)
    run = _follow(flow_runs.ask_for("replay/replay", request), wait=wait)
    if not wait:
        return {"ok": True, **flow_runs.describe(run)}
    row = flow_runs.outcome_row(run, REPLAY)
    return {"ok": True, **row, "differences": json.loads(row["differences"]), **flow_runs.describe(run)}


def _run(
    deployment: str, request: RetrainRequest, export: Path | None, *, wait: bool, **others: Part
) -> tuple[Store | None, "FlowRun"]:
    """Send the export, ask for a run, and follow it; the store is None if it was not needed."""
    from deployments.remote import flow_runs

    server_url()
    # Connected to before the run, so that a wrong setting does not show only after hours of training.
    store = Store.from_environment() if wait or export is not None else None
    if store is not None and export is not None:
        say(f"sending {export}")
        request = request.model_copy(update={"export": _send_export(store, export)})
    return store, _follow(flow_runs.ask_for(deployment, request, **others), wait=wait)


def _follow(run: "FlowRun", *, wait: bool) -> "FlowRun":
    """Say where a run is, and wait for its end unless nobody wants to."""
    from deployments.remote import flow_runs
    from deployments.remote.run_answers import how_to_answer

    say(f"flow run {run.name}: {flow_runs.describe(run)['url'] or run.id}")
    if not wait:
        return run
    with followed(run.name) as show:
        return flow_runs.follow(run, show, lambda asking: say(how_to_answer(asking)))


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
