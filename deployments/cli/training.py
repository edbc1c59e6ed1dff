"""Verbs that need neither server nor store: train and score."""

from pathlib import Path
from typing import Annotated, Literal

import typer
from typer.core import TyperOption

from deployments.cli.interrupt import stop_like_ctrl_c
from deployments.cli.option_values import request_from, settings_from
from deployments.cli.options import Export, Json
from deployments.cli.record_options import options_of, options_of_settings
from deployments.cli.verb import Verb

app = typer.Typer()

SERVICE_FIELDS = {
    "project", "workspace", "version", "generate_after", "query", "threshold_for", "promote_anyway", "ask", "ask_hours",
}  # fmt: skip
"""Fields of a request that mean nothing without Roboflow, a store or the gate."""


class TrainVerb(Verb):
    """A verb with the options of a training run, and of the machine that it runs on."""

    def record_options(self) -> list[TyperOption]:
        """Make options of the request's fields that are about training, and of some settings of this machine."""
        from tasks.records import MachineOptions, RetrainRequest
        from tasks.settings import WorkSettings

        help_texts = {
            "weights": "Weights to start from: a file, coco (super-gradients' own, fetched once), or none.",
            "weights_sha256": "SHA-256 that they must have; known for coco.",
        }
        return [
            *options_of(RetrainRequest, without=SERVICE_FIELDS, help_texts=help_texts),
            *options_of_settings(WorkSettings, tuple(MachineOptions.model_fields)),
        ]


@app.command(cls=TrainVerb)
def train(
    context: typer.Context,
    export: Export,
    out: Annotated[Path, typer.Option(help="Folder for what the run writes; the same again resumes.")],
    as_json: Json = False,
) -> None:
    """Train without Prefect or a store. The same command again goes on where it was.

    Args:
        context: Holds the options of the training run and of this machine.
        export: Folder or zip.
        out: Folder for what the run writes.
        as_json: Whether stdout gets one JSON document.
    """
    from deployments.cli.show import show, show_training
    from deployments.offline.train import train as run
    from tasks.records import MachineOptions
    from tasks.settings import WorkSettings

    stop_like_ctrl_c()
    machine = {name: context.obj.pop(name) for name in MachineOptions.model_fields}
    request = request_from({**context.obj, "project": "local", "export": str(export)})
    show(run(export, out, request, settings_from(WorkSettings, machine)), as_json, show_training)


@app.command(cls=Verb)
def score(
    truth: Annotated[Path, typer.Option(help="COCO JSON with the labels.")],
    detections: Annotated[Path, typer.Option(help="COCO results JSON.")],
    out: Annotated[Path, typer.Option(help="Folder for report.html, report.json and suspected_errors.csv.")],
    threshold_for: Annotated[
        Literal["balance", "precision", "recall"],
        typer.Option(help="What the confidence threshold is chosen for: F1, F0.5 (few false boxes), F2 (few missed)."),
    ] = "balance",
    as_json: Json = False,
) -> None:
    """Score detections in COCO format, from anywhere, and write the report page.

    Args:
        truth: COCO JSON with the labels.
        detections: COCO results JSON.
        out: Folder for the report.
        threshold_for: What the confidence threshold is chosen for.
        as_json: Whether stdout gets one JSON document.
    """
    from deployments.cli.show import show, show_scores
    from deployments.offline.score import score as run

    show(run(truth, detections, out, threshold_for), as_json, show_scores)
