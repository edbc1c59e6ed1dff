"""The verb study: are the labels enough, and with several values of an option, which settings to take."""

from typing import Any

import typer
from typer.core import TyperOption

from deployments.cli.labels_of_request import SentExport, Wait, request_for
from deployments.cli.option_values import record_from
from deployments.cli.options import Json
from deployments.cli.record_options import list_options_of, options_of
from deployments.cli.verb import Verb

app = typer.Typer()

SINGULAR = {"variants": "variant", "epochs": "epochs", "image_sizes": "image_size"}
"""Field of the request by field of the space: one value goes into the first, several into the second."""


class StudyVerb(Verb):
    """A verb with the options of a request that publishes nothing, and lists of the settings to try."""

    def record_options(self) -> list[TyperOption]:
        """Make an option of each field of a request, without what is about the gate, and of the settings to try."""
        from tasks.records import RetrainRequest, SettingsSpace

        without = {"promote_anyway", "ask", "ask_hours", *SINGULAR.values()}
        request = RetrainRequest.model_fields
        defaults = {name: request[singular].default for name, singular in SINGULAR.items()}
        return [
            *options_of(RetrainRequest, without=without),
            *list_options_of(SettingsSpace, defaults, other_names=SINGULAR),
            *options_of(SettingsSpace, without=SINGULAR),
        ]


@app.command(cls=StudyVerb)
def study(context: typer.Context, export: SentExport = None, wait: Wait = True, as_json: Json = False) -> None:
    """Tell whether more labels would help, or with several values of a setting which to take; publishes nothing.

    Args:
        context: Holds the options of the request, and the settings to try.
        export: Export to send to the store first, or None for labels from Roboflow.
        wait: Whether the run is followed to its end.
        as_json: Whether stdout gets one JSON document.
    """
    from deployments.cli.show import show, show_settings_study, show_study
    from deployments.remote.requests import study as ask
    from deployments.remote.requests import study_settings as ask_settings
    from tasks.records import SettingsSpace

    common, to_try = divide(context.obj)
    space = record_from(SettingsSpace, to_try)
    request = request_for("study", common, export)
    if space.is_empty:
        show(ask(request, export, wait=wait), as_json, show_study)
    else:
        show(ask_settings(request, space, export, wait=wait), as_json, show_settings_study)


def divide(values: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Divide the values of options into what all models have in common, and what is tried.

    Args:
        values: Values by field name; those of lists are lists.

    Returns:
        Values of the request, to which the one value of a list belongs, and values of the space.
    """
    common = {name: value for name, value in values.items() if name not in {*SINGULAR, "trials"}}
    to_try: dict[str, Any] = {"trials": values["trials"]}
    for name, singular in SINGULAR.items():
        common[singular] = values[name][0]
        if len(values[name]) > 1:
            to_try[name] = values[name]
    return common, to_try
