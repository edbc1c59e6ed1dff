"""Verbs about published models: models list, show, page, card, compare, promote, rollback, pull and replay."""

from pathlib import Path
from typing import Annotated

import typer

from deployments.cli.options import Days, Json, Project, VersionOrAlias
from deployments.cli.verb import Verb

app = typer.Typer(help="The registry of published models.", no_args_is_help=True)

Model = Annotated[str, typer.Argument(help="PROJECT for its champion, PROJECT/VERSION or PROJECT@ALIAS.")]
Why = Annotated[str, typer.Option(help="Reason, for the history of the champion.")]
By = Annotated[str | None, typer.Option(help="Who asks for it; by default the user of this machine.")]


@app.command("list", cls=Verb)
def list_(
    project: Annotated[str | None, typer.Option(help="Models of this project only.")] = None, as_json: Json = False
) -> None:
    """List the published models."""
    from deployments.cli.show import show, show_models
    from deployments.remote.models import list_models
    from tasks.storage.s3 import Store

    lines = list_models(Store.from_environment(), project)
    show({"ok": True, "models": lines}, as_json, show_models)


@app.command("show", cls=Verb)
def show_(project: Project, which: VersionOrAlias = "champion", as_json: Json = False) -> None:
    """Show one published model: its scores, what it was trained on, and where its files are.

    Args:
        project: Project of the model.
        which: Version number or alias.
        as_json: Whether stdout gets one JSON document.
    """
    from deployments.cli.show import show, show_model_card
    from deployments.remote.models import show_model
    from tasks.storage.s3 import Store

    show(show_model(Store.from_environment(), project, which), as_json, show_model_card)


@app.command(cls=Verb)
def page(
    project: Project,
    days: Days = 7,
    out: Annotated[Path | None, typer.Option(help="Folder to copy the page to as index.html.")] = None,
    as_json: Json = False,
) -> None:
    """Give a link to the page about all versions of a project, brought up to date, or a copy of the page.

    Args:
        project: Project of the models.
        days: How long the link works, in days.
        out: Folder to copy the page to, or None for a link.
        as_json: Whether stdout gets one JSON document.
    """
    from deployments.cli.show import show, show_page
    from deployments.remote.project_page import copy_page, link_to_page
    from tasks.storage.s3 import Store

    store = Store.from_environment()
    document = link_to_page(store, project, days) if out is None else copy_page(store, project, out)
    show(document, as_json, show_page)


@app.command(cls=Verb)
def card(model: Model, as_json: Json = False) -> None:
    """Print the model card in Markdown: data and licence, numbers with intervals, training, and files.

    Args:
        model: Project, and version or alias.
        as_json: Whether stdout gets one JSON document.
    """
    from deployments.cli.show import show, show_text
    from deployments.remote.models import describe_model
    from tasks.storage.s3 import Store

    show(describe_model(Store.from_environment(), model), as_json, show_text)


@app.command(cls=Verb)
def compare(
    baseline: Model,
    model: Annotated[str, typer.Argument(help="Model of the same project that may be better.")],
    wait: Annotated[bool, typer.Option(help="Wait until the run has ended.")] = True,
    as_json: Json = False,
) -> None:
    """Tell which of two versions is better, measured on the same images of the second one's labels.

    Args:
        baseline: Project, and version or alias, to compare with.
        model: Model of the same project that may be better.
        wait: Whether the run is followed to its end.
        as_json: Whether stdout gets one JSON document.
    """
    from deployments.cli.show import show, show_comparison
    from deployments.remote.requests import compare as ask

    show(ask(baseline, model, wait=wait), as_json, show_comparison)


@app.command(cls=Verb)
def promote(model: Model, why: Why, by: By = None, as_json: Json = False) -> None:
    """Make a version the champion, whatever the gate said. The next retrain runs compare with it.

    Args:
        model: Project, and version or alias.
        why: Reason, for the history of the champion.
        by: Who asks for it, or None for the user of this machine.
        as_json: Whether stdout gets one JSON document.
    """
    from deployments.cli.show import show, show_moved
    from deployments.remote.promotion import promote_version
    from tasks.storage.s3 import Store

    show(promote_version(Store.from_environment(), model, why, by), as_json, show_moved)


@app.command(cls=Verb)
def rollback(project: Project, why: Why, by: By = None, as_json: Json = False) -> None:
    """Make the version before the champion the champion again. The gate does not promote what was rolled back.

    Args:
        project: Project of the model.
        why: Reason, for the history of the champion.
        by: Who asks for it, or None for the user of this machine.
        as_json: Whether stdout gets one JSON document.
    """
    from deployments.cli.show import show, show_moved
    from deployments.remote.promotion import roll_back_champion
    from tasks.storage.s3 import Store

    show(roll_back_champion(Store.from_environment(), project, why, by), as_json, show_moved)


@app.command("pull", cls=Verb)
def pull(
    model: Model,
    format_name: Annotated[str, typer.Option("--format", help="onnx, onnx-nms, onnx-int8, pth, safetensors.")] = "onnx",
    out: Annotated[Path | None, typer.Option(help="Folder for the file; by default PROJECT-VERSION.")] = None,
    as_json: Json = False,
) -> None:
    """Copy a published model to this machine, with its card.

    Args:
        model: Project, and version or alias.
        format_name: Format of the file.
        out: Folder for the file, or None for one with the name of the version.
        as_json: Whether stdout gets one JSON document.
    """
    from deployments.cli.show import show, show_pulled
    from deployments.remote.pull import pull_model
    from tasks.storage.s3 import Store

    show(pull_model(Store.from_environment(), model, format_name, out), as_json, show_pulled)


@app.command(cls=Verb)
def replay(
    model: Model,
    wait: Annotated[bool, typer.Option(help="Wait until the run has ended.")] = True,
    as_json: Json = False,
) -> None:
    """Train a version again from what the store holds, and tell whether the weights are the same to the bit.

    Args:
        model: Project, and version or alias.
        wait: Whether the run is followed to its end.
        as_json: Whether stdout gets one JSON document.
    """
    from deployments.cli.show import show, show_replay
    from deployments.remote.requests import replay as ask

    show(ask(model, wait=wait), as_json, show_replay)
