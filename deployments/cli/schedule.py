"""Verbs about schedules: schedule set, list, pause, resume and remove."""

from typing import Annotated

import typer
from typer.core import TyperOption

from deployments.cli.option_values import flag_of, request_from
from deployments.cli.options import Json
from deployments.cli.record_options import options_of
from deployments.cli.verb import Verb
from tasks.errors import BadRequest

app = typer.Typer(help="Retrain runs of a project at set times.", no_args_is_help=True)

ProjectOrSlug = Annotated[str, typer.Argument(help="Project of the schedule, or the schedule's slug.")]

TIMES = {
    "cron": 'Times as a cron expression, such as "0 3 * * *".',
    "every": "Interval with s, m, h, d or w, such as 6h, counted from the last midnight.",
    "timezone": "IANA time zone, such as Europe/Berlin; that of this machine by default.",
}
"""Options that say when runs start, with their help."""


class SetVerb(Verb):
    """A verb with options of times, and those of a request whose project is an argument."""

    def record_options(self) -> list[TyperOption]:
        """Make the options of times, and an option of each other field of a request and of its gate."""
        from tasks.records import GatePolicy, RetrainRequest

        times = [TyperOption(param_decls=[flag_of(name)], type=str, help=text) for name, text in TIMES.items()]
        return [*times, *options_of(RetrainRequest, without={"project"}), *options_of(GatePolicy)]


@app.command("set", cls=SetVerb)
def set_(
    context: typer.Context,
    project: Annotated[str, typer.Argument(help="Project that is trained again; with --workspace, that of Roboflow.")],
    export: Annotated[
        str | None,
        typer.Option(help="Instead of Roboflow: an absolute path that the workers can read, or store://KEY."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Have a project trained again at set times. Setting again replaces the schedule.

    Args:
        context: Holds the options of times and of the request.
        project: Project that is trained again.
        export: Labels that every run reads again, or None for labels from Roboflow.
        as_json: Whether stdout gets one JSON document.

    Raises:
        BadRequest: the labels come neither from Roboflow nor from one place that every worker has.
    """
    from deployments.cli.show import show
    from deployments.cli.show_schedules import show_set
    from deployments.remote.schedule_times import local_zone, schedule_from
    from deployments.remote.schedules import set_schedule
    from deployments.terminal.console import say

    times = {name: context.obj.pop(name) for name in TIMES}
    if (context.obj["workspace"] is None) == (export is None):
        raise BadRequest("schedule set: give either --workspace, or --export")
    if export is not None and not export.startswith(("/", "store://")):
        raise BadRequest(f"--export {export}: workers have another folder; give an absolute path or store://KEY")
    request = request_from({**context.obj, "project": project, "export": export})
    zone = times["timezone"] or local_zone()
    if zone is None:
        say("this machine's time zone has no name; times are in UTC, unless --timezone says another one")
    schedule = schedule_from(times["cron"], times["every"], zone or "UTC")
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
