"""Verbs that talk to a Prefect server or a store: retrain, deploy, report, clean and metrics."""

from pathlib import Path
from typing import Annotated

import typer
from typer.core import TyperOption

from deployments.cli.labels_of_request import SentExport, Wait, request_for
from deployments.cli.options import Days, Json, Project, VersionOrAlias
from deployments.cli.record_options import options_of
from deployments.cli.verb import Verb
from deployments.remote.pool_templates import PoolType

app = typer.Typer()

NotifyUrl = Annotated[
    str | None,
    typer.Option(
        metavar="URL",
        envvar="NASFLOW_NOTIFY_URL",
        help="Send what happens to models to a webhook of Slack, Teams or Discord, another address, or an Apprise URL.",
    ),
]
"""An address holds a secret, so it can come from the environment, too."""


class RetrainVerb(Verb):
    """A verb with all options of a request."""

    def record_options(self) -> list[TyperOption]:
        """Make an option of each field of a request and of its gate."""
        from tasks.records import GatePolicy, RetrainRequest

        return [*options_of(RetrainRequest), *options_of(GatePolicy)]


@app.command(cls=RetrainVerb)
def retrain(context: typer.Context, export: SentExport = None, wait: Wait = True, as_json: Json = False) -> None:
    """Ask the retrain deployment for a run, and follow it.

    Args:
        context: Holds the options of the request.
        export: Export to send to the store first, or None for labels from Roboflow.
        wait: Whether the run is followed to its end.
        as_json: Whether stdout gets one JSON document.
    """
    from deployments.cli.show import show, show_outcome
    from deployments.remote.requests import retrain as ask

    show(ask(request_for("retrain", context.obj, export), export, wait=wait), as_json, show_outcome)


@app.command(cls=Verb)
def deploy(
    pool_type: Annotated[
        PoolType | None,
        typer.Option(help="What workers start runs as; left out, what the pools are, and processes in new ones."),
    ] = None,
    notify: NotifyUrl = None,
    as_json: Json = False,
) -> None:
    """Register pools, deployments and automations on the server of PREFECT_API_URL, and keep what people set there.

    Args:
        pool_type: What workers of the work pools start flow runs as.
        notify: Where to send what happens to models, or None to leave that as it is.
        as_json: Whether stdout gets one JSON document.
    """
    from deployments.cli.show import show
    from deployments.cli.show_server import show_registered
    from deployments.remote.notifications import receiver_of, register_notifications
    from deployments.remote.register import register

    receiver = None if notify is None else receiver_of(notify)
    registered = register(pool_type=pool_type)
    if receiver is not None:
        register_notifications(receiver)
    names = [one["deployment"] for one in registered]
    sends_to = receiver and receiver.shown
    show({"ok": True, "deployments": names, "changes": registered, "sends_to": sends_to}, as_json, show_registered)


@app.command(cls=Verb)
def report(
    project: Project,
    which: VersionOrAlias = "champion",
    days: Days = 7,
    out: Annotated[Path | None, typer.Option(help="Folder to copy the page to as report.html.")] = None,
    as_json: Json = False,
) -> None:
    """Give a new link to the report page of a published model, or a copy of the page.

    Args:
        project: Project of the model.
        which: Version number or alias.
        days: How long the link works, in days.
        out: Folder to copy the page to, or None for a link.
        as_json: Whether stdout gets one JSON document.
    """
    from deployments.cli.show import show, show_link
    from deployments.remote.models import copy_report, link_to_report
    from deployments.terminal.console import say
    from tasks.storage.s3 import Store

    store = Store.from_environment()
    if out is None:
        show(link_to_report(store, project, which, days), as_json, show_link)
    else:
        show(copy_report(store, project, which, out), as_json, lambda document: say(f"report: {document['report']}"))


@app.command(cls=Verb)
def clean(
    older_than: Annotated[str, typer.Option(help="Age up to which everything is kept, with d or w.")] = "30d",
    remove: Annotated[bool, typer.Option("--remove", help="Remove it; without this it is only counted.")] = False,
    as_json: Json = False,
) -> None:
    """Count what is old in the store and not needed by any model or run, or remove it.

    Args:
        older_than: Age up to which everything is kept.
        remove: Whether to remove it.
        as_json: Whether stdout gets one JSON document.
    """
    from deployments.cli.show import show, show_cleaned
    from deployments.remote.housekeeping import clean as clean_store
    from tasks.storage.s3 import Store

    show(clean_store(Store.from_environment(), older_than, remove=remove), as_json, show_cleaned)


@app.command(cls=Verb)
def metrics(
    host: Annotated[str, typer.Option(help="Address to listen on; 0.0.0.0 for all of this machine.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port to listen on; 0 for one that is free.")] = 9469,
    every: Annotated[float, typer.Option(min=1, max=3600, help="Seconds between two looks at server and store.")] = 30,
    as_json: Json = False,
) -> None:
    """Serve metrics of the Prefect server and the store for Prometheus, until Ctrl-C.

    Args:
        host: Address to listen on.
        port: Port to listen on.
        every: Seconds between two looks at the server and the store.
        as_json: Whether stdout gets one JSON document, once the address is listened on.
    """
    from deployments.cli.interrupt import stop_like_ctrl_c
    from deployments.monitoring.exporter import serve_metrics

    stop_like_ctrl_c()
    serve_metrics(host, port, every, as_json=as_json)
