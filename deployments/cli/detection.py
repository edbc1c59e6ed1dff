"""Verbs that use a published model: detect, suggest, relabel and serve."""

from pathlib import Path
from typing import Annotated

import typer
from typer.core import TyperOption

from deployments.cli.interrupt import stop_like_ctrl_c
from deployments.cli.option_values import record_from, settings_from
from deployments.cli.options import Json
from deployments.cli.record_options import options_of, options_of_settings
from deployments.cli.verb import Verb

app = typer.Typer()

Model = Annotated[str, typer.Argument(help="PROJECT for its champion, PROJECT/VERSION, PROJECT@ALIAS, or a file.")]
Images = Annotated[list[str], typer.Argument(help="Image files, videos, folders, patterns, zips, and store://PREFIX.")]


class DetectVerb(Verb):
    """A verb with options for how a model is used."""

    def record_options(self) -> list[TyperOption]:
        """Make an option of each field of DetectOptions."""
        from tasks.records import DetectOptions

        return options_of(DetectOptions)


class SuggestVerb(Verb):
    """A verb with options for how images are chosen."""

    def record_options(self) -> list[TyperOption]:
        """Make an option of each field of SuggestOptions."""
        from tasks.records import SuggestOptions

        return options_of(SuggestOptions)


class ServeVerb(Verb):
    """A verb with options for where the server listens."""

    def record_options(self) -> list[TyperOption]:
        """Make options of some settings of the server."""
        from deployments.serving.settings import ServeSettings

        return options_of_settings(ServeSettings, ("host", "port"))


@app.command(cls=DetectVerb)
def detect(
    context: typer.Context,
    model: Model,
    images: Images,
    out: Annotated[Path, typer.Option(help="Folder for the results, new or from an earlier detect.")],
    as_json: Json = False,
) -> None:
    """Detect objects on new images with a published model; write annotated images, COCO JSON, CSV and a gallery.

    Args:
        context: Holds how the model is used.
        model: A published model, or a file of one.
        images: Image files, videos, folders, patterns, zips, and prefixes of the store.
        out: Folder for the results.
        as_json: Whether stdout gets one JSON document.
    """
    from deployments.cli.show import show, show_detections
    from deployments.offline.detect import detect as run
    from tasks.records import DetectOptions

    stop_like_ctrl_c()
    document = run(model, images, out, record_from(DetectOptions, context.obj))
    show(document, as_json, show_detections)
    raise typer.Exit(0 if document["ok"] else 1)


@app.command(cls=SuggestVerb)
def suggest(
    context: typer.Context,
    model: Model,
    images: Images,
    out: Annotated[Path, typer.Option(help="Folder for the results, new or from an earlier suggest.")],
    upload: Annotated[
        str | None,
        typer.Option(metavar="WORKSPACE/PROJECT", help="Send the images to this Roboflow project; left out, none."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Choose which images to label next, and show them in a gallery; with --upload send them to Roboflow.

    Args:
        context: Holds how images are chosen.
        model: A published model, or a file of one.
        images: Image files, videos, folders, patterns, zips, and prefixes of the store.
        out: Folder for the results.
        upload: Roboflow project that the images are sent to.
        as_json: Whether stdout gets one JSON document.
    """
    from deployments.cli.show import show, show_suggestions
    from deployments.offline.suggest import suggest as run
    from tasks.records import SuggestOptions

    stop_like_ctrl_c()
    document = run(model, images, out, record_from(SuggestOptions, context.obj), upload)
    show(document, as_json, show_suggestions)
    raise typer.Exit(0 if document["ok"] else 1)


@app.command(cls=Verb)
def relabel(
    model: Annotated[str, typer.Argument(help="PROJECT for its champion, PROJECT/VERSION or PROJECT@ALIAS.")],
    out: Annotated[Path, typer.Option(help="Folder for the results, new or from an earlier relabel.")],
    budget: Annotated[int, typer.Option(help="Number of images, at most 1000.", min=1, max=1000)] = 50,
    upload: Annotated[
        str | None,
        typer.Option(metavar="WORKSPACE/PROJECT", help="Tag the images in this Roboflow project; left out, none."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show labels that a model's report suspects to be wrong; with --upload tag their images in Roboflow.

    Args:
        model: A published model.
        out: Folder for the results.
        budget: Number of images.
        upload: Roboflow project in which the images are tagged, or sent to if it does not have them.
        as_json: Whether stdout gets one JSON document.
    """
    from deployments.cli.show import show, show_relabel
    from deployments.offline.relabel import relabel as run

    stop_like_ctrl_c()
    document = run(model, out, budget, upload)
    show(document, as_json, show_relabel)
    raise typer.Exit(0 if document["ok"] else 1)


@app.command(cls=ServeVerb)
def serve(context: typer.Context, model: Model, as_json: Json = False) -> None:
    """Serve a published model over HTTP, and follow its alias. NASFLOW_SERVE_API_KEY is the key of its clients.

    Args:
        context: Holds the options of where the server listens.
        model: A published model, or a file of one.
        as_json: Whether stdout gets one JSON document, once the model is loaded.
    """
    from deployments.serving.server import serve as run
    from deployments.serving.settings import ServeSettings

    stop_like_ctrl_c()
    run(model, settings_from(ServeSettings, context.obj), as_json=as_json)
