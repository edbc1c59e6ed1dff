"""Verbs that talk to a store, and to a Prefect server: retrain, study and models."""

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deployments.terminal.console import progress_bar, say
from tasks.errors import BadExport, BadInput, NasflowError
from tasks.evaluation.summary import STUDY
from tasks.labeling.formats import zips
from tasks.promotion import registry
from tasks.promotion.summary import OUTCOME
from tasks.records import PROJECT_PATTERN, LearningCurve, ModelVersion, RetrainRequest
from tasks.storage import keys
from tasks.storage.documents import read_record
from tasks.storage.runs import find_model
from tasks.storage.s3 import LINK_DAYS, Store

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun


def project_from(export: Path) -> str:
    """A project name for an export whose user gave none: its file name, as far as that goes into one."""
    name = re.sub(r"[^a-z0-9_-]+", "-", export.stem.lower()).strip("-_")[:60]
    return name or "labels"


def send_export(store: Store, export: Path) -> str:
    """Put an export into the store, where every worker finds it; gives ``store://KEY``."""
    if not export.exists():
        raise BadExport(f"{export}: no such folder or zip; correct the path")
    with tempfile.TemporaryDirectory(prefix="nasflow-export-") as folder:
        archive = export
        if export.is_dir():
            archive = Path(folder) / "export.zip"
            zips.pack(export, archive)
        stored = store.upload(archive, keys.blob, content_type="application/zip")
    return f"{keys.STORE_SCHEME}{stored.key}"


def retrain(request: RetrainRequest, export: Path | None, *, wait: bool, out: Path | None = None) -> dict[str, Any]:
    """Ask the deployment for a run, and follow it to its end.

    Args:
        request: What to ask for.
        export: An export on this machine, to be sent to the store first.
        wait: False to give the run's id at once.
        out: Folder that the report page is copied to.
    """
    from deployments.remote import flow_runs

    store, run = _run("retrain/retrain", request, export, wait=wait)
    if store is None or not wait:
        return {"ok": True, **flow_runs.describe(run)}
    skipped = flow_runs.skipped(run)
    row = flow_runs.outcome_row(run, OUTCOME) if skipped is None else _row_of_champion(store, request.project, skipped)
    version = _find(store, row["project"], str(row["version"]))
    return {
        "ok": True,
        "skipped": skipped,
        **outcome_document(store, version, row),
        "steps": flow_runs.step_seconds(run),
        "reused": flow_runs.reused(run),
        "report": fetch_report(store, version, out) if out else store.uri(version.report.key),
        **flow_runs.describe(run),
    }


def study(request: RetrainRequest, export: Path | None, *, wait: bool) -> dict[str, Any]:
    """Ask the study deployment for a run, and follow it to its end; arguments as of ``retrain``."""
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
        "link": store.link(row["page"], LINK_DAYS * 86_400),
        **flow_runs.describe(run),
    }


def _run(
    deployment: str, request: RetrainRequest, export: Path | None, *, wait: bool
) -> tuple[Store | None, "FlowRun"]:
    """Send the export, ask for a run, and follow it; the store is None where none was needed."""
    from deployments.remote import flow_runs, register

    register.server_url()
    # Asked for now: after the run, its outcome is read from it.
    store = Store.from_environment() if wait or export is not None else None
    if store is not None and export is not None:
        say(f"sending {export}")
        request = request.model_copy(update={"export": send_export(store, export)})
    run = flow_runs.ask_for(deployment, request)
    say(f"flow run {run.name}: {flow_runs.describe(run)['url'] or run.id}")
    if wait:
        with progress_bar(run.name) as bar:
            run = flow_runs.follow(run, bar.show)
    return store, run


def _row_of_champion(store: Store, project: str, reason: str) -> dict[str, Any]:
    """What a skipped run came to: the champion stays."""
    champion = _find(store, project, "champion")
    score = champion.scores.map
    return {
        "project": project, "version": champion.version, "promote": False, "verdict": "keep",
        "reason": reason, "overridden": None,
        "candidate_map": score, "champion_map": score, "champion_version": champion.version,
    }  # fmt: skip


