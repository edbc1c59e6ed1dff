"""Verbs about schedules: schedule set, list, pause, resume and remove."""

from typing import Annotated

import typer
from typer.core import TyperOption

from deployments.cli.option_values import request_from
from deployments.cli.options import Json
from deployments.cli.record_options import options_of
from deployments.cli.verb import Verb
from tasks.errors import BadRequest

app = typer.Typer(help="Retrain runs of a project at set times.", no_args_is_help=True)

ProjectOrSlug = Annotated[str, typer.Argument(help="Project of the schedule, or the schedule's slug.")]


class SetVerb(Verb):
    """A verb with the options of a request, whose project is an argument."""

    def record_options(self) -> list[TyperOption]:
        """Make an option of each other field of a request and of its gate."""
        from tasks.records import GatePolicy, RetrainRequest

        return [*options_of(RetrainRequest, without={"project"}), *options_of(GatePolicy)]


@app.command("set", cls=SetVerb)
def set_(
    context: typer.Context,
    project: Annotated[str, typer.Argument(help="Project that is trained again; with --workspace, that of Roboflow.")],
    cron: Annotated[str | None, typer.Option(help='Times as a cron expression, such as "0 3 * * *".')] = None,
    every: Annotated[
        str | None, typer.Option(help="Interval with s, m, h, d or w, such as 6h, from the last midnight on.")
    ] = None,
    timezone: Annotated[
        str | None, typer.Option(help="IANA time zone, such as Europe/Berlin.", show_default="that of this machine")
    ] = None,
    export: Annotated[
        str | None,
        typer.Option(help="Instead of Roboflow: an absolute path that the workers can read, or store://KEY."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Have a project trained again at set times. Setting again replaces the schedule.

    Args:
        context: Holds the options of the request.
        project: Project that is trained again.
        cron: Cron expression, or None for an interval.
        every: Interval, or None for a cron expression.
        timezone: IANA time zone, or None for that of this machine.
        export: Labels that every run reads again, or None for labels from Roboflow.
        as_json: Whether stdout gets one JSON document.
    """
    from deployments.cli.show import show
    from deployments.cli.show_schedules import show_set
    from deployments.remote.schedule_times import local_zone, schedule_from
    from deployments.remote.schedules import set_schedule
    from deployments.terminal.console import say

    if (context.obj["workspace"] is None) == (export is None):
        raise BadRequest("schedule set: give either --workspace, or --export")
    if export is not None and not export.startswith(("/", "store://")):
        raise BadRequest(f"--export {export}: workers have another folder; give an absolute path or store://KEY")
    request = request_from({**context.obj, "project": project, "export": export})
    zone = timezone or local_zone()
    if zone is None:
        say("this machine's time zone has no name; times are in UTC, unless --timezone says another one")
    schedule = schedule_from(cron, every, zone or "UTC")
    show(set_schedule(request, schedule), as_json, show_set)


@app.command("list", cls=Verb)
def list_(as_json: Json = False) -> None:
    """List the schedules, with the next time and the last run of each."""
    from deployments.cli.show import show
    from deployments.cli.show_schedules import show_list
    from deployments.remote.schedules import list_schedules

    show({"ok": True, "schedules": list_schedules()}, as_json, show_list)


@app.command(cls=Verb)
def pause(name: ProjectOrSlug, as_json: Json = False) -> None:
    """Pause the schedule of a project; runs that have started go on."""
    _set_active(name, active=False, as_json=as_json)


@app.command(cls=Verb)
def resume(name: ProjectOrSlug, as_json: Json = False) -> None:
    """Let the schedule of a project go on."""
    _set_active(name, active=True, as_json=as_json)


@app.command(cls=Verb)
def remove(name: ProjectOrSlug, as_json: Json = False) -> None:
    """Remove the schedule of a project; runs that have started go on."""
    from deployments.cli.show import show
    from deployments.remote.schedules import remove_schedule
    from deployments.terminal.console import say

    show(remove_schedule(name), as_json, lambda document: say(f"removed {', '.join(document['schedules'])}"))


def _set_active(name: str, *, active: bool, as_json: bool) -> None:
    from deployments.cli.show import show
    from deployments.remote.schedules import pause_schedule
    from deployments.terminal.console import say

    document = pause_schedule(name, active=active)
    show(document, as_json, lambda _: say(f"{', '.join(document['schedules'])} {'goes on' if active else 'paused'}"))