def outcome_document(store: Store, version: ModelVersion, row: dict[str, Any]) -> dict[str, Any]:
    """What a retrain run came to: the version, its training and scores, and the gate's word of this time."""
    model = find_model(store, version.run_key)
    if model is None:
        raise NasflowError(f"run {version.run_key[:12]} is not in the store that NASFLOW_STORE_ENDPOINT names")
    result = model.result
    champion = registry.find_alias(store, version.project, "champion")
    decision = ("promote", "verdict", "reason", "overridden", "candidate_map", "champion_map", "champion_version")
    return {
        "training": {
            "run_key": result.run_key,
            "epochs_done": result.epochs_done,
            "best_epoch": result.best_epoch,
            "best_map": result.best_map,
            "ended": result.ended,
            "seconds": result.seconds,
            "images_per_second": result.images_per_second,
            "history": store.uri(model.history.key),
            "weights": store.uri(model.weights.key),
            "weights_sha256": result.weights_sha256,
            "resumed_from_epoch": result.resumed_from_epoch,
            "device": result.device,
            "still_rising": result.still_rising,
            "micro_batch": result.micro_batch,
            "shortages": list(result.shortages),
            "start": result.start.model_dump() if result.start else None,
        },
        "evaluation": {"split": version.split, **version.scores.model_dump(mode="json")},
        "model": {
            "project": version.project,
            "version": version.version,
            "alias": "champion" if champion and champion.version == version.version else None,
            "weights": store.uri(version.weights.key),
        },
        "decision": {name: row[name] for name in decision},
    }


def fetch_report(store: Store, version: ModelVersion, folder: Path) -> str:
    """Copy a version's report page into a folder, and give its path."""
    path = folder / "report.html"
    store.download(version.report, path)
    return str(path)


def find_report(store: Store, project: str, which: str, days: float, out: Path | None) -> dict[str, Any]:
    """A link to a version's report page that works for some days without an account, or a copy of the page.

    Raises:
        BadInput: there is no such version, or the folder cannot be written.
    """
    version = _find(store, project, which)
    document: dict[str, Any] = {"ok": True, "project": project, "version": version.version}
    if out is None:
        return {**document, "link": store.link(version.report.key, round(days * 86_400))}
    try:
        out.mkdir(parents=True, exist_ok=True)
        return {**document, "report": fetch_report(store, version, out)}
    except OSError as error:
        raise BadInput(f"--out {out}: {error.strerror}; name a folder that can be written") from None


def fetch_weights(model: dict[str, Any], folder: Path) -> str:
    """Copy a version's weights into a folder, and give their path."""
    store = Store.from_environment()
    card = _find(store, model["project"], str(model["version"]))
    path = folder / "weights.safetensors"
    store.download(card.weights, path)
    return str(path)


def list_models(store: Store, project: str | None) -> list[dict[str, Any]]:
    """One line a version, with the aliases that point to it.

    Raises:
        BadInput: there can be no such project.
    """
    lines = []
    if project is not None:
        _check_name("project", project)
    for name in [project] if project else registry.projects(store):
        champion = registry.find_alias(store, name, "champion")
        for card in registry.versions(store, name):
            lines.append(
                {
                    "project": name,
                    "version": card.version,
                    "alias": "champion" if champion and champion.version == card.version else None,
                    "map": card.scores.map,
                    "map50": card.scores.map50,
                    "split": card.split,
                    "variant": card.variant,
                    "classes": list(card.classes),
                    "created_at": card.created_at.isoformat(),
                }
            )
    return lines


def show_model(store: Store, project: str, which: str) -> dict[str, Any]:
    """A version, by number or alias, with its card and where its files are.

    Raises:
        BadInput: there is none.
    """
    card = _find(store, project, which)
    champion = registry.find_alias(store, project, "champion")
    return {
        **card.model_dump(mode="json"),
        "alias": "champion" if champion and champion.version == card.version else None,
        "alias_history": [move.model_dump(mode="json") for move in champion.history] if champion else [],
        "weights_uri": store.uri(card.weights.key),
        "report_uri": store.uri(card.report.key),
    }


def _check_name(what: str, name: str) -> None:
    if not re.fullmatch(PROJECT_PATTERN.removesuffix("$"), name):
        raise BadInput(f"{what} {name}: no such name can be; names have small letters, digits, - and _")


def _find(store: Store, project: str, which: str) -> ModelVersion:
    _check_name("project", project)
    if which.isdecimal():
        number = int(which)
    else:
        _check_name("alias", which)
        alias = registry.find_alias(store, project, which)
        if alias is None:
            raise BadInput(f"project {project}: no alias {which}; `nasflow models list` shows what there is")
        number = alias.version
    card = registry.find_version(store, project, number) if number > 0 else None
    if card is None:
        raise BadInput(f"project {project}: no version {which}; `nasflow models list` shows what there is")
    return card
